//! Snowflake over snowflake-connector-rs, which speaks the protocol of Snowflake's own drivers.
//!
//! Two sessions, each made when it is first needed. Statements outside a batch run in one that commits each by itself. Those of a batch run in one
//! that commits nothing by itself (AUTOCOMMIT is off): each statement is an HTTP request of its own, and one that arrives after its batch was given
//! up must not land alone. <https://docs.snowflake.com/en/sql-reference/transactions>

use super::{Driver, DriverError, ErrorKind, Failure, Load, NO_MESSAGE, Op, Row, Value, Waits};
use crate::error::{Code, Error};
use crate::model::Kind;
use crate::profile::Profile;
use crate::secret;
use async_trait::async_trait;
use chrono::SubsecRound;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use secrecy::ExposeSecret;
use snowflake_connector_rs::bind::{BindType, RawBind};
use snowflake_connector_rs::{
    AuthConfig, CellValue, Client, ClientConfig, DynamicRow, EndpointConfig, ErrorKind as Native, KeyPairConfig, QueryOptions,
    ResultCursor, Session, SessionConfig, Statement,
};
use std::error::Error as _;
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;

/// How long the service lets a statement run, and how long that may wait for the lock of a table. A writer that
/// died keeps the row of the store's lease locked no longer than that. A migration gives itself more.
const STATEMENT_SECONDS: u64 = 50;
const LOCK_SECONDS: u64 = 45;
/// How much longer than the service lets a statement run its answer is waited for.
const LINE_TIME: Duration = Duration::from_secs(25);
/// Bytes of the rows of one INSERT. "1 MB per statement", bound values included and best not counted after compression:
/// <https://docs.snowflake.com/en/user-guide/query-size-limits>.
const LOAD_BYTES: usize = 1_000_000;
/// A session's token is good for an hour (`validityInSeconds` in the answer to a login, which the client keeps to itself). A batch begins with
/// one that is younger than this.
const FRESH: Duration = Duration::from_secs(45 * 60);
/// The first pause where the service is busy; it doubles from there up to the longest. The client gives no header of an answer, so what the service
/// itself asks for is not known.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How long all pauses of one statement may last together.
const PATIENCE: Duration = Duration::from_secs(300);

pub(super) async fn connect(profile: &Profile, home: &Path, waits: Waits) -> Result<Box<dyn Driver>, Error> {
    let clients = Clients::new(profile, home)?;
    Ok(Box::new(Snowflake::open(clients, waits).await?))
}

/// What makes sessions: one client for those that commit each statement, one for those of batches.
#[derive(Clone)]
struct Clients {
    single: Client,
    batch: Client,
}

impl Clients {
    fn new(profile: &Profile, home: &Path) -> Result<Clients, Error> {
        let field = |name: &str| profile.field(name).unwrap_or_default().to_string();
        let (account, endpoint) = (field("account"), endpoint(profile)?);
        // The region behind the account's name is a part of the host alone.
        let account = account.split('.').next().unwrap_or_default().to_string();
        let config = ClientConfig::new(field("user"), account, login(profile, home)?).with_endpoint(endpoint);
        let client = |autocommit: bool| {
            let mut session = session_parameters(autocommit);
            if let Some(database) = profile.field("database") {
                session = session.with_database(database);
            }
            if let Some(warehouse) = profile.field("warehouse") {
                session = session.with_warehouse(warehouse);
            }
            if let Some(role) = profile.field("role") {
                session = session.with_role(role);
            }
            Client::new(config.clone().with_session(session)).map_err(|error| Error::from(fold(&error)))
        };
        Ok(Clients { single: client(true)?, batch: client(false)? })
    }
}

/// Where the service is. Accounts in China have a domain of their own, and a host's name has no underscores:
/// <https://docs.snowflake.com/en/user-guide/organizations-connect>.
fn endpoint(profile: &Profile) -> Result<EndpointConfig, Error> {
    let account = profile.field("account").unwrap_or_default().to_ascii_lowercase().replace('_', "-");
    let domain = if account.contains(".cn-") { "cn" } else { "com" };
    let host = match profile.field("host") {
        Some(host) if host.contains(':') => format!("[{host}]"),
        Some(host) => host.to_string(),
        None => format!("{account}.snowflakecomputing.{domain}"),
    };
    let port = profile.field("port").map(|port| format!(":{port}")).unwrap_or_default();
    let text = format!("{}://{host}{port}", profile.field("protocol").unwrap_or("https"));
    let url = url::Url::parse(&text).map_err(|error| {
        Error::new(
            Code::ConfigInvalid,
            format!("{text} is no address of a service: {error}"),
            "check account, host and port in the profile or the URL",
        )
    })?;
    Ok(EndpointConfig::custom_base_url(url))
}

