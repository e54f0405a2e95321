//! Oracle over its own thin client, which is in preview. No Oracle server was reached by anything here: see docs/backends/oracle.md.
//!
//! The client's calls block and have no end of their own, so that each connection has a thread, which nobody waits for when the program ends.
//!
//! A bound '' is NULL on Oracle. In what writes, an empty text is therefore not bound: `EMPTY_CLOB()` takes its place in the statement. In what
//! reads, a query may have one column more than it is asked for: a text with the numbers of the columns, from 1, whose NULL is an empty text, since
//! the client reads both alike (`dialects/oracle/queries/columns.sql`).

use super::{CONNECT_TIMEOUT, Driver, DriverError, ErrorKind, Failure, Load, NO_MESSAGE, Op, Row, Value};
use crate::error::{Code, Error};
use crate::model::Kind;
use crate::profile::{Profile, Tls, TlsMode};
use crate::secret;
use async_trait::async_trait;
use base64::Engine;
use chrono::{Datelike, NaiveDateTime, Timelike};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use oracledb::{Config, Connection, ErrorKind as Native, OracleTimestamp, ToDbValue};
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::mem::discriminant;
use std::sync::{Arc, Once, mpsc};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::oneshot;

#[cfg(panic = "abort")]
compile_error!(
    "the Oracle client panics at some answers of a listener, which must not end the program: build with --config 'profile.release.panic=\"unwind\"'"
);

/// What the threads of connections are called.
const THREAD: &str = "oracle";
/// How long a server may take to hear that a connection ends.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Rows of one array of binds. Not measured.
const ARRAY_ROWS: usize = 4_000;
/// Bytes of one array of binds, which the client holds twice.
const ARRAY_BYTES: usize = 4 * 1024 * 1024;
/// Rows of one fetch.
const FETCH_ROWS: u32 = 200;
/// The client counts the bytes of a bind, times four, in 32 bits.
const TEXT_BYTES: usize = 1_000_000_000;
/// The order and the time zone that our SQL relies on; a member's client may have set others for their user.
const SESSION: &str = "ALTER SESSION SET TIME_ZONE = '+00:00' NLS_COMP = BINARY NLS_SORT = BINARY";
/// <https://docs.oracle.com/en/database/oracle/oracle-database/19/refrn/NLS_DATABASE_PARAMETERS.html>
const CHARACTER_SET: &str = "SELECT value FROM nls_database_parameters WHERE parameter = 'NLS_CHARACTERSET'";
/// All of Unicode, in the order of its bytes. UTF8 is CESU-8 here, which orders otherwise:
/// <https://docs.oracle.com/en/database/oracle/oracle-database/19/nlspg/supporting-multilingual-databases-with-unicode.html>
const UNICODE: &str = "AL32UTF8";

pub(super) async fn connect(profile: &Profile, home: &std::path::Path) -> Result<Box<dyn Driver>, Error> {
    let server = super::server(profile)?;
    let login = Login {
        descriptor: descriptor(profile)?,
        user: server.user.clone().unwrap_or_default(),
        password: profile.secret.as_ref().map(|secret| secret::resolve(secret, home)).transpose()?,
        wallet: if is_secured(&server.tls) { Some(wallet(&server.tls)?) } else { None },
    };
    Ok(Box::new(Oracle::new(Arc::new(login)).await?))
}

/// There is no negotiation: a port speaks TLS or does not.
fn is_secured(tls: &Tls) -> bool {
    tls.mode == TlsMode::VerifyFull
}

/// Where to connect, in Oracle's own form.
fn descriptor(profile: &Profile) -> Result<String, Error> {
    let server = super::server(profile)?;
    let name = server.database.as_deref().unwrap_or_default();
    let key = if profile.field("service_name").is_some() { "SERVICE_NAME" } else { "SID" };
    let plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:$#".contains(c));
    if !plain(name) || !plain(&server.host) {
        let hint = "a service name has letters, digits, dots, - _ $ #; a host's name likewise";
        return Err(Error::new(Code::ConfigInvalid, "the host or the service name has characters that none has", hint));
    }
    let protocol = if is_secured(&server.tls) { "tcps" } else { "tcp" };
    Ok(format!(
        "(DESCRIPTION=(RETRY_COUNT=0)(RETRY_DELAY=0)(TRANSPORT_CONNECT_TIMEOUT={})(ADDRESS=(PROTOCOL={protocol})(HOST={})(PORT={}))(CONNECT_DATA=({key}={name})))",
        CONNECT_TIMEOUT.as_secs(),
        server.host,
        server.port
    ))
}

