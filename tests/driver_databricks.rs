//! The Databricks driver alone. Faults come from a scripted service, which checks each request against the schema of the SQL Statement Execution
//! API (https://docs.databricks.com/api/workspace/statementexecution); what needs an engine runs where `AMX_TEST_DATABRICKS_URL` leads to.

mod common;

use amx_schema::dialect::Backend;
use amx_schema::driver::{Access, Driver, DriverError, ErrorKind, Failure, Value, Waits, connect};
use amx_schema::error::{Code, Error};
use amx_schema::model::Kind;
use amx_schema::profile::Profile;
use chrono::DateTime;
use common::Store;
use futures_util::StreamExt;
use minijinja::context;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const STATEMENTS: &str = "/api/2.0/sql/statements";
const ID: &str = "01ed92c5-3583-1038-bd89-9a4dad48a1a2";

/// What the service does with the next request.
enum Act {
    /// Answers.
    Answer(u16, Json),
    /// Answers with a header.
    With(u16, (&'static str, &'static str), Json),
    /// Works on it and drops the connection.
    Drop,
    /// Says nothing for ever.
    Hang,
}

/// A request as it came.
#[derive(Clone)]
struct Request {
    line: String,
    headers: BTreeMap<String, String>,
    body: String,
}

impl Request {
    fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

#[derive(Default)]
struct Script {
    acts: VecDeque<Act>,
    requests: Vec<Request>,
    faults: Vec<String>,
}

/// A workspace that does as it is told. The warehouse is there; all else is scripted.
struct Service {
    port: u16,
    script: Arc<Mutex<Script>>,
}

impl Service {
    fn new(acts: Vec<Act>) -> Service {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let script = Arc::new(Mutex::new(Script { acts: acts.into(), ..Script::default() }));
        let shared = Arc::clone(&script);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let script = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &script));
            }
        });
        Service { port, script }
    }

    fn url(&self, user: &str) -> String {
        format!("databricks://{user}@127.0.0.1:{}/main?http_path=/sql/1.0/warehouses/abc123", self.port)
    }

    async fn driver(&self) -> Box<dyn Driver> {
        self.connected(":dapi-hunter2", quiet()).await.unwrap()
    }

    async fn connected(&self, user: &str, waits: Waits) -> Result<Box<dyn Driver>, Error> {
        connect(&Profile::from_url(&self.url(user)).unwrap(), Path::new("/"), Access::Write, waits).await
    }

    /// The requests but for those about the warehouse. Each was as the API wants it, and nothing of the script is left.
    #[track_caller]
    fn requests(&self) -> Vec<Request> {
        let script = self.script.lock().unwrap();
        assert!(script.faults.is_empty(), "{:#?}", script.faults);
        assert!(script.acts.is_empty(), "{} acts were not asked for", script.acts.len());
        script.requests.iter().filter(|request| !request.line.contains("/sql/warehouses/")).cloned().collect()
    }

    #[track_caller]
    fn lines(&self) -> Vec<String> {
        self.requests().into_iter().map(|request| request.line).collect()
    }
}

fn quiet() -> Waits {
    Arc::new(|_, _, _| {})
}

fn serve(stream: TcpStream, script: &Mutex<Script>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some(request) = read(&mut reader) {
        let act = {
            let mut script = script.lock().unwrap();
            script.faults.extend(fault(&request).map(|fault| format!("{}: {fault}\n{}", request.line, request.body)));
            script.requests.push(request.clone());
            match request.line.contains("/sql/warehouses/") {
                true => Act::Answer(200, json!({"id": "abc123", "state": "STOPPED"})),
                false => script.acts.pop_front().unwrap_or_else(|| {
                    script.faults.push(format!("{} was not expected", request.line));
                    Act::Answer(418, json!({}))
                }),
            }
        };
        let (status, header, body) = match act {
            Act::Answer(status, body) => (status, String::new(), body),
            Act::With(status, (name, value), body) => (status, format!("{name}: {value}\r\n"), body),
            Act::Drop => return,
            Act::Hang => loop {
                std::thread::park();
            },
        };
        let body = body.to_string();
        let head = format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{header}\r\n", body.len());
        if (&stream).write_all(format!("{head}{body}").as_bytes()).is_err() {
            return;
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut lines = vec![];
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_string()),
        }
    }
    let headers: BTreeMap<String, String> =
        lines[1..].iter().filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_lowercase(), value.into())).collect();
    let mut body = vec![0; headers.get("content-length").map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    let line = lines[0].trim_end_matches(" HTTP/1.1").to_string();
    Some(Request { line, headers, body: String::from_utf8(body).unwrap() })
}

