//! The Oracle driver against listeners of the tests' own, since no Oracle server can be had: how it calls, and what it makes of a refusal, of
//! silence, of garbage, and of certificates. Nothing here shows that it logs in.
#![cfg(feature = "oracle")]

mod common;
use common::{Home, Ran};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

const CONNECT: u8 = 1;
const ACCEPT: u8 = 2;
const REFUSE: u8 = 4;

/// A packet of Oracle's network protocol: its length, its type, and what it holds.
fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + body.len()).unwrap().to_be_bytes();
    [&length[..], &[0, 0, kind, 0, 0, 0], body].concat()
}

/// How a listener refuses, with the number that it gives.
fn refusal(number: &str) -> Vec<u8> {
    let text = format!("(DESCRIPTION=(TMP=)(VSNNUM=318767104)(ERR={number})(ERROR_STACK=(ERROR=(CODE={number})(EMFI=4))))");
    let length = u16::try_from(text.len()).unwrap().to_be_bytes();
    packet(REFUSE, &[&[0x22, 0][..], &length, text.as_bytes()].concat())
}

/// How a server takes a connection: the version of the protocol, and flags that say what else it asks for.
fn acceptance(version: u16, flags: u8) -> Vec<u8> {
    let body = [&version.to_be_bytes()[..], &[0; 12], &[flags], &[0; 9], &8192u32.to_be_bytes(), &[0; 9]].concat();
    packet(ACCEPT, &body)
}

/// Reads a packet; nothing where the client has hung up.
fn read_packet(stream: &mut impl Read) -> Option<(u8, Vec<u8>)> {
    let mut header = [0; 8];
    stream.read_exact(&mut header).ok()?;
    let mut body = vec![0; usize::from(u16::from_be_bytes([header[0], header[1]])).checked_sub(8)?];
    stream.read_exact(&mut body).ok()?;
    Some((header[4], body))
}

/// What a client asks for when it calls. Where that is long it comes in a packet of its own.
fn called(stream: &mut impl Read) -> Option<String> {
    let (kind, body) = read_packet(stream)?;
    assert_eq!(kind, CONNECT);
    let (length, at) = (usize::from(u16::from_be_bytes([body[16], body[17]])), usize::from(u16::from_be_bytes([body[18], body[19]])) - 8);
    let asked = match body.get(at..at + length) {
        Some(asked) => asked.to_vec(),
        // After the flags of a data packet, which are two bytes.
        None => read_packet(stream)?.1.split_off(2),
    };
    Some(String::from_utf8(asked).unwrap())
}

/// A listener that does the same to everybody who calls, and what they asked for.
struct Listener {
    port: u16,
    asked: mpsc::Receiver<String>,
}

impl Listener {
    fn new(answer: impl Fn(&mut TcpStream) + Send + 'static) -> Listener {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tell, asked) = mpsc::channel();
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                if let Some(request) = called(&mut stream) {
                    let _ = tell.send(request);
                    answer(&mut stream);
                }
            }
        });
        Listener { port, asked }
    }

    fn answering(bytes: Vec<u8>) -> Listener {
        Listener::new(move |stream| drop(stream.write_all(&bytes)))
    }

    /// What the program says of it.
    fn tried(&self, path: &str) -> Ran {
        tried(&format!("127.0.0.1:{}/{path}", self.port))
    }
}

fn tried(place: &str) -> Ran {
    let ran = Home::new().run(&["migrate", "--check", "--url", &format!("oracle://amx:hunter2@{place}")]);
    assert!(!ran.stderr.contains("hunter2") && !ran.stdout.contains("hunter2"), "{}", ran.stderr);
    ran
}

#[test]
fn a_listener_that_does_not_know_the_service_is_told_so() {
    let listener = Listener::answering(refusal("12514"));
    let failed = listener.tried("orders.example.com").fails("unreachable", 5);
    assert!(failed.stderr.contains("service \"orders.example.com\" is not registered"), "{}", failed.stderr);
    assert!(failed.stderr.contains("ORA-12514") && !failed.stderr.contains("CONNECTION_ID"), "{}", failed.stderr);
    let asked = listener.asked.recv().unwrap();
    assert!(asked.contains("(SERVICE_NAME=orders.example.com)") && asked.contains("(PROGRAM=amx-schema)"), "{asked}");
    assert!(!asked.contains("hunter2") && !asked.contains("(SID="), "{asked}");
}

#[test]
fn a_listener_that_does_not_know_the_sid_is_told_so() {
    let listener = Listener::answering(refusal("12505"));
    let failed = listener.tried("?database=ORCL").fails("unreachable", 5);
    assert!(failed.stderr.contains("SID \"ORCL\" is not registered") && failed.stderr.contains("ORA-12505"), "{}", failed.stderr);
    let asked = listener.asked.recv().unwrap();
    assert!(asked.contains("(SID=ORCL)") && !asked.contains("(SERVICE_NAME="), "{asked}");
}

#[test]
fn any_other_refusal_of_a_listener_is_told_by_its_number() {
    let failed = Listener::answering(refusal("12516")).tried("orders").fails("unreachable", 5);
    assert!(failed.stderr.contains("ORA-12516"), "{}", failed.stderr);
}

#[test]
fn a_port_that_nobody_listens_on_is_unreachable_at_once() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let started = Instant::now();
    let failed = tried(&format!("127.0.0.1:{port}/orders")).fails("unreachable", 5);
    assert!(failed.stderr.contains("refused"), "{}", failed.stderr);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[test]