/// The certificates to trust, in the form in which the client takes them, beside those that it brings: a folder with a file of this name.
fn wallet(tls: &Tls) -> Result<TempDir, Error> {
    let failed = |error: std::io::Error| Error::new(Code::TlsFailed, format!("the certificates to trust: {error}"), "check sslrootcert");
    let pem = match &tls.roots {
        Some(path) => std::fs::read_to_string(path).map_err(failed)?,
        None => {
            // The client refuses them all where it cannot read one.
            let usable = |certificate: &rustls::pki_types::CertificateDer<'_>| {
                rustls::RootCertStore::empty().add(certificate.clone().into_owned()).is_ok()
            };
            let certificates = rustls_native_certs::load_native_certs().certs;
            certificates.iter().filter(|certificate| usable(certificate)).fold(String::new(), |mut pem, certificate| {
                let text = base64::engine::general_purpose::STANDARD.encode(certificate);
                // Writing to a String has no error.
                let _ = writeln!(pem, "-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----");
                pem
            })
        }
    };
    let folder = tempfile::tempdir().map_err(failed)?;
    std::fs::write(folder.path().join("ewallet.pem"), pem).map_err(failed)?;
    Ok(folder)
}

/// What a connection is made from.
struct Login {
    descriptor: String,
    user: String,
    password: Option<SecretString>,
    wallet: Option<TempDir>,
}

impl Login {
    fn config(&self) -> Result<Config, oracledb::Error> {
        let mut config = Config::default().set_user(&self.user).set_program("amx-schema")?.set_connect_string(&self.descriptor)?;
        if let Some(password) = &self.password {
            config = config.set_password(password.expose_secret());
        }
        if let Some(wallet) = &self.wallet {
            config = config.set_wallet_location(wallet.path().to_string_lossy());
        }
        Ok(config)
    }

    /// Logs in and makes the session as our SQL expects it.
    fn open(&self) -> Result<Connection, DriverError> {
        let connecting = |error| in_connecting(fold(&error), self.wallet.is_some());
        let connection = oracledb::connect(self.config().map_err(connecting)?).map_err(connecting)?;
        connection.execute(SESSION, &[]).map_err(|error| fold(&error))?;
        let row = connection.query_row(CHARACTER_SET, &[]).map_err(|error| fold(&error))?;
        match row.get::<&str>(0).map_err(|error| fold(&error))? {
            UNICODE => Ok(connection),
            other => Err(DriverError::new(
                ErrorKind::Other,
                format!(
                    "the database's character set is {other}, which does not hold all text in the order of its bytes; the store needs {UNICODE}"
                ),
            )),
        }
    }
}

type Job = Box<dyn FnOnce(&Connection) + Send>;

/// A connection, which lives in a thread of its own.
struct Line {
    jobs: mpsc::Sender<Job>,
    /// Ends when the thread does.
    end: oneshot::Receiver<()>,
}

impl Line {
    async fn open(login: Arc<Login>) -> Result<Line, DriverError> {
        let (jobs, work) = mpsc::channel::<Job>();
        let (opened, opening) = oneshot::channel();
        let (ended, end) = oneshot::channel();
        quiet_panics();
        let life = move || {
            let _ended = ended;
            let connection = login.open();
            // Nobody hears it where the wait for it is over.
            let heard = opened.send(connection.as_ref().map(drop).map_err(Clone::clone));
            if let (Ok(connection), Ok(())) = (connection, heard) {
                work.into_iter().for_each(|job| job(&connection));
            }
        };
        let spawned = std::thread::Builder::new().name(THREAD.into()).spawn(life);
        spawned.map_err(|error| DriverError::new(ErrorKind::Other, error))?;
        match tokio::time::timeout(CONNECT_TIMEOUT, opening).await {
            Ok(Ok(opened)) => opened.map(|()| Line { jobs, end }),
            Ok(Err(_)) => Err(DriverError::new(
                ErrorKind::Unreachable,
                "the client gave up at an answer that it does not know: what answers there is no Oracle listener, or it asks for Oracle's native network encryption, which this client lacks",
            )),
            Err(_) => Err(DriverError::new(ErrorKind::Unreachable, format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()))),
        }
    }

    async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, DriverError> + Send + 'static,
    ) -> Result<T, DriverError> {
        let (answer, heard) = oneshot::channel();
        // Where nobody hears the answer any more, nobody waits for it.
        let job: Job = Box::new(move |connection| drop(answer.send(work(connection))));
        let gone = DriverError::new(ErrorKind::Unreachable, NO_MESSAGE);
        match self.jobs.send(job) {
            Ok(()) => heard.await.unwrap_or(Err(gone)),
            Err(_) => Err(gone),
        }
    }

    async fn close(self) {
        let Line { jobs, end } = self;
        drop(jobs);
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, end).await;
    }
}

/// The client's panics end its thread, which is told as an error; they are not for people to read.
fn quiet_panics() {
    static QUIET: Once = Once::new();
    // A thread that is panicking may not touch what is done then.
    if std::thread::panicking() {
        return;
    }
    QUIET.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if std::thread::current().name() != Some(THREAD) {
                before(panic);
            }
        }));
    });
}

struct Oracle {
    line: Line,
    login: Arc<Login>,
    /// Whether a batch was begun and not ended, as where the wait for it was given up.
    unfinished: bool,
    /// The lock belongs to a session of its own.
    lock: Option<Line>,
}

