//! What `sslmode` and `sslrootcert` do on a real line: PostgreSQL behind TLS, with a certificate for `localhost` that an authority of the tests'
//! own signed.

mod common;
use common::{Home, Ran, Store};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

struct Tls {
    dir: TempDir,
    front: Child,
    port: u16,
}

impl Tls {
    fn start() -> Option<Tls> {
        let store = Store::postgresql()?;
        let url = url::Url::parse(&store.url).unwrap();
        let dir = tempfile::tempdir().unwrap();
        authority(dir.path(), "known");
        authority(dir.path(), "unknown");
        openssl(dir.path(), "req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=localhost");
        std::fs::write(dir.path().join("names"), "subjectAltName=DNS:localhost\n").unwrap();
        openssl(
            dir.path(),
            "x509 -req -in server.csr -CA known.pem -CAkey known.key -CAcreateserial -days 2 -extfile names -out server.pem",
        );
        let mut front = Command::new("python3");
        front.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls_front.py")).args(["server.pem", "server.key"]);
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

fn authority(dir: &Path, name: &str) {
    openssl(dir, &format!("req -x509 -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.pem -days 2 -subj /CN={name}"));
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