/// What is not as the documentation has it.
fn fault(request: &Request) -> Option<&'static str> {
    let bearer = request.headers.get("authorization").is_some_and(|value| value.starts_with("Bearer "));
    let is = |method: &str, path: &str| request.line == format!("{method} {path}");
    if is("POST", "/oidc/v1/token") {
        let basic = request.headers.get("authorization").is_some_and(|value| value.starts_with("Basic "));
        let form = request.headers.get("content-type").is_some_and(|kind| kind == "application/x-www-form-urlencoded");
        return (!basic || !form || request.body != "grant_type=client_credentials&scope=all-apis").then_some("no request for a token");
    }
    if request.line.starts_with("GET /stored/") {
        return request.headers.contains_key("authorization").then_some("our token went to the storage");
    }
    if !bearer {
        return Some("there is no token");
    }
    if is("POST", STATEMENTS) {
        return statement_fault(request);
    }
    let about = [
        format!("GET {STATEMENTS}/{ID}"),
        format!("POST {STATEMENTS}/{ID}/cancel"),
        format!("GET {STATEMENTS}/{ID}/result/chunks/1?row_offset=2"),
        "GET /api/2.0/sql/warehouses/abc123".to_string(),
    ];
    (!about.contains(&request.line) || !request.body.is_empty()).then_some("there is no such request")
}

fn statement_fault(request: &Request) -> Option<&'static str> {
    let body = request.json();
    let Some(fields) = body.as_object() else { return Some("no object") };
    let known = ["statement", "warehouse_id", "catalog", "wait_timeout", "on_wait_timeout", "disposition", "format", "parameters"]
        .map(str::to_string);
    if !fields.keys().all(|field| known.contains(field)) {
        return Some("a field that is not known");
    }
    if body["warehouse_id"] != "abc123" || body["catalog"] != "main" || !body["statement"].is_string() {
        return Some("statement, warehouse or catalog");
    }
    let seconds = body["wait_timeout"].as_str().and_then(|text| text.strip_suffix('s')?.parse::<u32>().ok());
    if !seconds.is_some_and(|seconds| seconds == 0 || (5..=50).contains(&seconds)) {
        return Some("wait_timeout is 0s, or 5s to 50s");
    }
    if !["CONTINUE", "CANCEL"].contains(&body["on_wait_timeout"].as_str().unwrap_or_default()) {
        return Some("on_wait_timeout");
    }
    if !["INLINE", "EXTERNAL_LINKS"].contains(&body["disposition"].as_str().unwrap_or_default()) || body["format"] != "JSON_ARRAY" {
        return Some("disposition or format");
    }
    let good = |parameter: &Json| {
        let fields = parameter.as_object().into_iter().flatten();
        let known =
            fields.map(|(name, value)| ["name", "type", "value"].contains(&name.as_str()) && (value.is_string() || value.is_null()));
        known.fold(parameter["name"].is_string(), |good, known| good && known)
    };
    let parameters = body["parameters"].as_array();
    (!parameters.is_some_and(|parameters| parameters.len() <= 256 && parameters.iter().all(good))).then_some("a parameter")
}

/// The answer to a statement that ended well, with columns of name and type.
fn succeeded(columns: &[(&str, &str)], rows: Json) -> Json {
    let columns: Vec<Json> =
        columns.iter().enumerate().map(|(at, (name, kind))| json!({"name": name, "type_name": kind, "position": at})).collect();
    let count = rows.as_array().unwrap().len();
    json!({
        "statement_id": ID, "status": {"state": "SUCCEEDED"},
        "manifest": {"format": "JSON_ARRAY", "schema": {"column_count": columns.len(), "columns": columns}, "total_row_count": count, "truncated": false},
        "result": {"chunk_index": 0, "row_count": count, "row_offset": 0, "data_array": rows},
    })
}

fn one() -> Act {
    Act::Answer(200, succeeded(&[("one", "INT")], json!([["1"]])))
}

fn state(state: &str) -> Act {
    Act::Answer(200, json!({"statement_id": ID, "status": {"state": state}}))
}

fn touched(count: u64) -> Act {
    Act::Answer(200, succeeded(&[("num_affected_rows", "LONG")], json!([[count.to_string()]])))
}

fn failed(message: &str) -> Act {
    let error = json!({"error_code": "BAD_REQUEST", "message": message});
    Act::Answer(200, json!({"statement_id": ID, "status": {"state": "FAILED", "error": error}}))
}

async fn select_one(driver: &mut dyn Driver) -> Result<Vec<Vec<Value>>, DriverError> {
    driver.query("SELECT 1 AS one", &[], &[Kind::Integer]).await
}

fn time(micros: i64) -> Value {
    DateTime::from_timestamp_micros(micros).into()
}