impl Oracle {
    async fn new(login: Arc<Login>) -> Result<Oracle, DriverError> {
        let line = Line::open(Arc::clone(&login)).await?;
        Ok(Oracle { line, login, unfinished: false, lock: None })
    }

    async fn settle(&mut self) -> Result<(), DriverError> {
        if self.unfinished {
            self.line.call(|connection| connection.rollback().map_err(|error| fold(&error))).await?;
            self.unfinished = false;
        }
        Ok(())
    }

    async fn run(&mut self, array: Array) -> Result<u64, DriverError> {
        self.line.call(move |connection| run(connection, &array.sql, &array.rows)).await
    }

    async fn batch(&mut self, mut ops: BoxStream<'_, Result<Op<'_>, Error>>) -> Result<(), Failure> {
        // Updates of one row each by the same statement, which go as one array.
        let mut waiting: Option<Array> = None;
        while let Some(op) = ops.next().await {
            let (statement, expect) = match op.map_err(Failure::Source)? {
                Op::Execute { sql, params, expect } => (spelled(&sql, params), expect),
                Op::Load(load) => {
                    self.flush(waiting.take()).await?;
                    self.load(load).await?;
                    continue;
                }
            };
            let (sql, params) = statement;
            if let Some(array) = waiting.as_mut().filter(|array| expect == Some(1) && array.takes(&sql, &params)) {
                array.push(params);
                continue;
            }
            self.flush(waiting.take()).await?;
            let array = Array::new(sql, params);
            if expect == Some(1) {
                waiting = Some(array);
                continue;
            }
            let touched = self.run(array).await?;
            if expect.is_some_and(|expected| expected != touched) {
                return Err(Failure::Overtaken);
            }
        }
        self.flush(waiting).await
    }

    /// Runs updates that must touch one row each. Each names a key, so that none touches two.
    async fn flush(&mut self, waiting: Option<Array>) -> Result<(), Failure> {
        let Some(array) = waiting else { return Ok(()) };
        let expected = array.rows.len() as u64;
        match self.run(array).await? == expected {
            true => Ok(()),
            false => Err(Failure::Overtaken),
        }
    }

