//! MySQL and MariaDB over sqlx.

use super::{Driver, DriverError, ErrorKind, Failure, Load, NO_MESSAGE, Op, Row, Value};
use crate::error::Error;
use crate::model::Kind;
use crate::profile::{Profile, TlsMode};
use crate::secret;
use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use secrecy::ExposeSecret;
use sqlx::mysql::{MySqlArguments, MySqlConnectOptions, MySqlConnection, MySqlDatabaseError, MySqlSslMode};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, MySql as Database, Row as _};
use std::path::Path;

/// The protocol counts bound values in 16 bits.
const BINDS_MAX: usize = 65_535;
/// Bytes of one INSERT, well below max_allowed_packet's 16 MB.
const LOAD_BYTES: usize = 4 * 1024 * 1024;
/// Statements that are kept prepared. To close one has no answer, and the next packet then waits 40 ms for the acknowledgement of that one
/// (measured: sqlx leaves Nagle's algorithm on), which is more than most statements take.
const STATEMENTS: usize = 64;

pub(super) async fn connect(profile: &Profile, home: &Path) -> Result<Box<dyn Driver>, Error> {
    let server = super::server(profile)?;
    let mut options = MySqlConnectOptions::new().host(&server.host).port(server.port);
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
        TlsMode::Disable => MySqlSslMode::Disabled,
        TlsMode::Allow | TlsMode::Prefer => MySqlSslMode::Preferred,
        TlsMode::Require => MySqlSslMode::Required,
        TlsMode::VerifyCa => MySqlSslMode::VerifyCa,
        TlsMode::VerifyFull => MySqlSslMode::VerifyIdentity,
    });
    if let Some(roots) = &server.tls.roots {
        options = options.ssl_ca(roots);
    }
    let connection = open(&options).await?;
    Ok(Box::new(MySql { connection, options, lock: None }))
}

async fn open(options: &MySqlConnectOptions) -> Result<MySqlConnection, DriverError> {
    let options = options.clone().disable_statement_logging().statement_cache_capacity(STATEMENTS);
    MySqlConnection::connect_with(&options).await.map_err(fold)
}

struct MySql {
    connection: MySqlConnection,
    options: MySqlConnectOptions,
    /// The lock belongs to a session of its own, which no DDL commits.
    lock: Option<MySqlConnection>,
}

#[async_trait]
impl Driver for MySql {
    async fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64, DriverError> {
        run(&mut self.connection, sql, params).await
    }

