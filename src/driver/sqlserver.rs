//! SQL Server and Azure SQL over tiberius.
//!
//! A statement is run by `sp_executesql` also where nothing is bound to it: tiberius counts the rows of a call alone, not those of a batch. Every
//! result is read to its end, since an error may come after the first one.

use super::{CONNECT_TIMEOUT, Driver, DriverError, ErrorKind, Failure, Load, NO_MESSAGE, Op, Row, Value};
use crate::error::Error;
use crate::model::Kind;
use crate::profile::{Profile, TlsMode};
use crate::secret;
use async_trait::async_trait;
use chrono::{DateTime, Datelike, NaiveDateTime, Timelike, Utc};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use secrecy::ExposeSecret;
use std::borrow::Cow;
use std::path::Path;
use std::time::Duration;
use tiberius::error::Error as Native;
use tiberius::time::{Date, DateTime2, Time};
use tiberius::{AuthMethod, Client, ColumnData, Config, EncryptionLevel, FromSql, SqlBulkCopyOption, ToSql, TokenRow};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt};

/// What every statement relies on, whatever the server's `user options` and the login's language are. One that fails ends its transaction; rows
/// are counted; long text comes whole; the others are what an index over computed columns or a view asks of a writer:
/// <https://learn.microsoft.com/en-us/sql/t-sql/statements/set-statements-transact-sql>.
const SETTINGS: &str = "SET XACT_ABORT, ANSI_NULLS, ANSI_PADDING, ANSI_WARNINGS, ARITHABORT, CONCAT_NULL_YIELDS_NULL, QUOTED_IDENTIFIER ON; \
    SET NUMERIC_ROUNDABORT, NOCOUNT, IMPLICIT_TRANSACTIONS OFF; SET TEXTSIZE 2147483647; SET LANGUAGE us_english";
/// A transaction's own wait for locks would outlast it: the server has no setting for a transaction alone.
const COMMIT: &str = "COMMIT TRANSACTION; SET LOCK_TIMEOUT -1";
/// Most errors have ended the transaction already: <https://learn.microsoft.com/en-us/sql/t-sql/statements/set-xact-abort-transact-sql>.
const ROLLBACK: &str = "IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION; SET LOCK_TIMEOUT -1";
/// How long the server may be silent within an answer: longer than a migration's statements are given, far shorter than for ever.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2 * 60 * 60);
/// How often a server may pass us on to another.
const REDIRECTS: usize = 3;
/// The protocol takes 2,100 parameters, and `sp_executesql` has two of its own.
const BINDS_MAX: usize = 2_098;
/// The most rows of one VALUES: <https://learn.microsoft.com/en-us/sql/t-sql/queries/table-value-constructor-transact-sql>.
const VALUES_MAX: usize = 1_000;

/// How many bytes of large rows are held while a bulk load goes on.
const HELD_BYTES: usize = 4 * 1024 * 1024;

type Session = Client<Compat<TcpStream>>;

pub(super) async fn connect(profile: &Profile, home: &Path) -> Result<Box<dyn Driver>, Error> {
    let server = super::server(profile)?;
    let mut config = Config::new();
    config.host(&server.host);
    config.port(server.port);
    config.application_name("amx-schema");
    if let Some(database) = &server.database {
        config.database(database);
    }
    if let Some(user) = &server.user {
        let password = profile.secret.as_ref().map(|secret| secret::resolve(secret, home)).transpose()?;
        config.authentication(AuthMethod::sql_server(user, password.as_ref().map_or("", |password| password.expose_secret())));
    }
    match server.tls.mode {
        // As Microsoft's clients mean `encrypt=no`: the login alone is encrypted, by whatever certificate the server has.
        // https://learn.microsoft.com/en-us/sql/relational-databases/security/networking/tds-8#differences-between-encrypt-options
        TlsMode::Disable => {
            config.encryption(EncryptionLevel::Off);
            config.trust_cert();
        }
        // There is no server without TLS: one that was given no certificate makes one itself.
        TlsMode::Allow | TlsMode::Prefer | TlsMode::Require => {
            config.encryption(EncryptionLevel::Required);
            config.trust_cert();
        }
        TlsMode::VerifyCa | TlsMode::VerifyFull => {
            config.encryption(EncryptionLevel::Required);
            if let Some(roots) = &server.tls.roots {
                config.trust_cert_ca(roots.display());
            }
        }
    }
    config.handshake_timeout(Some(CONNECT_TIMEOUT));
    config.command_timeout(Some(ANSWER_TIMEOUT));
    let session = open(&config).await?;
    Ok(Box::new(SqlServer { session, config, lock: None }))
}

