//! Databricks over the SQL Statement Execution API: <https://docs.databricks.com/api/workspace/statementexecution>.
//!
//! Each statement is a session of its own, so that nothing is set for the next one and no statement of ours depends on a setting: times go in as
//! text with their zone and come out as microseconds since 1970.

use super::http::{Answer, Http};
use super::{Driver, DriverError, ErrorKind, Failure, NO_MESSAGE, Op, Row, Value, Waits};
use crate::error::{Code, Error};
use crate::model::Kind;
use crate::profile::Profile;
use crate::secret::{self, expand};
use async_trait::async_trait;
use chrono::DateTime;
use futures_util::stream::BoxStream;
use reqwest::{Method, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long a statement that writes rows may take. The service cancels it then, whatever has become of this program: one whose sender died ends
/// before the store's lease is taken over.
const WRITE_SECONDS: u64 = 40;
const _: () = assert!(WRITE_SECONDS <= super::LONGEST_WRITE.as_secs());
/// How long the service waits before it says that a statement is not done; then it is polled.
const WAIT_SECONDS: u64 = 10;
/// The first and the longest pause between two polls. The service may take 5 s to know better: the page of the module.
const POLL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));
/// How long a statement is polled before it is cancelled. A warehouse that is stopped takes minutes to start.
const PATIENCE: Duration = Duration::from_secs(1800);
/// How long the end of a cancelled statement is waited for.
const CANCEL_PATIENCE: Duration = Duration::from_secs(30);
/// How often something is asked again that no answer came to, where asking changes nothing.
const ASK_TRIES: u32 = 4;
/// The most bytes of a statement with its values: a query's text has at most 16 MiB, same page.
const STATEMENT_BYTES: usize = 16 * 1024 * 1024;
/// A token is renewed so long before it expires.
const TOKEN_MARGIN: Duration = Duration::from_secs(120);
/// How long a token lives where the answer does not say: <https://docs.databricks.com/en/dev-tools/auth/oauth-m2m.html>.
const TOKEN_SECONDS: u64 = 3600;
/// What the service says of a result that is too large to come inline (25 MiB, the page of the module).
const TOO_LARGE_INLINE: &str = "Inline byte limit exceeded";

pub(super) async fn connect(profile: &Profile, home: &Path, waits: Waits) -> Result<Box<dyn Driver>, Error> {
    let field = |name: &str| profile.field(name).map(str::to_string);
    let host = field("host").unwrap_or_default();
    // Plain HTTP reaches a stand-in on this machine; a token never leaves it unencrypted.
    let scheme = if crate::profile::is_local(host_name(&host)) { "http" } else { "https" };
    let base = Url::parse(&format!("{scheme}://{host}/")).map_err(|_| wrong("`host` is no host of a workspace"))?;
    let secret = profile.secret.as_ref().ok_or_else(|| wrong("neither `access_token` nor `client_id` with `client_secret` is given"))?;
    let secret = secret::resolve(secret, home)?;
    let login = match field("client_id") {
        None => Login::Token(secret),
        Some(id) => Login::Client { id, secret, granted: Mutex::new(None) },
    };
    // A path in a URL is seen from where the program runs, one of config.yml from the home folder.
    let seen_from = if profile.name.is_some() { home } else { Path::new("") };
    let roots = field("tls_trusted_ca_file").map(|path| expand(&path, seen_from));
    let driver = Databricks {
        http: Http::new(roots.as_deref(), waits)?,
        base,
        warehouse: warehouse(&field("http_path").unwrap_or_default())?,
        catalog: field("catalog"),
        login: Arc::new(login),
    };
    driver.greet().await?;
    Ok(Box::new(driver))
}

fn wrong(what: &str) -> Error {
    Error::new(
        Code::ConfigInvalid,
        format!("the Databricks profile: {what}"),
        "correct the profile or the URL; docs/backends/databricks.md has one to copy",
    )
}

/// The host without its port.
fn host_name(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name.trim_start_matches('[').trim_end_matches(']'),
        _ => host,
    }
}

/// The warehouse's id, the last part of its path: <https://docs.databricks.com/en/integrations/compute-details.html>.
fn warehouse(http_path: &str) -> Result<String, Error> {
    let parts: Vec<&str> = http_path.trim_matches('/').split('/').collect();
    match parts[..] {
        ["sql", "1.0", "warehouses" | "endpoints", id]
            if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') =>
        {
            Ok(id.to_string())
        }
        _ => Err(wrong("`http_path` is none of a SQL warehouse, such as /sql/1.0/warehouses/a1b2c3d4e5f6a7b8 (a cluster has no such API)")),
    }
}

