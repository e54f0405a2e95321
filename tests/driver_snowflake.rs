//! The Snowflake driver alone. Faults come from a scripted service that speaks the protocol of Snowflake's drivers and checks each request; what
//! needs an engine runs where `AMX_TEST_SNOWFLAKE_URL` leads to.

mod common;

use amx_schema::dialect::Backend;
use amx_schema::driver::{Access, Driver, DriverError, ErrorKind, Failure, Load, Op, Row, Value, Waits, connect};
use amx_schema::error::{Code, Error};
use amx_schema::model::Kind;
use amx_schema::profile::{Profile, Scalar};
use chrono::{DateTime, Utc};
use common::{Home, Store, run_with};
use futures_util::StreamExt;
use futures_util::stream;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value as Json, json};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the service does with the next request of that kind.
#[derive(Clone)]
enum Act {
    /// Answers with the counts of a DML statement.
    Touched(u64),
    /// Answers with this data.
    Data(Json),
    /// Refuses with a code.
    Refuse(&'static str, &'static str),
    /// Says that it is still working on it.
    Later,
    /// Answers with a status and no message of the protocol.
    Status(u16),
    /// Works on it and drops the connection.
    Drop,
}

#[derive(Default)]
struct Script {
    logins: VecDeque<Act>,
    statements: VecDeque<Act>,
    /// Each login, with its target, and each statement, with the number of the session before it.
    seen_logins: Vec<(String, Json)>,
    seen: Vec<(String, Json)>,
    faults: Vec<String>,
}

/// A service that does as it is told; logins and statements of which nothing is told succeed.
struct Service {
    port: u16,
    script: Arc<Mutex<Script>>,
}

impl Service {
    fn new(statements: Vec<Act>) -> Service {
        Service::with_logins(vec![], statements)
    }

    fn with_logins(logins: Vec<Act>, statements: Vec<Act>) -> Service {
        Service::behind(logins, statements, |stream| stream)
    }

    /// A service that is reached through something, as TLS.
    fn behind<S: Read + Write>(
        logins: Vec<Act>,
        statements: Vec<Act>,
        through: impl Fn(TcpStream) -> S + Send + Sync + 'static,
    ) -> Service {
        let through = Arc::new(through);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let script = Arc::new(Mutex::new(Script { logins: logins.into(), statements: statements.into(), ..Script::default() }));
        let shared = Arc::clone(&script);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, through) = (Arc::clone(&shared), Arc::clone(&through));
                std::thread::spawn(move || serve(through(stream), &script));
            }
        });
        Service { port, script }
    }

    fn profile(&self, more: &[(&str, &str)]) -> Result<Profile, Error> {
        let port = self.port.to_string();
        let here = [("account", "myorg-acc.eu-west-1"), ("user", "ann"), ("host", "127.0.0.1"), ("port", &port), ("protocol", "http")];
        let given: Vec<_> = here.iter().chain(more).map(|(name, value)| (name.to_string(), Scalar::from(*value))).collect();
        Profile::from_fields(Some("p"), Backend::Snowflake, &given, Path::new("/"))
    }

    async fn connected(&self, more: &[(&str, &str)], waits: Waits) -> Result<Box<dyn Driver>, Error> {
        connect(&self.profile(more)?, Path::new("/"), Access::Write, waits).await
    }

    async fn driver(&self) -> Box<dyn Driver> {
        self.connected(&[("password", "hunter2"), ("database", "DEV"), ("warehouse", "WH")], quiet()).await.unwrap()
    }

    /// The statements, each as `<session>: <sql>`. Every request was as the protocol wants it, and nothing of the script is left.
    #[track_caller]
    fn statements(&self) -> Vec<String> {
        let script = self.script.lock().unwrap();
        assert!(script.faults.is_empty(), "{:#?}", script.faults);
        assert!(script.logins.is_empty() && script.statements.is_empty(), "not all of the script was asked for");
        script.seen.iter().map(|(session, body)| format!("{session}: {}", body["sqlText"].as_str().unwrap())).collect()
    }

    fn bodies(&self) -> Vec<Json> {
        self.script.lock().unwrap().seen.iter().map(|(_, body)| body.clone()).collect()
    }

    fn logins(&self) -> Vec<(String, Json)> {
        self.script.lock().unwrap().seen_logins.clone()
    }
}

fn serve(stream: impl Read + Write, script: &Mutex<Script>) {
    let mut reader = BufReader::new(stream);
    while let Some((line, token, body)) = read(&mut reader) {
        let mut script = script.lock().unwrap();
        let (method, target) = line.split_once(' ').unwrap();
        let target = target.split_whitespace().next().unwrap().to_string();
        let (status, answer) = if target.starts_with("/session/v1/login-request") && method == "POST" {
            check_login(&mut script, &body);
            script.seen_logins.push((target, body));
            let number = script.seen_logins.len();
            match script.logins.pop_front() {
                None => (200, json!({"success": true, "data": {"token": format!("s{number}")}})),
                Some(Act::Refuse(code, message)) => (200, json!({"success": false, "code": code, "message": message, "data": null})),
                Some(Act::Status(status)) => (status, Json::Null),
                Some(_) => return,
            }
        } else if target.starts_with("/queries/v1/query-request?requestId=") && method == "POST" {
            check_statement(&mut script, &body);
            script.seen.push((token, body));
            let Some(answer) = answer(script.statements.pop_front().unwrap_or(Act::Touched(1))) else { return };
            answer
        } else if target == "/queries/result" && method == "GET" {
            let Some(answer) = answer(script.statements.pop_front().unwrap_or(Act::Touched(1))) else { return };
            answer
        } else {
            script.faults.push(format!("{line} was not expected"));
            return;
        };
        drop(script);
        let body = if answer.is_null() { "<html>hunter2</html>".to_string() } else { answer.to_string() };
        let head = format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        let stream = reader.get_mut();
        if stream.write_all(format!("{head}{body}").as_bytes()).and_then(|()| stream.flush()).is_err() {
            return;
        }
    }
}