/// What the login shows: a password, a private key or a token.
fn login(profile: &Profile, home: &Path) -> Result<AuthConfig, Error> {
    let secret = profile.secret.as_ref().map(|secret| secret::resolve(secret, home)).transpose()?;
    let secret = secret.as_ref().map(|secret| secret.expose_secret().to_string());
    match (profile.secret_field(), secret) {
        (Some("private_key_passphrase"), passphrase) => {
            let path = profile.field("private_key_path").unwrap_or_default();
            let pem = std::fs::read_to_string(path).map_err(|error| {
                let message = format!("the private key {path} cannot be read: {error}");
                Error::new(Code::ConfigInvalid, message, "check `private_key_path`: it names a PEM file in the PKCS#8 form")
            })?;
            Ok(AuthConfig::key_pair(match passphrase {
                Some(passphrase) => KeyPairConfig::from_encrypted_pem(pem, passphrase),
                None => KeyPairConfig::from_pem(pem),
            }))
        }
        (Some("token"), Some(token)) => Ok(AuthConfig::oauth(token)),
        (Some("password"), Some(password)) => Ok(AuthConfig::password(password)),
        (field, _) => Err(Error::new(
            Code::ConfigInvalid,
            format!("the Snowflake login has no `{}`", field.unwrap_or("password")),
            "give `password`, or `private_key_path`, or `authenticator: oauth` with `token`",
        )),
    }
}

/// What every statement of ours relies on, whatever the account or the user has set otherwise:
/// <https://docs.snowflake.com/en/sql-reference/parameters>.
fn session_parameters(autocommit: bool) -> SessionConfig {
    SessionConfig::new()
        .with_session_parameter("AUTOCOMMIT", autocommit.into())
        // Nothing that follows a refused statement of a batch may be done.
        .with_session_parameter("TRANSACTION_ABORT_ON_ERROR", true.into())
        .with_session_parameter("ERROR_ON_NONDETERMINISTIC_MERGE", true.into())
        .with_session_parameter("ERROR_ON_NONDETERMINISTIC_UPDATE", true.into())
        .with_session_parameter("QUOTED_IDENTIFIERS_IGNORE_CASE", false.into())
        // Another number would cut answers short without a word.
        .with_session_parameter("ROWS_PER_RESULTSET", 0.into())
        .with_session_parameter("TIMEZONE", "UTC".into())
        .with_session_parameter("STATEMENT_TIMEOUT_IN_SECONDS", STATEMENT_SECONDS.into())
        .with_session_parameter("STATEMENT_QUEUED_TIMEOUT_IN_SECONDS", STATEMENT_SECONDS.into())
        .with_session_parameter("LOCK_TIMEOUT", LOCK_SECONDS.into())
        .with_session_parameter("QUERY_TAG", "amx-schema".into())
}

struct Snowflake {
    clients: Clients,
    waits: Waits,
    single: Line,
    batch: Line,
    /// Whether a batch has begun that did not end: whoever waited for it may have gone away.
    open: bool,
}

impl Snowflake {
    async fn open(clients: Clients, waits: Waits) -> Result<Snowflake, DriverError> {
        let (single, batch) = (Line::new(&clients.single, &waits), Line::new(&clients.batch, &waits));
        let mut snowflake = Snowflake { clients, waits, single, batch, open: false };
        snowflake.single.session().await?;
        Ok(snowflake)
    }
}

#[async_trait]
impl Driver for Snowflake {
    async fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64, DriverError> {
        if let Some(setting) = sql.strip_prefix("ALTER SESSION SET ") {
            return self.single.set(setting).await.map(|()| 0);
        }
        touched(self.single.send(sql, params, Part::Writing).await?).await
    }

    async fn query(&mut self, sql: &str, params: &[Value], kinds: &[Kind]) -> Result<Vec<Row>, DriverError> {
        let rows: Vec<DynamicRow> = self.single.send(sql, params, Part::Reading).await?.collect().await.map_err(|error| fold(&error))?;
        rows.into_iter().map(|row| decode(row, kinds)).collect()
    }