    async fn load(&mut self, load: Load<'_>) -> Result<(), DriverError> {
        let mut rows = load.rows.peekable();
        while rows.peek().is_some() {
            let (mut chunk, mut bytes) = (vec![], 0);
            // A row that is larger than all that goes alone.
            while let Some(row) = rows.next_if(|row| chunk.is_empty() || (chunk.len() < ARRAY_ROWS && bytes + size(row) <= ARRAY_BYTES)) {
                bytes += size(&row);
                chunk.push(row);
            }
            for (empty, rows) in by_empty(chunk) {
                self.run(Array { sql: insert(&load.table, &load.columns, &empty), rows, bytes: 0 }).await?;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Driver for Oracle {
    async fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64, DriverError> {
        self.settle().await?;
        let (sql, params) = spelled(sql, params.to_vec());
        self.line
            .call(move |connection| {
                let touched = run(connection, &sql, &[params]);
                match &touched {
                    Ok(_) => connection.commit().map_err(|error| fold(&error))?,
                    // What failed has taken itself back; this ends the transaction that it began.
                    Err(_) => drop(connection.rollback()),
                }
                touched
            })
            .await
    }

    async fn query(&mut self, sql: &str, params: &[Value], kinds: &[Kind]) -> Result<Vec<Row>, DriverError> {
        self.settle().await?;
        let (sql, params, kinds) = (sql.to_string(), params.to_vec(), kinds.to_vec());
        self.line.call(move |connection| query(connection, &sql, &params, &kinds)).await
    }

    async fn atomic(&mut self, ops: BoxStream<'_, Result<Op<'_>, Error>>) -> Result<(), Failure> {
        self.settle().await?;
        self.unfinished = true;
        let landed = self.batch(ops).await;
        if landed.is_ok() {
            self.line.call(|connection| connection.commit().map_err(|error| fold(&error))).await?;
            self.unfinished = false;
        } else {
            // A line that broke has nothing to roll back.
            let _ = self.settle().await;
        }
        landed
    }

    async fn another(&mut self) -> Result<Box<dyn Driver>, DriverError> {
        Ok(Box::new(Oracle::new(Arc::clone(&self.login)).await?))
    }

    async fn try_lock(&mut self, name: &str) -> Result<bool, DriverError> {
        let line = match self.lock.take() {
            Some(line) => line,
            None => Line::open(Arc::clone(&self.login)).await?,
        };
        let request = lock_request(name);
        let asked = line
            .call(move |connection| {
                let mut done = connection.execute(&request, &[&oracledb::DB_TYPE_NUMBER]).map_err(|error| fold(&error))?;
                done.out_bind_data().get::<i64>(0).map_err(|error| fold(&error))
            })
            .await;
        self.lock = Some(line);
        match asked? {
            // 4: this session has it already.
            0 | 4 => Ok(true),
            1 => Ok(false),
            other => Err(DriverError::new(ErrorKind::Other, format!("DBMS_LOCK.REQUEST answers {other}"))),
        }
    }

    async fn unlock(&mut self) -> Result<(), DriverError> {
        if let Some(line) = self.lock.take() {
            // The end of the session frees the lock, also where the server has ended it already.
            line.close().await;
        }
        Ok(())
    }

    async fn close(self: Box<Self>) {
        if let Some(line) = self.lock {
            line.close().await;
        }
        self.line.close().await;
    }
}

/// A lock of the instance that survives commits, and so DDL. Its number is the user's to choose, from 0 to 1073741823; to have one given out by name
/// would commit: <https://docs.oracle.com/en/database/oracle/oracle-database/19/arpls/DBMS_LOCK.html>.
fn lock_request(name: &str) -> String {
    let number = xxhash_rust::xxh3::xxh3_64(format!("amx-schema:{name}").as_bytes()) >> 34;
    format!("BEGIN :1 := SYS.DBMS_LOCK.REQUEST(id => {number}, lockmode => 6, timeout => 0, release_on_commit => FALSE); END;")
}

/// A statement and rows of values for its binds.
struct Array {
    sql: String,
    rows: Vec<Row>,
    bytes: usize,
}

impl Array {
    fn new(sql: String, row: Row) -> Array {
        Array { bytes: size(&row), sql, rows: vec![row] }
    }

    fn takes(&self, sql: &str, row: &Row) -> bool {
        let types = |row: &Row| row.iter().map(discriminant).collect::<Vec<_>>();
        self.sql == sql
            && !row.is_empty()
            && self.rows.len() < ARRAY_ROWS
            && self.bytes + size(row) <= ARRAY_BYTES
            && self.rows.last().is_some_and(|last| types(last) == types(row))
    }

    fn push(&mut self, row: Row) {
        self.bytes += size(&row);
        self.rows.push(row);
    }
}

fn size(row: &Row) -> usize {
    row.iter().map(Value::size).sum()
}

fn is_empty_text(value: &Value) -> bool {
    matches!(value, Value::Text(Some(text)) if text.is_empty())
}

/// Where the placeholders of a statement are, with their numbers. What is between quotes or in a comment is none.
fn placeholders(sql: &str) -> Vec<(std::ops::Range<usize>, usize)> {
    let (bytes, mut found, mut at) = (sql.as_bytes(), vec![], 0);
    let after =
        |from: usize, end: &str| sql.get(from..).and_then(|rest| rest.find(end)).map_or(sql.len(), |length| from + length + end.len());
    while let Some(&byte) = bytes.get(at) {
        at = match byte {
            // A doubled quote is the end of one text and the beginning of the next.
            b'\'' => after(at + 1, "'"),
            b'"' => after(at + 1, "\""),
            b'-' if bytes.get(at + 1) == Some(&b'-') => after(at, "\n"),
            b'/' if bytes.get(at + 1) == Some(&b'*') => after(at + 2, "*/"),
            b':' => {
                let digits = bytes[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                let end = at + 1 + digits;
                if let Ok(number) = sql[at + 1..end].parse() {
                    found.push((at..end, number));
                }
                end
            }
            _ => at + 1,
        };
    }
    found
}

/// A statement that writes with `EMPTY_CLOB()` for each empty text, and what is left to be bound.
/// <https://docs.oracle.com/en/database/oracle/oracle-database/19/sqlrf/EMPTY_BLOB-EMPTY_CLOB.html>
fn spelled(sql: &str, params: Row) -> (String, Row) {
    if !params.iter().any(is_empty_text) {
        return (sql.into(), params);
    }
    let (mut text, mut from) = (String::new(), 0);
    for (place, number) in placeholders(sql) {
        if params.get(number.wrapping_sub(1)).is_some_and(is_empty_text) {
            text += &sql[from..place.start];
            text += "EMPTY_CLOB()";
            from = place.end;
        }
    }
    text += &sql[from..];
    (text, params.into_iter().filter(|value| !is_empty_text(value)).collect())
}

/// Rows by which of their columns are empty texts, which are taken out of them.
fn by_empty(rows: Vec<Row>) -> BTreeMap<Vec<usize>, Vec<Row>> {
    let mut groups: BTreeMap<Vec<usize>, Vec<Row>> = BTreeMap::new();
    for mut row in rows {
        let empty: Vec<usize> = row.iter().enumerate().filter(|(_, value)| is_empty_text(value)).map(|(at, _)| at).collect();
        row.retain(|value| !is_empty_text(value));
        groups.entry(empty).or_default().push(row);
    }
    groups
}

/// The statement that adds rows some of whose columns are empty texts.
fn insert(table: &str, columns: &[String], empty: &[usize]) -> String {
    let mark = |at: usize| if empty.contains(&at) { "EMPTY_CLOB()".to_string() } else { format!(":{}", at + 1) };
    let marks = (0..columns.len()).map(mark).collect::<Vec<_>>().join(", ");
    format!("INSERT INTO {table} ({}) VALUES ({marks})", columns.join(", "))
}

fn run(connection: &Connection, sql: &str, rows: &[Row]) -> Result<u64, DriverError> {
    let rows = rows.iter().map(|row| row.iter().map(bound).collect::<Result<Vec<_>, _>>()).collect::<Result<Vec<_>, _>>()?;
    let rows: Vec<Vec<&dyn ToDbValue>> = rows.iter().map(|row| row.iter().map(|value| &**value).collect()).collect();
    match &rows[..] {
        [row] => connection.execute(sql, row).map(|done| done.rows_affected()),
        rows => {
            let rows: Vec<&[&dyn ToDbValue]> = rows.iter().map(Vec::as_slice).collect();
            connection.execute_batch(sql, &rows[..]).map(|done| done.rows_affected())
        }
    }
    .map_err(|error| fold(&error))
}

fn query(connection: &Connection, sql: &str, params: &[Value], kinds: &[Kind]) -> Result<Vec<Row>, DriverError> {
    let values = params.iter().map(bound).collect::<Result<Vec<_>, _>>()?;
    let values: Vec<&dyn ToDbValue> = values.iter().map(|value| &**value).collect();
    let statement =
        connection.statement(sql).and_then(|statement| statement.prefetch_rows(FETCH_ROWS).fetch_array_size(FETCH_ROWS).build());
    let cursor = statement.and_then(|statement| statement.query(&values)).map_err(|error| fold(&error))?;
    cursor.map(|row| decode(row.map_err(|error| fold(&error))?, kinds)).collect()
}

/// A value as the client binds it: a NULL has its type too.
fn bound(value: &Value) -> Result<Box<dyn ToDbValue>, DriverError> {
    Ok(match value {
        Value::Text(Some(text)) if text.len() > TEXT_BYTES => {
            return Err(DriverError::new(ErrorKind::TooLong, format!("a text of {} bytes is longer than the client can bind", text.len())));
        }
        Value::Text(text) => Box::new(text.clone()),
        Value::Integer(number) => Box::new(*number),
        Value::Boolean(truth) => Box::new(truth.map(i64::from)),
        Value::Time(time) => Box::new(time.map(|time| timestamp(time.naive_utc())).transpose()?),
    })
}

fn timestamp(time: NaiveDateTime) -> Result<OracleTimestamp, DriverError> {
    // Years from -4712 to 9999; the client reads those before 1 wrong. To the microsecond, so that what is read equals what was written.
    match time.year() {
        1..=9999 => Ok(OracleTimestamp::new_timestamp(
            time.year() as i16,
            time.month() as u8,
            time.day() as u8,
            time.hour() as u8,
            time.minute() as u8,
            time.second() as u8,
            time.and_utc().timestamp_subsec_micros().min(999_999) * 1_000,
        )),
        year => Err(DriverError::new(ErrorKind::TooLong, format!("the year {year} is not one of 1 to 9999"))),
    }
}

fn decode(mut row: oracledb::Row, kinds: &[Kind]) -> Result<Row, DriverError> {
    let mut values = Row::with_capacity(kinds.len());
    for (at, kind) in kinds.iter().enumerate() {
        let shape = |error: oracledb::Error| DriverError::shape(at, error);
        values.push(match kind {
            Kind::Key | Kind::Text | Kind::Json | Kind::Literal => Value::Text(row.take(at).map_err(shape)?),
            Kind::Integer => Value::Integer(row.take(at).map_err(shape)?),
            Kind::Boolean => Value::Boolean(row.take::<Option<i64>>(at).map_err(shape)?.map(|number| number != 0)),
            Kind::Timestamp => {
                let time: Option<OracleTimestamp> = row.take(at).map_err(shape)?;
                Value::Time(time.map(|time| NaiveDateTime::try_from(time).map(|time| time.and_utc())).transpose().map_err(shape)?)
            }
        });
    }
    if row.columns().len() > kinds.len() {
        let marks: Option<String> = row.take(kinds.len()).map_err(|error| DriverError::shape(kinds.len(), error))?;
        fill_empty(&mut values, &marks.unwrap_or_default());
    }
    Ok(values)
}

/// Makes an empty text of each NULL whose number, from 1, is named.
fn fill_empty(row: &mut Row, marks: &str) {
    for number in marks.split_whitespace().filter_map(|mark| mark.parse::<usize>().ok()) {
        if let Some(value @ Value::Text(None)) = row.get_mut(number.wrapping_sub(1)) {
            *value = Value::Text(Some(String::new()));
        }
    }
}

/// Folds what the client says.
fn fold(error: &oracledb::Error) -> DriverError {
    match error.kind() {
        Native::DbError(native) => DriverError::new(kind_of(native.code(), native.message()), said(native.message())),
        Native::InvalidServiceName(..) | Native::InvalidSid(..) | Native::ListenerRefusedConnection(..) => {
            DriverError::new(ErrorKind::Unreachable, without_id(&error.to_string()))
        }
        Native::CallTimeoutExceeded => DriverError::new(ErrorKind::Unreachable, "no answer in time"),
        Native::DeadConnection | Native::StreamOperation | Native::NotConnected | Native::UnableToRecover | Native::LockPoisoned => {
            DriverError::new(ErrorKind::Unreachable, error)
        }
        // What is no message of the protocol.
        Native::OutOfData
        | Native::IntegerTooLarge(..)
        | Native::InvalidEncodedString
        | Native::InvalidRedirect(_)
        | Native::UnexpectedNegativeInteger
        | Native::UnexpectedRefuse(_)
        | Native::UnexpectedResult
        | Native::UnknownServerSidePiggyback(_)
        | Native::UnknownTtcMessageType(..) => DriverError::new(ErrorKind::Unreachable, NO_MESSAGE),
        Native::TlsOperation | Native::PemFileOperation | Native::WalletUnreadable(_) | Native::WalletPrivateKeyInvalid(_) => {
            DriverError::new(ErrorKind::Tls, error)
        }
        Native::ServerVersionNotSupported => {
            DriverError::new(ErrorKind::Unreachable, "the server is older than 12.1, and connections to such are not supported")
        }
        Native::NoCredentials => DriverError::new(ErrorKind::Auth, "Oracle asks for a user and a password"),
        _ => DriverError::new(ErrorKind::Other, error),
    }
}

/// While a secured connection is made, what is neither the server's word nor the operating system's is about the certificate, or no TLS at all.
fn in_connecting(error: DriverError, secured: bool) -> DriverError {
    let any = |words: &[&str]| words.iter().any(|word| error.message.contains(word));
    // A port that hangs up on a handshake does not speak TLS.
    let hung_up = any(&["reset by peer", "Broken pipe", "forcibly closed"]);
    let system = any(&["os error", "lookup", "no answer", "listener"]);
    match error.kind {
        ErrorKind::Unreachable if secured && (hung_up || !system) => {
            DriverError::new(ErrorKind::Tls, format!("{}; a port of Oracle that speaks TLS is often 2484", error.message))
        }
        _ => error,
    }
}

/// A listener's refusal without the id of the attempt, which is another each time.
fn without_id(message: &str) -> &str {
    message.split(" (CONNECTION_ID=").next().unwrap_or(message)
}

/// What the server says, without the places in blocks and the addresses of its manual's pages.
fn said(message: &str) -> String {
    let lines = message.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.filter(|line| !line.starts_with("Help: ") && !line.starts_with("ORA-06512")).collect::<Vec<_>>().join(" ")
}

/// What kind of failure a number of the server's is: `https://docs.oracle.com/error-help/db/ora-NNNNN/`.
fn kind_of(code: usize, message: &str) -> ErrorKind {
    match code {
        // 41900: 23ai tells a missing privilege from a missing table where the user may know of it.
        1031 | 1720 | 1749 | 1927 | 1950 | 41900 => ErrorKind::Denied,
        // A package that the user may not run is not known to them.
        6550 if message.contains("PLS-00201") || message.contains("PLS-00904") => ErrorKind::Denied,
        955 | 1408 | 1430 | 1920 | 2260 | 2261 | 2264 | 2275 => ErrorKind::Exists,
        904 | 942 | 1418 | 1435 | 1917 | 1918 | 2289 | 4043 => ErrorKind::Missing,
        1 => ErrorKind::Duplicate,
        1400 | 1407 | 2291 | 2292 => ErrorKind::NotNull,
        // A check, or a trigger that raises: the team does not want that value.
        2290 | 20000..=20999 => ErrorKind::TooLong,
        910 | 1401 | 1438 | 1450 | 1461 | 1704 | 1841 | 12899 | 22835 | 24816 => ErrorKind::TooLong,
        1004 | 1005 | 1017 | 1045 | 28000 | 28001 | 28002 | 28009 | 28040 => ErrorKind::Auth,
        54 | 4021 | 4022 | 30006 => ErrorKind::LockTimeout,
        60 | 8177 => ErrorKind::Serialisation,
        257 | 1536 | 1562 | 1628 | 1630..=1632 | 1650..=1655 | 1658 | 1659 | 1688 | 1691 | 1692 | 30036 => ErrorKind::Full,
        28 | 31 | 603 | 1012 | 1033..=1035 | 1089..=1092 | 2396 | 2399 | 3113 | 3114 | 3135 | 3136 | 12150..=12699 | 25408 => {
            ErrorKind::Unreachable
        }
        _ => ErrorKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{DateTime, TimeDelta, Utc};

    fn text(text: &str) -> Value {
        text.into()
    }

    #[test]
    fn an_empty_text_is_spelled_out_and_not_bound() {
        let sql = "UPDATE t SET a = :1, b = :2, c = :10 WHERE k = :3";
        let (sql, left) = spelled(sql, vec![text(""), Value::Text(None), text("k")]);
        assert_eq!(sql, "UPDATE t SET a = EMPTY_CLOB(), b = :2, c = :10 WHERE k = :3");
        assert_eq!(left, [Value::Text(None), text("k")]);
    }

    #[test]
    fn a_statement_without_empty_texts_stays_as_it_is() {
        let params = vec![text(" "), Value::Text(None), 0.into(), false.into()];
        assert_eq!(
            spelled("INSERT INTO t VALUES (:1, :2, :3, :4)", params.clone()),
            ("INSERT INTO t VALUES (:1, :2, :3, :4)".into(), params)
        );
    }

    #[test]
    fn what_is_quoted_or_a_comment_or_an_assignment_holds_no_placeholder() {
        let sql = "BEGIN x := ':1 '':2'; \":3\" /* :4 ' */ -- :5 \"\n :6 :a é:7:8";
        let found: Vec<_> = placeholders(sql).into_iter().map(|(place, number)| (&sql[place], number)).collect();
        assert_eq!(found, [(":6", 6), (":7", 7), (":8", 8)]);
        for open in ["':1", "\":1", "/* :1", "-- :1"] {
            assert_eq!(placeholders(open), [], "{open}");
        }
    }

    #[test]
    fn rows_of_an_array_are_parted_by_which_of_their_columns_are_empty() {
        let rows = vec![
            vec![text("a"), text(""), text("x")],
            vec![text("b"), Value::Text(None), text("y")],
            vec![text("c"), text(""), text("")],
            vec![text("d"), text(""), text("z")],
        ];
        let columns = ["k", "d", "e"].map(String::from);
        let parted: Vec<_> = by_empty(rows).into_iter().map(|(empty, rows)| (insert("t", &columns, &empty), rows)).collect();
        let expected = [
            ("INSERT INTO t (k, d, e) VALUES (:1, :2, :3)", vec![vec![text("b"), Value::Text(None), text("y")]]),
            ("INSERT INTO t (k, d, e) VALUES (:1, EMPTY_CLOB(), :3)", vec![vec![text("a"), text("x")], vec![text("d"), text("z")]]),
            ("INSERT INTO t (k, d, e) VALUES (:1, EMPTY_CLOB(), EMPTY_CLOB())", vec![vec![text("c")]]),
        ];
        assert_eq!(parted, expected.map(|(sql, rows)| (sql.to_string(), rows)));
    }

    #[test]
    fn a_null_that_is_marked_is_an_empty_text_and_no_other() {
        let mut row = vec![text("k"), Value::Text(None), Value::Text(None), Value::Integer(None), text("x")];
        fill_empty(&mut row, " 2 4 5 9 0");
        assert_eq!(row, [text("k"), text(""), Value::Text(None), Value::Integer(None), text("x")]);
        fill_empty(&mut row, "");
        assert_eq!(row[2], Value::Text(None));
    }

    #[test]
    fn an_array_takes_the_same_statement_with_the_same_types_up_to_its_bounds() {
        let mut array = Array::new("u".into(), vec![text("a"), Value::Integer(None)]);
        assert!(array.takes("u", &vec![Value::Text(None), 1.into()]));
        assert!(!array.takes("v", &vec![Value::Text(None), 1.into()]));
        assert!(!array.takes("u", &vec![text("b"), true.into()]));
        assert!(!array.takes("u", &vec![text(&"x".repeat(ARRAY_BYTES)), 1.into()]));
        (1..ARRAY_ROWS).for_each(|number| array.push(vec![text("b"), (number as i64).into()]));
        assert!(!array.takes("u", &vec![text("b"), 1.into()]));
        assert!(!Array::new("u".into(), vec![]).takes("u", &vec![]));
    }

    #[test]
    fn a_time_goes_there_and_back_to_the_microsecond() {
        for written in ["2026-11-28T23:59:59.999999Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.000001Z", "1969-12-31T12:00:00.5Z"] {
            let time: DateTime<Utc> = written.parse().unwrap();
            let back = NaiveDateTime::try_from(timestamp(time.naive_utc()).unwrap()).unwrap().and_utc();
            assert_eq!(back, time);
        }
        let time: DateTime<Utc> = "2026-01-01T00:00:00.000001Z".parse().unwrap();
        assert_eq!(timestamp((time + TimeDelta::nanoseconds(999)).naive_utc()).unwrap(), timestamp(time.naive_utc()).unwrap());
        for written in ["0000-12-31T23:59:59Z", "+10000-01-01T00:00:00Z"] {
            let time: DateTime<Utc> = written.parse().unwrap();
            assert_eq!(timestamp(time.naive_utc()).unwrap_err().kind, ErrorKind::TooLong);
        }
    }

    #[test]
    fn numbers_of_the_server_are_kinds() {
        let cases = [
            (1031, ErrorKind::Denied),
            (41900, ErrorKind::Denied),
            (955, ErrorKind::Exists),
            (1430, ErrorKind::Exists),
            (942, ErrorKind::Missing),
            (904, ErrorKind::Missing),
            (1, ErrorKind::Duplicate),
            (1400, ErrorKind::NotNull),
            (2291, ErrorKind::NotNull),
            (12899, ErrorKind::TooLong),
            (20001, ErrorKind::TooLong),
            (1017, ErrorKind::Auth),
            (28000, ErrorKind::Auth),
            (54, ErrorKind::LockTimeout),
            (30006, ErrorKind::LockTimeout),
            (60, ErrorKind::Serialisation),
            (1653, ErrorKind::Full),
            (1536, ErrorKind::Full),
            (3113, ErrorKind::Unreachable),
            (12541, ErrorKind::Unreachable),
            (1089, ErrorKind::Unreachable),
            (900, ErrorKind::Other),
        ];
        for (code, kind) in cases {
            assert_eq!(kind_of(code, ""), kind, "ORA-{code:05}");
        }
        let block =
            |inner: &str| format!("ORA-06550: line 1, column 13:\n{inner}\nORA-06550: line 1, column 7:\nPL/SQL: Statement ignored");
        assert_eq!(kind_of(6550, &block("PLS-00201: identifier 'SYS.DBMS_LOCK' must be declared")), ErrorKind::Denied);
        assert_eq!(kind_of(6550, &block("PLS-00103: Encountered the symbol \";\"")), ErrorKind::Other);
    }

    #[test]
    fn a_message_is_the_servers_own_without_its_address_book() {
        let message = "ORA-00942: table or view \"AMX\".\"T\" does not exist\nORA-06512: at line 2\nHelp: https://docs.oracle.com/error-help/db/ora-00942/\n";
        assert_eq!(said(message), "ORA-00942: table or view \"AMX\".\"T\" does not exist");
        let refusal = "SID \"X\" is not registered (Similar to ORA-12505) (CONNECTION_ID=abc+/==)";
        assert_eq!(without_id(refusal), "SID \"X\" is not registered (Similar to ORA-12505)");
    }

    #[test]
    fn what_breaks_a_secured_connection_in_the_making_is_the_certificate_or_no_tls_at_all() {
        let of = |message: &str, secured| in_connecting(DriverError::new(ErrorKind::Unreachable, message), secured).kind;
        for message in ["stream operation failed: invalid peer certificate: UnknownIssuer", "the database or network closed the connection"]
        {
            assert_eq!(of(message, true), ErrorKind::Tls, "{message}");
            assert_eq!(of(message, false), ErrorKind::Unreachable, "{message}");
        }
        for message in [
            "stream operation failed: Connection refused (os error 111)",
            "stream operation failed: failed to lookup address information: Name or service not known",
            "no answer in time",
            "listener at host \"h\" port 2484 refused connection.",
        ] {
            assert_eq!(of(message, true), ErrorKind::Unreachable, "{message}");
        }
    }

    #[test]
    fn the_number_of_a_lock_is_the_users_to_choose() {
        for name in ["AMX.amx_history", "OTHER.amx_history", ""] {
            let request = lock_request(name);
            let number: u64 = request.split("id => ").nth(1).unwrap().split(',').next().unwrap().parse().unwrap();
            assert!(number <= 1_073_741_823, "{request}");
        }
        assert_ne!(lock_request("AMX.amx_history"), lock_request("OTHER.amx_history"));
    }

    fn described(url: &str) -> String {
        descriptor(&Profile::from_url(url).unwrap()).unwrap()
    }

    #[test]
    fn a_profile_names_a_service_or_a_sid_and_tls_where_the_host_is_elsewhere() {
        let local = described("oracle://u@localhost/orclpdb1.example.com");
        assert!(local.contains("(PROTOCOL=tcp)(HOST=localhost)(PORT=1521)"), "{local}");
        assert!(local.ends_with("(CONNECT_DATA=(SERVICE_NAME=orclpdb1.example.com)))"), "{local}");
        assert!(described("oracle://u@db.example.com:2484/s").contains("(PROTOCOL=tcps)(HOST=db.example.com)(PORT=2484)"));
        assert!(described("oracle://u@db.example.com/s?sslmode=disable").contains("(PROTOCOL=tcp)"));
        assert!(described("oracle://u@[::1]/s").contains("(HOST=::1)"));
        assert!(described("oracle://u@localhost?database=ORCL").ends_with("(CONNECT_DATA=(SID=ORCL)))"));
        for url in [local.as_str(), &described("oracle://u@[::1]/s"), &described("oracle://u@h?database=XE")] {
            assert!(Config::default().set_connect_string(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn a_service_name_cannot_lead_the_descriptor_astray() {
        let profile = Profile::from_url("oracle://u@localhost/s)(HOST=evil").unwrap();
        assert_eq!(descriptor(&profile).unwrap_err().code, Code::ConfigInvalid);
    }

    #[test]
    fn a_mode_of_tls_that_the_client_lacks_is_refused() {
        for mode in ["allow", "prefer", "require", "verify-ca"] {
            let url = format!("oracle://u@h/s?sslmode={mode}");
            assert!(Profile::from_url(&url).unwrap_err().message.contains("`sslmode` on Oracle"), "{mode}");
        }
    }
}