fn answer(act: Act) -> Option<(u16, Json)> {
    let column = |name: &str| json!({"name": name, "type": "fixed", "nullable": false, "scale": 0, "precision": 19, "length": null});
    let data = |data: Json| Some((200, json!({"success": true, "code": null, "message": null, "data": data})));
    match act {
        Act::Touched(count) => data(json!({
            "queryId": "q", "queryResultFormat": "json", "total": 1, "returned": 1,
            "rowtype": [column("number of rows updated"), column("number of multi-joined rows updated")],
            "rowset": [[count.to_string(), "7"]],
        })),
        Act::Data(given) => data(given),
        Act::Refuse(code, message) => Some((200, json!({"success": false, "code": code, "message": message, "data": {"queryId": "q"}}))),
        Act::Later => {
            let data = json!({"queryId": "q", "getResultUrl": "/queries/result"});
            Some((200, json!({"success": false, "code": "333334", "message": "in progress", "data": data})))
        }
        Act::Status(status) => Some((status, Json::Null)),
        Act::Drop => None,
    }
}

/// <https://docs.snowflake.com/en/sql-reference/parameters>, and what the drivers of Snowflake send.
fn check_login(script: &mut Script, body: &Json) {
    let data = &body["data"];
    let parameters = &data["SESSION_PARAMETERS"];
    let good = data["ACCOUNT_NAME"] == "myorg-acc"
        && data["LOGIN_NAME"] == "ann"
        && parameters["AUTOCOMMIT"].is_boolean()
        && parameters["TIMEZONE"] == "UTC"
        && parameters["QUERY_TAG"] == "amx-schema"
        && parameters["STATEMENT_TIMEOUT_IN_SECONDS"].as_u64().is_some_and(|seconds| seconds < 60)
        && parameters["LOCK_TIMEOUT"].as_u64() < parameters["STATEMENT_TIMEOUT_IN_SECONDS"].as_u64();
    if !good {
        script.faults.push(format!("a login as {body}"));
    }
}

fn check_statement(script: &mut Script, body: &Json) {
    let bound = body["bindings"].as_object().cloned().unwrap_or_default();
    let values = (1..=bound.len()).all(|at| {
        let binding = &bound.get(&at.to_string()).cloned().unwrap_or_default();
        matches!(binding["type"].as_str(), Some("TEXT" | "FIXED" | "BOOLEAN" | "TIMESTAMP_NTZ"))
            && (binding["value"].is_string() || binding["value"].is_null())
    });
    let marks = body["sqlText"].as_str().unwrap_or_default().matches('?').count();
    if !values || marks != bound.len() {
        script.faults.push(format!("a statement as {body}"));
    }
}

/// The request line, the token, and the body.
fn read(reader: &mut impl BufRead) -> Option<(String, String, Json)> {
    let (mut line, mut token, mut length) = (String::new(), String::new(), 0);
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap(),
            "authorization" => token = value.trim_start_matches("Snowflake Token=\"").trim_end_matches('"').to_string(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((line, token, serde_json::from_slice(&body).unwrap_or_default()))
}

fn quiet() -> Waits {
    Arc::new(|_, _, _| {})
}

/// A listener, and what it heard.
fn listening() -> (Waits, Arc<Mutex<Vec<String>>>) {
    let heard = Arc::new(Mutex::new(vec![]));
    let shared = Arc::clone(&heard);
    (Arc::new(move |why, _, whole| shared.lock().unwrap().push(format!("{why}, {} s", whole.as_secs()))), heard)
}

fn execute(sql: &str, params: Vec<Value>, expect: Option<u64>) -> Op<'static> {
    Op::Execute { sql: sql.into(), params, expect }
}

fn load(table: &str, columns: &[&str], rows: Vec<Row>) -> Op<'static> {
    let columns = columns.iter().map(|column| column.to_string()).collect();
    Op::Load(Load { table: table.into(), columns, count: rows.len(), per_statement: usize::MAX, rows: Box::new(rows.into_iter()) })
}

async fn atomic(driver: &mut dyn Driver, ops: Vec<Op<'_>>) -> Result<(), Failure> {
    driver.atomic(stream::iter(ops.into_iter().map(Ok)).boxed()).await
}

#[track_caller]
fn kind<T: std::fmt::Debug>(result: Result<T, DriverError>) -> ErrorKind {
    let error = result.unwrap_err();
    assert!(!error.message.contains("hunter2") && !error.message.contains('\n'), "{error}");
    error.kind
}