#[derive(Clone)]
struct Databricks {
    http: Http,
    base: Url,
    warehouse: String,
    catalog: Option<String>,
    login: Arc<Login>,
}

/// As whom to log in.
enum Login {
    /// A personal access token, or any other that is given.
    Token(SecretString),
    /// A service principal: <https://docs.databricks.com/en/dev-tools/auth/oauth-m2m.html>.
    Client { id: String, secret: SecretString, granted: Mutex<Option<Granted>> },
}

/// A token that was granted.
struct Granted {
    token: SecretString,
    renew_at: Instant,
}

/// What is to become of a statement that takes long.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Slow {
    /// The service cancels it.
    Cancelled,
    /// It goes on, and is asked for.
    Polled,
}

#[async_trait]
impl Driver for Databricks {
    async fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64, DriverError> {
        if !writes_rows(sql) {
            return self.run(sql, params, Slow::Polled, Disposition::Inline).await.map(|_| 0);
        }
        self.run(sql, params, Slow::Cancelled, Disposition::Inline).await?.touched()
    }

    async fn query(&mut self, sql: &str, params: &[Value], kinds: &[Kind]) -> Result<Vec<Row>, DriverError> {
        let result = match self.run(sql, params, Slow::Polled, Disposition::Inline).await {
            // Only then are the links worth it: they lead to a host that a firewall may not let through.
            Err(error) if error.message.contains(TOO_LARGE_INLINE) => self.run(sql, params, Slow::Polled, Disposition::ExternalLinks).await,
            result => result,
        }?;
        result.decoded(kinds)
    }

    async fn atomic(&mut self, _ops: BoxStream<'_, Result<Op<'_>, Error>>) -> Result<(), Failure> {
        Err(none("has no transactions over several statements").into())
    }

    async fn another(&mut self) -> Result<Box<dyn Driver>, DriverError> {
        Ok(Box::new(self.clone()))
    }

    async fn try_lock(&mut self, _name: &str) -> Result<bool, DriverError> {
        Err(none("has no lock of its own"))
    }

    async fn unlock(&mut self) -> Result<(), DriverError> {
        Err(none("has no lock of its own"))
    }

    async fn close(self: Box<Self>) {}
}

fn none(what: &str) -> DriverError {
    DriverError::new(ErrorKind::Other, format!("the SQL Statement Execution API {what}"))
}

/// Whether a statement is one of those that the store has a lease for.
fn writes_rows(sql: &str) -> bool {
    let word: String = sql.trim_start().chars().take_while(char::is_ascii_alphabetic).collect();
    ["INSERT", "UPDATE", "DELETE", "MERGE"].iter().any(|write| word.eq_ignore_ascii_case(write))
}

/// How a result comes.
#[derive(Clone, Copy)]
enum Disposition {
    Inline,
    ExternalLinks,
}

impl Disposition {
    fn word(self) -> &'static str {
        match self {
            Disposition::Inline => "INLINE",
            Disposition::ExternalLinks => "EXTERNAL_LINKS",
        }
    }
}

#[derive(Deserialize)]
struct Response {
    statement_id: Option<String>,
    status: Status,
    manifest: Option<Manifest>,
    result: Option<Chunk>,
}

#[derive(Deserialize)]
struct Status {
    state: String,
    error: Option<ServiceError>,
    sql_state: Option<String>,
}

/// What the service says, be it of a statement or of a request.
#[derive(Deserialize, Default)]
struct ServiceError {
    #[serde(default)]
    message: String,
    error: Option<String>,
    error_description: Option<String>,
}

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    schema: Schema,
    total_row_count: Option<u64>,
    #[serde(default)]
    truncated: bool,
}

#[derive(Deserialize, Default)]
struct Schema {
    #[serde(default)]
    columns: Vec<Column>,
}

#[derive(Deserialize)]
struct Column {
    name: String,
    #[serde(default)]
    type_name: String,
}

type Rows = Vec<Vec<Option<String>>>;

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    data_array: Rows,
    #[serde(default)]
    external_links: Vec<Link>,
    next_chunk_internal_link: Option<String>,
}

/// Where a part of a result is stored. It has a credential in it.
#[derive(Deserialize)]
struct Link {
    external_link: String,
    #[serde(default)]
    http_headers: BTreeMap<String, String>,
    next_chunk_internal_link: Option<String>,
}

