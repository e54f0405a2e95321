//! PostgreSQL over sqlx.
//!
//! It works behind a transaction-pooling proxy: no statement is prepared under a name, and one with bound values, which sqlx sends in two trips,
//! is in a transaction of its own, or its second trip might reach another server connection (measured with pgbouncer 1.18).

use super::{Driver, DriverError, ErrorKind, Failure, Load, NO_MESSAGE, Op, Row, Value};
use crate::error::Error;
use crate::model::Kind;
use crate::profile::{Profile, TlsMode};
use crate::secret;
use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use secrecy::ExposeSecret;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgDatabaseError, PgSslMode};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Postgres, Row as _};
use std::path::Path;

/// How much COPY data goes into one message.
const COPY_CHUNK: usize = 256 * 1024;
/// A load of at most this many values is an INSERT. The end of a COPY is a small packet of its own, which waits some 45 ms for the server's
/// acknowledgement of the one before (measured: sqlx leaves Nagle's algorithm on).
const SMALL_LOAD: usize = 10_000;
/// From the Unix epoch to 2000-01-01, PostgreSQL's epoch, in microseconds.
const EPOCH_2000: i64 = 946_684_800_000_000;

#[cfg(feature = "postgresql")]
pub(super) async fn connect(profile: &Profile, home: &Path) -> Result<Box<dyn Driver>, Error> {
    let options = options(profile, home)?;
    let connection = open(&options).await?;
    Ok(Box::new(PostgreSql { connection, options, lock: None }))
}

/// How a profile says that the line is to be made.
pub(super) fn options(profile: &Profile, home: &Path) -> Result<PgConnectOptions, Error> {
    let server = super::server(profile)?;
    let mut options = PgConnectOptions::new_without_pgpass()
        .host(&server.host)
        .port(server.port)
        .application_name("amx-schema")
        // pgbouncer refuses this start-up parameter, and Redshift takes no more than 2
        .extra_float_digits(None);
    if let Some(user) = &server.user {
        options = options.username(user);
    }
    if let Some(database) = &server.database {
        options = options.database(database);
    }
    if let Some(secret) = &profile.secret {
        options = options.password(secret::resolve(secret, home)?.expose_secret());
    }
    options = options.ssl_mode(match server.tls.mode {
        TlsMode::Disable => PgSslMode::Disable,
        TlsMode::Allow => PgSslMode::Allow,
        TlsMode::Prefer => PgSslMode::Prefer,
        TlsMode::Require => PgSslMode::Require,
        TlsMode::VerifyCa => PgSslMode::VerifyCa,
        TlsMode::VerifyFull => PgSslMode::VerifyFull,
    });
    if let Some(roots) = &server.tls.roots {
        options = options.ssl_root_cert(roots);
    }
    Ok(options)
}

pub(super) async fn open(options: &PgConnectOptions) -> Result<PgConnection, DriverError> {
    let options = options.clone().disable_statement_logging();
    PgConnection::connect_with(&options).await.map_err(fold)
}

#[cfg(feature = "postgresql")]
struct PostgreSql {
    connection: PgConnection,
    options: PgConnectOptions,
    /// The lock lives in an open transaction of its own: behind a pooler it would not hold otherwise.
    lock: Option<PgConnection>,
}

#[async_trait]
impl Driver for PostgreSql {
    async fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64, DriverError> {
        if params.is_empty() {
            return run(&mut self.connection, sql, params).await;
        }
        let mut transaction = self.connection.begin().await.map_err(fold)?;
        let touched = run(&mut transaction, sql, params).await?;
        transaction.commit().await.map_err(fold)?;
        Ok(touched)
    }