    async fn atomic(&mut self, mut ops: BoxStream<'_, Result<Op<'_>, Error>>) -> Result<(), Failure> {
        if self.open {
            self.batch.give_up(true).await;
        }
        self.batch.refresh();
        self.open = true;
        self.batch.send("BEGIN", &[], Part::Reading).await?;
        let mut landed = Ok(());
        while let Some(op) = ops.next().await {
            landed = match op {
                Err(error) => Err(Failure::Source(error)),
                Ok(Op::Execute { sql, params, expect }) => match change(&mut self.batch, &sql, &params).await {
                    Ok(touched) if expect.is_some_and(|expected| expected != touched) => Err(Failure::Overtaken),
                    Ok(_) => Ok(()),
                    Err(error) => Err(error.into()),
                },
                Ok(Op::Load(load)) => insert(&mut self.batch, load).await.map_err(Failure::from),
            };
            if landed.is_err() {
                break;
            }
        }
        let landed = match landed {
            Ok(()) => self.batch.send("COMMIT", &[], Part::Commit).await.map(drop).map_err(Failure::from),
            refused => refused,
        };
        if let Err(failure) = &landed {
            let lost = matches!(failure, Failure::Database(error) if matches!(error.kind, ErrorKind::Unreachable | ErrorKind::Tls));
            self.batch.give_up(lost).await;
        }
        self.open = false;
        landed
    }

    async fn another(&mut self) -> Result<Box<dyn Driver>, DriverError> {
        Ok(Box::new(Snowflake::open(self.clients.clone(), self.waits.clone()).await?))
    }

    async fn try_lock(&mut self, _name: &str) -> Result<bool, DriverError> {
        Err(no_lock())
    }

    async fn unlock(&mut self) -> Result<(), DriverError> {
        Err(no_lock())
    }

    async fn close(mut self: Box<Self>) {
        if self.open {
            self.batch.give_up(true).await;
        }
        // The client has no way to end a session; the service ends it once it has been idle for long enough.
    }
}

fn no_lock() -> DriverError {
    DriverError::new(ErrorKind::Other, "Snowflake has no lock that a session could hold; the lease in the store stands for one")
}

/// What a statement is to its session, which says when it may be sent again. Each may where the service did not look at it (HTTP 429). Where it was
/// busy (HTTP 503) it is not known whether it was worked on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// It changes nothing, so that it may always be sent again.
    Reading,
    /// It writes and commits by itself.
    Writing,
    /// It belongs to a transaction, which is gone in a new session, and in which what was sent twice would be there twice: the batch as a whole is to be
    /// sent again.
    Batch,
    /// It ends one.
    Commit,
}

/// One session, made anew where it has expired.
struct Line {
    client: Client,
    waits: Waits,
    session: Option<(Session, Instant)>,
    /// What was set in the session beyond what the login sets, to be set again in the next.
    settings: Vec<String>,
    /// How long an answer may take.
    patience: Duration,
}

impl Line {
    fn new(client: &Client, waits: &Waits) -> Line {
        let patience = Duration::from_secs(STATEMENT_SECONDS) + LINE_TIME;
        Line { client: client.clone(), waits: waits.clone(), session: None, settings: vec![], patience }
    }

    /// The session; a new one where there is none.
    async fn session(&mut self) -> Result<&Session, DriverError> {
        if self.session.is_none() {
            let mut pauses = Pauses::default();
            let session = loop {
                match self.client.create_session().await {
                    Ok(session) => break session,
                    Err(error) if matches!(status(&error), Some(429 | 503)) && pauses.take(&self.waits, &error).await => {}
                    Err(error) => return Err(fold(&error)),
                }
            };
            for setting in &self.settings {
                let options = QueryOptions::new().with_query_response_timeout(self.patience);
                session.query_with_options(setting.clone(), options).await.map_err(|error| fold(&error))?;
            }
            self.session = Some((session, Instant::now()));
        }
        match &self.session {
            Some((session, _)) => Ok(session),
            None => Err(DriverError::new(ErrorKind::Other, "a session that was just made is not there")),
        }
    }

    /// Leaves a session that would expire before long.
    fn refresh(&mut self) {
        self.session.take_if(|(_, since)| since.elapsed() > FRESH);
    }