#[tokio::test]
async fn values_are_typed_parameters() {
    let service = Service::new(vec![one()]);
    let mut driver = service.driver().await;
    let values = [
        Value::from("it's \\ \n é 😀"),
        Value::from(""),
        Value::Text(None),
        Value::from(i64::MIN),
        Value::Integer(None),
        Value::from(true),
        Value::Boolean(None),
        time(1_704_067_200_000_001),
        time(-1),
        Value::Time(None),
    ];
    driver.query("SELECT :p1", &values, &[Kind::Integer]).await.unwrap();
    let [request] = &service.requests()[..] else { panic!("one request") };
    assert_eq!(request.headers["authorization"], "Bearer dapi-hunter2");
    assert_eq!(
        request.json()["parameters"],
        json!([
            {"name": "p1", "type": "STRING", "value": "it's \\ \n é 😀"},
            {"name": "p2", "type": "STRING", "value": ""},
            {"name": "p3", "type": "STRING"},
            {"name": "p4", "type": "BIGINT", "value": "-9223372036854775808"},
            {"name": "p5", "type": "BIGINT"},
            {"name": "p6", "type": "BOOLEAN", "value": "true"},
            {"name": "p7", "type": "BOOLEAN"},
            {"name": "p8", "type": "TIMESTAMP", "value": "2024-01-01T00:00:00.000001Z"},
            {"name": "p9", "type": "TIMESTAMP", "value": "1969-12-31T23:59:59.999999Z"},
            {"name": "p10", "type": "TIMESTAMP"},
        ])
    );
}

#[tokio::test]
async fn values_are_decoded_exactly_and_a_timestamp_without_its_microseconds_is_refused() {
    let columns = [("a", "STRING"), ("b", "LONG"), ("c", "BOOLEAN"), ("d", "LONG")];
    let rows = json!([["", "-9223372036854775808", "false", "1704067200000001"], [null, null, null, null]]);
    let cut = succeeded(&[("at", "TIMESTAMP")], json!([["2024-01-01T00:00:00.000Z"]]));
    let service = Service::new(vec![Act::Answer(200, succeeded(&columns, rows)), Act::Answer(200, cut)]);
    let mut driver = service.driver().await;
    let kinds = [Kind::Text, Kind::Integer, Kind::Boolean, Kind::Timestamp];
    let rows = driver.query("SELECT 1", &[], &kinds).await.unwrap();
    let nulls = vec![Value::Text(None), Value::Integer(None), Value::Boolean(None), Value::Time(None)];
    assert_eq!(rows, [vec!["".into(), i64::MIN.into(), false.into(), time(1_704_067_200_000_001)], nulls]);
    let error = driver.query("SELECT 1", &[], &[Kind::Timestamp]).await.unwrap_err();
    assert!(error.kind == ErrorKind::Other && error.message.contains("unix_micros"), "{error:?}");
    service.requests();
}

#[tokio::test]
async fn a_statement_that_writes_rows_is_cancelled_by_the_service_before_a_lease_ends_and_any_other_goes_on() {
    let none = || Act::Answer(200, json!({"statement_id": ID, "status": {"state": "SUCCEEDED"}}));
    let service = Service::new(vec![touched(3), touched(0), touched(1), touched(2), none(), one()]);
    let mut driver = service.driver().await;
    for (sql, count) in [("INSERT INTO t", 3), (" update t", 0), ("DELETE FROM t", 1), ("MERGE INTO t", 2), ("CREATE TABLE t", 0)] {
        assert_eq!(driver.execute(sql, &[]).await.unwrap(), count, "{sql}");
    }
    select_one(driver.as_mut()).await.unwrap();
    let modes: Vec<(String, String)> = service
        .requests()
        .iter()
        .map(|request| request.json())
        .map(|body| (body["wait_timeout"].as_str().unwrap().into(), body["on_wait_timeout"].as_str().unwrap().into()))
        .collect();
    let (write, other) = (("40s".to_string(), "CANCEL".to_string()), ("10s".to_string(), "CONTINUE".to_string()));
    assert_eq!(modes, [write.clone(), write.clone(), write.clone(), write, other.clone(), other]);
}

#[tokio::test]
async fn a_write_that_was_cancelled_or_is_not_counted_is_no_success() {
    let service = Service::new(vec![state("CANCELED"), state("CLOSED"), one()]);
    let mut driver = service.driver().await;
    for kind in [ErrorKind::Unreachable, ErrorKind::Unreachable, ErrorKind::Other] {
        assert_eq!(driver.execute("UPDATE t SET a = 1", &[]).await.unwrap_err().kind, kind);
    }
    service.requests();
}

#[tokio::test]
async fn a_write_that_the_service_left_running_is_cancelled_and_its_end_is_told() {
    let service = Service::new(vec![
        state("RUNNING"),
        Act::Answer(200, json!({})),
        touched(1),
        state("PENDING"),
        Act::Answer(200, json!({})),
        state("CANCELED"),
    ]);
    let mut driver = service.driver().await;
    assert_eq!(driver.execute("UPDATE t SET a = 1", &[]).await.unwrap(), 1);
    assert_eq!(driver.execute("UPDATE t SET a = 1", &[]).await.unwrap_err().kind, ErrorKind::Unreachable);
    let each = [format!("POST {STATEMENTS}"), format!("POST {STATEMENTS}/{ID}/cancel"), format!("GET {STATEMENTS}/{ID}")];
    assert_eq!(service.lines(), [each.clone(), each].concat());
}

