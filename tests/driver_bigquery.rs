//! The BigQuery driver: what it asks of the REST API and what it makes of the answers, against a scripted service that checks each request; and
//! what the statements do, against the stand-in of `tests/standins/bigquery`.

mod common;
#[path = "driver_bigquery/service.rs"]
mod service;

use amx_schema::dialect::Backend;
use amx_schema::driver::{Access, Driver, DriverError, ErrorKind, Failure, Staging, Value, Waits, connect};
use amx_schema::error::{Code, Error};
use amx_schema::model::Kind;
use amx_schema::profile::{Profile, Scalar};
use amx_schema::store::shared::{Landed, Position, RunFilter, SharedStore};
use chrono::{DateTime, Utc};
use common::Home;
use futures_util::StreamExt;
use minijinja::context;
use serde_json::{Value as Json, json};
use service::{Ending, Fault, Service};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

async fn login(url: &str, waits: Waits) -> Result<Box<dyn Driver>, Error> {
    connect(&Profile::from_url(url).unwrap(), Path::new("/nonexistent"), Access::Write, waits).await
}

fn silent() -> Waits {
    Arc::new(|_, _, _| {})
}

/// A driver for a service that has been asked nothing yet but who it is.
async fn driver(service: &Service) -> Box<dyn Driver> {
    let driver = login(&format!("bigquery://shop?endpoint={}&location=EU", service.endpoint()), silent()).await.unwrap();
    assert_eq!(service.asked(), ["datasets"]);
    driver
}

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_statement_is_a_job_with_typed_parameters() {
    let service = Service::start();
    service.ends(Ending::Touched(3));
    let params = [
        Value::Text(Some("it's \\ \u{1} \u{1f600}".into())),
        Value::Text(Some(String::new())),
        Value::Text(None),
        Value::Integer(Some(9_007_199_254_740_993)),
        Value::Integer(None),
        Value::Boolean(Some(true)),
        Value::Boolean(None),
        Value::Time(Some(time("2026-05-03T15:44:02.000001Z"))),
        Value::Time(None),
    ];
    let touched = driver(&service).await.execute("UPDATE t SET a = @p1", &params).await.unwrap();
    assert_eq!(touched, 3);
    assert_eq!(service.asked(), ["insert _1", "results _1"]);
    let body = service.body();
    assert_eq!(body["jobReference"]["location"], "EU");
    assert_eq!(body["configuration"]["query"]["query"], "UPDATE t SET a = @p1");
    let sent = body["configuration"]["query"]["queryParameters"].as_array().unwrap().clone();
    let sent: Vec<_> = sent.iter().map(|one| (one["parameterType"]["type"].clone(), one["parameterValue"]["value"].clone())).collect();
    let wanted = json!([
        ["STRING", "it's \\ \u{1} \u{1f600}"],
        ["STRING", ""],
        ["STRING", null],
        ["INT64", "9007199254740993"],
        ["INT64", null],
        ["BOOL", "true"],
        ["BOOL", null],
        ["TIMESTAMP", "2026-05-03 15:44:02.000001+00:00"],
        ["TIMESTAMP", null]
    ]);
    assert_eq!(json!(sent), wanted);
}

#[tokio::test]
async fn rows_come_page_by_page_and_exactly() {
    let service = Service::start();
    let row = |text: Json| vec![text, json!("-9223372036854775808"), json!("false"), json!("1777822242000001")];
    let none = vec![Json::Null, Json::Null, Json::Null, Json::Null];
    service.ends(Ending::Pages(vec![vec![row(json!("")), none], vec![row(json!("e\u{301} \\n"))]]));
    let kinds = [Kind::Text, Kind::Integer, Kind::Boolean, Kind::Timestamp];
    let rows = driver(&service).await.query("SELECT a, b, c, d FROM t", &[], &kinds).await.unwrap();
    let full = |text: &str| vec![text.into(), i64::MIN.into(), false.into(), time("2026-05-03T15:30:42.000001Z").into()];
    let none = vec![Value::Text(None), Value::Integer(None), Value::Boolean(None), Value::Time(None)];
    assert_eq!(rows, [full(""), none, full("e\u{301} \\n")]);
    assert_eq!(service.asked(), ["insert _1", "results _1", "results _1"]);
}

#[tokio::test]
async fn an_answer_of_another_shape_is_an_error() {
    for (cell, kind) in
        [(json!("x"), Kind::Integer), (json!("1.5"), Kind::Timestamp), (json!("maybe"), Kind::Boolean), (json!([1]), Kind::Text)]
    {
        let service = Service::start();
        service.ends(Ending::Pages(vec![vec![vec![cell]]]));
        let error = driver(&service).await.query("SELECT a FROM t", &[], &[kind]).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Other, "{error}");
    }
    let service = Service::start();
    service.ends(Ending::Pages(vec![vec![vec![json!("a"), json!("b")]]]));
    let error = driver(&service).await.query("SELECT a FROM t", &[], &[Kind::Text]).await.unwrap_err();
    assert!(error.message.contains("2 columns came, not 1"), "{error}");
}