fn a_listener_that_says_nothing_is_waited_for_no_longer_than_any_other() {
    let listener = Listener::new(|_| thread::sleep(Duration::from_secs(60)));
    let started = Instant::now();
    let failed = listener.tried("orders").fails("unreachable", 5);
    assert!(failed.stderr.contains("no answer"), "{}", failed.stderr);
    // The client's own call goes on for ever, which holds up nobody.
    assert!((9..20).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
}

#[test]
fn a_listener_that_hangs_up_is_a_line_that_broke() {
    Listener::new(|_| {}).tried("orders").fails("unreachable", 5);
}

#[test]
fn what_answers_and_is_no_listener_is_unreachable_and_no_panic() {
    for bytes in [
        packet(99, b"what"),
        vec![0; 8],
        vec![0, 8, 0, 0],
        refusal("many"),
        packet(REFUSE, &[0; 4]),
        packet(REFUSE, &[0, 0, 255, 255, 1]),
        packet(ACCEPT, &[1, 63]),
        packet(6, b"?"),
        b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
        b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n".to_vec(),
        vec![255; 70_000],
    ] {
        Listener::answering(bytes).tried("orders").fails("unreachable", 5);
    }
}

#[test]
fn a_server_that_asks_for_native_network_encryption_is_said_to() {
    let failed = Listener::answering(acceptance(319, 0x10)).tried("orders").fails("unreachable", 5);
    assert!(failed.stderr.contains("native network encryption"), "{}", failed.stderr);
}

#[test]
fn a_server_that_is_too_old_for_the_client_is_said_to_be() {
    let failed = Listener::answering(acceptance(310, 0)).tried("orders").fails("unreachable", 5);
    assert!(failed.stderr.contains("not supported"), "{}", failed.stderr);
}

#[test]
fn the_password_does_not_travel_before_the_server_has_answered() {
    let (tell, told) = mpsc::channel();
    let listener = Listener::new(move |stream| {
        stream.write_all(&acceptance(319, 0)).unwrap();
        let mut first = [0; 4096];
        let length = stream.read(&mut first).unwrap();
        let _ = tell.send(first[..length].to_vec());
    });
    listener.tried("orders").fails("unreachable", 5);
    let first = told.recv().unwrap();
    assert!(!first.is_empty() && !first.windows(7).any(|window| window == b"hunter2"), "{first:?}");
}

#[test]
fn what_cannot_be_sent_waits_and_the_program_goes_on() {
    let listener = Listener::answering(refusal("12514"));
    let home = Home::new();
    home.write(
        "config.yml",
        &format!(
            "history_store_enabled: true\nhistory_store_profile: ora\nhistory_store_schema: AMX\ndb_profiles:\n  ora: {{backend: oracle, host: 127.0.0.1, port: {}, user: amx, password: hunter2, service_name: orders}}\n",
            listener.port
        ),
    );
    let operation = r#"{"op":"run","scope":"sales","llm_provider":"openai","llm_model":"gpt-4o","db_backend":"oracle"}"#;
    let recorded = common::run_with(&mut home.command(&["record"]), operation);
    assert!(recorded.stdout.contains("\"shared\":\"queued\""), "{}\n{}", recorded.stdout, recorded.stderr);
    assert_eq!(recorded.code, 0, "{}", recorded.stderr);
}

// --- TLS ---

/// A listener that speaks TLS, with a certificate for `localhost` that an authority of the tests' own signed, and refuses.
fn secured(dir: &Path) -> Listener {
    for name in ["known", "unknown"] {
        openssl(dir, &format!("req -x509 -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.pem -days 2 -subj /CN={name}"));
    }
    openssl(dir, "req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=localhost");
    std::fs::write(dir.join("names"), "subjectAltName=DNS:localhost\n").unwrap();
    openssl(dir, "x509 -req -in server.csr -CA known.pem -CAkey known.key -CAcreateserial -days 2 -extfile names -out server.pem");
    let certificate = CertificateDer::from_pem_file(dir.join("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(dir.join("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, asked) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut line = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
            if let Some(request) = called(&mut line) {
                let _ = tell.send(request);
                let _ = line.write_all(&refusal("12514"));
                let _ = line.flush();
            }
        }
    });
    Listener { port, asked }
}

fn openssl(dir: &Path, args: &str) {
    let made = Command::new("openssl").args(args.split(' ')).current_dir(dir).stdin(Stdio::null()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

#[test]
fn a_certificate_is_checked_against_the_authorities_that_the_profile_names() {
    let dir = tempfile::tempdir().unwrap();
    let listener = secured(dir.path());
    let tried = |host: &str, authority: &str| {
        let roots = dir.path().join(authority).display().to_string();
        tried(&format!("{host}:{}/orders?sslmode=verify-full&sslrootcert={roots}", listener.port))
    };
    // The listener is heard through TLS.
    let heard = tried("localhost", "known.pem").fails("unreachable", 5);
    assert!(heard.stderr.contains("ORA-12514"), "{}", heard.stderr);
    for (host, authority) in [("localhost", "unknown.pem"), ("127.0.0.1", "known.pem"), ("localhost", "absent.pem")] {
        tried(host, authority).fails("tls_failed", 5);
    }
    assert_eq!(listener.asked.try_iter().count(), 1);
}

#[test]
fn a_port_without_tls_is_not_spoken_to_in_clear_where_tls_was_asked_for() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let first = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut first = [0; 1];
        stream.read_exact(&mut first).unwrap();
        first[0]
    });
    let failed = tried(&format!("127.0.0.1:{port}/orders?sslmode=verify-full")).fails("tls_failed", 5);
    assert!(failed.stderr.contains("sslmode"), "{}", failed.stderr);
    // A TLS handshake begins with 22; a packet of Oracle's would begin with its length.
    assert_eq!(first.join().unwrap(), 22);
}
