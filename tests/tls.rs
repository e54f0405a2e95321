//! What is done with the certificate of a server: PostgreSQL behind TLS and a MariaDB of the test's own, with certificates that `openssl` makes.
//!
//! A line within this machine need not be checked, so where the rule for other machines is shown the host is `0.0.0.0`: Linux connects it to this
//! machine, and to the program it is none of the names of it.

mod common;
use common::{Home, Ran, Store};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Names of certificates in a folder of authorities and certificates.
const KNOWN: &str = "server";
const EXPIRED: &str = "expired";
const SELF_SIGNED: &str = "self";
/// The name that leads to this machine and is not said to.
const ELSEWHERE: &str = "0.0.0.0";
const HINT: &str =
    "hint: a host that is not loopback is verified in full: name the authority that signed its certificate (sslrootcert, ssl_ca";

struct Tls {
    dir: TempDir,
    front: Child,
    port: u16,
}

impl Tls {
    fn start() -> Option<Tls> {
        Tls::with(KNOWN)
    }

    fn with(certificate: &str) -> Option<Tls> {
        let store = Store::postgresql()?;
        let url = url::Url::parse(&store.url).unwrap();
        let dir = tempfile::tempdir().unwrap();
        certificates(dir.path());
        let mut front = Command::new("python3");
        front.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls_front.py"));
        front.args([format!("{certificate}.pem"), format!("{certificate}.key")]);
        front.args([url.host_str().unwrap(), &url.port().unwrap().to_string()]).current_dir(dir.path());
        let mut front = front.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut port = String::new();
        BufReader::new(front.stdout.as_mut().unwrap()).read_line(&mut port).unwrap();
        Some(Tls { port: port.trim().parse().unwrap(), dir, front })
    }

    /// A login over TLS, with these parameters of the URL; `CA/` is the folder of the authorities.
    fn login(&self, host: &str, parameters: &str) -> Ran {
        let parameters = parameters.replace("CA/", &format!("{}/", self.dir.path().display()));
        login(&format!("postgresql://amx:secret@{host}:{}/analytics?{parameters}", self.port))
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        let _ = self.front.kill();
        let _ = self.front.wait();
    }
}

/// A MariaDB of this test's own, which has the certificates that it is told to have.
struct MariaDb {
    dir: TempDir,
    server: Child,
    port: u16,
}