    /// Sets a parameter of this session and of those that follow it.
    async fn set(&mut self, setting: &str) -> Result<(), DriverError> {
        let (name, value) = setting.split_once('=').map(|(name, value)| (name.trim(), value.trim())).unwrap_or((setting, ""));
        let sql = format!("ALTER SESSION SET {setting}");
        self.send(&sql, &[], Part::Reading).await?;
        if let ("STATEMENT_TIMEOUT_IN_SECONDS", Ok(seconds)) = (name, value.parse()) {
            self.patience = Duration::from_secs(seconds) + LINE_TIME;
        }
        self.settings.retain(|earlier| !earlier.starts_with(&format!("ALTER SESSION SET {name} ")));
        self.settings.push(sql);
        Ok(())
    }

    /// Sends a statement, after a new login where the session has expired, and after pauses where the service asks for them.
    async fn send(&mut self, sql: &str, params: &[Value], part: Part) -> Result<ResultCursor, DriverError> {
        let nothing_landed =
            |why: &str| Err(DriverError::new(ErrorKind::Serialisation, format!("{why} within a transaction, of which nothing landed")));
        let (mut pauses, mut renewed) = (Pauses::default(), false);
        loop {
            let options = QueryOptions::new().with_query_response_timeout(self.patience);
            let error = match self.session().await?.query_with_options(statement(sql, params), options).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let again = match (status(&error), part) {
                (_, Part::Batch | Part::Commit) if expired(&error) => return nothing_landed("the session expired"),
                _ if expired(&error) => {
                    self.session = None;
                    !std::mem::replace(&mut renewed, true)
                }
                (Some(429), _) | (Some(503), Part::Reading) => pauses.take(&self.waits, &error).await,
                (Some(503), Part::Batch) => {
                    pauses.take(&self.waits, &error).await;
                    return nothing_landed("the service was busy");
                }
                _ => false,
            };
            if !again {
                return Err(fold(&error));
            }
        }
    }

    /// Gives a batch up. Where it is not known how far a statement got the session is left as well: whatever still arrives in it is never committed.
    async fn give_up(&mut self, leave: bool) {
        let Some((session, _)) = &self.session else { return };
        let options = QueryOptions::new().with_query_response_timeout(LINE_TIME);
        let rolled_back = session.query_with_options("ROLLBACK", options).await.is_ok();
        if leave || !rolled_back {
            self.session = None;
        }
    }
}

/// The pauses of one statement.
struct Pauses {
    next: Duration,
    taken: Duration,
}

impl Default for Pauses {
    fn default() -> Pauses {
        Pauses { next: FIRST_PAUSE, taken: Duration::ZERO }
    }
}

impl Pauses {
    /// Takes the next one; false where they have lasted long enough.
    async fn take(&mut self, waits: &Waits, why: &snowflake_connector_rs::Error) -> bool {
        if self.taken >= PATIENCE {
            return false;
        }
        let why = format!("Snowflake asks for a pause (HTTP {})", status(why).unwrap_or_default());
        super::wait_out(waits, &why, self.next, Duration::ZERO).await;
        self.taken += self.next;
        self.next = (self.next * 2).min(LONGEST_PAUSE);
        true
    }
}

fn statement(sql: &str, params: &[Value]) -> Statement<snowflake_connector_rs::PositionalBinds> {
    params.iter().cloned().fold(Statement::new_positional(sql.to_string()), |statement, value| match value {
        Value::Text(text) => statement.bind(text),
        Value::Integer(number) => statement.bind(number),
        Value::Boolean(truth) => statement.bind(truth),
        // In nanoseconds since 1970.
        Value::Time(Some(time)) => {
            statement.bind(RawBind::new(BindType::TimestampNtz, (i128::from(time.timestamp_micros()) * 1000).to_string()))
        }
        Value::Time(None) => statement.bind(RawBind::null(BindType::TimestampNtz)),
    })
}

/// A statement of a batch; says how many rows it touched.
async fn change(line: &mut Line, sql: &str, params: &[Value]) -> Result<u64, DriverError> {
    touched(line.send(sql, params, Part::Batch).await?).await
}

/// How many rows a statement touched. DML answers with one row of counts, such as `number of rows updated`; the rows of a join that met one
/// another are counted beside them and are not rows.
async fn touched(answer: ResultCursor) -> Result<u64, DriverError> {
    let counts: Vec<usize> =
        answer.schema().columns().iter().enumerate().filter(|(_, column)| is_count(column.name())).map(|(at, _)| at).collect();
    if counts.is_empty() {
        return Ok(0);
    }
    let rows: Vec<DynamicRow> = answer.collect().await.map_err(|error| fold(&error))?;
    let cells = rows.iter().flat_map(|row| counts.iter().filter_map(|at| row.values().get(*at)));
    let number = |cell: &CellValue| match cell {
        CellValue::Integer(number) => u64::try_from(*number).unwrap_or(0),
        _ => 0,
    };
    Ok(cells.map(number).sum())
}