#[tokio::test]
async fn a_statement_whose_answer_is_lost_runs_once() {
    for fault in
        [Fault::Unanswered, Fault::Refused(500, "backendError", "Error encountered during execution. Retrying may solve the problem.")]
    {
        let service = Service::start();
        let landed = matches!(fault, Fault::Unanswered);
        service.will("insert", fault);
        assert_eq!(driver(&service).await.execute("INSERT INTO t (a) VALUES (1)", &[]).await, Ok(1));
        assert_eq!(service.ran(), 1);
        let wanted: &[&str] =
            if landed { &["insert _1", "insert _1", "job _1", "results _1"] } else { &["insert _1", "insert _1", "results _1"] };
        assert_eq!(service.asked(), wanted);
    }
}

#[tokio::test]
async fn a_statement_that_never_arrived_is_sent_again_under_its_id() {
    let service = Service::start();
    service.will("insert", Fault::Lost);
    service.will("insert", Fault::Lost);
    assert_eq!(driver(&service).await.execute("INSERT INTO t (a) VALUES (1)", &[]).await, Ok(1));
    assert_eq!((service.ran(), service.asked()), (1, ["insert _1", "insert _1", "insert _1", "results _1"].map(String::from).to_vec()));
}

#[tokio::test]
async fn a_service_that_says_nothing_is_asked_again() {
    let service = Service::start();
    service.will("insert", Fault::Silent);
    let started = Instant::now();
    assert_eq!(driver(&service).await.execute("INSERT INTO t (a) VALUES (1)", &[]).await, Ok(1));
    assert_eq!((service.ran(), service.asked()), (1, ["insert _1", "insert _1", "job _1", "results _1"].map(String::from).to_vec()));
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[tokio::test]
async fn results_that_are_lost_are_asked_for_again() {
    let service = Service::start();
    service.state.lock().unwrap().unready = 2;
    service.will("results", Fault::Unanswered);
    service.will("results", Fault::Refused(503, "backendError", "Service unavailable"));
    assert_eq!(driver(&service).await.execute("UPDATE t SET a = 1 WHERE TRUE", &[]).await, Ok(1));
    assert_eq!(service.ran(), 1);
    let asked = service.asked();
    assert_eq!(asked.iter().filter(|asked| *asked == "insert _1").count(), 1, "{asked:?}");
}

#[tokio::test]
async fn what_stays_unanswered_is_unreachable() {
    let service = Service::start();
    let mut driver = driver(&service).await;
    for _ in 0..5 {
        service.will("insert", Fault::Unanswered);
    }
    let error = driver.execute("INSERT INTO t (a) VALUES (1)", &[]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable, "{error}");
    assert_eq!((service.ran(), service.asked().len()), (1, 5));
}

#[tokio::test]
async fn pauses_that_the_service_asks_for_are_taken_and_told() {
    let told = Arc::new(Mutex::new(vec![]));
    let hears = Arc::clone(&told);
    let waits: Waits = Arc::new(move |why, left, _| hears.lock().unwrap().push((why.to_string(), left)));
    let service = Service::start();
    let mut driver = login(&format!("bigquery://shop?endpoint={}", service.endpoint()), waits).await.unwrap();
    service.asked();
    service.will("insert", Fault::Busy(429, 2));
    service.will("insert", Fault::Busy(503, 1));
    service.will("insert", Fault::Refused(403, "rateLimitExceeded", "Exceeded rate limits: too many api requests per user per method"));
    let started = Instant::now();
    assert_eq!(driver.execute("INSERT INTO t (a) VALUES (1)", &[]).await, Ok(1));
    assert!(started.elapsed() >= Duration::from_secs(4), "{:?}", started.elapsed());
    assert_eq!(service.asked(), ["insert _1", "insert _1", "insert _1", "insert _1", "results _1"]);
    let told = told.lock().unwrap();
    assert_eq!(told[0].1, Duration::from_secs(2));
    for word in ["HTTP 429", "HTTP 503", "rateLimitExceeded"] {
        assert!(told.iter().any(|(why, _)| why.contains(word)), "{told:?}");
    }
}

#[tokio::test]
async fn a_job_that_failed_for_a_reason_that_passes_is_tried_under_the_next_id() {
    let service = Service::start();
    service.ends(Ending::Failed("jobRateLimitExceeded", "Exceeded rate limits: too many concurrent queries for this project_and_region"));
    service.ends(Ending::Failed("backendError", "Error encountered during execution. Retrying may solve the problem."));
    assert_eq!(driver(&service).await.execute("MERGE INTO t USING s ON FALSE WHEN NOT MATCHED THEN INSERT ROW", &[]).await, Ok(1));
    let wanted = ["insert _1", "results _1", "job _1", "insert _2", "results _2", "job _2", "insert _3", "results _3"];
    assert_eq!(service.asked(), wanted);
}

#[tokio::test]
async fn what_the_service_says_becomes_a_kind() {
    let cases = [
        ("accessDenied", "Access Denied: Table shop:AMX.t: User does not have permission to query table", ErrorKind::Denied),
        ("notFound", "Not found: Dataset shop:AMX was not found in location EU", ErrorKind::Missing),
        ("duplicate", "Already Exists: Table shop:AMX.t", ErrorKind::Exists),
        ("quotaExceeded", "Quota exceeded: Your project exceeded quota for free query bytes scanned.", ErrorKind::Full),
        ("invalidQuery", "Could not serialize access to table shop:AMX.t due to concurrent update", ErrorKind::Serialisation),
        ("resourcesExceeded", "Too many DML statements outstanding against table shop:AMX.t, limit is 20.", ErrorKind::Serialisation),
        ("invalidQuery", "Unrecognized name: nope at [1:8]", ErrorKind::Missing),
        ("invalidQuery", "Required field a cannot be null", ErrorKind::NotNull),
        ("invalidQuery", "Column already exists: a", ErrorKind::Exists),
        ("invalidQuery", "Syntax error: Unexpected identifier", ErrorKind::Other),
        ("stopped", "Job execution was cancelled: Job timed out after 45s", ErrorKind::LockTimeout),
    ];
    let service = Service::start();
    let mut driver = driver(&service).await;
    for (reason, message, kind) in cases {
        service.ends(Ending::Failed(reason, message));
        assert_eq!(driver.execute("SELECT 1", &[]).await, Err(DriverError::new(kind, message)), "{reason}");
        // None of these is tried again.
        assert_eq!(service.asked(), ["insert _1", "results _1", "job _1"], "{reason}");
    }
    let refusals = [
        (400, "invalid", "Invalid value", ErrorKind::Other),
        (401, "authError", "Invalid Credentials", ErrorKind::Auth),
        (403, "accessDenied", "Access Denied: Project shop: User does not have bigquery.jobs.create permission", ErrorKind::Denied),
        (404, "notFound", "Not found: Project shop", ErrorKind::Missing),
        (413, "uploadTooLarge", "Request payload size exceeds the limit: 10485760 bytes.", ErrorKind::TooLong),
    ];
    for (status, reason, message, kind) in refusals {
        service.will("insert", Fault::Refused(status, reason, message));
        assert_eq!(driver.execute("SELECT 1", &[]).await, Err(DriverError::new(kind, message)), "{status}");
        assert_eq!(service.asked(), ["insert _1"], "{status}");
    }
}

#[tokio::test]
async fn a_statement_that_changes_rows_ends_within_the_lease() {
    for (sql, wanted) in [("update t SET a = 1 WHERE TRUE", "45000"), ("MERGE INTO t …", "45000"), ("CREATE TABLE t (a INT64)", "600000")]
    {
        let service = Service::start();
        driver(&service).await.execute(sql, &[]).await.unwrap();
        assert_eq!(service.body()["configuration"]["jobTimeoutMs"], wanted, "{sql}");
    }
}

#[tokio::test]
async fn a_statement_larger_than_a_request_may_be_is_not_sent() {
    let service = Service::start();
    let mut driver = driver(&service).await;
    let error = driver.execute("INSERT INTO t (a) VALUES (@p1)", &["x".repeat(10_000_001).into()]).await.unwrap_err();
    assert_eq!((error.kind, service.asked().len()), (ErrorKind::TooLong, 0), "{error}");
}

#[tokio::test]
async fn jobs_run_where_the_profile_says_else_where_its_dataset_is() {
    let service = Service::start();
    service.state.lock().unwrap().location = "asia-northeast1";
    let mut driver = login(&format!("bigquery://shop/sales?endpoint={}", service.endpoint()), silent()).await.unwrap();
    driver.execute("SELECT 1", &[]).await.unwrap();
    assert_eq!(service.body()["jobReference"]["location"], "asia-northeast1");
    assert_eq!(service.asked(), ["dataset sales", "insert _1", "results _1"]);

    // Nobody says where: the service tells, also where its first answer was lost.
    for dataset in ["", "/absent"] {
        let mut driver = login(&format!("bigquery://shop{dataset}?endpoint={}", service.endpoint()), silent()).await.unwrap();
        service.asked();
        service.will("insert", Fault::Unanswered);
        assert_eq!(driver.execute("INSERT INTO t (a) VALUES (1)", &[]).await, Ok(1));
        assert_eq!(service.asked(), ["insert _1", "insert _1", "job _1", "results _1"]);
    }
}

#[tokio::test]
async fn a_service_that_refuses_the_login_or_is_not_there_is_told_when_connecting() {
    let service = Service::start();
    let url = format!("bigquery://shop?endpoint={}", service.endpoint());
    service.will("datasets", Fault::Refused(401, "authError", "Request had invalid authentication credentials."));
    assert_eq!(login(&url, silent()).await.err().unwrap().code, Code::AuthFailed);
    service.will("datasets", Fault::Refused(403, "accessDenied", "BigQuery API has not been used in project 1 before or it is disabled."));
    assert_eq!(login(&url, silent()).await.err().unwrap().code, Code::PermissionDenied);
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = login(&format!("bigquery://shop?endpoint=http://127.0.0.1:{closed}"), silent()).await.err().unwrap();
    assert_eq!(error.code, Code::Unreachable, "{error:?}");
}

#[tokio::test]
async fn an_endpoint_is_https_or_on_this_machine() {
    for endpoint in ["http://bigquery.example.com", "ftp://127.0.0.1", "bigquery.example.com"] {
        let error = login(&format!("bigquery://shop?endpoint={endpoint}"), silent()).await.err().unwrap();
        assert_eq!(error.code, Code::ConfigInvalid, "{endpoint}: {error:?}");
    }
}

const STAGED: [(&str, Kind); 4] = [("a", Kind::Text), ("n", Kind::Integer), ("b", Kind::Boolean), ("t", Kind::Timestamp)];

fn staged_rows() -> Vec<Vec<Value>> {
    let text = "it's \\ \"\u{1}\n--amx-schema-rows--\u{1f600}";
    let at = time("2026-05-03T15:44:02.000001Z");
    let nulls = vec![Value::Text(None), Value::Integer(None), Value::Boolean(None), Value::Time(None)];
    vec![vec![text.into(), 9_007_199_254_740_993_i64.into(), true.into(), at.into()], nulls]
}

async fn stage(driver: &mut Box<dyn Driver>) -> Result<bool, DriverError> {
    let rows = staged_rows();
    driver.stage(&Staging { schema: "sales", table: "staged_1", columns: &STAGED, rows: &rows }).await
}

#[tokio::test]
async fn many_rows_are_one_load_into_a_table_that_expires() {
    let service = Service::start();
    let mut driver = driver(&service).await;
    assert!(stage(&mut driver).await.unwrap());
    assert_eq!(service.asked(), ["table staged_1", "upload _1", "job _1"]);
    let loaded = service.state.lock().unwrap().tables["staged_1"].clone();
    let text = "it's \\ \"\u{1}\n--amx-schema-rows--\u{1f600}";
    let row = json!({"a": text, "n": "9007199254740993", "b": true, "t": "2026-05-03 15:44:02.000001+00:00"});
    assert_eq!(loaded, [row, json!({})]);
    driver.unstage("sales", "staged_1").await;
    assert_eq!(service.asked(), ["drop staged_1"]);
}

#[tokio::test]
async fn a_load_whose_answers_are_lost_lands_once() {
    let service = Service::start();
    let mut driver = driver(&service).await;
    for request in ["table", "upload", "job"] {
        service.will(request, Fault::Unanswered);
    }
    assert!(stage(&mut driver).await.unwrap());
    let asked = ["table staged_1", "table staged_1", "upload _1", "upload _1", "job _1", "job _1"];
    assert_eq!(service.asked()[..6], asked);
    assert_eq!(service.state.lock().unwrap().tables["staged_1"].len(), 2);
    assert_eq!(service.ran(), 1);
}

#[tokio::test]
async fn a_load_that_failed_for_a_reason_that_passes_is_tried_under_the_next_id() {
    let service = Service::start();
    let mut driver = driver(&service).await;
    service.ends(Ending::Failed("backendError", "try again"));
    assert!(stage(&mut driver).await.unwrap());
    assert_eq!(service.asked(), ["table staged_1", "upload _1", "job _1", "upload _2", "job _2"]);
}

#[tokio::test]
async fn where_no_table_may_be_made_nothing_is_staged_and_it_is_not_asked_for_again() {
    let service = Service::start();
    let mut driver = driver(&service).await;
    service.will("table", Fault::Refused(403, "accessDenied", "Access Denied: Permission bigquery.tables.create denied"));
    assert!(!stage(&mut driver).await.unwrap());
    assert!(!stage(&mut driver).await.unwrap());
    assert_eq!(service.asked(), ["table staged_1"]);
}

#[tokio::test]
async fn where_the_quota_of_loads_is_used_up_the_table_is_dropped_and_nothing_is_staged() {
    let service = Service::start();
    let mut driver = driver(&service).await;
    service.ends(Ending::Failed("quotaExceeded", "Quota exceeded: Your project exceeded quota for load jobs"));
    assert!(!stage(&mut driver).await.unwrap());
    assert_eq!(service.asked(), ["table staged_1", "upload _1", "job _1", "drop staged_1"]);
}

#[tokio::test]
async fn a_load_that_is_refused_is_an_error() {
    let service = Service::start();
    let mut driver = driver(&service).await;
    service.ends(Ending::Failed("invalid", "Error while reading data"));
    assert_eq!(stage(&mut driver).await.unwrap_err().kind, ErrorKind::Other);
    service.will("table", Fault::Refused(404, "notFound", "Not found: Dataset shop:sales"));
    assert_eq!(stage(&mut driver).await.unwrap_err().kind, ErrorKind::Missing);
}

#[tokio::test]
async fn there_is_neither_a_transaction_nor_a_lock() {
    let service = Service::start();
    let mut driver = driver(&service).await;
    let Err(Failure::Database(error)) = driver.atomic(futures_util::stream::empty().boxed()).await else { panic!("it is one") };
    assert_eq!(error.kind, ErrorKind::Other);
    assert_eq!(driver.try_lock("AMX").await.unwrap_err().kind, ErrorKind::Other);
    assert_eq!(driver.unlock().await.unwrap_err().kind, ErrorKind::Other);
    assert!(service.asked().is_empty());
}

/// A profile whose `credentials_path` names a file with this in it.
fn with_credentials(home: &Home, service: &Service, credentials: &Json) -> Profile {
    home.write("credentials.json", &credentials.to_string());
    let field = |name: &str, value: &str| (name.to_string(), Scalar::from(value));
    // Relative paths are seen from the home.
    let fields = [field("project", "shop"), field("credentials_path", "credentials.json"), field("endpoint", &service.endpoint())];
    Profile::from_fields(Some("p"), Backend::BigQuery, &fields, home.dir.path()).unwrap()
}

#[tokio::test]
async fn a_service_account_signs_a_token_of_its_own() {
    let (home, service) = (Home::new(), Service::start());
    let made = Command::new("openssl").args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]).output().unwrap();
    assert!(made.status.success());
    let key = String::from_utf8(made.stdout).unwrap();
    let account = json!({
        "type": "service_account", "project_id": "shop", "private_key_id": "k1", "private_key": key, "client_id": "1",
        "client_email": "amx@shop.iam.gserviceaccount.com", "token_uri": "https://oauth2.googleapis.com/token",
    });
    let profile = with_credentials(&home, &service, &account);
    let mut driver = connect(&profile, home.dir.path(), Access::Write, silent()).await.unwrap();
    driver.execute("SELECT 1", &[]).await.unwrap();
    let logins = service.state.lock().unwrap().logins.clone();
    assert_eq!(logins.len(), 3);
    let token = logins[0].strip_prefix("Bearer ").unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    let part = |at: usize| -> Json { serde_json::from_slice(&base64_url(parts[at])).unwrap() };
    assert_eq!((&part(0)["alg"], &part(0)["kid"]), (&json!("RS256"), &json!("k1")));
    let claims = part(1);
    assert_eq!(
        (&claims["iss"], &claims["scope"]),
        (&json!("amx@shop.iam.gserviceaccount.com"), &json!("https://www.googleapis.com/auth/bigquery"))
    );
    // The key's own public half takes the signature.
    home.write("key.pem", &key);
    std::fs::write(home.path("signed"), format!("{}.{}", parts[0], parts[1])).unwrap();
    std::fs::write(home.path("signature"), base64_url(parts[2])).unwrap();
    let openssl = |args: &[&str]| Command::new("openssl").args(args).current_dir(home.dir.path()).output().unwrap();
    assert!(openssl(&["pkey", "-in", "key.pem", "-pubout", "-out", "public.pem"]).status.success());
    let verified = openssl(&["dgst", "-sha256", "-verify", "public.pem", "-signature", "signature", "signed"]);
    assert!(verified.status.success(), "{verified:?}");
}