/// Opens a session, where the server says so on another server: Azure's gateway passes on those who come from within Azure.
/// <https://learn.microsoft.com/en-us/azure/azure-sql/database/connectivity-architecture#connection-policy>
async fn open(config: &Config) -> Result<Session, DriverError> {
    let mut config = config.clone();
    for _ in 0..=REDIRECTS {
        let connecting = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(config.get_addr()));
        let late = |_| DriverError::new(ErrorKind::Unreachable, format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()));
        let line = connecting.await.map_err(late)?.map_err(|error| DriverError::new(ErrorKind::Unreachable, error))?;
        line.set_nodelay(true).map_err(|error| DriverError::new(ErrorKind::Unreachable, error))?;
        match Client::connect(config.clone(), line.compat_write()).await {
            Ok(mut session) => {
                batch(&mut session, SETTINGS).await?;
                return Ok(session);
            }
            Err(Native::Routing { host, port }) => {
                config.host(host);
                config.port(port);
            }
            Err(error) => return Err(fold_connecting(error)),
        }
    }
    Err(DriverError::new(ErrorKind::Unreachable, "the servers pass on to each other without an end"))
}

struct SqlServer {
    session: Session,
    config: Config,
    /// The lock belongs to a session of its own, which no transaction's end touches.
    lock: Option<Session>,
}

#[async_trait]
impl Driver for SqlServer {
    async fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64, DriverError> {
        run(&mut self.session, sql, params).await
    }

    async fn query(&mut self, sql: &str, params: &[Value], kinds: &[Kind]) -> Result<Vec<Row>, DriverError> {
        rows(&mut self.session, sql, params, kinds).await
    }

    async fn atomic(&mut self, ops: BoxStream<'_, Result<Op<'_>, Error>>) -> Result<(), Failure> {
        batch(&mut self.session, "BEGIN TRANSACTION").await?;
        let done = match apply(&mut self.session, ops).await {
            Ok(()) => batch(&mut self.session, COMMIT).await.map_err(Failure::Database),
            failed => failed,
        };
        let Err(failure) = done else { return Ok(()) };
        match batch(&mut self.session, ROLLBACK).await {
            // Where the line broke the server does it by itself, and what failed before is what counts.
            Err(error) if error.kind != ErrorKind::Unreachable => Err(error.into()),
            _ => Err(failure),
        }
    }

    async fn another(&mut self) -> Result<Box<dyn Driver>, DriverError> {
        let session = open(&self.config).await?;
        Ok(Box::new(SqlServer { session, config: self.config.clone(), lock: None }))
    }

    async fn try_lock(&mut self, name: &str) -> Result<bool, DriverError> {
        let mut session = match self.lock.take() {
            Some(session) => session,
            None => open(&self.config).await?,
        };
        // 0 and 1 say that it is had, -1 that another has it: https://learn.microsoft.com/en-us/sql/relational-databases/system-stored-procedures/sp-getapplock-transact-sql
        let sql = "DECLARE @got INT; EXEC @got = sys.sp_getapplock @Resource = @P1, @LockMode = N'Exclusive', @LockOwner = N'Session', @LockTimeout = 0; SELECT @got";
        let said = rows(&mut session, sql, &[lock_name(name).into()], &[Kind::Integer]).await?;
        self.lock = Some(session);
        match said.into_iter().flatten().next().and_then(|said| said.as_integer()) {
            Some(0..) => Ok(true),
            Some(-3..=-1) => Ok(false),
            said => Err(DriverError::new(ErrorKind::Other, format!("sp_getapplock answered {said:?}"))),
        }
    }

    async fn unlock(&mut self) -> Result<(), DriverError> {
        if let Some(session) = self.lock.take() {
            // The end of the session frees the lock, also where the server has ended it already.
            let _ = session.close().await;
        }
        Ok(())
    }

    async fn close(self: Box<Self>) {
        // The work is done; a server that no longer listens changes nothing about it.
        let _ = self.session.close().await;
    }
}

/// A lock's name is the database's. Where its collation ignores case, schemas that differ in case alone are one; where it does not, they share a lock.
fn lock_name(name: &str) -> String {
    format!("amx-schema:{}", name.to_lowercase())
}

/// The parts of a batch, in the transaction that is open.
async fn apply(session: &mut Session, mut ops: BoxStream<'_, Result<Op<'_>, Error>>) -> Result<(), Failure> {
    while let Some(op) = ops.next().await {
        match op.map_err(Failure::Source)? {
            Op::Execute { sql, params, expect } => {
                let touched = run(session, &sql, &params).await?;
                if expect.is_some_and(|expected| expected != touched) {
                    return Err(Failure::Overtaken);
                }
            }
            Op::Load(load) if load.count <= VALUES_MAX && load.count * load.columns.len() <= BINDS_MAX => insert(session, load).await?,
            Op::Load(load) => load_many(session, load).await?,
        }
    }
    Ok(())
}