#[tokio::test]
async fn a_warehouse_that_starts_is_polled_and_whoever_waits_hears_of_it_as_one_wait() {
    let service = Service::new(vec![state("PENDING"), state("PENDING"), state("RUNNING"), one()]);
    let heard: Arc<Mutex<Vec<(String, bool)>>> = Arc::default();
    let hears = Arc::clone(&heard);
    let waits: Waits = Arc::new(move |why, left, whole| hears.lock().unwrap().push((why.split(';').next().unwrap().into(), left == whole)));
    let mut driver = service.connected(":dapi", waits).await.unwrap();
    assert_eq!(select_one(driver.as_mut()).await.unwrap(), [[Value::from(1)]]);
    let poll = format!("GET {STATEMENTS}/{ID}");
    assert_eq!(service.lines(), [format!("POST {STATEMENTS}"), poll.clone(), poll.clone(), poll]);
    // What is heard at the beginning of a wait is what is written where there is no terminal.
    let begun: Vec<String> = heard.lock().unwrap().iter().filter(|(_, begins)| *begins).map(|(why, _)| why.clone()).collect();
    assert!(begun.len() == 2 && begun[0].contains("has not begun") && begun[1].contains("works on"), "{begun:?}");
}

#[tokio::test]
async fn a_poll_that_no_answer_comes_to_is_sent_again() {
    let service = Service::new(vec![state("RUNNING"), Act::Drop, Act::Answer(500, json!({"message": "boom"})), one()]);
    select_one(service.driver().await.as_mut()).await.unwrap();
    assert_eq!(service.lines().len(), 4);
}

#[tokio::test]
async fn a_statement_that_the_service_forgot_is_one_whose_outcome_is_not_known() {
    let gone = || Act::Answer(404, json!({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "gone"}));
    let service = Service::new(vec![state("RUNNING"), gone(), gone(), gone(), gone()]);
    assert_eq!(select_one(service.driver().await.as_mut()).await.unwrap_err().kind, ErrorKind::Unreachable);
    service.requests();
}

#[tokio::test]
async fn chunks_come_one_after_the_other() {
    let mut first = succeeded(&[("n", "LONG")], json!([["1"], ["2"]]));
    first["manifest"]["total_row_count"] = 3.into();
    first["result"]["next_chunk_internal_link"] = format!("{STATEMENTS}/{ID}/result/chunks/1?row_offset=2").into();
    let second = json!({"chunk_index": 1, "row_count": 1, "row_offset": 2, "data_array": [["3"]]});
    let service = Service::new(vec![Act::Answer(200, first), Act::Answer(200, second)]);
    let rows = select_one(service.driver().await.as_mut()).await.unwrap();
    assert_eq!(rows.concat(), [1.into(), 2.into(), 3.into()] as [Value; 3]);
    service.requests();
}

#[tokio::test]
async fn a_result_too_large_to_come_inline_comes_by_links_that_our_token_does_not_go_to() {
    let service = Service::new(vec![failed("Inline byte limit exceeded. Statements executed with disposition=INLINE can have …")]);
    let mut linked = succeeded(&[("n", "LONG")], json!([]));
    linked["manifest"]["total_row_count"] = 2.into();
    let link = |name: &str| format!("http://127.0.0.1:{}/stored/{name}?signature=hunter2", service.port);
    linked["result"] = json!({"external_links": [{"external_link": link("a"), "http_headers": {"x-key": "k"},
        "next_chunk_internal_link": format!("{STATEMENTS}/{ID}/result/chunks/1?row_offset=2")}]});
    let more = json!({"external_links": [{"external_link": link("b")}]});
    let acts = [linked, json!([["1"]]), more, json!([["2"]])];
    service.script.lock().unwrap().acts.extend(acts.into_iter().map(|body| Act::Answer(200, body)));
    let rows = select_one(service.driver().await.as_mut()).await.unwrap();
    assert_eq!(rows.concat(), [1.into(), 2.into()] as [Value; 2]);
    let requests = service.requests();
    let dispositions: Vec<Json> =
        requests.iter().filter(|request| !request.body.is_empty()).map(|request| request.json()["disposition"].clone()).collect();
    assert_eq!(dispositions, ["INLINE", "EXTERNAL_LINKS"]);
    assert_eq!(requests[2].headers["x-key"], "k");
}