#[tokio::test]
async fn a_user_gives_a_refresh_token_for_one_of_access() {
    let (home, service) = (Home::new(), Service::start());
    let user = json!({
        "type": "authorized_user", "client_id": "id-1", "client_secret": "s3cret", "refresh_token": "r3fresh",
        "token_uri": format!("{}/token", service.endpoint()),
    });
    let profile = with_credentials(&home, &service, &user);
    let mut driver = connect(&profile, home.dir.path(), Access::Write, silent()).await.unwrap();
    driver.execute("SELECT 1", &[]).await.unwrap();
    assert_eq!(service.asked(), ["token", "datasets", "insert _1", "results _1"]);
    let state = service.state.lock().unwrap();
    assert_eq!(state.logins, vec!["Bearer given-for-it"; 3]);
    assert!(state.forms[0].contains("r3fresh") && state.forms[0].contains("refresh_token"), "{}", state.forms[0]);
}

#[tokio::test]
async fn credentials_that_are_refused_or_are_none_are_told_without_a_secret() {
    let (home, service) = (Home::new(), Service::start());
    let user = json!({
        "type": "authorized_user", "client_id": "id-1", "client_secret": "s3cret", "refresh_token": "r3fresh",
        "token_uri": format!("{}/token", service.endpoint()),
    });
    let profile = with_credentials(&home, &service, &user);
    service.will("token", Fault::Refused(400, "invalid_grant", "Token has been expired or revoked."));
    let refused = connect(&profile, home.dir.path(), Access::Read, silent()).await.err().unwrap();
    assert_eq!(refused.code, Code::AuthFailed, "{refused:?}");
    let of_no_kind = json!({"type": "s3cret", "private_key": "r3fresh"});
    let unusable = [of_no_kind, json!({"type": "service_account", "private_key": "r3fresh"}), json!("s3cret")];
    let mut errors = vec![refused];
    for credentials in unusable {
        let profile = with_credentials(&home, &service, &credentials);
        let error = connect(&profile, home.dir.path(), Access::Read, silent()).await.err().unwrap();
        assert_eq!(error.code, Code::ConfigInvalid, "{error:?}");
        errors.push(error);
    }
    for error in errors {
        let said = format!("{error:?}");
        assert!(!said.contains("s3cret") && !said.contains("r3fresh"), "{said}");
    }
}