    async fn query(&mut self, sql: &str, params: &[Value], kinds: &[Kind]) -> Result<Vec<Row>, DriverError> {
        let rows = if params.is_empty() {
            sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut self.connection).await.map_err(fold)?
        } else {
            let mut transaction = self.connection.begin().await.map_err(fold)?;
            let rows = bound(sql, params).fetch_all(&mut *transaction).await.map_err(fold)?;
            transaction.commit().await.map_err(fold)?;
            rows
        };
        rows.iter().map(|row| decode(row, kinds)).collect()
    }

    async fn atomic(&mut self, mut ops: BoxStream<'_, Result<Op<'_>, Error>>) -> Result<(), Failure> {
        let mut transaction = self.connection.begin().await.map_err(fold)?;
        while let Some(op) = ops.next().await {
            match op.map_err(Failure::Source)? {
                Op::Execute { sql, params, expect } => {
                    let touched = run(&mut transaction, &sql, &params).await?;
                    if expect.is_some_and(|expected| expected != touched) {
                        transaction.rollback().await.map_err(fold)?;
                        return Err(Failure::Overtaken);
                    }
                }
                Op::Load(load) if load.count * load.columns.len() <= SMALL_LOAD => insert(&mut transaction, load).await?,
                Op::Load(load) => copy(&mut transaction, load).await?,
            }
        }
        Ok(transaction.commit().await.map_err(fold)?)
    }

    async fn another(&mut self) -> Result<Box<dyn Driver>, DriverError> {
        let connection = open(&self.options).await?;
        Ok(Box::new(PostgreSql { connection, options: self.options.clone(), lock: None }))
    }

    async fn try_lock(&mut self, name: &str) -> Result<bool, DriverError> {
        let mut connection = match self.lock.take() {
            Some(connection) => connection,
            None => open(&self.options).await?,
        };
        // A server that ends idle transactions must not end this one, and it must keep no snapshot that CREATE INDEX CONCURRENTLY would wait for.
        run(&mut connection, "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL idle_in_transaction_session_timeout = 0", &[]).await?;
        let key = i64::from_ne_bytes(xxhash_rust::xxh3::xxh3_64(name.as_bytes()).to_ne_bytes());
        let rows = bound("SELECT pg_try_advisory_xact_lock($1)", &[key.into()]).fetch_all(&mut connection).await.map_err(fold)?;
        let got = rows.first().and_then(|row| row.try_get::<bool, _>(0).ok()).unwrap_or(false);
        if !got {
            run(&mut connection, "ROLLBACK", &[]).await?;
        }
        self.lock = Some(connection);
        Ok(got)
    }

    async fn unlock(&mut self) -> Result<(), DriverError> {
        if let Some(connection) = self.lock.take() {
            // The end of the session frees the lock, also where the server has ended it already.
            let _ = connection.close().await;
        }
        Ok(())
    }

    async fn close(self: Box<Self>) {
        // The work is done; a server that no longer listens changes nothing about it.
        let _ = self.connection.close().await;
    }
}

/// Without bound values the simple protocol is used: any statement may run, in one round trip.
async fn run(connection: &mut PgConnection, sql: &str, params: &[Value]) -> Result<u64, DriverError> {
    let done = match params {
        [] => sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await,
        _ => bound(sql, params).execute(connection).await,
    };
    done.map(|done| done.rows_affected()).map_err(fold)
}

fn bound<'q>(sql: &str, params: &[Value]) -> Query<'q, Postgres, PgArguments> {
    let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
    for value in params {
        query = match value.clone() {
            Value::Text(text) => query.bind(text),
            Value::Integer(number) => query.bind(number),
            Value::Boolean(truth) => query.bind(truth),
            Value::Time(time) => query.bind(time),
        };
    }
    query
}

pub(super) fn decode(row: &sqlx::postgres::PgRow, kinds: &[Kind]) -> Result<Row, DriverError> {
    let column = |(at, kind): (usize, &Kind)| {
        let shape = |error: sqlx::Error| DriverError::shape(at, error);
        Ok(match kind {
            Kind::Key | Kind::Text | Kind::Json | Kind::Literal => Value::Text(row.try_get(at).map_err(shape)?),
            Kind::Integer => Value::Integer(row.try_get(at).map_err(shape)?),
            Kind::Boolean => Value::Boolean(row.try_get(at).map_err(shape)?),
            Kind::Timestamp => Value::Time(row.try_get(at).map_err(shape)?),
        })
    };
    kinds.iter().enumerate().map(column).collect()
}

/// Few rows by one INSERT.
async fn insert(connection: &mut PgConnection, load: Load<'_>) -> Result<(), DriverError> {
    if load.count == 0 {
        return Ok(());
    }
    let width = load.columns.len();
    let marks = |row: usize| (1..=width).map(|column| format!("${}", row * width + column)).collect::<Vec<_>>().join(", ");
    let marks = (0..load.count).map(|row| format!("({})", marks(row))).collect::<Vec<_>>().join(", ");
    let sql = format!("INSERT INTO {} ({}) VALUES {marks}", load.table, load.columns.join(", "));
    let values: Vec<Value> = load.rows.flatten().collect();
    run(connection, &sql, &values).await.map(|_| ())
}