#[track_caller]
fn failed(result: Result<(), Failure>) -> ErrorKind {
    match result.unwrap_err() {
        Failure::Database(error) => kind::<()>(Err(error)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_password_logs_in_with_all_that_statements_rely_on() {
    let service = Service::new(vec![]);
    let more = [("password", "hunter2"), ("database", "DEV"), ("warehouse", "WH"), ("role", "ANALYST")];
    let mut driver = service.connected(&more, quiet()).await.unwrap();
    atomic(driver.as_mut(), vec![execute("UPDATE a SET b = 1", vec![], None)]).await.unwrap();
    service.statements();
    let [(target, single), (_, batch)] = <[_; 2]>::try_from(service.logins()).unwrap();
    assert!(target.ends_with("?warehouse=WH&databaseName=DEV&roleName=ANALYST"), "{target}");
    assert_eq!(single["data"]["PASSWORD"], "hunter2");
    let autocommit = |login: &Json| login["data"]["SESSION_PARAMETERS"]["AUTOCOMMIT"].as_bool();
    assert_eq!((autocommit(&single), autocommit(&batch)), (Some(true), Some(false)));
}

#[tokio::test]
async fn a_token_and_a_private_key_log_in_as_well() {
    let service = Service::new(vec![]);
    service.connected(&[("authenticator", "oauth"), ("token", "tok-hunter2")], quiet()).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let openssl = |arguments: &str| {
        let done = Command::new("openssl").args(arguments.split_whitespace()).current_dir(&dir).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    openssl("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out plain.p8");
    openssl("pkcs8 -topk8 -v2 aes256 -in plain.p8 -out secret.p8 -passout pass:hunter2");
    let path = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
    service.connected(&[("private_key_path", &path("plain.p8"))], quiet()).await.unwrap();
    let passphrase = |text: &'static str| [("private_key_path", path("secret.p8")), ("private_key_passphrase", text.to_string())];
    for (text, good) in [("hunter2", true), ("wrong", false)] {
        let given = passphrase(text);
        let given: Vec<(&str, &str)> = given.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let connected = service.connected(&given, quiet()).await;
        assert_eq!(connected.as_ref().err().map(|error| error.code), (!good).then_some(Code::AuthFailed));
    }
    let data: Vec<Json> = service.logins().into_iter().map(|(_, body)| body["data"].clone()).collect();
    assert_eq!((&data[0]["AUTHENTICATOR"], &data[0]["TOKEN"]), (&json!("OAUTH"), &json!("tok-hunter2")));
    for signed in &data[1..] {
        assert_eq!(signed["AUTHENTICATOR"], "SNOWFLAKE_JWT");
        assert_eq!(signed["TOKEN"].as_str().unwrap().split('.').count(), 3);
        assert!(signed["PASSWORD"].is_null());
    }
    assert_eq!(data.len(), 3);
}

#[tokio::test]
async fn what_cannot_log_in_is_told_before_anything_is_sent() {
    let service = Service::new(vec![]);
    let cases: [(&[(&str, &str)], &str); 4] = [
        (&[], "`password`"),
        (&[("authenticator", "oauth"), ("password", "hunter2")], "`token`"),
        (&[("private_key_path", "/absent.p8")], "/absent.p8"),
        (&[("authenticator", "okta"), ("password", "hunter2")], "`authenticator`"),
    ];
    for (given, names) in cases {
        let error = service.connected(given, quiet()).await.err().unwrap();
        assert_eq!(error.code, Code::ConfigInvalid, "{error}");
        assert!(error.message.contains(names) && !error.message.contains("hunter2"), "{error}");
    }
    assert!(service.logins().is_empty());
}

#[tokio::test]
async fn a_refused_login_says_why() {
    let service = Service::with_logins(vec![Act::Refuse("390100", "Incorrect username or password was specified.")], vec![]);
    let error = service.connected(&[("password", "hunter2")], quiet()).await.err().unwrap();
    assert_eq!((error.code, error.message.contains("Incorrect username or password")), (Code::AuthFailed, true), "{error}");
    for (status, code) in [(403, Code::AuthFailed), (404, Code::Unreachable), (500, Code::Unreachable)] {
        let service = Service::with_logins(vec![Act::Status(status)], vec![]);
        let error = service.connected(&[("password", "hunter2")], quiet()).await.err().unwrap();
        assert_eq!((error.code, error.message.contains(&format!("HTTP {status}"))), (code, true), "{error}");
        assert!(!error.message.contains("hunter2"), "{error}");
    }
    let nobody = Profile::from_url("snowflake://ann:hunter2@acc/D?host=127.0.0.1&port=1&protocol=http").unwrap();
    let error = connect(&nobody, Path::new("/"), Access::Read, quiet()).await.err().unwrap();
    assert_eq!((error.code, error.message.contains("efused")), (Code::Unreachable, true), "{error}");
}

#[tokio::test]
async fn an_expired_session_is_made_anew_with_what_was_set_in_it() {
    for code in ["390112", "390114"] {
        let service = Service::new(vec![Act::Touched(0), Act::Touched(0), Act::Refuse(code, "expired"), Act::Touched(0), Act::Touched(3)]);
        let mut driver = service.driver().await;
        driver.execute("ALTER SESSION SET LOCK_TIMEOUT = 30", &[]).await.unwrap();
        driver.execute("ALTER SESSION SET LOCK_TIMEOUT = 31", &[]).await.unwrap();
        assert_eq!(driver.execute("DELETE FROM a", &[]).await, Ok(3));
        let set = "ALTER SESSION SET LOCK_TIMEOUT = 3";
        assert_eq!(
            service.statements(),
            [format!("s1: {set}0"), format!("s1: {set}1"), "s1: DELETE FROM a".into(), format!("s2: {set}1"), "s2: DELETE FROM a".into()]
        );
    }
}

#[tokio::test]
async fn a_login_is_made_anew_once_and_no_more() {
    let service = Service::new(vec![Act::Refuse("390114", "expired"); 2]);
    let mut driver = service.driver().await;
    assert_eq!(kind(driver.query("SELECT 1", &[], &[Kind::Integer]).await), ErrorKind::Auth);
    assert_eq!(service.statements(), ["s1: SELECT 1", "s2: SELECT 1"]);
}

#[tokio::test]
async fn a_session_that_expires_in_a_batch_takes_the_batch_with_it() {
    let service = Service::new(vec![Act::Touched(0), Act::Refuse("390112", "expired"), Act::Refuse("390112", "expired")]);
    let mut driver = service.driver().await;
    let batch = || vec![execute("UPDATE a SET b = ?", vec![1.into()], Some(1))];
    assert_eq!(failed(atomic(driver.as_mut(), batch()).await), ErrorKind::Serialisation);
    atomic(driver.as_mut(), batch()).await.unwrap();
    let update = "UPDATE a SET b = ?";
    assert_eq!(
        service.statements(),
        ["s2: BEGIN", &format!("s2: {update}"), "s2: ROLLBACK", "s3: BEGIN", &format!("s3: {update}"), "s3: COMMIT"]
    );
}

#[tokio::test]
async fn too_many_requests_are_waited_out_and_seen() {
    let service = Service::with_logins(
        vec![Act::Status(429)],
        vec![Act::Status(429), Act::Touched(2), Act::Touched(0), Act::Status(429), Act::Touched(1)],
    );
    let (waits, heard) = listening();
    let mut driver = service.connected(&[("password", "hunter2")], waits).await.unwrap();
    assert_eq!(driver.execute("DELETE FROM a", &[]).await, Ok(2));
    atomic(driver.as_mut(), vec![execute("UPDATE a SET b = 1", vec![], Some(1))]).await.unwrap();
    let (update, delete) = ("s3: UPDATE a SET b = 1", "s2: DELETE FROM a");
    assert_eq!(service.statements(), [delete, delete, "s3: BEGIN", update, update, "s3: COMMIT"]);
    assert_eq!(*heard.lock().unwrap(), ["Snowflake asks for a pause (HTTP 429), 1 s"; 3]);
}

#[tokio::test]
async fn where_the_service_was_busy_only_what_changes_nothing_is_sent_again() {
    let one = json!({
        "queryId": "q", "queryResultFormat": "json", "rowset": [["1"]],
        "rowtype": [{"name": "1", "type": "fixed", "nullable": false, "scale": 0, "precision": 1, "length": null}],
    });
    let service = Service::new(vec![Act::Status(503), Act::Data(one), Act::Status(503)]);
    let (waits, heard) = listening();
    let mut driver = service.connected(&[("password", "hunter2")], waits).await.unwrap();
    assert_eq!(driver.query("SELECT 1", &[], &[Kind::Integer]).await.unwrap(), [[Value::from(1)]]);
    assert_eq!(kind(driver.execute("DELETE FROM a", &[]).await), ErrorKind::Unreachable);
    assert_eq!(service.statements(), ["s1: SELECT 1", "s1: SELECT 1", "s1: DELETE FROM a"]);
    assert_eq!(heard.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_batch_that_met_a_busy_service_is_rolled_back() {
    let service = Service::new(vec![Act::Touched(0), Act::Touched(1), Act::Status(503)]);
    let mut driver = service.driver().await;
    let ops = vec![execute("UPDATE a SET b = 1", vec![], Some(1)), load("c", &["d"], vec![vec!["x".into()]])];
    assert_eq!(failed(atomic(driver.as_mut(), ops).await), ErrorKind::Serialisation);
    assert_eq!(service.statements().last().unwrap(), "s2: ROLLBACK");
}

#[tokio::test]
async fn a_commit_without_an_answer_is_not_sent_again_and_its_session_is_left() {
    for lost in [Act::Drop, Act::Status(503), Act::Status(502), Act::Status(200)] {
        let service = Service::new(vec![Act::Touched(0), Act::Touched(1), lost]);
        let mut driver = service.driver().await;
        let batch = || vec![execute("UPDATE a SET b = 1", vec![], Some(1))];
        assert_eq!(failed(atomic(driver.as_mut(), batch()).await), ErrorKind::Unreachable);
        atomic(driver.as_mut(), batch()).await.unwrap();
        let update = "UPDATE a SET b = 1";
        let [one, two] = ["s2", "s3"].map(|session| format!("{session}: {update}"));
        assert_eq!(service.statements(), ["s2: BEGIN", &one, "s2: COMMIT", "s2: ROLLBACK", "s3: BEGIN", &two, "s3: COMMIT"]);
    }
}

#[tokio::test]
async fn a_statement_without_an_answer_ends_its_batch_and_its_session() {
    let service = Service::new(vec![Act::Touched(0), Act::Drop]);
    let mut driver = service.driver().await;
    assert_eq!(failed(atomic(driver.as_mut(), vec![load("a", &["b"], vec![vec![1.into()]])]).await), ErrorKind::Unreachable);
    atomic(driver.as_mut(), vec![]).await.unwrap();
    let statements = service.statements();
    assert_eq!(statements[2..], ["s2: ROLLBACK", "s3: BEGIN", "s3: COMMIT"], "{statements:#?}");
}

#[tokio::test]
async fn a_batch_whose_caller_went_away_is_rolled_back_before_the_next() {
    let service = Service::new(vec![]);
    let mut driver = service.driver().await;
    let ops = stream::iter([Ok(execute("UPDATE a SET b = 1", vec![], None))]).chain(stream::pending()).boxed();
    assert!(tokio::time::timeout(Duration::from_secs(1), driver.atomic(ops)).await.is_err());
    atomic(driver.as_mut(), vec![]).await.unwrap();
    assert_eq!(service.statements(), ["s2: BEGIN", "s2: UPDATE a SET b = 1", "s2: ROLLBACK", "s3: BEGIN", "s3: COMMIT"]);
}

#[tokio::test]
async fn a_batch_that_touches_another_number_of_rows_is_overtaken() {
    let service = Service::new(vec![Act::Touched(0), Act::Touched(2)]);
    let mut driver = service.driver().await;
    assert_eq!(atomic(driver.as_mut(), vec![execute("UPDATE a SET b = 1", vec![], Some(1))]).await, Err(Failure::Overtaken));
    let mut broken = stream::iter([Ok(execute("UPDATE a SET b = 1", vec![], None)), Err(Error::internal("no more"))]).boxed();
    assert!(matches!(driver.atomic(std::mem::replace(&mut broken, stream::empty().boxed())).await, Err(Failure::Source(_))));
    let ends = service.statements().into_iter().filter(|sql| sql.contains("COMMIT") || sql.contains("ROLLBACK")).collect::<Vec<_>>();
    assert_eq!(ends, ["s2: ROLLBACK", "s2: ROLLBACK"]);
}

#[tokio::test]
async fn a_statement_that_takes_long_is_asked_for_until_it_is_done() {
    let service = Service::new(vec![Act::Later, Act::Later, Act::Touched(5)]);
    assert_eq!(service.driver().await.execute("DELETE FROM a", &[]).await, Ok(5));
    assert_eq!(service.statements(), ["s1: DELETE FROM a"]);
}

#[tokio::test]
async fn error_codes_become_kinds() {
    let cases = [
        ("002003", ErrorKind::Missing),
        ("002043", ErrorKind::Missing),
        ("000904", ErrorKind::Missing),
        ("002002", ErrorKind::Exists),
        ("003001", ErrorKind::Denied),
        ("000606", ErrorKind::Denied),
        ("090105", ErrorKind::Denied),
        ("200001", ErrorKind::Duplicate),
        ("100072", ErrorKind::NotNull),
        ("100078", ErrorKind::TooLong),
        ("100038", ErrorKind::TooLong),
        ("000625", ErrorKind::LockTimeout),
        ("090073", ErrorKind::Full),
        ("000630", ErrorKind::Other),
        ("001003", ErrorKind::Other),
    ];
    for (code, wanted) in cases {
        let service = Service::new(vec![Act::Refuse(code, "SQL compilation error:\nObject 'X' does not exist or not authorized.")]);
        assert_eq!(kind(service.driver().await.execute("DELETE FROM a", &[]).await), wanted, "{code}");
    }
    for (lost, wanted) in
        [(Act::Drop, ErrorKind::Unreachable), (Act::Status(200), ErrorKind::Unreachable), (Act::Status(500), ErrorKind::Unreachable)]
    {
        assert_eq!(kind(Service::new(vec![lost]).driver().await.execute("DELETE FROM a", &[]).await), wanted);
    }
}

#[tokio::test]
async fn values_are_bound_in_the_protocols_own_forms() {
    let service = Service::new(vec![]);
    let time: DateTime<Utc> = "2026-05-03T15:44:02.123456Z".parse().unwrap();
    let params = ["é\\'\"".into(), Value::Text(None), (-5).into(), true.into(), time.into(), Value::Time(None), Value::Integer(None)];
    service.driver().await.execute("SELECT ?, ?, ?, ?, ?, ?, ?", &params).await.unwrap();
    service.statements();
    let bindings = &service.bodies()[0]["bindings"];
    let bound: Vec<_> = (1..=7).map(|at| (&bindings[at.to_string()]["type"], &bindings[at.to_string()]["value"])).collect();
    let null = Json::Null;
    let [text, fixed, boolean, ntz] = ["TEXT", "FIXED", "BOOLEAN", "TIMESTAMP_NTZ"].map(Json::from);
    let values = ["é\\'\"", "-5", "true", "1777823042123456000"].map(Json::from);
    let wanted = vec![
        (&text, &values[0]),
        (&text, &null),
        (&fixed, &values[1]),
        (&boolean, &values[2]),
        (&ntz, &values[3]),
        (&ntz, &null),
        (&fixed, &null),
    ];
    assert_eq!(bound, wanted);
}

#[tokio::test]
async fn rows_are_loaded_from_one_text_of_at_most_a_megabyte() {
    let service = Service::new(vec![]);
    let time: DateTime<Utc> = "1969-12-31T23:59:59.999999Z".parse().unwrap();
    let row = |text: String| vec![text.into(), Value::Integer(Some(7)), Value::Boolean(None), time.into()];
    let rows = vec![
        row("a\"\\\n\u{1}é".into()),
        row("x".repeat(600_000)),
        row("y".repeat(500_000)),
        row("z".repeat(1_500_000)),
        row(String::new()),
    ];
    atomic(service.driver().await.as_mut(), vec![load("\"S\".\"T\"", &["\"A\"", "\"B\"", "\"C\"", "\"D\""], rows.clone())]).await.unwrap();
    service.statements();
    let bodies: Vec<Json> = service.bodies().into_iter().filter(|body| !body["bindings"].is_null()).collect();
    assert_eq!(
        bodies[0]["sqlText"],
        "INSERT INTO \"S\".\"T\" (\"A\", \"B\", \"C\", \"D\") SELECT value[0]::VARCHAR, value[1]::NUMBER(19,0), value[2]::BOOLEAN, \
         TO_TIMESTAMP_NTZ(value[3]::NUMBER(19,0), 6) FROM TABLE(FLATTEN(INPUT => PARSE_JSON(?)))"
    );
    let texts: Vec<&str> = bodies.iter().map(|body| body["bindings"]["1"]["value"].as_str().unwrap()).collect();
    let sent: Vec<Vec<Json>> = texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    assert_eq!(sent.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1, 1, 1]);
    assert!(texts.iter().zip(&sent).all(|(text, rows)| text.len() <= 1_000_000 || rows.len() == 1));
    assert_eq!(sent[0][0], json!(["a\"\\\n\u{1}é", 7, null, -1]));
    assert_eq!(sent[3][0], json!(["", 7, null, -1]));
}

#[tokio::test]
async fn a_hundred_thousand_rows_take_at_most_a_hundred_statements() {
    let service = Service::new(vec![]);
    let time: DateTime<Utc> = "2026-05-03T15:44:02.123456Z".parse().unwrap();
    let row = move |number: i64| -> Row {
        let description = "The customer's first name as it was given at registration, in the customer's own script.";
        let alternatives = r#"[{"text":"First name of the customer","logprob":-0.12},{"text":"Given name","logprob":-1.4}]"#;
        let id = "0d5c1f52-8a55-4c0e-9a3e-1f2d3c4b5a69";
        vec![
            format!("run_2026-05-03_15-44-{:03}", number / 500).into(),
            format!("sales.customer_{}.c_first_name_{number}", number % 97).into(),
            "COLUMN".into(),
            description.into(),
            alternatives.into(),
            "high".into(),
            true.into(),
            time.into(),
            Value::Text(None),
            "ann".into(),
            "laptop.example.com".into(),
            "0.19.0".into(),
            number.into(),
            id.into(),
            id.into(),
            42.into(),
        ]
    };
    let columns: Vec<String> = (0..16).map(|at| format!("c{at}")).collect();
    let rows = Load { table: "t".into(), columns, count: 100_000, per_statement: usize::MAX, rows: Box::new((0..100_000).map(row)) };
    atomic(service.driver().await.as_mut(), vec![Op::Load(rows)]).await.unwrap();
    let statements = service.statements().len() - 2;
    assert!(statements <= 100, "{statements}");
}

#[test]
fn a_certificate_is_checked_against_the_authorities_that_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let request =
        "req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=service -addext subjectAltName=IP:127.0.0.1";
    let made =
        Command::new("openssl").args(request.split(' ')).args(["-addext", "basicConstraints=critical,CA:FALSE"]).current_dir(&dir).output();
    assert!(made.unwrap().status.success());
    let certificate = CertificateDer::from_pem_file(dir.path().join("cert.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(dir.path().join("key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap());
    let refused = Act::Refuse("390100", "Incorrect username or password was specified.");
    let service = Service::behind(vec![refused], vec![], move |stream| {
        rustls::StreamOwned::new(rustls::ServerConnection::new(Arc::clone(&config)).unwrap(), stream)
    });
    let url = format!("snowflake://ann:hunter2@myorg-acc/D?host=127.0.0.1&port={}", service.port);
    let home = Home::new();
    home.run(&["status", "--check", "--url", &url]).fails("tls_failed", 5);
    let named = dir.path().join("cert.pem").to_string_lossy().into_owned();
    run_with(home.command(&["status", "--check", "--url", &url]).env("SSL_CERT_FILE", named), "").fails("auth_failed", 5);
}

#[test]
fn a_proxy_of_the_environment_is_asked_for_the_accounts_own_host() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
    let asked = std::thread::spawn(move || {
        let mut line = String::new();
        BufReader::new(listener.accept().unwrap().0).read_line(&mut line).unwrap();
        line
    });
    let url = "snowflake://ann:hunter2@my_org-acc.cn-north-1/D";
    let home = Home::new();
    let said = run_with(home.command(&["status", "--check", "--url", url]).env("HTTPS_PROXY", proxy), "").fails("unreachable", 5);
    assert!(!said.stderr.contains("hunter2"), "{}", said.stderr);
    assert_eq!(asked.join().unwrap().trim_end(), "CONNECT my-org-acc.cn-north-1.snowflakecomputing.cn:443 HTTP/1.1");
}

/// Runs a test with a driver over a schema of its own on the engine, which is dropped at the end.
fn on_engine(test: impl AsyncFnOnce(&Store, Box<dyn Driver>)) {
    let Some(store) = Store::on(Backend::Snowflake) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let mut driver = connect(&Profile::from_url(&store.url).unwrap(), Path::new("/"), Access::Write, quiet()).await.unwrap();
        driver.execute(&format!("CREATE SCHEMA \"{}\"", store.schema), &[]).await.unwrap();
        test(&store, driver).await;
    });
}

const TEXTS: [&str; 12] = [
    "",
    " ",
    "  a  ",
    "é",
    "e\u{301}",
    "😀👩‍👩‍👧",
    "a\\b\\\\c\\n",
    "it's \"quoted\"",
    "line\nfeed\r\n\ttab",
    "{\"a\": [1, null]}",
    "?:1 ${x} %s -- /* */ ;",
    "\u{1}\u{7f}\u{feff}\u{ffff}",
];

#[test]
fn values_come_back_as_they_were() {
    on_engine(async |store, mut driver| {
        let table = format!("\"{}\".\"T\"", store.schema);
        let columns = "\"K\" NUMBER(19,0) NOT NULL, \"A\" VARCHAR, \"B\" BOOLEAN, \"N\" NUMBER(19,0), \"T\" TIMESTAMP_NTZ(6)";
        driver.execute(&format!("CREATE TABLE {table} ({columns})"), &[]).await.unwrap();
        let times =
            ["2026-05-03T15:44:02.123456Z", "1969-12-31T23:59:59.999999Z", "0001-01-01T00:00:00.000001Z", "9999-12-31T23:59:59.999999Z"];
        let times: Vec<DateTime<Utc>> = times.iter().map(|time| time.parse().unwrap()).collect();
        let numbers = [0, -1, i64::MAX, i64::MIN, 9_007_199_254_740_993];
        let mut rows: Vec<Row> = TEXTS
            .iter()
            .enumerate()
            .map(|(at, text)| vec![(at as i64).into(), (*text).into(), (at % 2 == 0).into(), numbers[at % 5].into(), times[at % 4].into()])
            .collect();
        rows.push(vec![99.into(), Value::Text(None), Value::Boolean(None), Value::Integer(None), Value::Time(None)]);
        let kinds = [Kind::Integer, Kind::Text, Kind::Boolean, Kind::Integer, Kind::Timestamp];
        let all = format!("SELECT \"K\", \"A\", \"B\", \"N\", \"T\" FROM {table} ORDER BY \"K\"");

        atomic(driver.as_mut(), vec![load(&table, &["\"K\"", "\"A\"", "\"B\"", "\"N\"", "\"T\""], rows.clone())]).await.unwrap();
        assert_eq!(driver.query(&all, &[], &kinds).await.unwrap(), rows);

        driver.execute(&format!("DELETE FROM {table}"), &[]).await.unwrap();
        for row in &rows {
            assert_eq!(driver.execute(&format!("INSERT INTO {table} VALUES (?, ?, ?, ?, ?)"), row).await, Ok(1));
        }
        assert_eq!(driver.query(&all, &[], &kinds).await.unwrap(), rows);
        for row in &rows[..TEXTS.len()] {
            let found = driver.query(&format!("SELECT \"K\" FROM {table} WHERE \"A\" = ?"), &row[1..2], &[Kind::Integer]).await.unwrap();
            assert_eq!(found, [[row[0].clone()]], "{row:?}");
        }
        assert_eq!(kind(driver.query(&format!("SELECT \"A\" FROM {table}"), &[], &[Kind::Integer]).await), ErrorKind::Other);
    });
}

#[test]
fn text_is_ordered_by_its_bytes() {
    on_engine(async |store, mut driver| {
        let table = format!("\"{}\".\"T\"", store.schema);
        driver.execute(&format!("CREATE TABLE {table} (\"A\" VARCHAR) DEFAULT_DDL_COLLATION = ''"), &[]).await.unwrap();
        let mut texts = ["b", "B", "a", "ä", "Z", "é", "e\u{301}", "😀", "\u{ffff}", "_", "a b", "a.b", "10", "9"];
        atomic(driver.as_mut(), vec![load(&table, &["\"A\""], texts.iter().map(|text| vec![(*text).into()]).collect())]).await.unwrap();
        texts.sort_unstable();
        let rows = driver.query(&format!("SELECT \"A\" FROM {table} ORDER BY \"A\""), &[], &[Kind::Text]).await.unwrap();
        assert_eq!(rows, texts.map(|text| vec![Value::from(text)]));
    });
}

#[test]
fn an_answer_in_many_chunks_is_whole_and_in_order() {
    on_engine(async |store, mut driver| {
        let table = format!("\"{}\".\"T\"", store.schema);
        driver.execute(&format!("CREATE TABLE {table} (\"N\" NUMBER(19,0), \"A\" VARCHAR)"), &[]).await.unwrap();
        let rows: Vec<Row> = (0..12_345).map(|number| vec![number.into(), format!("row \"{number}\"").into()]).collect();
        atomic(driver.as_mut(), vec![load(&table, &["\"N\"", "\"A\""], rows.clone())]).await.unwrap();
        let answer =
            driver.query(&format!("SELECT \"N\", \"A\" FROM {table} ORDER BY \"N\""), &[], &[Kind::Integer, Kind::Text]).await.unwrap();
        assert!(answer == rows, "{} rows", answer.len());
    });
}

#[test]
fn a_batch_lands_as_a_whole_or_not_at_all() {
    on_engine(async |store, mut driver| {
        let table = format!("\"{}\".\"T\"", store.schema);
        driver.execute(&format!("CREATE TABLE {table} (\"N\" NUMBER(19,0) NOT NULL, \"A\" VARCHAR(3))"), &[]).await.unwrap();
        let count = format!("SELECT COUNT(*) FROM {table}");
        let mut other = driver.another().await.unwrap();
        let insert = |number: Value, text: &str| execute(&format!("INSERT INTO {table} VALUES (?, ?)"), vec![number, text.into()], Some(1));

        atomic(driver.as_mut(), vec![insert(1.into(), "a"), insert(2.into(), "b")]).await.unwrap();
        assert_eq!(
            failed(atomic(driver.as_mut(), vec![insert(3.into(), "c"), insert(Value::Integer(None), "d")]).await),
            ErrorKind::NotNull
        );
        assert_eq!(failed(atomic(driver.as_mut(), vec![insert(3.into(), "c"), insert(4.into(), "long")]).await), ErrorKind::TooLong);
        let update = |expect| execute(&format!("UPDATE {table} SET \"A\" = 'z'"), vec![], Some(expect));
        assert_eq!(atomic(driver.as_mut(), vec![insert(3.into(), "c"), update(2)]).await, Err(Failure::Overtaken));
        let unknown = vec![insert(3.into(), "c"), execute("UPDATE \"NOPE\".\"T\" SET a = 1", vec![], None)];
        assert_eq!(failed(atomic(driver.as_mut(), unknown).await), ErrorKind::Missing);
        for reader in [&mut driver, &mut other] {
            assert_eq!(reader.query(&count, &[], &[Kind::Integer]).await.unwrap(), [[Value::from(2)]]);
        }
        atomic(driver.as_mut(), vec![update(2), insert(3.into(), "c")]).await.unwrap();
        assert_eq!(other.query(&count, &[], &[Kind::Integer]).await.unwrap(), [[Value::from(3)]]);
    });
}

#[test]
fn a_table_that_another_transaction_holds_is_waited_for_and_then_given_up() {
    on_engine(async |store, mut driver| {
        let table = format!("\"{}\".\"T\"", store.schema);
        driver.execute(&format!("CREATE TABLE {table} AS SELECT 1 AS n"), &[]).await.unwrap();
        driver.execute("ALTER SESSION SET LOCK_TIMEOUT = 1", &[]).await.unwrap();
        let mut holder = driver.another().await.unwrap();
        let update = format!("UPDATE {table} SET n = n + 1");
        let holding = tokio::spawn(async move {
            let slow = stream::once(async move { Ok(execute(&update, vec![], Some(1))) });
            let pause = stream::once(async {
                tokio::time::sleep(Duration::from_secs(4)).await;
                Ok(execute("SELECT 1", vec![], None))
            });
            holder.atomic(slow.chain(pause).boxed()).await
        });
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let update = format!("UPDATE {table} SET n = n + 10");
        assert_eq!(kind(driver.execute(&update, &[]).await), ErrorKind::LockTimeout);
        holding.await.unwrap().unwrap();
        assert_eq!(driver.execute(&update, &[]).await, Ok(1));
        assert_eq!(driver.query(&format!("SELECT n FROM {table}"), &[], &[Kind::Integer]).await.unwrap(), [[Value::from(12)]]);
    });
}

#[test]
fn what_the_engine_refuses_is_told_by_its_kind() {
    on_engine(async |store, mut driver| {
        let schema = &store.schema;
        driver.execute(&format!("CREATE TABLE \"{schema}\".\"T\" (\"N\" NUMBER(19,0))"), &[]).await.unwrap();
        let cases = [
            (format!("CREATE SCHEMA \"{schema}\""), ErrorKind::Exists),
            (format!("CREATE TABLE \"{schema}\".\"T\" (\"N\" NUMBER(19,0))"), ErrorKind::Exists),
            (format!("SELECT 1 FROM \"{schema}\".\"NOPE\""), ErrorKind::Missing),
            (format!("SELECT \"NOPE\" FROM \"{schema}\".\"T\""), ErrorKind::Missing),
            ("SELECT 1 FROM \"NOPE_AT_ALL\".\"T\"".into(), ErrorKind::Missing),
            (format!("INSERT INTO \"{schema}\".\"T\" SELECT 'x'"), ErrorKind::TooLong),
            ("SELEC 1".into(), ErrorKind::Other),
        ];
        for (sql, wanted) in cases {
            assert_eq!(kind(driver.execute(&sql, &[]).await), wanted, "{sql}");
        }
        assert_eq!(kind(driver.try_lock("x").await), ErrorKind::Other);
        driver.close().await;
    });
}

#[test]
fn a_missing_warehouse_and_a_missing_database_are_named() {
    on_engine(async |store, mut driver| {
        driver.execute(&format!("CREATE TABLE \"{}\".\"T\" (\"N\" NUMBER(19,0))", store.schema), &[]).await.unwrap();
        let count = format!("SELECT COUNT(*) FROM \"{}\".\"T\"", store.schema);
        let url = url::Url::parse(&store.url).unwrap();
        let mut without = url.clone();
        let kept: Vec<_> = url
            .query_pairs()
            .filter(|(name, _)| name != "warehouse")
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        without.query_pairs_mut().clear().extend_pairs(kept).append_pair("warehouse", "NO_SUCH_WAREHOUSE");
        let mut elsewhere = url.clone();
        elsewhere.set_path("/NO_SUCH_DATABASE");
        for (url, names) in [(without, "warehouse"), (elsewhere, "database")] {
            let mut driver = connect(&Profile::from_url(url.as_str()).unwrap(), Path::new("/"), Access::Read, quiet()).await.unwrap();
            let error = driver.query(&count, &[], &[Kind::Integer]).await.unwrap_err();
            assert_eq!((error.kind, error.message.contains(&format!("`{names}`"))), (ErrorKind::Denied, true), "{error}");
        }
    });
}