fn base64_url(text: &str) -> Vec<u8> {
    let digit = |byte: u8| "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".find(byte as char).unwrap() as u32;
    let bytes = |group: &[u8]| {
        let bits = group.iter().fold(0, |bits, &byte| bits << 6 | digit(byte)) << (6 * (4 - group.len()));
        bits.to_be_bytes()[1..group.len()].to_vec()
    };
    text.as_bytes().chunks(4).flat_map(bytes).collect()
}

/// The URL of the stand-in; nothing where it is not there.
fn stand_in() -> Option<String> {
    let url = std::env::var("AMX_TEST_BIGQUERY_URL").ok();
    if url.is_none() {
        assert!(std::env::var_os("AMX_TEST_REQUIRE_SERVERS").is_none(), "AMX_TEST_BIGQUERY_URL is not set: run the tests with `make test`");
        eprintln!("skipped: BigQuery's stand-in is not there (AMX_TEST_BIGQUERY_URL is not set)");
    }
    url
}

/// A dataset of the test's own in the stand-in.
struct Dataset {
    name: String,
    driver: Box<dyn Driver>,
}

impl Dataset {
    async fn new(name: &str) -> Option<Dataset> {
        let url = stand_in()?;
        let name = format!("driver_{name}_{}", std::process::id());
        let mut driver = login(&url, silent()).await.unwrap();
        driver.execute(&format!("CREATE SCHEMA `{name}`"), &[]).await.unwrap();
        Some(Dataset { name, driver })
    }