#[derive(Deserialize)]
struct TokenGrant {
    access_token: String,
    expires_in: Option<u64>,
}

/// A result that has come as a whole.
struct Outcome {
    columns: Vec<Column>,
    rows: Rows,
}

impl Outcome {
    /// How many rows a statement touched, as its one row says: <https://docs.databricks.com/en/sql/language-manual/delta-merge-into.html>.
    fn touched(&self) -> Result<u64, DriverError> {
        let at = self.columns.iter().position(|column| column.name.eq_ignore_ascii_case("num_affected_rows"));
        let count = at.and_then(|at| self.rows.first()?.get(at)?.as_deref()?.parse().ok());
        count.ok_or_else(|| DriverError::new(ErrorKind::Other, "the answer to a statement does not say how many rows it touched"))
    }

    fn decoded(self, kinds: &[Kind]) -> Result<Vec<Row>, DriverError> {
        let columns = self.columns;
        if let Some(at) = (0..kinds.len()).find(|at| columns.get(*at).is_none()) {
            return Err(DriverError::shape(at, "there is none"));
        }
        let row = |texts: Vec<Option<String>>| -> Result<Row, DriverError> {
            let mut texts = texts.into_iter();
            kinds.iter().enumerate().map(|(at, kind)| decode(at, *kind, &columns[at].type_name, texts.next().flatten())).collect()
        };
        self.rows.into_iter().map(row).collect()
    }
}

/// Every value is text or null. A TIMESTAMP has no digits beyond milliseconds there, so that a time is asked for as microseconds.
fn decode(at: usize, kind: Kind, type_name: &str, text: Option<String>) -> Result<Value, DriverError> {
    let shape = |error: &dyn std::fmt::Display| DriverError::shape(at, error);
    let number = |text: String| text.parse::<i64>().map_err(|error| shape(&error));
    Ok(match kind {
        Kind::Key | Kind::Text | Kind::Json | Kind::Literal => Value::Text(text),
        Kind::Integer => Value::Integer(text.map(number).transpose()?),
        Kind::Boolean => Value::Boolean(match text.as_deref() {
            None => None,
            Some("true") => Some(true),
            Some("false") => Some(false),
            Some(_) => return Err(shape(&"it is neither true nor false")),
        }),
        Kind::Timestamp if type_name == "TIMESTAMP" => {
            return Err(shape(&"a TIMESTAMP would lose its microseconds; unix_micros() keeps them"));
        }
        Kind::Timestamp => {
            let time =
                |text| number(text).and_then(|micros| DateTime::from_timestamp_micros(micros).ok_or_else(|| shape(&"it is no time")));
            Value::Time(text.map(time).transpose()?)
        }
    })
}

/// A value as a typed parameter; one that is left out is null.
fn parameter((at, value): (usize, &Value)) -> Json {
    let (kind, text) = match value {
        Value::Text(text) => ("STRING", text.clone()),
        Value::Integer(number) => ("BIGINT", number.map(|number| number.to_string())),
        Value::Boolean(truth) => ("BOOLEAN", truth.map(|truth| truth.to_string())),
        Value::Time(time) => ("TIMESTAMP", time.map(|time| time.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string())),
    };
    let mut parameter = json!({"name": format!("p{}", at + 1), "type": kind});
    if let Some(text) = text {
        parameter["value"] = text.into();
    }
    parameter
}

impl Databricks {
    /// Asks for the warehouse, which does not start it: a wrong host, token or path is found here.
    async fn greet(&self) -> Result<(), DriverError> {
        let answer = self.send(Method::GET, &format!("api/2.0/sql/warehouses/{}", self.warehouse), None).await?;
        match answer.status {
            // Who may use a warehouse and not see it is told so by no statement.
            StatusCode::OK | StatusCode::FORBIDDEN if !is_bad_token(&answer) => Ok(()),
            _ => Err(refused(&answer)),
        }
    }