fn is_count(column: &str) -> bool {
    matches!(column.to_ascii_lowercase().as_str(), "number of rows inserted" | "number of rows updated" | "number of rows deleted")
}

fn decode(row: DynamicRow, kinds: &[Kind]) -> Result<Row, DriverError> {
    let (_, cells) = row.into_parts();
    if cells.len() != kinds.len() {
        return Err(DriverError::shape(cells.len(), format!("{} columns were asked for", kinds.len())));
    }
    let column = |(at, (cell, kind)): (usize, (CellValue, &Kind))| {
        let other = |_| DriverError::shape(at, "the number is too large");
        Ok(match (kind, cell) {
            (Kind::Key | Kind::Text | Kind::Json | Kind::Literal, CellValue::Null) => Value::Text(None),
            (Kind::Key | Kind::Text | Kind::Json | Kind::Literal, CellValue::String(text)) => Value::Text(Some(text)),
            (Kind::Integer, CellValue::Null) => Value::Integer(None),
            (Kind::Integer, CellValue::Integer(number)) => Value::Integer(Some(i64::try_from(number).map_err(other)?)),
            (Kind::Boolean, CellValue::Null) => Value::Boolean(None),
            (Kind::Boolean, CellValue::Boolean(truth)) => Value::Boolean(Some(truth)),
            (Kind::Timestamp, CellValue::Null) => Value::Time(None),
            (Kind::Timestamp, CellValue::TimestampNtz(time)) => Value::Time(Some(time.and_utc().trunc_subsecs(6))),
            (kind, _) => return Err(DriverError::shape(at, format!("it is no {kind:?}"))),
        })
    };
    cells.into_vec().into_iter().zip(kinds).enumerate().map(column).collect()
}

/// Rows by INSERT from one bound JSON text, an array with an array for each row, so that neither the count of bound values nor that of the
/// expressions in a list bounds them. A JSON null becomes NULL where it is cast, and "" stays apart from it; times are whole microseconds since 1970:
/// <https://docs.snowflake.com/en/user-guide/semistructured-considerations#null-values>,
/// <https://docs.snowflake.com/en/sql-reference/functions/flatten>, <https://docs.snowflake.com/en/sql-reference/functions/to_timestamp>.
async fn insert(line: &mut Line, load: Load<'_>) -> Result<(), DriverError> {
    let mut rows = load.rows.peekable();
    let Some(first) = rows.peek() else { return Ok(()) };
    let column = |(at, value): (usize, &Value)| match value {
        Value::Text(_) => format!("value[{at}]::VARCHAR"),
        Value::Integer(_) => format!("value[{at}]::NUMBER(19,0)"),
        Value::Boolean(_) => format!("value[{at}]::BOOLEAN"),
        Value::Time(_) => format!("TO_TIMESTAMP_NTZ(value[{at}]::NUMBER(19,0), 6)"),
    };
    let columns = first.iter().enumerate().map(column).collect::<Vec<_>>().join(", ");
    let sql =
        format!("INSERT INTO {} ({}) SELECT {columns} FROM TABLE(FLATTEN(INPUT => PARSE_JSON(?)))", load.table, load.columns.join(", "));
    let mut next = String::new();
    while rows.peek().is_some() || !next.is_empty() {
        let mut json = std::mem::take(&mut next);
        // A row that is larger than all that goes alone.
        for row in rows.by_ref() {
            let row = as_json(&row);
            if !json.is_empty() && json.len() + row.len() + 2 > LOAD_BYTES {
                next = row;
                break;
            }
            json.push(if json.is_empty() { '[' } else { ',' });
            json.push_str(&row);
        }
        json.push(']');
        change(line, &sql, &[json.into()]).await?;
        if !next.is_empty() {
            next.insert(0, '[');
        }
    }
    Ok(())
}

fn as_json(row: &Row) -> String {
    let value = |value: &Value| match value {
        Value::Text(text) => text.clone().into(),
        Value::Integer(number) => (*number).into(),
        Value::Boolean(truth) => (*truth).into(),
        Value::Time(time) => time.map(|time| time.timestamp_micros()).into(),
    };
    serde_json::Value::Array(row.iter().map(value).collect()).to_string()
}