    async fn run(&mut self, sql: &str) -> Result<u64, DriverError> {
        self.driver.execute(&sql.replace("{}", &self.name), &[]).await
    }

    async fn kind(&mut self, sql: &str) -> ErrorKind {
        self.run(sql).await.unwrap_err().kind
    }

    async fn drop(mut self) {
        self.run("DROP SCHEMA `{}` CASCADE").await.unwrap();
    }
}

/// Texts that a detour through JSON could change.
const TEXTS: [&str; 10] = [
    "",
    " both ",
    "it's",
    "\"\\\"",
    "\\u0041 \\n",
    "a\nb\r\n\tc",
    "\u{1}\u{1f}\u{7f}\u{85}\u{2028}",
    "é e\u{301}",
    "\u{1f600}\u{10ffff}",
    "null",
];

/// Rows of a text, a number, a truth and a time, each at its edges.
fn exact_rows() -> Vec<Vec<Value>> {
    let numbers = [i64::MIN, -1, 0, 9_007_199_254_740_993, i64::MAX];
    let micros = |at: usize| [-62_135_596_800_000_000, -1, 0, 1_777_822_242_000_001, 4_102_444_799_999_999][at % 5];
    let mut rows: Vec<Vec<Value>> = vec![vec![Value::Text(None), Value::Integer(None), Value::Boolean(None), Value::Time(None)]];
    for (at, text) in TEXTS.iter().enumerate() {
        rows.push(vec![
            (*text).into(),
            numbers[at % 5].into(),
            at.is_multiple_of(2).into(),
            DateTime::from_timestamp_micros(micros(at)).into(),
        ]);
    }
    rows
}

