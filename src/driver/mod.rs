//! Executing: one object-safe trait over the clients of the engines, and native errors folded to a few kinds.
//!
//! A driver never builds DDL and knows no table of ours.

#[cfg(feature = "bigquery")]
mod bigquery;
#[cfg(feature = "databricks")]
mod databricks;
#[cfg(any(feature = "bigquery", feature = "databricks"))]
mod http;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "oracle")]
mod oracle;
#[cfg(any(feature = "postgresql", feature = "redshift"))]
mod postgresql;
#[cfg(feature = "redshift")]
mod redshift;
#[cfg(feature = "snowflake")]
mod snowflake;
mod sqlite;
mod sqlite_value;
#[cfg(feature = "sqlserver")]
mod sqlserver;

use crate::dialect::Backend;
use crate::error::{Code, Error};
use crate::model::Kind;
use crate::profile::Profile;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures_util::stream::BoxStream;
use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

pub(crate) use sqlite::over as over_sqlite;
pub(crate) use sqlite_value::decode as decode_sqlite;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A value that is bound, loaded or read. Its variant is its type, also where it is null.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Text.
    Text(Option<String>),
    /// 64 bits, signed.
    Integer(Option<i64>),
    /// True or false.
    Boolean(Option<bool>),
    /// An instant in UTC, to the microsecond.
    Time(Option<DateTime<Utc>>),
}

/// One row, in the order of its columns.
pub type Row = Vec<Value>;

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(Some(text.into()))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(Some(text))
    }
}

impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Value {
        Value::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Integer(Some(number))
    }
}

impl From<Option<i64>> for Value {
    fn from(number: Option<i64>) -> Value {
        Value::Integer(number)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Value {
        Value::Boolean(Some(truth))
    }
}

impl From<DateTime<Utc>> for Value {
    fn from(time: DateTime<Utc>) -> Value {
        Value::Time(Some(time))
    }
}

impl From<Option<DateTime<Utc>>> for Value {
    fn from(time: Option<DateTime<Utc>>) -> Value {
        Value::Time(time)
    }
}

impl Value {
    /// The text, where it is text and not null.
    pub fn into_text(self) -> Option<String> {
        match self {
            Value::Text(text) => text,
            _ => None,
        }
    }

    /// The number, where it is one and not null.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Value::Integer(number) => *number,
            _ => None,
        }
    }

    /// The truth, where it is one and not null.
    pub fn as_boolean(&self) -> Option<bool> {
        match self {
            Value::Boolean(truth) => *truth,
            _ => None,
        }
    }

    /// The time, where it is one and not null.
    pub fn as_time(&self) -> Option<DateTime<Utc>> {
        match self {
            Value::Time(time) => *time,
            _ => None,
        }
    }

    /// About how many bytes it takes, to bound what is held at once.
    pub fn size(&self) -> usize {
        std::mem::size_of::<Value>()
            + match self {
                Value::Text(Some(text)) => text.len(),
                _ => 0,
            }
    }
}

/// How long a statement that writes rows goes on at most where a batch is no transaction: the service ends it then, whatever has become of its
/// sender. The store's lease lasts longer.
pub const LONGEST_WRITE: Duration = Duration::from_secs(45);

/// One part of a batch that lands as a whole or not at all.
pub enum Op<'a> {
    /// Runs a statement.
    Execute {
        /// The statement.
        sql: String,
        /// What is bound to it.
        params: Vec<Value>,
        /// How many rows it must touch; if it touches another number, the batch is [`Failure::Overtaken`].
        expect: Option<u64>,
    },
    /// Adds rows by the engine's fastest way that needs INSERT alone.
    Load(Load<'a>),
}

/// Rows for a table.
pub struct Load<'a> {
    /// The table, as it is written in SQL.
    pub table: String,
    /// The columns, as they are written in SQL, in the order of each row.
    pub columns: Vec<String>,
    /// How many rows there are.
    pub count: usize,
    /// How many of them one statement brings at most, where the engine has no better way than statements.
    pub per_statement: usize,
    /// The rows, each made when it is sent, so that the engine has work meanwhile.
    pub rows: Box<dyn Iterator<Item = Row> + Send + 'a>,
}

/// Rows for a table that is made for them alone.
pub struct Staging<'a> {
    /// Where it is to be.
    pub schema: &'a str,
    /// Its name, which is no other table's.
    pub table: &'a str,
    /// Its columns, in the order of each row.
    pub columns: &'a [(&'a str, Kind)],
    /// The rows.
    pub rows: &'a [Row],
}