impl MariaDb {
    fn start() -> Option<MariaDb> {
        // Where there is none it is said there.
        Store::mysql()?;
        let dir = tempfile::Builder::new().prefix("amx-tls.").tempdir_in("/tmp").unwrap();
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
        certificates(dir.path());
        let folder = dir.path().display();
        let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
        let user = if is_root { "--user=mysql" } else { "--loose-x" };
        use_certificate(dir.path(), KNOWN);
        if is_root {
            assert!(Command::new("chown").args(["-R", "mysql"]).arg(dir.path()).status().unwrap().success());
        }
        let data = format!("--datadir={folder}/data");
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap());
        let mut install = Command::new("mariadb-install-db");
        install.args(["--no-defaults", user, &data, "--skip-test-db", "--auth-root-authentication-method=normal"]).env("PATH", &path);
        assert!(install.output().unwrap().status.success());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Command::new("mariadbd");
        server.args(["--no-defaults", user, &data, "--bind-address=127.0.0.1", "--innodb-buffer-pool-size=16M", "--skip-name-resolve"]);
        server.args([format!("--socket={folder}/s"), format!("--port={port}")]).env("PATH", &path).current_dir(dir.path());
        server.args([format!("--ssl-cert={folder}/used.pem"), format!("--ssl-key={folder}/used.key")]);
        let server = server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mariadb = MariaDb { dir, server, port };
        common::eventually(|| {
            mariadb.sql("CREATE DATABASE analytics; CREATE USER amx IDENTIFIED BY 'secret'; GRANT ALL ON analytics.* TO amx")
        });
        Some(mariadb)
    }

    fn sql(&self, sql: &str) -> bool {
        let mut client = Command::new("mariadb");
        client.args(["--no-defaults", "-uroot", "-e", sql]).arg(format!("--socket={}/s", self.dir.path().display()));
        client.output().unwrap().status.success()
    }

    /// Has another certificate from now on.
    fn shows(&self, certificate: &str) -> &MariaDb {
        use_certificate(self.dir.path(), certificate);
        assert!(self.sql("FLUSH SSL"));
        self
    }

    /// As [`Tls::login`].
    fn login(&self, host: &str, parameters: &str) -> Ran {
        let parameters = parameters.replace("CA/", &format!("{}/", self.dir.path().display()));
        login(&format!("mysql://amx:secret@{host}:{}/analytics?{parameters}", self.port))
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Puts a certificate where the server looks for its own, and where it may read it.
fn use_certificate(dir: &Path, certificate: &str) {
    for ending in ["pem", "key"] {
        let [from, to] = [certificate, "used"].map(|name| dir.join(format!("{name}.{ending}")));
        std::fs::copy(from, &to).unwrap();
        std::fs::set_permissions(to, PermissionsExt::from_mode(0o644)).unwrap();
    }
}

/// Two authorities; of the one that is known a certificate for `localhost` and [`ELSEWHERE`], and one that was good until 2021; and one that nobody
/// but itself has signed.
fn certificates(dir: &Path) {
    for name in ["known", "unknown"] {
        openssl(dir, &format!("req -x509 -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.pem -days 2 -subj /CN={name}"));
    }
    std::fs::write(dir.join("names"), "subjectAltName=DNS:localhost,IP:0.0.0.0\n").unwrap();
    for name in [KNOWN, EXPIRED] {
        openssl(dir, &format!("req -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr -subj /CN=localhost"));
    }
    openssl(dir, "x509 -req -in server.csr -CA known.pem -CAkey known.key -CAcreateserial -days 2 -extfile names -out server.pem");
    // Only the command for whole authorities takes a day in the past.
    let authority =
        "[ca]\ndefault_ca=d\n[d]\ndatabase=issued\nserial=number\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n";
    for (file, text) in [("authority", authority), ("issued", ""), ("number", "01\n")] {
        std::fs::write(dir.join(file), text).unwrap();
    }
    let dates = "-startdate 20200101000000Z -enddate 20210101000000Z";
    let signed = "-cert known.pem -keyfile known.key -extfile names -in expired.csr -out expired.pem";
    openssl(dir, &format!("ca -batch -notext -config authority {dates} {signed}"));
    let names = "-subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:0.0.0.0";
    openssl(dir, &format!("req -x509 -newkey rsa:2048 -nodes -keyout self.key -out self.pem -days 2 {names}"));
}

fn openssl(dir: &Path, args: &str) {
    let made = Command::new("openssl").args(args.split(' ')).current_dir(dir).stdin(Stdio::null()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

fn login(url: &str) -> Ran {
    let home = Home::new();
    home.run(&["profile", "add", "x", "--from-url", url]).ok();
    home.run(&["profile", "test", "x"])
}

#[test]
fn a_certificate_of_a_known_authority_for_this_host_is_taken() {
    let Some(tls) = Tls::start() else { return };
    tls.login("localhost", "sslmode=verify-full&sslrootcert=CA/known.pem").ok();
}

#[test]
fn a_certificate_for_another_host_is_refused_unless_only_the_authority_counts() {
    let Some(tls) = Tls::start() else { return };
    tls.login("127.0.0.1", "sslmode=verify-full&sslrootcert=CA/known.pem").fails("tls_failed", 5);
    tls.login("127.0.0.1", "sslmode=verify-ca&sslrootcert=CA/known.pem").ok();
}

#[test]
fn a_certificate_of_an_unknown_authority_is_refused_unless_none_is_asked_for() {
    let Some(tls) = Tls::start() else { return };
    for parameters in [
        "sslmode=verify-full",
        "sslmode=verify-ca&sslrootcert=CA/unknown.pem",
        "sslmode=require&sslrootcert=CA/unknown.pem",
        "sslrootcert=system",
    ] {
        let said = tls.login("localhost", parameters).fails("tls_failed", 5).stderr;
        assert!(!said.contains("secret"), "{said}");
    }
    tls.login("localhost", "sslmode=require").ok();
    tls.login("localhost", "").ok();
}

#[test]
fn a_server_without_tls_is_refused_where_tls_is_asked_for() {
    let Some(store) = Store::postgresql() else { return };
    for mode in ["require", "verify-ca", "verify-full"] {
        login(&format!("{}?sslmode={mode}", store.url)).fails("tls_failed", 5);
    }
    login(&format!("{}?sslmode=prefer", store.url)).ok();
}

/// Requires that the login was refused for the certificate, with the hint and without the password.
#[track_caller]
fn refused(ran: Ran, why: &str) {
    let said = ran.fails("tls_failed", 5).stderr;
    assert!(said.contains(HINT) && said.to_lowercase().contains(why) && !said.contains("secret"), "{said}");
}

#[test]
fn postgresql_on_another_machine_is_refused_by_default_where_its_certificate_is_not_good() {
    for (certificate, why) in [(KNOWN, "unknownissuer"), (EXPIRED, "certificate"), (SELF_SIGNED, "certificate")] {
        let Some(tls) = Tls::with(certificate) else { return };
        refused(tls.login(ELSEWHERE, ""), why);
        // Who names the authority has it checked in full.
        let named = tls.login(ELSEWHERE, "sslrootcert=CA/known.pem");
        match certificate {
            KNOWN => drop(named.ok()),
            EXPIRED => refused(named, "expired"),
            _ => refused(named, "certificate"),
        }
        refused(tls.login("localhost", "sslmode=verify-full"), "certificate");
        tls.login(ELSEWHERE, "sslmode=require").ok();
    }
}

#[test]
fn mariadb_on_another_machine_is_refused_by_default_where_its_certificate_is_not_good() {
    let Some(mariadb) = MariaDb::start() else { return };
    for (certificate, why) in [(KNOWN, "unknownissuer"), (EXPIRED, "certificate"), (SELF_SIGNED, "certificate")] {
        mariadb.shows(certificate);
        refused(mariadb.login(ELSEWHERE, ""), why);
        let named = mariadb.login(ELSEWHERE, "ssl_ca=CA/known.pem");
        match certificate {
            KNOWN => drop(named.ok()),
            EXPIRED => refused(named, "expired"),
            _ => refused(named, "certificate"),
        }
        mariadb.login(ELSEWHERE, "sslmode=require").ok();
    }
}

#[test]
fn mariadb_s_certificate_for_another_host_is_refused_unless_only_the_authority_counts() {
    let Some(mariadb) = MariaDb::start() else { return };
    refused(mariadb.login("127.0.0.1", "ssl_ca=CA/known.pem"), "certificate");
    mariadb.login("127.0.0.1", "ssl_ca=CA/known.pem&sslmode=verify-ca").ok();
    mariadb.login("localhost", "ssl_ca=CA/known.pem").ok();
}