/// The status of an answer that is none of the protocol; the client tells it only in its message.
fn status(error: &snowflake_connector_rs::Error) -> Option<u16> {
    match error.kind() {
        Native::Network => error.to_string().strip_prefix("HTTP ")?.split(':').next()?.parse().ok(),
        _ => None,
    }
}

/// Whether the service wants a new login before it looks at the statement. Codes as Snowflake's own driver has them:
/// <https://github.com/snowflakedb/snowflake-connector-python/blob/main/src/snowflake/connector/network.py>.
fn expired(error: &snowflake_connector_rs::Error) -> bool {
    error.is_session_expired()
        || status(error) == Some(401)
        || matches!(error.snowflake_code(), Some("390104" | "390110" | "390111" | "390112" | "390113" | "390114" | "390115"))
}

/// Folds what the client says.
fn fold(error: &snowflake_connector_rs::Error) -> DriverError {
    let said = error.snowflake_message().map(|message| message.split_whitespace().collect::<Vec<_>>().join(" "));
    match error.kind() {
        Native::Server | Native::SessionExpired | Native::Cancelled => {
            let code = error.snowflake_code().unwrap_or_default();
            let (kind, explained) = kind(code);
            let message = explained.map(str::to_string).or(said).unwrap_or_else(|| format!("error {code}"));
            DriverError::new(kind, message)
        }
        Native::Auth => {
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            DriverError::new(ErrorKind::Auth, said.unwrap_or_else(|| format!("{error}{cause}")))
        }
        Native::Network | Native::Timeout => {
            if let Some(status) = status(error) {
                let kind = if matches!(status, 401 | 403) { ErrorKind::Auth } else { ErrorKind::Unreachable };
                return DriverError::new(kind, format!("the service answers with HTTP {status}"));
            }
            let mut causes = vec![];
            let mut cause = error.source();
            while let Some(inner) = cause {
                causes.push(inner.to_string());
                cause = inner.source();
            }
            let tls = causes.iter().any(|text| text.contains("certificate") || text.contains("tls handshake"));
            let message = match causes.last() {
                Some(last) if error.kind() == Native::Network => last.clone(),
                _ => "no answer came in time".to_string(),
            };
            DriverError::new(if tls { ErrorKind::Tls } else { ErrorKind::Unreachable }, message)
        }
        // What is no message of the protocol is a line that broke. The client's own message repeats it, and a token may be in it.
        Native::Protocol => DriverError::new(ErrorKind::Unreachable, NO_MESSAGE),
        Native::Internal => DriverError::new(ErrorKind::Unreachable, "the answer was not read to its end"),
        _ => DriverError::new(ErrorKind::Other, error),
    }
}

/// What an error code of the service means, and words of our own where the service's would not help. It does not tell what is missing from what the
/// role may not see. Snowflake publishes no list of its codes: these are as its manual, the sources of its drivers and its users' reports have them.
fn kind(code: &str) -> (ErrorKind, Option<&'static str>) {
    let kind = match code {
        // No warehouse, no database in use: neither a wrong name in the profile nor a missing privilege fails the login.
        "000606" => {
            let words =
                "no warehouse is in use: name one as `warehouse` in the profile, and let the role use it (GRANT USAGE ON WAREHOUSE)";
            return (ErrorKind::Denied, Some(words));
        }
        "090105" => {
            let words = "no database is in use: name one as `database` in the profile, and let the role use it (GRANT USAGE ON DATABASE)";
            return (ErrorKind::Denied, Some(words));
        }
        "003001" => ErrorKind::Denied,
        "002002" => ErrorKind::Exists,
        "000904" | "002003" | "002043" => ErrorKind::Missing,
        // Hybrid tables alone have keys.
        "200001" => ErrorKind::Duplicate,
        "100072" => ErrorKind::NotNull,
        // A text that is too long, or one that is no number, time, truth or JSON.
        "100035" | "100037" | "100038" | "100039" | "100040" | "100046" | "100069" | "100078" | "100082" => ErrorKind::TooLong,
        // A table's lock was not had in time, or twenty others wait for it already.
        "000625" => ErrorKind::LockTimeout,
        // The warehouse's resource monitor has no credits left.
        "090073" => ErrorKind::Full,
        code if code.starts_with("390") => ErrorKind::Auth,
        _ => ErrorKind::Other,
    };
    (kind, None)
}