/// What kind of failure a native error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// A privilege is missing.
    Denied,
    /// What was to be created is there.
    Exists,
    /// A table, a column or a schema is not there.
    Missing,
    /// A key is taken.
    Duplicate,
    /// A null where none may be, or a reference to nothing.
    NotNull,
    /// A value is longer than its column or its key, or is not one that the engine takes.
    TooLong,
    /// The server does not answer, or the line broke: it is not known whether the last statement landed.
    Unreachable,
    /// The login was refused.
    Auth,
    /// No secure connection could be made.
    Tls,
    /// A lock was not had in time.
    LockTimeout,
    /// Another transaction was in the way; the same again may pass.
    Serialisation,
    /// A disk or a quota is full.
    Full,
    /// The file is damaged or is not a database.
    Corrupt,
    /// The operating system refused to read or write.
    Io,
    /// Anything else.
    Other,
}

/// A native error, folded to its kind. The message is the engine's own; it holds no secret, since none is ever in a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriverError {
    /// What kind of failure it is.
    pub kind: ErrorKind,
    /// What the engine says.
    pub message: String,
}

impl ErrorKind {
    /// Whether the same again may pass.
    pub fn may_pass(self) -> bool {
        matches!(self, ErrorKind::Unreachable | ErrorKind::Serialisation | ErrorKind::LockTimeout | ErrorKind::Duplicate)
    }
}

/// What came back is no message of the protocol. The library tells that with a place in its own source, which is nobody's business.
const NO_MESSAGE: &str = "the line broke, or what answers there is no server of this kind";

impl DriverError {
    /// An error of that kind.
    pub fn new(kind: ErrorKind, message: impl fmt::Display) -> DriverError {
        DriverError { kind, message: message.to_string() }
    }

    /// A row that does not have the shape that was asked for.
    fn shape(column: usize, error: impl fmt::Display) -> DriverError {
        DriverError::new(ErrorKind::Other, format!("column {} of an answer is not what it should be: {error}", column + 1))
    }
}

impl fmt::Display for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for DriverError {}

impl From<DriverError> for Error {
    fn from(error: DriverError) -> Error {
        let DriverError { kind, message } = error;
        let again = "run the same command again; it goes on from where it was";
        match kind {
            ErrorKind::Denied => Error::new(
                Code::PermissionDenied,
                format!("the database refused: {message}"),
                "ask for the privilege; `amx-schema dump-ddl` ends with the GRANT statements that members need",
            ),
            ErrorKind::Missing => Error::new(
                Code::StoreMissing,
                format!("the store is not as expected: {message}"),
                "check the profile and --schema, then run `amx-schema enable` or `amx-schema migrate`",
            ),
            ErrorKind::Unreachable => Error::new(
                Code::Unreachable,
                format!("the database cannot be reached: {message}"),
                "check host, port and network, then run the same command again; it goes on from where it was",
            ),
            ErrorKind::Auth => Error::new(
                Code::AuthFailed,
                format!("the database refused the login: {message}"),
                "check user, password and database in the profile or the URL",
            ),
            ErrorKind::Tls => Error::new(
                Code::TlsFailed,
                format!("no secure connection could be made: {message}"),
                "a host that is not loopback is verified in full: name the authority that signed its certificate (sslrootcert, ssl_ca, or SSL_CERT_FILE), or the sslmode that you accept; docs/backends has the fields of each backend",
            ),
            ErrorKind::LockTimeout => Error::new(Code::Locked, format!("a lock was not had in time: {message}"), again),
            ErrorKind::Serialisation => Error::new(Code::StatementFailed, format!("other writers were in the way: {message}"), again),
            ErrorKind::Full => Error::new(
                Code::Io,
                format!("the store's disk or quota is full: {message}"),
                "make room there, then run the same command again; it goes on from where it was",
            ),
            ErrorKind::Io => Error::new(
                Code::Io,
                format!("the store could not be read or written: {message}"),
                "check the disk, its quota and the limits on file size, then run the same command again; it goes on from where it was",
            ),
            ErrorKind::Corrupt => Error::new(
                Code::StoreMissing,
                format!("that file is not a usable SQLite database: {message}"),
                "check the path; a damaged file is to be restored from a backup",
            ),
            ErrorKind::Exists | ErrorKind::Duplicate | ErrorKind::NotNull | ErrorKind::TooLong | ErrorKind::Other => Error::new(
                Code::StatementFailed,
                format!("the database refused a statement: {message}"),
                "nothing of that statement landed; run again with -v to see it, and compare the store with `amx-schema dump-ddl`",
            ),
        }
    }
}