#[tokio::test]
async fn rows_that_are_loaded_are_exact() {
    let Some(url) = stand_in() else { return };
    let mut driver = login(&url, silent()).await.unwrap();
    let (schema, table) = (format!("load_{}", std::process::id()), "staged_2");
    driver.execute(&format!("CREATE SCHEMA {schema}"), &[]).await.unwrap();
    let mut rows = exact_rows();
    let columns = [("a", Kind::Text), ("b", Kind::Integer), ("c", Kind::Boolean), ("d", Kind::Timestamp)];
    assert!(driver.stage(&Staging { schema: &schema, table, columns: &columns, rows: &rows }).await.unwrap());
    let mut came = driver.query(&format!("SELECT a, b, c, d FROM {schema}.{table}"), &[], &columns.map(|(_, kind)| kind)).await.unwrap();
    let key = |row: &Vec<Value>| format!("{row:?}");
    came.sort_by_key(key);
    rows.sort_by_key(key);
    assert_eq!(came, rows);
    driver.unstage(&schema, table).await;
    let gone = driver.query(&format!("SELECT a FROM {schema}.{table}"), &[], &[Kind::Text]).await.unwrap_err();
    assert_eq!(gone.kind, ErrorKind::Missing);
    driver.execute(&format!("DROP SCHEMA {schema}"), &[]).await.unwrap();
}