/// Statements of our own whose effect outlives them.
async fn batch(session: &mut Session, sql: &str) -> Result<(), DriverError> {
    session.simple_query(sql).await.map_err(fold)?.into_results().await.map_err(fold)?;
    Ok(())
}

/// The number of rows is that of the statement itself, which comes last: those of a trigger's statements come before it.
async fn run(session: &mut Session, sql: &str, params: &[Value]) -> Result<u64, DriverError> {
    // What sp_executesql sets ends with it.
    if sql.starts_with("SET ") {
        return batch(session, sql).await.map(|()| 0);
    }
    let params = native(params)?;
    let done = session.execute(sql, &bound(&params)).await.map_err(fold)?;
    Ok(done.rows_affected().last().copied().unwrap_or(0))
}

async fn rows(session: &mut Session, sql: &str, params: &[Value], kinds: &[Kind]) -> Result<Vec<Row>, DriverError> {
    let params = native(params)?;
    let answer = session.query(sql, &bound(&params)).await.map_err(fold)?;
    let results = answer.into_results().await.map_err(fold)?;
    results.into_iter().next().unwrap_or_default().iter().map(|row| decode(row, kinds)).collect()
}

fn native(values: &[Value]) -> Result<Vec<ColumnData<'_>>, DriverError> {
    values
        .iter()
        .map(|value| {
            Ok(match value {
                Value::Text(text) => ColumnData::String(text.as_deref().map(Cow::Borrowed)),
                other => plain(other)?,
            })
        })
        .collect()
}

fn bound<'v>(values: &'v [ColumnData<'_>]) -> Vec<&'v dyn ToSql> {
    values.iter().map(|value| value as &dyn ToSql).collect()
}

fn token_row(row: Row) -> Result<TokenRow<'static>, DriverError> {
    let mut cells = TokenRow::with_capacity(row.len());
    for value in row {
        cells.push(match value {
            Value::Text(text) => ColumnData::String(text.map(Cow::Owned)),
            other => plain(&other)?,
        });
    }
    Ok(cells)
}

/// Any value but a text.
fn plain(value: &Value) -> Result<ColumnData<'static>, DriverError> {
    Ok(match value {
        Value::Text(_) => ColumnData::String(None),
        Value::Integer(number) => ColumnData::I64(*number),
        Value::Boolean(truth) => ColumnData::Bit(*truth),
        Value::Time(time) => ColumnData::DateTime2(time.map(datetime2).transpose()?),
    })
}

/// Days since 0001-01-01 and microseconds since midnight: tiberius' own conversion would write seven digits, which it then cuts by floating point.
fn datetime2(time: DateTime<Utc>) -> Result<DateTime2, DriverError> {
    let outside = || DriverError::new(ErrorKind::TooLong, format!("{time} is outside of the years that DATETIME2 takes, 1 to 9999"));
    let days = u32::try_from(time.num_days_from_ce() - 1).map_err(|_| outside())?;
    if time.year() > 9999 {
        return Err(outside());
    }
    let micros = u64::from(time.num_seconds_from_midnight()) * 1_000_000 + u64::from(time.timestamp_subsec_micros());
    Ok(DateTime2::new(Date::new(days), Time::new(micros, 6)))
}

fn decode(row: &tiberius::Row, kinds: &[Kind]) -> Result<Row, DriverError> {
    fn get<'r, T: FromSql<'r>>(row: &'r tiberius::Row, at: usize) -> Result<Option<T>, DriverError> {
        row.try_get(at).map_err(|error| DriverError::shape(at, error))
    }
    let column = |(at, kind): (usize, &Kind)| {
        if at >= row.len() {
            return Err(DriverError::shape(at, "it is not there"));
        }
        Ok(match kind {
            Kind::Key | Kind::Text | Kind::Json | Kind::Literal => Value::Text(get::<&str>(row, at)?.map(str::to_string)),
            // COUNT and CASE give an INT, which tiberius does not widen.
            Kind::Integer => Value::Integer(match get::<ColumnData<'_>>(row, at)? {
                Some(ColumnData::I32(number)) => number.map(i64::from),
                _ => get(row, at)?,
            }),
            Kind::Boolean => Value::Boolean(get(row, at)?),
            Kind::Timestamp => Value::Time(get::<NaiveDateTime>(row, at)?.map(|time| time.and_utc())),
        })
    };
    kinds.iter().enumerate().map(column).collect()
}