/// Rows by COPY in its binary form: <https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.4>.
async fn copy(connection: &mut PgConnection, load: Load<'_>) -> Result<(), DriverError> {
    let statement = format!("COPY {} ({}) FROM STDIN (FORMAT binary)", load.table, load.columns.join(", "));
    let mut copy = connection.copy_in_raw(&statement).await.map_err(fold)?;
    let mut data = Vec::with_capacity(COPY_CHUNK + 64 * 1024);
    data.extend_from_slice(b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0");
    let columns = i16::try_from(load.columns.len()).map_err(|error| DriverError::new(ErrorKind::Other, error))?;
    for row in load.rows {
        data.extend_from_slice(&columns.to_be_bytes());
        row.iter().try_for_each(|value| encode(&mut data, value))?;
        if data.len() >= COPY_CHUNK {
            copy.send(data.as_slice()).await.map_err(fold)?;
            data.clear();
        }
    }
    data.extend_from_slice(&(-1i16).to_be_bytes());
    copy.send(data.as_slice()).await.map_err(fold)?;
    copy.finish().await.map(|_| ()).map_err(fold)
}

fn encode(data: &mut Vec<u8>, value: &Value) -> Result<(), DriverError> {
    let mut field = |bytes: &[u8]| {
        let length = i32::try_from(bytes.len()).map_err(|_| DriverError::new(ErrorKind::TooLong, "a value is longer than 2 GB"))?;
        data.extend_from_slice(&length.to_be_bytes());
        data.extend_from_slice(bytes);
        Ok(())
    };
    match value {
        Value::Text(Some(text)) => field(text.as_bytes()),
        Value::Integer(Some(number)) => field(&number.to_be_bytes()),
        Value::Boolean(Some(truth)) => field(&[u8::from(*truth)]),
        Value::Time(Some(time)) => field(&(time.timestamp_micros() - EPOCH_2000).to_be_bytes()),
        Value::Text(None) | Value::Integer(None) | Value::Boolean(None) | Value::Time(None) => {
            data.extend_from_slice(&(-1i32).to_be_bytes());
            Ok(())
        }
    }
}

/// Folds what sqlx says. Codes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
pub(super) fn fold(error: sqlx::Error) -> DriverError {
    let kind = match &error {
        // What is wrong with a certificate comes as an I/O error.
        sqlx::Error::Io(io) if io.kind() == std::io::ErrorKind::InvalidData => ErrorKind::Tls,
        // What is no message of the protocol is a line that broke: a server that hangs up on the first packet reads as a zero byte.
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed => ErrorKind::Unreachable,
        sqlx::Error::Tls(_) => ErrorKind::Tls,
        sqlx::Error::Database(database) => match database.code().as_deref().unwrap_or_default() {
            "42501" => ErrorKind::Denied,
            "42P06" | "42P07" | "42701" | "42710" => ErrorKind::Exists,
            "42P01" | "42703" | "3F000" => ErrorKind::Missing,
            "23505" => ErrorKind::Duplicate,
            "23502" | "23503" => ErrorKind::NotNull,
            // A check, or a trigger that raises: the team does not want that value.
            "54000" | "23514" | "P0001" => ErrorKind::TooLong,
            code if code.starts_with("22") => ErrorKind::TooLong,
            "28000" | "28P01" | "3D000" => ErrorKind::Auth,
            "55P03" => ErrorKind::LockTimeout,
            "40001" | "40P01" => ErrorKind::Serialisation,
            "53100" | "53200" | "53400" => ErrorKind::Full,
            code if code.starts_with("08") || matches!(code, "57P01" | "57P02" | "57P03" | "53300") => ErrorKind::Unreachable,
            _ => ErrorKind::Other,
        },
        _ => ErrorKind::Other,
    };
    let detail = match error.as_database_error().and_then(|database| database.try_downcast_ref::<PgDatabaseError>()) {
        Some(database) => match database.detail() {
            Some(detail) if kind != ErrorKind::Duplicate => format!("{} ({detail})", database.message()),
            _ => database.message().to_string(),
        },
        None if matches!(error, sqlx::Error::Protocol(_)) => NO_MESSAGE.into(),
        None => error.to_string(),
    };
    DriverError::new(kind, detail)
}