#[tokio::test]
async fn a_result_that_was_cut_is_an_error() {
    let (mut cut, mut short) = (succeeded(&[("n", "LONG")], json!([["1"]])), succeeded(&[("n", "LONG")], json!([["1"]])));
    cut["manifest"]["truncated"] = true.into();
    short["manifest"]["total_row_count"] = 2.into();
    let mut elsewhere = succeeded(&[("n", "LONG")], json!([["1"]]));
    elsewhere["result"]["next_chunk_internal_link"] = "//elsewhere.example/chunk".into();
    let service = Service::new([cut, short, elsewhere].map(|body| Act::Answer(200, body)).into());
    let mut driver = service.driver().await;
    for kind in [ErrorKind::Other, ErrorKind::Other, ErrorKind::Unreachable] {
        assert_eq!(select_one(driver.as_mut()).await.unwrap_err().kind, kind);
    }
    service.requests();
}

#[tokio::test]
async fn a_refused_request_has_its_kind_and_is_not_sent_again() {
    let refused = |status: u16, code: &str, message: &str| Act::Answer(status, json!({"error_code": code, "message": message}));
    for (act, kind) in [
        (refused(400, "INVALID_PARAMETER_VALUE", "wait_timeout"), ErrorKind::Other),
        (refused(401, "UNAUTHENTICATED", "no credential"), ErrorKind::Auth),
        (refused(403, "PERMISSION_DENIED", "no CAN USE on the warehouse"), ErrorKind::Denied),
        (refused(403, "403", "Invalid access token."), ErrorKind::Auth),
        (refused(404, "RESOURCE_DOES_NOT_EXIST", "SQL warehouse abc123 does not exist"), ErrorKind::Auth),
        (refused(409, "ABORTED", "concurrent"), ErrorKind::Serialisation),
        (refused(500, "INTERNAL_ERROR", "boom"), ErrorKind::Unreachable),
        (refused(502, "", ""), ErrorKind::Unreachable),
        (refused(504, "DEADLINE_EXCEEDED", "late"), ErrorKind::Unreachable),
        (Act::Answer(200, json!("no response")), ErrorKind::Unreachable),
        (Act::Drop, ErrorKind::Unreachable),
    ] {
        let service = Service::new(vec![act]);
        let error = service.driver().await.execute("UPDATE t SET a = 1", &[]).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error:?}");
        assert!(!error.message.contains("hunter2") && !error.message.is_empty(), "{error:?}");
        assert_eq!(service.lines().len(), 1);
    }
}

#[tokio::test]
async fn a_service_that_says_nothing_is_given_up_and_not_asked_twice() {
    let service = Service::new(vec![Act::Hang]);
    let mut driver = service.driver().await;
    let written = tokio::spawn(async move { driver.execute("UPDATE t SET a = 1", &[]).await });
    while service.script.lock().unwrap().requests.len() < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(80)).await;
    assert_eq!(written.await.unwrap().unwrap_err().kind, ErrorKind::Unreachable);
    assert_eq!(service.lines().len(), 1);
}