/// Few rows by one INSERT, which is one trip where a bulk load is three.
async fn insert(session: &mut Session, load: Load<'_>) -> Result<(), DriverError> {
    if load.count == 0 {
        return Ok(());
    }
    let width = load.columns.len();
    let marks = |row: usize| (1..=width).map(|column| format!("@P{}", row * width + column)).collect::<Vec<_>>().join(", ");
    let marks = (0..load.count).map(|row| format!("({})", marks(row))).collect::<Vec<_>>().join(", ");
    let sql = format!("INSERT INTO {} ({}) VALUES {marks}", load.table, load.columns.join(", "));
    let values: Vec<Value> = load.rows.flatten().collect();
    run(session, &sql, &values).await.map(|_| ())
}

/// Rows by bulk loads, and those with a long text by INSERT.
async fn load_many(session: &mut Session, load: Load<'_>) -> Result<(), DriverError> {
    let mut rows = load.rows.peekable();
    while rows.peek().is_some() {
        let large = bulk(session, &load.table, &load.columns, &mut rows).await?;
        for row in large {
            let one = Load {
                table: load.table.clone(),
                columns: load.columns.clone(),
                count: 1,
                per_statement: 1,
                rows: Box::new(std::iter::once(row)),
            };
            insert(session, one).await?;
        }
    }
    Ok(())
}

/// A bulk load of what comes, to the end or until many large rows were left out, which it gives back. Its options make it do as INSERT does:
/// without them foreign keys and checks are passed over and then distrusted, triggers do not fire, a null becomes the column's default, and all
/// that takes ALTER on the table: <https://learn.microsoft.com/en-us/sql/tools/bcp-utility#permissions>.
async fn bulk(
    session: &mut Session,
    table: &str,
    columns: &[String],
    rows: &mut (dyn Iterator<Item = Row> + Send),
) -> Result<Vec<Row>, DriverError> {
    let options = SqlBulkCopyOption::CheckConstraints | SqlBulkCopyOption::FireTriggers | SqlBulkCopyOption::KeepNulls;
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut request = session.bulk_insert_with_options(table, &columns, options, &[]).await.map_err(fold)?;
    let (mut large, mut held, mut refused) = (vec![], 0, None);
    while held <= HELD_BYTES
        && refused.is_none()
        && let Some(row) = rows.next()
    {
        if row.iter().any(is_long) {
            held += row.iter().map(Value::size).sum::<usize>();
            large.push(row);
            continue;
        }
        refused = match token_row(row) {
            Ok(row) => request.send(row).await.map_err(fold).err(),
            Err(error) => Some(error),
        };
    }
    // What was begun must be ended, or the server would take the next statement for a row. The transaction undoes it.
    let ended = request.finalize().await.map_err(fold);
    match refused {
        Some(error) => Err(error),
        None => ended.map(|_| large),
    }
}

/// Whether a text may have more than the 65,535 bytes that tiberius takes for the length of every column without one. UTF-16 has at most a unit for
/// a byte of UTF-8.
fn is_long(value: &Value) -> bool {
    matches!(value, Value::Text(Some(text)) if text.len() > 32_767)
}

/// What is refused before a session is there: more of it is about the secure line.
fn fold_connecting(error: Native) -> DriverError {
    match error {
        // Such as a line that TLS was wanted for and that the server does not secure.
        Native::Protocol(why) if why.contains("encryption") => DriverError::new(ErrorKind::Tls, why),
        Native::Io { kind: std::io::ErrorKind::InvalidData, message } => DriverError::new(ErrorKind::Tls, message),
        other => fold(other),
    }
}

/// Folds what tiberius says. Numbers: <https://learn.microsoft.com/en-us/sql/relational-databases/errors-events/database-engine-events-and-errors>
/// and <https://learn.microsoft.com/en-us/azure/azure-sql/database/troubleshoot-common-errors-issues>.
fn fold(error: Native) -> DriverError {
    match error {
        Native::Server(said) => DriverError::new(kind(said.code(), said.message()), said.message()),
        // The library goes on with what one may do to its own settings, here as with what is wrong with a certificate.
        Native::Io { kind: std::io::ErrorKind::TimedOut, .. } => {
            DriverError::new(ErrorKind::Unreachable, "the server took the line and did not answer in time")
        }
        Native::Io { message, .. } => DriverError::new(ErrorKind::Unreachable, message),
        Native::Tls(message) => DriverError::new(ErrorKind::Tls, message.split(" To connect anyway").next().unwrap_or_default()),
        // What is no message of the protocol is a line that broke, or no server of this kind.
        Native::Protocol(_) | Native::Utf8 | Native::Utf16 => DriverError::new(ErrorKind::Unreachable, NO_MESSAGE),
        Native::BulkInput(why) if why.contains("exceed column limit") => {
            DriverError::new(ErrorKind::TooLong, "a text is longer than its column")
        }
        Native::BulkInput(_) => DriverError::new(ErrorKind::NotNull, "a null, or a value of another type, where the column takes none"),
        other => DriverError::new(ErrorKind::Other, other),
    }
}