    async fn query(&mut self, sql: &str, params: &[Value], kinds: &[Kind]) -> Result<Vec<Row>, DriverError> {
        let rows = bound(sql, params).fetch_all(&mut self.connection).await.map_err(fold)?;
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
                Op::Load(load) => insert(&mut transaction, load).await?,
            }
        }
        Ok(transaction.commit().await.map_err(fold)?)
    }

    async fn another(&mut self) -> Result<Box<dyn Driver>, DriverError> {
        let connection = open(&self.options).await?;
        Ok(Box::new(MySql { connection, options: self.options.clone(), lock: None }))
    }

    async fn try_lock(&mut self, name: &str) -> Result<bool, DriverError> {
        let mut connection = match self.lock.take() {
            Some(connection) => connection,
            None => {
                let mut connection = open(&self.options).await?;
                // It is idle as long as the migration takes, and its end would free the lock.
                run(&mut connection, "SET SESSION wait_timeout = 86400", &[]).await?;
                connection
            }
        };
        let rows = bound("SELECT GET_LOCK(?, 0)", &[lock_name(name).into()]).fetch_all(&mut connection).await.map_err(fold)?;
        self.lock = Some(connection);
        Ok(rows.first().and_then(|row| row.try_get::<Option<i64>, _>(0).ok().flatten()) == Some(1))
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

/// A lock's name is the whole server's and has at most 64 characters:
/// <https://dev.mysql.com/doc/refman/8.0/en/locking-functions.html>.
fn lock_name(name: &str) -> String {
    format!("amx-schema:{:016x}", xxhash_rust::xxh3::xxh3_64(name.as_bytes()))
}

/// Without bound values the text protocol is used, which takes every statement.
async fn run(connection: &mut MySqlConnection, sql: &str, params: &[Value]) -> Result<u64, DriverError> {
    let done = match params {
        [] => sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await,
        _ => {
            fits(connection, params.iter().map(Value::size).sum()).await?;
            bound(sql, params).execute(connection).await
        }
    };
    done.map(|done| done.rows_affected()).map_err(fold)
}

fn bound<'q>(sql: &str, params: &[Value]) -> Query<'q, Database, MySqlArguments> {
    params.iter().cloned().fold(sqlx::query(AssertSqlSafe(sql)), bind)
}

fn bind(query: Query<'_, Database, MySqlArguments>, value: Value) -> Query<'_, Database, MySqlArguments> {
    match value {
        Value::Text(text) => query.bind(text),
        Value::Integer(number) => query.bind(number),
        Value::Boolean(truth) => query.bind(truth),
        Value::Time(time) => query.bind(time.map(|time| time.naive_utc())),
    }
}

fn decode(row: &sqlx::mysql::MySqlRow, kinds: &[Kind]) -> Result<Row, DriverError> {
    let column = |(at, kind): (usize, &Kind)| {
        let shape = |error: sqlx::Error| DriverError::shape(at, error);
        Ok(match kind {
            Kind::Key | Kind::Text | Kind::Json | Kind::Literal => Value::Text(row.try_get(at).map_err(shape)?),
            Kind::Integer => Value::Integer(row.try_get(at).map_err(shape)?),
            Kind::Boolean => Value::Boolean(row.try_get(at).map_err(shape)?),
            Kind::Timestamp => Value::Time(row.try_get::<Option<chrono::NaiveDateTime>, _>(at).map_err(shape)?.map(|time| time.and_utc())),
        })
    };
    kinds.iter().enumerate().map(column).collect()
}

/// Rows by INSERT of many at a time. LOAD DATA LOCAL INFILE is not in sqlx.
async fn insert(connection: &mut MySqlConnection, load: Load<'_>) -> Result<(), DriverError> {
    let row_marks = format!("({})", vec!["?"; load.columns.len()].join(", "));
    let rows_max = load.per_statement.min(BINDS_MAX / load.columns.len().max(1));
    let mut rows = load.rows.peekable();
    while rows.peek().is_some() {
        let (mut chunk, mut bytes) = (vec![], 0);
        let size = |row: &Row| row.iter().map(Value::size).sum::<usize>();
        // A row that is larger than all that goes alone.
        while let Some(row) = rows.next_if(|row| chunk.is_empty() || (chunk.len() < rows_max && bytes + size(row) <= LOAD_BYTES)) {
            bytes += size(&row);
            chunk.push(row);
        }
        fits(connection, bytes).await?;
        let marks = vec![row_marks.as_str(); chunk.len()].join(", ");
        let sql = format!("INSERT INTO {} ({}) VALUES {marks}", load.table, load.columns.join(", "));
        let query = sqlx::query(AssertSqlSafe(sql));
        chunk.into_iter().flatten().fold(query, bind).execute(&mut *connection).await.map_err(fold)?;
    }
    Ok(())
}

/// Refuses what is larger than a packet may be. The server would end the session on it, which would look like a broken line.
async fn fits(connection: &mut MySqlConnection, bytes: usize) -> Result<(), DriverError> {
    if bytes <= LOAD_BYTES {
        return Ok(());
    }
    let most: u64 = sqlx::query_scalar("SELECT @@max_allowed_packet").fetch_one(connection).await.map_err(fold)?;
    match bytes as u64 >= most {
        true => Err(DriverError::new(ErrorKind::TooLong, format!("a row takes more than the server's max_allowed_packet of {most} bytes"))),
        false => Ok(()),
    }
}

/// Folds what sqlx says. Codes: <https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html>.
fn fold(error: sqlx::Error) -> DriverError {
    let native = error.as_database_error().and_then(|database| database.try_downcast_ref::<MySqlDatabaseError>());
    let kind = match (&error, native.map(MySqlDatabaseError::number)) {
        // What is wrong with a certificate comes as an I/O error.
        (sqlx::Error::Io(io), _) if io.kind() == std::io::ErrorKind::InvalidData => ErrorKind::Tls,
        // What is no message of the protocol is a line that broke.
        (sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed, _) => {
            ErrorKind::Unreachable
        }
        (sqlx::Error::Tls(_), _) => ErrorKind::Tls,
        (_, Some(number)) => match number {
            1044 | 1142 | 1143 | 1227 | 1370 => ErrorKind::Denied,
            1007 | 1050 | 1060 | 1061 => ErrorKind::Exists,
            1049 | 1051 | 1054 | 1146 => ErrorKind::Missing,
            1062 => ErrorKind::Duplicate,
            1048 | 1364 | 1452 => ErrorKind::NotNull,
            // The last ones are a check, or a trigger that raises: the team does not want that value.
            1071 | 1153 | 1264 | 1292 | 1366 | 1406 | 1644 | 3819 | 4025 => ErrorKind::TooLong,
            1045 | 1698 | 1130 | 1129 => ErrorKind::Auth,
            1205 | 3572 => ErrorKind::LockTimeout,
            1213 | 1020 => ErrorKind::Serialisation,
            1021 | 1041 | 1114 | 3 | 28 => ErrorKind::Full,
            1040 | 1053 | 1077 | 1152 | 1158..=1161 | 1927 | 2006 | 2013 => ErrorKind::Unreachable,
            _ => ErrorKind::Other,
        },
        _ => ErrorKind::Other,
    };
    let message = match (&error, native) {
        (_, Some(native)) => native.message().to_string(),
        (sqlx::Error::Protocol(_), None) => NO_MESSAGE.into(),
        (error, None) => error.to_string(),
    };
    DriverError::new(kind, message)
}