/// Why a batch did not land.
#[derive(Debug, Clone, PartialEq)]
pub enum Failure {
    /// The engine refused it, or the line broke.
    Database(DriverError),
    /// The parts of the batch ended in an error of their own.
    Source(Error),
    /// A statement touched another number of rows than expected: someone else was faster.
    Overtaken,
}

impl From<DriverError> for Failure {
    fn from(error: DriverError) -> Failure {
        Failure::Database(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Source(error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Error {
        match failure {
            Failure::Database(error) => error.into(),
            Failure::Source(error) => error,
            Failure::Overtaken => Error::new(
                Code::StatementFailed,
                "another process wrote to the store at the same moment, again and again",
                "run the same command again; it goes on from where it was",
            ),
        }
    }
}

/// A connection to one database.
#[async_trait]
pub trait Driver: Send {
    /// Runs one statement and says how many rows it touched.
    async fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64, DriverError>;

    /// Runs one query; `kinds` says what each column of the answer is.
    async fn query(&mut self, sql: &str, params: &[Value], kinds: &[Kind]) -> Result<Vec<Row>, DriverError>;

    /// Runs the parts in order in one transaction, taking them one at a time so that a large batch is never held as a whole. Never asked for
    /// where the dialect says that there are no transactions.
    async fn atomic(&mut self, ops: BoxStream<'_, Result<Op<'_>, Error>>) -> Result<(), Failure>;

    /// Makes a table and brings it rows by the engine's bulk load, and says whether it did: where there is none or the user may not, it is false and
    /// nothing is left. The table vanishes by itself where nobody drops it, also one that an error left half made.
    async fn stage(&mut self, _staging: &Staging<'_>) -> Result<bool, DriverError> {
        Ok(false)
    }

    /// Drops such a table, as far as that can be done.
    async fn unstage(&mut self, _schema: &str, _table: &str) {}

    /// A second connection to the same database.
    async fn another(&mut self) -> Result<Box<dyn Driver>, DriverError>;

    /// Tries once, without waiting, to be the only holder of the lock of that name. The engine frees it where the holder dies.
    async fn try_lock(&mut self, name: &str) -> Result<bool, DriverError>;

    /// Gives the lock back.
    async fn unlock(&mut self) -> Result<(), DriverError>;

    /// Takes leave of the server.
    async fn close(self: Box<Self>);
}

/// A connection that counts the statements that were sent over it.
pub struct Counted {
    inner: Box<dyn Driver>,
    count: Arc<AtomicU64>,
}

impl Counted {
    /// Counts from now on, into `count`.
    pub fn over(inner: Box<dyn Driver>, count: Arc<AtomicU64>) -> Box<dyn Driver> {
        Box::new(Counted { inner, count })
    }

    fn one(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl Driver for Counted {
    async fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64, DriverError> {
        self.one();
        self.inner.execute(sql, params).await
    }

    async fn query(&mut self, sql: &str, params: &[Value], kinds: &[Kind]) -> Result<Vec<Row>, DriverError> {
        self.one();
        self.inner.query(sql, params, kinds).await
    }

    async fn atomic(&mut self, ops: BoxStream<'_, Result<Op<'_>, Error>>) -> Result<(), Failure> {
        self.one();
        self.inner.atomic(ops).await
    }

    async fn stage(&mut self, staging: &Staging<'_>) -> Result<bool, DriverError> {
        self.one();
        self.inner.stage(staging).await
    }

    async fn unstage(&mut self, schema: &str, table: &str) {
        self.inner.unstage(schema, table).await;
    }

    async fn another(&mut self) -> Result<Box<dyn Driver>, DriverError> {
        self.inner.another().await
    }

    async fn try_lock(&mut self, name: &str) -> Result<bool, DriverError> {
        self.inner.try_lock(name).await
    }

    async fn unlock(&mut self) -> Result<(), DriverError> {
        self.inner.unlock().await
    }

    async fn close(self: Box<Self>) {
        self.inner.close().await;
    }
}

/// What a connection will be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Only to read: a file that is absent stays absent.
    Read,
    /// To read and write what is there.
    Write,
    /// To write, making the file where it is absent.
    Create,
}

/// Is told, each second, why there is a pause that a service asked for, as where a rate limit was reached, how long it still lasts, and how long
/// it lasts as a whole.
pub type Waits = Arc<dyn Fn(&str, Duration, Duration) + Send + Sync>;

/// Hears of no pause.
pub fn unheard() -> Waits {
    Arc::new(|_, _, _| {})
}

/// Waits, and tells each second how long still. `waited` is for how long that has been going on, pause after pause.
#[cfg(any(feature = "bigquery", feature = "databricks", feature = "snowflake"))]
async fn wait_out(waits: &Waits, why: &str, pause: Duration, waited: Duration) {
    let mut left = pause;
    let end = tokio::time::Instant::now() + pause;
    while !left.is_zero() {
        waits(why, left, waited + pause);
        tokio::time::sleep(left.min(Duration::from_secs(1))).await;
        left = end.saturating_duration_since(tokio::time::Instant::now());
    }
}

/// Connects to the database that a profile names. `waits` hears of the pauses that a service asks for, which do not count as its silence.
///
/// # Errors
/// `backend_not_built` where this build has no driver for it; else what the engine says.
pub async fn connect(profile: &Profile, home: &std::path::Path, access: Access, waits: Waits) -> Result<Box<dyn Driver>, Error> {
    // The clients of several services bring providers of cryptography of their own, and rustls takes none of two by itself. One that is there stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let late = Arc::new(Mutex::new(Instant::now() + CONNECT_TIMEOUT));
    let when_late = || *late.lock().unwrap_or_else(PoisonError::into_inner);
    let waits: Waits = {
        let late = Arc::clone(&late);
        Arc::new(move |why, left, whole| {
            *late.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now() + left + CONNECT_TIMEOUT;
            waits(why, left, whole);
        })
    };
    let connecting = async {
        match profile.backend {
            #[cfg(feature = "postgresql")]
            Backend::PostgreSql => postgresql::connect(profile, home).await,
            #[cfg(feature = "mysql")]
            Backend::MySql => mysql::connect(profile, home).await,
            #[cfg(feature = "oracle")]
            Backend::Oracle => oracle::connect(profile, home).await,
            #[cfg(feature = "bigquery")]
            Backend::BigQuery => bigquery::connect(profile, home, waits.clone()).await,
            #[cfg(feature = "databricks")]
            Backend::Databricks => databricks::connect(profile, home, waits.clone()).await,
            #[cfg(feature = "redshift")]
            Backend::Redshift => redshift::connect(profile, home).await,
            #[cfg(feature = "snowflake")]
            Backend::Snowflake => snowflake::connect(profile, home, waits.clone()).await,
            #[cfg(feature = "sqlite")]
            Backend::Sqlite => sqlite::connect(profile, access),
            #[cfg(feature = "sqlserver")]
            Backend::SqlServer => sqlserver::connect(profile, home).await,
            // Where every driver is built there is no other.
            #[allow(unreachable_patterns)]
            other => Err(not_built(other)),
        }
    };
    let _ = (home, access, &waits);
    let mut connecting = pin!(connecting);
    loop {
        match tokio::time::timeout_at(when_late(), &mut connecting).await {
            Ok(connected) => return connected,
            Err(_) if when_late() > Instant::now() => {}
            Err(_) => {
                let waited = format!("no answer from {} within {} s", profile.summary(), CONNECT_TIMEOUT.as_secs());
                return Err(DriverError::new(ErrorKind::Unreachable, waited).into());
            }
        }
    }
}

#[cfg(any(feature = "postgresql", feature = "mysql", feature = "redshift", feature = "sqlserver", feature = "oracle"))]
fn server(profile: &Profile) -> Result<&crate::profile::Server, Error> {
    match &profile.target {
        crate::profile::Target::Server(server) => Ok(server),
        _ => Err(Error::internal(format!("a {} profile names no server", profile.backend))),
    }
}

fn not_built(backend: Backend) -> Error {
    Error::new(
        Code::BackendNotBuilt,
        format!("this build of amx-schema cannot connect to {backend}"),
        format!("run `amx-schema dump-ddl --dialect {backend}` and give the script to whoever runs DDL there"),
    )
}
