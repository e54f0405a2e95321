//! SQLite over rusqlite. Its calls block, each for a short while; the program runs commands away from the thread that hears signals.

use super::sqlite_value::decode;
use super::{Access, Driver, DriverError, ErrorKind, Failure, Load, Op, Row, Value};
use crate::error::{Code, Error};
use crate::model::Kind;
use crate::profile::{Profile, Target};
use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use rusqlite::{Connection, OpenFlags, params_from_iter};
use std::path::Path;
use std::time::Duration;

/// How long a statement waits for another process's write lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// The page cache of a file that is written to, in KiB below zero. Rows come in the order of their runs and so anywhere in the index of objects:
/// <https://www.sqlite.org/pragma.html#pragma_cache_size>.
const CACHE_SIZE: i64 = -32 * 1024;

/// A driver over a file that is open already, such as the local store's cache.
pub(crate) fn over(connection: Connection) -> Box<dyn Driver> {
    Box::new(Sqlite { connection, locked: false })
}

#[cfg(feature = "sqlite")]
pub(super) fn connect(profile: &Profile, access: Access) -> Result<Box<dyn Driver>, Error> {
    let Target::File(path) = &profile.target else {
        return Err(Error::internal("a SQLite profile names no file"));
    };
    let flags = match access {
        Access::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
        Access::Write => OpenFlags::SQLITE_OPEN_READ_WRITE,
        Access::Create => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
    };
    if access != Access::Create && !path.exists() {
        return Err(Error::new(
            Code::StoreMissing,
            format!("there is no file {}", path.display()),
            "check the path, or run `amx-schema enable` to make the store",
        ));
    }
    if access == Access::Create {
        make_private(path);
    }
    let mut connection = Connection::open_with_flags(path, flags).map_err(fold)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(fold)?;
    if access == Access::Read && has_unfinished_write(&connection) {
        // A writer was killed. What it left has to be rolled back before anyone can read, and only a connection that may write can.
        connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(fold)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(fold)?;
        connection.pragma_update(None, "query_only", true).map_err(fold)?;
    }
    connection.pragma_update(None, "foreign_keys", true).map_err(fold)?;
    if access != Access::Read {
        connection.pragma_update(None, "cache_size", CACHE_SIZE).map_err(fold)?;
    }
    Ok(over(connection))
}

/// Makes a new file its owner's alone, before SQLite would make it readable to others. Where it cannot be made SQLite says why.
#[cfg(feature = "sqlite")]
fn make_private(path: &Path) {
    let mut options = std::fs::OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let _ = options.create_new(true).write(true).open(path);
}

/// Whether the first read is refused because another process's write has to be rolled back first.
fn has_unfinished_write(connection: &Connection) -> bool {
    use rusqlite::ffi;
    let read = connection.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(()));
    let code = read.err().and_then(|error| error.sqlite_error().map(|native| native.extended_code));
    matches!(code, Some(ffi::SQLITE_READONLY_ROLLBACK | ffi::SQLITE_READONLY_RECOVERY | ffi::SQLITE_READONLY_CANTINIT))
}

struct Sqlite {
    connection: Connection,
    /// Whether an outer transaction holds the file's write lock.
    locked: bool,
}

#[async_trait]
impl Driver for Sqlite {
    async fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64, DriverError> {
        run(&self.connection, sql, params)
    }

    async fn query(&mut self, sql: &str, params: &[Value], kinds: &[Kind]) -> Result<Vec<Row>, DriverError> {
        let mut statement = self.connection.prepare(sql).map_err(fold)?;
        let mut rows = statement.query(params_from_iter(params)).map_err(fold)?;
        let mut answer = vec![];
        while let Some(row) = rows.next().map_err(fold)? {
            answer.push(decode(row, kinds)?);
        }
        Ok(answer)
    }