#[test]
fn a_dataset_is_made_where_the_profile_says() {
    let Some(url) = stand_in() else { return };
    let home = Home::new();
    let schema = format!("location_{}", std::process::id());
    let shown = home.run(&["migrate", "--dry-run", "--url", &url, "--schema", &schema]).ok();
    assert!(shown.contains(&format!("CREATE SCHEMA IF NOT EXISTS `{schema}` OPTIONS (location = 'EU')")), "{shown}");
}

#[tokio::test]
async fn rows_of_one_json_text_are_exact() {
    let Some(url) = stand_in() else { return };
    let dialect = Backend::BigQuery.dialect().unwrap();
    let kinds = [Kind::Text, Kind::Integer, Kind::Boolean, Kind::Timestamp];
    let words = ["text", "integer", "boolean", "timestamp"];
    let columns: Vec<_> = words.into_iter().zip(["a", "b", "c", "d"]).map(|(kind, name)| context! { kind, name }).collect();
    let sql = dialect.render("queries/rows.sql", &dialect.schema_name("AMX").unwrap(), context! { columns }).unwrap();
    let mut rows = exact_rows();
    let cell = |value: &Value| match value {
        Value::Text(text) => json!(text),
        Value::Integer(number) => json!(number),
        Value::Boolean(truth) => json!(truth),
        Value::Time(time) => json!(time.map(|time| time.timestamp_micros())),
    };
    let object = |row: &Vec<Value>| {
        row.iter().enumerate().map(|(at, value)| (format!("c{}", at + 1), cell(value))).collect::<serde_json::Map<_, _>>()
    };
    let bound = json!(rows.iter().map(object).collect::<Vec<_>>()).to_string();
    let mut driver = login(&url, silent()).await.unwrap();
    let mut came = driver.query(&sql, &[bound.into()], &kinds).await.unwrap();
    let key = |row: &Vec<Value>| format!("{row:?}");
    came.sort_by_key(key);
    rows.sort_by_key(key);
    assert_eq!(came, rows);
}

#[tokio::test]
async fn values_that_are_bound_come_back() {
    let Some(mut dataset) = Dataset::new("bound").await else { return };
    dataset.run("CREATE TABLE `{}`.`t` (n INT64, a STRING, b TIMESTAMP)").await.unwrap();
    let instant = time("2026-05-03T15:44:02.999999Z");
    let insert = format!("INSERT INTO `{}`.`t` (n, a, b) VALUES (@p1, @p2, @p3)", dataset.name);
    for (at, text) in (0i64..).zip(TEXTS) {
        assert_eq!(dataset.driver.execute(&insert, &[at.into(), text.into(), instant.into()]).await, Ok(1));
    }
    let select = format!("SELECT a, b FROM `{}`.`t` ORDER BY n", dataset.name);
    let rows = dataset.driver.query(&select, &[], &[Kind::Text, Kind::Timestamp]).await.unwrap();
    assert_eq!(rows, TEXTS.map(|text| vec![text.into(), instant.into()]));
    dataset.drop().await;
}

#[tokio::test]
async fn what_bigquery_refuses_is_refused_in_its_kind() {
    let Some(mut dataset) = Dataset::new("refused").await else { return };
    dataset.run("CREATE TABLE `{}`.`t` (a STRING NOT NULL, b INT64, PRIMARY KEY (a) NOT ENFORCED) CLUSTER BY a").await.unwrap();
    assert_eq!(dataset.run("INSERT INTO `{}`.`t` (a, b) VALUES ('x', 1), ('y', 2)").await, Ok(2));
    let cases = [
        ("CREATE SCHEMA `{}`", ErrorKind::Exists),
        ("CREATE TABLE `{}`.`t` (a STRING)", ErrorKind::Exists),
        ("SELECT * FROM `{}`.`T`", ErrorKind::Missing),
        ("SELECT * FROM `{}_2`.`t`", ErrorKind::Missing),
        ("SELECT nope FROM `{}`.`t`", ErrorKind::Missing),
        ("SELECT column_name FROM `{}_2`.INFORMATION_SCHEMA.COLUMNS", ErrorKind::Missing),
        ("INSERT INTO `{}`.`t` (b) VALUES (1)", ErrorKind::NotNull),
        ("ALTER TABLE `{}`.`t` ADD COLUMN b INT64", ErrorKind::Exists),
        ("CREATE TABLE `{}`.`u` (a VARCHAR)", ErrorKind::Other),
        ("CREATE TABLE `{}`.`u` (a STRING, PRIMARY KEY (a))", ErrorKind::Other),
        ("CREATE INDEX i ON `{}`.`t` (a)", ErrorKind::Other),
        ("UPDATE `{}`.`t` SET b = 'x' WHERE TRUE", ErrorKind::Other),
        ("UPDATE `{}`.`t` SET b = 1", ErrorKind::Other),
        ("SELECT @p1", ErrorKind::Other),
        (
            "MERGE INTO `{}`.`t` AS t USING (SELECT 'x' AS a UNION ALL SELECT 'x') AS s ON t.a = s.a WHEN MATCHED THEN UPDATE SET b = 1",
            ErrorKind::Other,
        ),
    ];
    for (sql, kind) in cases {
        assert_eq!(dataset.kind(sql).await, kind, "{sql}");
    }
    let merge = "MERGE INTO `{}`.`t` AS t USING (SELECT 'x' AS a UNION ALL SELECT 'z') AS s ON t.a = s.a
        WHEN MATCHED THEN UPDATE SET b = 5 WHEN NOT MATCHED THEN INSERT (a, b) VALUES (s.a, 6)";
    assert_eq!(dataset.run(merge).await, Ok(2));
    assert_eq!(dataset.run("UPDATE `{}`.`t` SET b = 0 WHERE a = 'none'").await, Ok(0));
    dataset.drop().await;
}