#[tokio::test]
async fn a_rate_limit_is_waited_out_for_as_long_as_the_service_asks() {
    let busy =
        |status, seconds| Act::With(status, ("retry-after", seconds), json!({"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "slow"}));
    let service = Service::new(vec![busy(429, "1"), busy(503, "1"), touched(1)]);
    let mut driver = service.driver().await;
    let started = Instant::now();
    assert_eq!(driver.execute("UPDATE t SET a = 1", &[]).await.unwrap(), 1);
    assert!(started.elapsed() >= Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!(service.lines().len(), 3);
}

fn grant(token: &str, seconds: u64) -> Act {
    Act::Answer(200, json!({"access_token": token, "token_type": "Bearer", "expires_in": seconds, "scope": "all-apis"}))
}

#[track_caller]
fn tokens(service: &Service) -> Vec<String> {
    let bearer = |request: &Request| request.headers["authorization"].strip_prefix("Bearer ").map(str::to_string);
    service.requests().iter().filter_map(bearer).collect()
}

#[tokio::test]
async fn a_pause_that_is_asked_for_at_the_login_is_not_taken_for_silence() {
    // Longer than a service may say nothing.
    let busy = Act::With(429, ("retry-after", "11"), json!({"error": "slow_down"}));
    let service = Service::new(vec![busy, grant("t1", 3600), one()]);
    let mut driver = service.connected("client-1:hunter2", quiet()).await.unwrap();
    select_one(driver.as_mut()).await.unwrap();
    assert_eq!(tokens(&service), ["t1"]);
}

#[tokio::test]
async fn a_service_principal_gets_a_token_once_for_all_its_connections() {
    let service = Service::new(vec![grant("t1", 3600), one(), one()]);
    let mut driver = service.connected("client-1:hunter2", quiet()).await.unwrap();
    select_one(driver.as_mut()).await.unwrap();
    select_one(driver.another().await.unwrap().as_mut()).await.unwrap();
    // client-1:hunter2 in Base64
    assert_eq!(service.requests()[0].headers["authorization"], "Basic Y2xpZW50LTE6aHVudGVyMg==");
    assert_eq!(tokens(&service), ["t1", "t1"]);
}

#[tokio::test]
async fn a_token_is_renewed_before_it_expires() {
    let service = Service::new(vec![grant("t1", 2), one(), grant("t2", 3600), one()]);
    let mut driver = service.connected("client-1:hunter2", quiet()).await.unwrap();
    select_one(driver.as_mut()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    select_one(driver.as_mut()).await.unwrap();
    assert_eq!(tokens(&service), ["t1", "t2"]);
}

#[tokio::test]
async fn a_token_that_is_not_taken_any_more_is_renewed_once() {
    let no = || Act::Answer(401, json!({"error_code": "UNAUTHENTICATED", "message": "expired"}));
    let service = Service::new(vec![grant("t1", 3600), no(), grant("t2", 3600), touched(1), no(), grant("t3", 3600), no()]);
    let mut driver = service.connected("client-1:hunter2", quiet()).await.unwrap();
    assert_eq!(driver.execute("UPDATE t SET a = 1", &[]).await.unwrap(), 1);
    assert_eq!(driver.execute("UPDATE t SET a = 1", &[]).await.unwrap_err().kind, ErrorKind::Auth);
    assert_eq!(tokens(&service), ["t1", "t2", "t2", "t3"]);
}

#[tokio::test]
async fn a_service_principal_that_is_refused_is_told_without_its_secret() {
    let no = json!({"error": "invalid_client", "error_description": "Client authentication failed"});
    let service = Service::new(vec![Act::Answer(401, no)]);
    let error = service.connected("client-1:hunter2", quiet()).await.err().unwrap();
    assert_eq!(error.code, Code::AuthFailed);
    assert!(error.message.contains("Client authentication failed") && !format!("{error:?}").contains("hunter2"), "{error:?}");
}

#[tokio::test]
async fn a_profile_that_names_no_warehouse_or_no_secret_is_refused() {
    for url in [
        "databricks://:dapi@127.0.0.1:1/main?http_path=/sql/protocolv1/o/1/0123-cluster",
        "databricks://127.0.0.1:1/main?http_path=/sql/1.0/warehouses/abc123",
    ] {
        let error = connect(&Profile::from_url(url).unwrap(), Path::new("/"), Access::Read, quiet()).await.err().unwrap();
        assert_eq!(error.code, Code::ConfigInvalid, "{url}");
    }
    assert_eq!(Profile::from_url("databricks://client-1@h/main?http_path=/x").unwrap_err().code, Code::Usage);
}

#[tokio::test]
async fn errors_of_statements_have_kinds() {
    let cases = [
        ("[TABLE_OR_VIEW_NOT_FOUND] The table or view `a` cannot be found. SQLSTATE: 42P01; line 1 pos 14", ErrorKind::Missing),
        ("[SCHEMA_NOT_FOUND] The schema `a` cannot be found. SQLSTATE: 42704", ErrorKind::Missing),
        ("[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column cannot be resolved. SQLSTATE: 42703", ErrorKind::Missing),
        ("[NO_SUCH_CATALOG_EXCEPTION] Catalog 'x' was not found. SQLSTATE: 42704", ErrorKind::Auth),
        ("[TABLE_OR_VIEW_ALREADY_EXISTS] Cannot create table. SQLSTATE: 42P07", ErrorKind::Exists),
        ("[SCHEMA_ALREADY_EXISTS] Cannot create schema. SQLSTATE: 42P06", ErrorKind::Exists),
        ("[FIELD_ALREADY_EXISTS] Cannot add column. SQLSTATE: 42710", ErrorKind::Exists),
        ("[INSUFFICIENT_PERMISSIONS] Insufficient privileges: User does not have MODIFY on Table 'a'. SQLSTATE: 42501", ErrorKind::Denied),
        ("PERMISSION_DENIED: User does not have USE SCHEMA on Schema 'main.a'.", ErrorKind::Denied),
        ("[DELTA_NOT_NULL_CONSTRAINT_VIOLATED] NOT NULL constraint violated for column: a. SQLSTATE: 23502", ErrorKind::NotNull),
        ("[DELTA_VIOLATE_CONSTRAINT_WITH_VALUES] CHECK constraint c violated. SQLSTATE: 23001", ErrorKind::TooLong),
        ("[DELTA_EXCEED_CHAR_VARCHAR_LIMIT] Exceeds char/varchar type length limitation. SQLSTATE: 22001", ErrorKind::TooLong),
        ("[MALFORMED_RECORD_IN_PARSING.WITHOUT_SUGGESTION] Malformed records are detected. SQLSTATE: 22023", ErrorKind::TooLong),
        ("[DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE] Cannot perform Merge. SQLSTATE: 21506", ErrorKind::Duplicate),
        ("[DELTA_CONCURRENT_APPEND.ROW_LEVEL_CHANGES] Transaction conflict detected. SQLSTATE: 2D521", ErrorKind::Serialisation),
        (
            "[DELTA_CONCURRENT_DELETE_READ] ConcurrentDeleteReadException: this transaction read files. SQLSTATE: 2D521",
            ErrorKind::Serialisation,
        ),
        ("[DELTA_METADATA_CHANGED] MetadataChangedException. SQLSTATE: 2D521", ErrorKind::Serialisation),
        ("[PARSE_SYNTAX_ERROR] Syntax error at or near 'SELEC'. SQLSTATE: 42601\n\n== SQL ==\nSELEC 'secret text'", ErrorKind::Other),
    ];
    let service = Service::new(cases.iter().map(|(message, _)| failed(message)).collect());
    let mut driver = service.driver().await;
    for (message, kind) in cases {
        let error = select_one(driver.as_mut()).await.unwrap_err();
        assert_eq!(error.kind, kind, "{message}");
        assert_eq!(Some(error.message.as_str()), message.lines().next());
    }
    service.requests();
}

#[tokio::test]
async fn locks_and_transactions_are_none_of_the_engine() {
    let service = Service::new(vec![]);
    let mut driver = service.driver().await;
    assert_eq!(driver.try_lock("a").await.unwrap_err().kind, ErrorKind::Other);
    assert_eq!(driver.unlock().await.unwrap_err().kind, ErrorKind::Other);
    let failure = driver.atomic(futures_util::stream::empty().boxed()).await.unwrap_err();
    assert!(matches!(failure, Failure::Database(DriverError { kind: ErrorKind::Other, .. })), "{failure:?}");
}

#[tokio::test]
async fn a_statement_beyond_what_the_service_takes_is_not_sent() {
    let service = Service::new(vec![]);
    let value = Value::from("x".repeat(16 * 1024 * 1024));
    assert_eq!(service.driver().await.execute("UPDATE t SET a = :p1", &[value]).await.unwrap_err().kind, ErrorKind::TooLong);
    service.requests();
}

/// Runs a test with a connection to the engine, and a schema on it that no other test uses. The schema is dropped at the end.
fn on_the_engine(test: impl AsyncFnOnce(&mut dyn Driver, &str)) {
    let Some(store) = Store::on(Backend::Databricks) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut driver = connect(&Profile::from_url(&store.url).unwrap(), Path::new("/"), Access::Write, quiet()).await.unwrap();
        let schema = store.schema.to_lowercase();
        driver.execute(&format!("CREATE SCHEMA `{schema}`"), &[]).await.unwrap();
        test(driver.as_mut(), &schema).await;
        driver.close().await;
    });
}

const TEXTS: [&str; 9] =
    ["", " ", "it's \"quoted\" `here`", "a\\b\\n\\'", "line\nfeed\r\ttab", "e\u{301} \u{e9}", "😀🏳️‍🌈", ":p1 -- /* $x */ ;", "\u{1}\u{7f}"];

#[test]
fn what_is_bound_and_what_comes_as_rows_is_read_as_it_was() {
    on_the_engine(async |driver, schema| {
        let table = format!("`{schema}`.`t`");
        driver.execute(&format!("CREATE TABLE {table} (`k` STRING NOT NULL, `n` BIGINT, `b` BOOLEAN, `at` TIMESTAMP)"), &[]).await.unwrap();
        let times = [0, -1, 1_704_067_200_123_456, 253_402_300_799_999_999, -62_135_596_799_999_999];
        let numbers = [0, -1, i64::MAX, i64::MIN, 9_007_199_254_740_993];
        let row = |at: usize, text: &str| {
            let (number, micros) = (numbers[at % numbers.len()], times[at % times.len()]);
            vec![text.into(), number.into(), at.is_multiple_of(2).into(), time(micros)]
        };
        let mut wanted: Vec<Vec<Value>> = TEXTS.iter().enumerate().map(|(at, text)| row(at, text)).collect();
        wanted.push(vec!["nulls".into(), Value::Integer(None), Value::Boolean(None), Value::Time(None)]);
        for row in &wanted {
            let sql = format!("INSERT INTO {table} (`k`, `n`, `b`, `at`) VALUES (:p1, :p2, :p3, :p4)");
            assert_eq!(driver.execute(&sql, row).await.unwrap(), 1);
        }
        let kinds = [Kind::Text, Kind::Integer, Kind::Boolean, Kind::Timestamp];
        let read = format!("SELECT `k`, `n`, `b`, unix_micros(`at`) FROM {table} WHERE `k` = :p1");
        for row in &wanted {
            assert_eq!(driver.query(&read, &row[..1], &kinds).await.unwrap(), std::slice::from_ref(row));
        }
        // The same rows under other keys, as one JSON text.
        let described = [("k", "key"), ("n", "integer"), ("b", "boolean"), ("at", "timestamp")].map(|(name, kind)| context! { name, kind });
        let dialect = Backend::Databricks.dialect().unwrap();
        let rows =
            dialect.render("queries/rows.sql", &dialect.schema_name(schema).unwrap(), context! { columns => described.to_vec() }).unwrap();
        let objects = wanted.iter().map(|row| {
            let [Value::Text(Some(text)), Value::Integer(number), Value::Boolean(truth), Value::Time(at)] = &row[..] else {
                unreachable!()
            };
            json!({"c1": format!("+{text}"), "c2": number, "c3": truth, "c4": at.map(|at| at.timestamp_micros())})
        });
        let objects = Json::Array(objects.collect()).to_string();
        let merge = format!(
            "MERGE INTO {table} AS t USING (SELECT * FROM (\n{rows}\n) AS r WHERE TRUE) AS s ON t.`k` = s.`k` WHEN NOT MATCHED THEN INSERT (`k`, `n`, `b`, `at`) VALUES (s.`k`, s.`n`, s.`b`, s.`at`)"
        );
        assert_eq!(driver.execute(&merge, &[objects.as_str().into()]).await.unwrap(), wanted.len() as u64);
        assert_eq!(driver.execute(&merge, &[objects.as_str().into()]).await.unwrap(), 0);
        for row in &wanted {
            let Value::Text(Some(text)) = &row[0] else { unreachable!() };
            let key = Value::from(format!("+{text}"));
            let mut copied = row.clone();
            copied[0] = key.clone();
            assert_eq!(driver.query(&read, &[key], &kinds).await.unwrap(), [copied]);
        }
    });
}

#[test]
fn statements_say_how_many_rows_they_touched_and_fail_with_kinds() {
    on_the_engine(async |driver, schema| {
        let table = format!("`{schema}`.`t`");
        let mut run = async |sql: String| driver.execute(&sql.replace("{t}", &table), &[]).await.map_err(|error| error.kind);
        assert_eq!(run("CREATE TABLE {t} (`k` STRING NOT NULL, `n` BIGINT)".into()).await, Ok(0));
        assert_eq!(run("INSERT INTO {t} (`k`, `n`) VALUES ('a', 1), ('b', 2)".into()).await, Ok(2));
        assert_eq!(run("UPDATE {t} SET `n` = 3 WHERE `k` = 'a'".into()).await, Ok(1));
        assert_eq!(run("UPDATE {t} SET `n` = 3 WHERE `k` = 'c'".into()).await, Ok(0));
        let merge = |source: &str| {
            format!(
                "MERGE INTO {{t}} AS t USING ({source}) AS s ON t.`k` = s.`k` WHEN MATCHED THEN UPDATE SET `n` = s.`n` WHEN NOT MATCHED THEN INSERT (`k`, `n`) VALUES (s.`k`, s.`n`)"
            )
        };
        assert_eq!(run(merge("SELECT 'a' AS `k`, 4 AS `n` UNION ALL SELECT 'c' AS `k`, 4 AS `n`")).await, Ok(2));
        assert_eq!(run(merge("SELECT 'a' AS `k`, 4 AS `n` UNION ALL SELECT 'a' AS `k`, 5 AS `n`")).await, Err(ErrorKind::Duplicate));
        assert_eq!(run("DELETE FROM {t} WHERE `k` = 'c'".into()).await, Ok(1));
        assert_eq!(run("INSERT INTO {t} (`k`, `n`) VALUES (NULL, 1)".into()).await, Err(ErrorKind::NotNull));
        assert_eq!(run("CREATE TABLE {t} (`k` STRING)".into()).await, Err(ErrorKind::Exists));
        assert_eq!(run("CREATE TABLE IF NOT EXISTS {t} (`k` STRING)".into()).await, Ok(0));
        assert_eq!(run("ALTER TABLE {t} ADD COLUMNS (`k` STRING)".into()).await, Err(ErrorKind::Exists));
        assert_eq!(run("UPDATE {t} SET `nope` = 3".into()).await, Err(ErrorKind::Missing));
        assert_eq!(run("UPDATE `nope`.`nope` SET `n` = 3".into()).await, Err(ErrorKind::Missing));
        assert_eq!(run("SELEC 1".into()).await, Err(ErrorKind::Other));
    });
}

#[test]
fn a_result_of_many_chunks_comes_whole() {
    on_the_engine(async |driver, _| {
        let sql = "SELECT CAST(id AS BIGINT) AS n, repeat('x', 2000) AS t FROM range(0, 5000) ORDER BY id";
        let rows = driver.query(sql, &[], &[Kind::Integer, Kind::Text]).await.unwrap();
        assert!(rows.iter().enumerate().all(|(at, row)| row[0] == Value::from(at as i64)) && rows.len() == 5000);
        // More than comes inline.
        let sql = "SELECT CAST(id AS BIGINT) AS n, repeat('x', 20000) AS t FROM range(0, 2000) ORDER BY id";
        let rows = driver.query(sql, &[], &[Kind::Integer, Kind::Text]).await.unwrap();
        assert!(rows.iter().all(|row| row[1].clone().into_text().is_some_and(|text| text.len() == 20_000)) && rows.len() == 2000);
    });
}