fn kind(number: u32, message: &str) -> ErrorKind {
    match number {
        // 1088, 2760, 3701, 4902 and 15151 mean that something is not there or may not be used; the server does not tell which.
        229 | 230 | 262 | 297 | 300 | 916 | 1088 | 2760 | 3701 | 3704 | 4834 | 4902 | 15151 | 15247 => ErrorKind::Denied,
        1913 | 2705 | 2714 | 15233 | 15335 => ErrorKind::Exists,
        207 | 208 | 911 | 2812 | 4924 | 15217 | 15248 => ErrorKind::Missing,
        2601 | 2627 => ErrorKind::Duplicate,
        // A check is the team's word on what it does not want; a foreign key is a reference to nothing.
        547 if message.contains("CHECK") && !message.contains("FOREIGN KEY") => ErrorKind::TooLong,
        515 | 547 => ErrorKind::NotNull,
        // Too long or of another type; the last ones are a trigger's ROLLBACK and what a trigger raises.
        220 | 241 | 242 | 245 | 511 | 1946 | 2628 | 4815 | 4863 | 8114 | 8115 | 8152 | 3609 | 50_000.. => ErrorKind::TooLong,
        4060 | 4064 | 18450 | 18452 | 18456 | 18470 | 18486..=18488 | 40532 => ErrorKind::Auth,
        1222 => ErrorKind::LockTimeout,
        1205 | 3960 => ErrorKind::Serialisation,
        701 | 802 | 1101 | 1105 | 1204 | 9002 | 40544 => ErrorKind::Full,
        // The server stops, moves, is too busy, or keeps this address out; the session was ended.
        596 | 921 | 922 | 952 | 983 | 6005 | 10928 | 10929 | 17142 | 40143 | 40197 | 40501 | 40613 | 40615 | 49918..=49920 => {
            ErrorKind::Unreachable
        }
        _ => ErrorKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_statement_ran_into_is_of_its_kind() {
        let foreign = "The INSERT statement conflicted with the FOREIGN KEY constraint \"fk\".";
        let check = "The INSERT statement conflicted with the CHECK constraint \"ck\".";
        for (number, message, expected) in [
            (2627, "", ErrorKind::Duplicate),
            (2601, "", ErrorKind::Duplicate),
            (515, "", ErrorKind::NotNull),
            (547, foreign, ErrorKind::NotNull),
            (547, check, ErrorKind::TooLong),
            (2628, "", ErrorKind::TooLong),
            (50_001, "a trigger's own", ErrorKind::TooLong),
            (208, "", ErrorKind::Missing),
            (229, "", ErrorKind::Denied),
            (262, "", ErrorKind::Denied),
            (2714, "", ErrorKind::Exists),
            (18_456, "", ErrorKind::Auth),
            (4060, "", ErrorKind::Auth),
            (1222, "", ErrorKind::LockTimeout),
            (1205, "", ErrorKind::Serialisation),
            (3960, "", ErrorKind::Serialisation),
            (9002, "", ErrorKind::Full),
            (40_544, "", ErrorKind::Full),
            (40_613, "", ErrorKind::Unreachable),
            (102, "", ErrorKind::Other),
        ] {
            assert_eq!(kind(number, message), expected, "{number}");
        }
    }

    #[test]
    fn times_are_taken_to_the_microsecond_between_the_years_1_and_9999() {
        let time = |text: &str| DateTime::parse_from_rfc3339(text).unwrap().to_utc();
        let first = datetime2(time("0001-01-01T00:00:00Z")).unwrap();
        assert_eq!((first.date().days(), first.time().increments(), first.time().scale()), (0, 0, 6));
        let last = datetime2(time("9999-12-31T23:59:59.999999Z")).unwrap();
        assert_eq!((last.date().days(), last.time().increments()), (3_652_058, 86_399_999_999));
        for outside in [DateTime::from_timestamp(253_402_300_800, 0), DateTime::from_timestamp(-62_135_596_801, 0)] {
            assert_eq!(datetime2(outside.unwrap()).unwrap_err().kind, ErrorKind::TooLong);
        }
    }
}