    /// Runs a statement to its end, and fetches all of its result.
    async fn run(&self, sql: &str, params: &[Value], slow: Slow, disposition: Disposition) -> Result<Outcome, DriverError> {
        if sql.len() + params.iter().map(Value::size).sum::<usize>() > STATEMENT_BYTES {
            return Err(DriverError::new(ErrorKind::TooLong, "a statement with its values takes more than 16 MiB"));
        }
        let (wait, then) = match slow {
            Slow::Cancelled => (WRITE_SECONDS, "CANCEL"),
            Slow::Polled => (WAIT_SECONDS, "CONTINUE"),
        };
        let mut body = json!({
            "statement": sql,
            "warehouse_id": self.warehouse,
            "wait_timeout": format!("{wait}s"),
            "on_wait_timeout": then,
            "disposition": disposition.word(),
            "format": "JSON_ARRAY",
            "parameters": params.iter().enumerate().map(parameter).collect::<Vec<_>>(),
        });
        if let Some(catalog) = &self.catalog {
            body["catalog"] = catalog.as_str().into();
        }
        let answer = self.send(Method::POST, "api/2.0/sql/statements", Some(&body)).await?;
        let response = self.ended(read(&answer)?, slow).await?;
        self.fetched(response).await
    }

    /// Waits for the end of a statement. One that must not go on, or that takes too long, is cancelled.
    async fn ended(&self, mut response: Response, slow: Slow) -> Result<Response, DriverError> {
        let started = Instant::now();
        let (mut pause, longest) = POLL;
        let mut give_up = match slow {
            Slow::Cancelled => started,
            Slow::Polled => started + PATIENCE,
        };
        let mut cancelled = false;
        // What is said, and since when that goes on.
        let (mut said, mut since) = ("", started);
        loop {
            let doing = match response.status.state.as_str() {
                "PENDING" => "the SQL warehouse has not begun the statement; one that is stopped takes minutes to start",
                "RUNNING" => "the SQL warehouse works on the statement",
                _ => return Ok(response),
            };
            let Some(id) = response.statement_id.clone() else { return Err(unreachable("a statement was taken and given no id")) };
            let path = format!("api/2.0/sql/statements/{id}");
            if Instant::now() >= give_up {
                if cancelled {
                    return Err(unreachable("a statement was cancelled, and no end of it was seen"));
                }
                self.ask(Method::POST, &format!("{path}/cancel")).await?;
                (cancelled, give_up) = (true, Instant::now() + CANCEL_PATIENCE);
            }
            let waited = if said == doing { since.elapsed() } else { Duration::ZERO };
            if waited.is_zero() {
                (said, since) = (doing, Instant::now());
            }
            let why = format!("{doing} ({} s so far)", started.elapsed().as_secs());
            self.http.wait_more(&why, pause, waited).await;
            pause = (pause * 2).min(longest);
            response = read(&self.ask(Method::GET, &path).await?)?;
        }
    }

    /// The rows of a statement that has ended well, chunk after chunk.
    async fn fetched(&self, response: Response) -> Result<Outcome, DriverError> {
        match response.status.state.as_str() {
            "SUCCEEDED" => {}
            "FAILED" => return Err(failed(&response.status)),
            "CANCELED" => return Err(unreachable("a statement took too long and was cancelled")),
            state => return Err(unreachable(&format!("a statement ended as {state}"))),
        }
        let manifest = response.manifest.unwrap_or(Manifest { schema: Schema::default(), total_row_count: None, truncated: false });
        let (mut rows, mut next) = (vec![], response.result);
        while let Some(chunk) = next.take() {
            let mut more = chunk.next_chunk_internal_link;
            rows.extend(chunk.data_array);
            for link in chunk.external_links {
                rows.extend(self.stored(&link).await?);
                more = more.or(link.next_chunk_internal_link);
            }
            if let Some(path) = more {
                next = Some(parsed(&self.ask(Method::GET, &path).await?)?);
            }
        }
        let wanted = manifest.total_row_count.unwrap_or(rows.len() as u64);
        if manifest.truncated || wanted != rows.len() as u64 {
            return Err(DriverError::new(ErrorKind::Other, format!("a result of {wanted} rows came with {} of them", rows.len())));
        }
        Ok(Outcome { columns: manifest.schema.columns, rows })
    }

    /// A part of a result out of the cloud's storage, where our token must not go.
    async fn stored(&self, link: &Link) -> Result<Rows, DriverError> {
        let secure = link.external_link.starts_with("https://") || self.base.scheme() == "http";
        let mut request = self.http.client().get(&link.external_link);
        for (name, value) in &link.http_headers {
            request = request.header(name, value);
        }
        let request = request.build().ok().filter(|_| secure);
        let Some(request) = request else {
            return Err(DriverError::new(ErrorKind::Other, "the link to a result is none that can be followed"));
        };
        let answer = self.http.send(request).await?;
        match answer.status {
            StatusCode::OK => parsed(&answer),
            status => Err(unreachable(&format!("the storage of a result answers HTTP {}", status.as_u16()))),
        }
    }