    async fn atomic(&mut self, mut ops: BoxStream<'_, Result<Op<'_>, Error>>) -> Result<(), Failure> {
        let (begin, commit, rollback) = match self.locked {
            true => ("SAVEPOINT batch", "RELEASE batch", "ROLLBACK TO batch; RELEASE batch"),
            false => ("BEGIN IMMEDIATE", "COMMIT", "ROLLBACK"),
        };
        self.connection.execute_batch(begin).map_err(fold)?;
        let mut landed = Ok(());
        while let Some(op) = ops.next().await {
            landed = match op {
                Err(error) => Err(Failure::Source(error)),
                Ok(Op::Execute { sql, params, expect }) => match run(&self.connection, &sql, &params) {
                    Ok(touched) if expect.is_some_and(|expected| expected != touched) => Err(Failure::Overtaken),
                    Ok(_) => Ok(()),
                    Err(error) => Err(error.into()),
                },
                Ok(Op::Load(load)) => insert(&self.connection, load).map_err(Failure::from),
            };
            if landed.is_err() {
                break;
            }
        }
        let landed = landed.and_then(|()| self.connection.execute_batch(commit).map_err(|error| fold(error).into()));
        if landed.is_err() {
            // SQLite may have rolled back by itself already, as on a full disk.
            let _ = self.connection.execute_batch(rollback);
        }
        landed
    }

    async fn another(&mut self) -> Result<Box<dyn Driver>, DriverError> {
        let path = self.connection.path().unwrap_or_default();
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(fold)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(fold)?;
        Ok(Box::new(Sqlite { connection, locked: false }))
    }

    async fn try_lock(&mut self, _name: &str) -> Result<bool, DriverError> {
        self.connection.busy_timeout(Duration::ZERO).map_err(fold)?;
        let begun = self.connection.execute_batch("BEGIN IMMEDIATE").map_err(fold);
        self.connection.busy_timeout(BUSY_TIMEOUT).map_err(fold)?;
        match begun {
            Ok(()) => {
                self.locked = true;
                Ok(true)
            }
            Err(error) if error.kind == ErrorKind::LockTimeout => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn unlock(&mut self) -> Result<(), DriverError> {
        if std::mem::take(&mut self.locked) {
            self.connection.execute_batch("COMMIT").map_err(fold)?;
        }
        Ok(())
    }

    async fn close(self: Box<Self>) {
        // Closing writes nothing; what was to be written is committed.
        let _ = self.connection.close();
    }
}

fn run(connection: &Connection, sql: &str, params: &[Value]) -> Result<u64, DriverError> {
    let mut statement = connection.prepare(sql).map_err(fold)?;
    statement.execute(params_from_iter(params)).map(|touched| touched as u64).map_err(fold)
}

fn insert(connection: &Connection, mut load: Load<'_>) -> Result<(), DriverError> {
    let marks = vec!["?"; load.columns.len()].join(", ");
    let sql = format!("INSERT INTO {} ({}) VALUES ({marks})", load.table, load.columns.join(", "));
    let mut statement = connection.prepare_cached(&sql).map_err(fold)?;
    load.rows.try_for_each(|row| statement.execute(params_from_iter(row)).map(|_| ()).map_err(fold))
}

/// Folds what SQLite says. Codes: <https://www.sqlite.org/rescode.html>.
fn fold(error: rusqlite::Error) -> DriverError {
    use rusqlite::ErrorCode as Native;
    use rusqlite::ffi;
    let message = error.to_string();
    let code = error.sqlite_error().copied();
    let kind = match code.map(|code| (code.code, code.extended_code)) {
        Some((_, ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_UNIQUE)) => ErrorKind::Duplicate,
        Some((Native::ConstraintViolation, _)) => ErrorKind::NotNull,
        Some((Native::DatabaseBusy | Native::DatabaseLocked, _)) => ErrorKind::LockTimeout,
        Some((Native::ReadOnly | Native::PermissionDenied | Native::AuthorizationForStatementDenied, _)) => ErrorKind::Denied,
        Some((Native::CannotOpen, _)) => ErrorKind::Unreachable,
        Some((Native::DiskFull, _)) => ErrorKind::Full,
        Some((Native::SystemIoFailure, _)) => ErrorKind::Io,
        Some((Native::NotADatabase | Native::DatabaseCorrupt, _)) => ErrorKind::Corrupt,
        Some((Native::TooBig, _)) => ErrorKind::TooLong,
        Some((Native::Unknown, _)) if message.contains("no such table") || message.contains("no such column") => ErrorKind::Missing,
        Some((Native::Unknown, _)) if message.contains("already exists") || message.contains("duplicate column") => ErrorKind::Exists,
        _ => ErrorKind::Other,
    };
    DriverError::new(kind, message)
}