/// The program on a store of its own in the stand-in.
#[test]
fn a_store_is_made_and_found_right() {
    let Some(url) = stand_in() else { return };
    let home = Home::new();
    let schema = format!("driver_store_{}", std::process::id());
    let run = |args: &[&str]| home.run(&[args, &["--url", &url, "--schema", &schema]].concat());
    run(&["diff"]).fails("store_missing", 2);
    run(&["migrate", "--check"]).fails("pending_migrations", 3);
    run(&["migrate"]).ok();
    run(&["migrate", "--check"]).ok();
    assert_eq!(run(&["diff", "--json"]).json(), json!({"drift": []}));
    let status = run(&["status", "--json"]).json();
    assert_eq!((&status["reachable"], &status["pending_migrations"], &status["shared_runs"]), (&json!(true), &json!(0), &json!(0)));
    let inspected = run(&["inspect", "--json"]).json();
    let store = inspected["schemas"].as_array().unwrap().iter().find(|listed| listed["store"] == true).unwrap().clone();
    assert_eq!((&store["name"], &store["tables"]), (&json!(schema), &json!(7)));
    let other_case = home.run(&["status", "--check", "--url", &url, "--schema", &schema.to_uppercase()]);
    other_case.fails("schema_case", 2);
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut driver = login(&url, silent()).await.unwrap();
        every_query_is_taken(driver.as_mut(), &schema).await;
        driver.execute(&format!("DROP SCHEMA `{schema}` CASCADE"), &[]).await.unwrap();
    });
}

/// Every query of the store, on one that is empty.
async fn every_query_is_taken(driver: &mut dyn Driver, schema: &str) {
    let dialect = Backend::BigQuery.dialect().unwrap();
    let schema = dialect.schema_name(schema).unwrap();
    let mut store = SharedStore::new(driver, dialect, &schema);
    let id = store.mint_store_id().await.unwrap();
    assert_eq!(store.store_id().await.unwrap().as_deref(), Some(id.as_str()));
    assert_eq!(store.landed("o").await.unwrap(), None);
    store.add_origin("o", "first", "localhost", "tester").await.unwrap();
    store.renew_epoch("o", "first", "second").await.unwrap();
    assert_eq!(store.landed("o").await.unwrap(), Some(Landed { number: 0, epoch: "second".into() }));
    let standing = store.standing("amx_history_ledger").await.unwrap();
    assert_eq!((standing.version, standing.store_id, standing.origins.len()), (2, Some(id), 1));
    assert!(store.changed_runs("o", &(1..=2)).await.unwrap().is_empty());
    assert_eq!(store.count_changed("o", &(1..=2)).await.unwrap(), 0);
    assert!(store.changed_results("o", &(1..=2), &Position::default(), 10).await.unwrap().is_empty());
    assert!(store.results_of(&[("r", "a"), ("r", "b"), ("s", "a")]).await.unwrap().is_empty());
    assert!(store.runs(&["r", "s"]).await.unwrap().is_empty());
    assert!(store.results("r", &["a", "b"]).await.unwrap().is_empty());
    assert!(store.results_after("r", "", 10).await.unwrap().is_empty());
    assert!(store.count_results(&["r", "s"]).await.unwrap().is_empty());
    assert!(store.count_described(&["r", "s"]).await.unwrap().is_empty());
    for after in [None, Some("r")] {
        assert!(store.run_ids(after, 10).await.unwrap().is_empty());
        let after = after.map(|run_id| (run_id.to_string(), String::new()));
        assert!(store.hashed_results(after.as_ref(), 10).await.unwrap().is_empty());
    }
    let after = Some((time("2026-05-03T15:44:02Z"), "r".to_string()));
    let all = RunFilter { who: Some("w".into()), scope: Some("s".into()), state: Some("running".into()), after };
    assert!(store.list(&all, 10).await.unwrap().is_empty());
    assert!(store.list(&RunFilter::default(), 10).await.unwrap().is_empty());
    assert!(store.teammates("o").await.unwrap().is_empty());
    assert!(store.duplicates().await.unwrap().is_empty());
    assert_eq!((store.status("amx_history_ledger").await.unwrap().runs, store.stale_statistics().await.unwrap().len()), (0, 0));
}