    /// Asks for something as often as it takes to get an answer. Asking changes nothing.
    async fn ask(&self, method: Method, path: &str) -> Result<Answer, DriverError> {
        let (mut pause, longest) = POLL;
        for tried in 1.. {
            let asked = self.send(method.clone(), path, None).await.and_then(|answer| match answer.status {
                StatusCode::OK => Ok(answer),
                // What became of the statement is not known any more.
                StatusCode::NOT_FOUND => Err(DriverError::new(ErrorKind::Unreachable, refused(&answer).message)),
                _ => Err(refused(&answer)),
            });
            match asked {
                Err(error) if error.kind == ErrorKind::Unreachable && tried < ASK_TRIES => {
                    self.http.wait(&format!("no answer: {}", error.message), pause).await;
                    pause = (pause * 2).min(longest);
                }
                asked => return asked,
            }
        }
        Err(unreachable("no answer came"))
    }

    /// Sends a request with a token. One that is not taken any more is renewed once: such a request was not worked on.
    async fn send(&self, method: Method, path: &str, body: Option<&Json>) -> Result<Answer, DriverError> {
        let url = self.base.join(path).ok().filter(|url| url.origin() == self.base.origin());
        let Some(url) = url else { return Err(unreachable("the service names a next chunk that is not its own")) };
        let mut renewed = false;
        loop {
            let token = self.token().await?;
            let mut request = self.http.client().request(method.clone(), url.clone()).bearer_auth(token.expose_secret());
            if let Some(body) = body {
                request = request.json(body);
            }
            let request = request.build().map_err(|error| DriverError::new(ErrorKind::Other, error.without_url()))?;
            let answer = self.http.send(request).await?;
            if answer.status != StatusCode::UNAUTHORIZED || renewed || !self.forget(&token).await {
                return Ok(answer);
            }
            renewed = true;
        }
    }

    /// The token to send; one that is about to expire is renewed.
    async fn token(&self) -> Result<SecretString, DriverError> {
        let (id, secret, granted) = match self.login.as_ref() {
            Login::Token(token) => return Ok(token.clone()),
            Login::Client { id, secret, granted } => (id, secret, granted),
        };
        // Those who come while it is renewed wait for it.
        let mut granted = granted.lock().await;
        if let Some(granted) = granted.as_ref().filter(|granted| Instant::now() < granted.renew_at) {
            return Ok(granted.token.clone());
        }
        let url = self.base.join("oidc/v1/token").map_err(|error| DriverError::new(ErrorKind::Other, error))?;
        let form = [("grant_type", "client_credentials"), ("scope", "all-apis")];
        let request = self.http.client().post(url).basic_auth(id, Some(secret.expose_secret())).form(&form).build();
        let answer = self.http.send(request.map_err(|error| DriverError::new(ErrorKind::Other, error.without_url()))?).await?;
        let kind = match answer.status {
            StatusCode::OK => None,
            status if status.is_client_error() => Some(ErrorKind::Auth),
            _ => Some(ErrorKind::Unreachable),
        };
        if let Some(kind) = kind {
            return Err(DriverError::new(kind, format!("no token for the service principal: {}", refused(&answer).message)));
        }
        let grant: TokenGrant = parsed(&answer)?;
        let lasts = Duration::from_secs(grant.expires_in.unwrap_or(TOKEN_SECONDS));
        let renew_at = Instant::now() + lasts.saturating_sub(TOKEN_MARGIN.min(lasts / 2));
        let token = SecretString::from(grant.access_token);
        *granted = Some(Granted { token: token.clone(), renew_at });
        Ok(token)
    }

    /// Drops a token that is not taken any more; says whether there can be another.
    async fn forget(&self, token: &SecretString) -> bool {
        let Login::Client { granted, .. } = self.login.as_ref() else { return false };
        let mut granted = granted.lock().await;
        if granted.as_ref().is_some_and(|granted| granted.token.expose_secret() == token.expose_secret()) {
            *granted = None;
        }
        true
    }
}

/// The answer to a request about a statement.
fn read(answer: &Answer) -> Result<Response, DriverError> {
    match answer.status {
        StatusCode::OK => parsed(answer),
        _ => Err(refused(answer)),
    }
}

/// What came, in its shape. What has another is of no server of this kind.
fn parsed<T: for<'de> Deserialize<'de>>(answer: &Answer) -> Result<T, DriverError> {
    serde_json::from_slice(&answer.body).map_err(|_| unreachable(NO_MESSAGE))
}

fn unreachable(message: &str) -> DriverError {
    DriverError::new(ErrorKind::Unreachable, message)
}

/// Whether a request was refused for its token, which has come as a 403 too.
fn is_bad_token(answer: &Answer) -> bool {
    let error: ServiceError = serde_json::from_slice(&answer.body).unwrap_or_default();
    answer.status == StatusCode::UNAUTHORIZED || answer.status == StatusCode::FORBIDDEN && error.message.contains("access token")
}

/// Folds a request that was not taken: <https://docs.databricks.com/api/workspace/introduction>.
fn refused(answer: &Answer) -> DriverError {
    let ServiceError { message, error, error_description } = serde_json::from_slice(&answer.body).unwrap_or_default();
    let message = [message, error_description.unwrap_or_default(), error.unwrap_or_default()].into_iter().find(|text| !text.is_empty());
    let message = message.map_or_else(|| format!("HTTP {}", answer.status.as_u16()), |message| first_line(&message));
    let kind = match answer.status {
        _ if is_bad_token(answer) => ErrorKind::Auth,
        StatusCode::FORBIDDEN => ErrorKind::Denied,
        // No such warehouse.
        StatusCode::NOT_FOUND => ErrorKind::Auth,
        StatusCode::CONFLICT => ErrorKind::Serialisation,
        StatusCode::PAYLOAD_TOO_LARGE => ErrorKind::TooLong,
        StatusCode::BAD_REQUEST => kind_of(&message, None),
        _ => ErrorKind::Unreachable,
    };
    DriverError::new(kind, message)
}

/// Folds what a statement failed with.
fn failed(status: &Status) -> DriverError {
    let message = status.error.as_ref().map_or("a statement failed", |error| error.message.as_str());
    DriverError::new(kind_of(message, status.sql_state.as_deref()), first_line(message))
}

/// The parser shows the statement below its message.
fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().trim().to_string()
}

/// Conditions, as in `[TABLE_OR_VIEW_NOT_FOUND] …`: <https://docs.databricks.com/en/error-messages/error-classes.html>; their states, as in
/// `… SQLSTATE: 42P01`: <https://docs.databricks.com/en/error-messages/sqlstates.html>.
fn kind_of(message: &str, state: Option<&str>) -> ErrorKind {
    let condition = message.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map_or("", |(condition, _)| condition);
    let written = message.rsplit_once("SQLSTATE: ").and_then(|(_, rest)| rest.get(..5));
    match condition.split('.').next().unwrap_or_default() {
        "INSUFFICIENT_PERMISSIONS" | "PERMISSION_DENIED" | "INSUFFICIENT_PERMISSIONS_EXT_LOC" | "INSUFFICIENT_PERMISSIONS_STORAGE_CRED" => {
            ErrorKind::Denied
        }
        "NO_SUCH_CATALOG_EXCEPTION" | "CATALOG_NOT_FOUND" => ErrorKind::Auth,
        "DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE" => ErrorKind::Duplicate,
        "DELTA_METADATA_CHANGED" | "DELTA_PROTOCOL_CHANGED" => ErrorKind::Serialisation,
        condition if condition.starts_with("DELTA_CONCURRENT_") => ErrorKind::Serialisation,
        // A CHECK: the team does not want that value.
        "DELTA_VIOLATE_CONSTRAINT_WITH_VALUES" | "DELTA_EXCEED_CHAR_VARCHAR_LIMIT" => ErrorKind::TooLong,
        _ => match state.or(written).unwrap_or_default() {
            "42501" => ErrorKind::Denied,
            "42P06" | "42P07" | "42710" | "42711" => ErrorKind::Exists,
            "42P01" | "42703" | "42704" => ErrorKind::Missing,
            "23502" | "23503" => ErrorKind::NotNull,
            "23505" => ErrorKind::Duplicate,
            "23001" | "23514" => ErrorKind::TooLong,
            "2D521" | "40000" | "40001" => ErrorKind::Serialisation,
            state if state.starts_with("22") => ErrorKind::TooLong,
            state if state.starts_with("28") => ErrorKind::Auth,
            state if state.starts_with("08") => ErrorKind::Unreachable,
            state if state.starts_with("53") => ErrorKind::Full,
            // The metastore's refusal has come without a condition.
            _ if message.contains("PERMISSION_DENIED") => ErrorKind::Denied,
            _ => ErrorKind::Other,
        },
    }
}
