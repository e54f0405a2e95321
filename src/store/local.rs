//! Our local store: one SQLite file in the home folder with this machine's runs, the outbox, and the journal of what was imported.

use super::source::Content;
use super::sqlite_file::{FileKind, fault, recognise};
use crate::dialect::{Backend, SchemaName};
use crate::error::{Code, Error, Result};
use crate::links::resolved;
use crate::migration::MigrationSet;
use crate::render::Renderer;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, TransactionBehavior, params};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long another process of this machine is waited for.
const BUSY_WAIT: Duration = Duration::from_secs(10);
/// The page cache, in KiB below zero. Rows come in the order of their runs and so anywhere in the index of objects:
/// <https://www.sqlite.org/pragma.html#pragma_cache_size>.
const CACHE_SIZE: i64 = -16 * 1024;
/// After how many pages of 4 KiB the log is copied into the file, which syncs both; a pull of many rows would do little else at the default of
/// 1,000: <https://www.sqlite.org/pragma.html#pragma_wal_autocheckpoint>.
const CHECKPOINT_PAGES: i64 = 8 * 1024;
/// The pause between two tries where SQLite itself does not wait.
const BUSY_PAUSE: Duration = Duration::from_millis(10);

/// What the local store has beside the tables of the model. Never part of a shared store. The triggers note which cached rows were changed by
/// another hand than ours, which always sets `landing` or `writer` too; a pull brings those back. (OR IGNORE would not do in a trigger: the
/// conflict clause of the statement that fires it takes its place.) A run of this installation has a mark, which is another one after each
/// change of its rows by whomever, so that an import passes over those that are as they were when they were sent.
const LOCAL_TABLES: &str = "
CREATE TABLE IF NOT EXISTS local_installations (
  id TEXT NOT NULL PRIMARY KEY, machine TEXT NOT NULL, since TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);
CREATE TABLE IF NOT EXISTS local_stores (
  store_id TEXT NOT NULL, installation TEXT NOT NULL, epoch TEXT NOT NULL, landed INTEGER NOT NULL,
  attempted INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (store_id, installation)
);
CREATE TABLE IF NOT EXISTS local_journal (
  store_id TEXT NOT NULL, owner TEXT NOT NULL, run_id TEXT NOT NULL, sent_as TEXT NOT NULL, results INTEGER NOT NULL,
  landing INTEGER NOT NULL, content INTEGER, digest BLOB NOT NULL, PRIMARY KEY (store_id, owner, run_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS local_sources (
  store_id TEXT NOT NULL, path TEXT NOT NULL, fingerprint TEXT NOT NULL, runs INTEGER NOT NULL, results INTEGER NOT NULL,
  PRIMARY KEY (store_id, path)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS local_outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT, store_id TEXT, run_id TEXT NOT NULL, item TEXT NOT NULL, body TEXT NOT NULL,
  queued_at TEXT NOT NULL, last_attempt_at TEXT, last_error TEXT, quarantined INTEGER NOT NULL DEFAULT 0,
  place TEXT, landing INTEGER, minted INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS local_minted_again (entry INTEGER NOT NULL PRIMARY KEY, run_id TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS local_outbox_run ON local_outbox (run_id);
CREATE TABLE IF NOT EXISTS local_places (place TEXT NOT NULL PRIMARY KEY, address TEXT NOT NULL, store_id TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS local_minted (day TEXT NOT NULL PRIMARY KEY, runs INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS local_cursors (
  store_id TEXT NOT NULL, writer TEXT NOT NULL, epoch TEXT NOT NULL, landing INTEGER NOT NULL, PRIMARY KEY (store_id, writer)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS local_facts (item TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS local_edited (run_id TEXT NOT NULL PRIMARY KEY) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS local_run_edited AFTER UPDATE ON amx_history_runs
  WHEN OLD.landing IS NOT NULL AND NEW.landing IS OLD.landing AND NEW.writer IS OLD.writer
  BEGIN INSERT INTO local_edited SELECT OLD.run_id WHERE OLD.run_id NOT IN (SELECT run_id FROM local_edited); END;
CREATE TRIGGER IF NOT EXISTS local_run_deleted AFTER DELETE ON amx_history_runs WHEN OLD.landing IS NOT NULL
  BEGIN INSERT INTO local_edited SELECT OLD.run_id WHERE OLD.run_id NOT IN (SELECT run_id FROM local_edited); END;
CREATE TRIGGER IF NOT EXISTS local_result_edited AFTER UPDATE ON amx_history_results
  WHEN OLD.landing IS NOT NULL AND NEW.landing IS OLD.landing AND NEW.writer IS OLD.writer
  BEGIN INSERT INTO local_edited SELECT OLD.run_id WHERE OLD.run_id NOT IN (SELECT run_id FROM local_edited); END;
CREATE TRIGGER IF NOT EXISTS local_result_deleted AFTER DELETE ON amx_history_results WHEN OLD.landing IS NOT NULL
  BEGIN INSERT INTO local_edited SELECT OLD.run_id WHERE OLD.run_id NOT IN (SELECT run_id FROM local_edited); END;
CREATE TABLE IF NOT EXISTS local_marks (run_id TEXT NOT NULL PRIMARY KEY, mark INTEGER NOT NULL) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS local_run_marked AFTER INSERT ON amx_history_runs WHEN NEW.origin IN (SELECT id FROM local_installations)
  BEGIN DELETE FROM local_marks WHERE run_id = NEW.run_id; INSERT INTO local_marks VALUES (NEW.run_id, random()); END;
CREATE TRIGGER IF NOT EXISTS local_run_marked_again AFTER UPDATE ON amx_history_runs
  BEGIN UPDATE local_marks SET mark = random() WHERE run_id IN (OLD.run_id, NEW.run_id); END;
CREATE TRIGGER IF NOT EXISTS local_run_unmarked AFTER DELETE ON amx_history_runs
  BEGIN DELETE FROM local_marks WHERE run_id = OLD.run_id; END;
CREATE TRIGGER IF NOT EXISTS local_result_marked AFTER INSERT ON amx_history_results
  BEGIN UPDATE local_marks SET mark = random() WHERE run_id = NEW.run_id; END;
CREATE TRIGGER IF NOT EXISTS local_result_marked_again AFTER UPDATE ON amx_history_results
  BEGIN UPDATE local_marks SET mark = random() WHERE run_id IN (OLD.run_id, NEW.run_id); END;
CREATE TRIGGER IF NOT EXISTS local_result_unmarked AFTER DELETE ON amx_history_results
  BEGIN UPDATE local_marks SET mark = random() WHERE run_id = OLD.run_id; END;
CREATE TABLE IF NOT EXISTS local_sessions (
  id INTEGER PRIMARY KEY AUTOINCREMENT, profile TEXT NOT NULL, title TEXT, created_by TEXT NOT NULL, hostname TEXT NOT NULL,
  created_at TEXT NOT NULL, last_active_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS local_current_sessions (
  profile TEXT NOT NULL PRIMARY KEY, session TEXT NOT NULL, since TEXT NOT NULL
) WITHOUT ROWID;
";

/// Columns that tables of an earlier build lack.
const LATER_COLUMNS: [(&str, &str, &str); 4] = [
    ("local_outbox", "place", "TEXT"),
    ("local_outbox", "landing", "INTEGER"),
    ("local_outbox", "minted", "INTEGER NOT NULL DEFAULT 0"),
    ("local_stores", "attempted", "INTEGER NOT NULL DEFAULT 0"),
];

/// The files of a home folder that hold history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalFiles {
    /// Our own store, which may not be there yet.
    pub own: PathBuf,
    /// amx-cli's file, which is only ever read. It may be the same file.
    pub amx_cli: Option<PathBuf>,
}

impl LocalFiles {
    /// Looks at what the files of a home folder are, by their tables.
    ///
    /// # Errors
    /// `local_store_corrupt` and `io` where `history.db` cannot be told, or is a link that is not followed.
    pub fn locate(home: &Path) -> Result<LocalFiles> {
        let (history, beside) = (resolved(&home.join("history.db"))?, resolved(&home.join("amx-schema.db"))?);
        let kind = match history.exists() {
            true => recognise(&history)?,
            false => FileKind::Empty,
        };
        let amx_cli = matches!(kind, FileKind::AmxCli | FileKind::Both).then(|| history.clone());
        // Once made, our file stays ours, also when history.db was removed after an import.
        let own = if kind == FileKind::AmxCli || beside.exists() { beside } else { history };
        Ok(LocalFiles { own, amx_cli })
    }
}

/// What the journal knows of a run that was sent: a hash for each of its rows, so that a later change of the file is seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sent {
    /// The id that the store has it under.
    pub sent_as: String,
    /// How many results went with it.
    pub results: u64,
    /// The number of the write that it landed with.
    pub landing: i64,
    /// The hashes.
    pub digest: Digest,
    /// What the source had of it.
    pub content: Content,
}

/// What a source had of each run when it was sent, by the hash of the run's id.
pub type Known = HashMap<u64, u64>;

/// Hashes of what a source says of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowHash {
    /// The texts that people write and read.
    pub texts: u64,
    /// All else that is known of it.
    pub metadata: u64,
    /// How far it has come: its state, what was applied, and when. It only goes forward, so that no earlier hash is ever asked for.
    pub status: u64,
}

/// Hashes of the rows of a run, by the hash of each row's key; the run's own row has the key of the empty text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Digest {
    /// The status of all rows in one number.
    status: u64,
    /// Texts and metadata of each.
    rows: BTreeMap<u64, [u64; 2]>,
}

impl Digest {
    /// Notes a row, in whatever order.
    pub fn note(&mut self, key: &str, row: RowHash) {
        let key = hash(key.as_bytes());
        let status = [key.to_le_bytes(), row.status.to_le_bytes()].concat();
        self.status = self.status.wrapping_add(hash(&status));
        self.rows.insert(key, [row.texts, row.metadata]);
    }

    /// The hashes that a row's texts and metadata had.
    pub fn of(&self, key: &str) -> Option<[u64; 2]> {
        self.rows.get(&hash(key.as_bytes())).copied()
    }

    fn to_bytes(&self) -> Vec<u8> {
        let rows = self.rows.iter().flat_map(|(key, [texts, metadata])| [*key, *texts, *metadata]);
        std::iter::once(self.status).chain(rows).flat_map(u64::to_le_bytes).collect()
    }

    fn from_bytes(bytes: &[u8]) -> Digest {
        let (numbers, _) = bytes.as_chunks::<8>();
        let mut numbers = numbers.iter().map(|bytes| u64::from_le_bytes(*bytes));
        let status = numbers.next().unwrap_or_default();
        let numbers: Vec<u64> = numbers.collect();
        let (rows, _) = numbers.as_chunks::<3>();
        Digest { status, rows: rows.iter().map(|[key, texts, metadata]| (*key, [*texts, *metadata])).collect() }
    }
}

/// The hash that digests are made of.
pub fn hash(bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(bytes)
}

/// Our local store, open.
#[derive(Debug)]
pub struct LocalStore {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
}

/// A transaction on the local store.
#[derive(Debug)]
pub struct Writing<'t> {
    pub(super) connection: &'t Connection,
    path: &'t Path,
}

impl<'t> Writing<'t> {
    /// The same over a file that is only read.
    pub(super) fn over(connection: &'t Connection, path: &'t Path) -> Writing<'t> {
        Writing { connection, path }
    }

    /// Forgets what was sent to a store after a number, because the store was set back behind it.
    pub fn forget_after(&self, store_id: &str, landed: i64) -> Result<()> {
        self.execute("DELETE FROM local_journal WHERE store_id = ?1 AND landing > ?2", params![store_id, landed])?;
        self.execute("DELETE FROM local_sources WHERE store_id = ?1", [store_id]).map(|_| ())
    }

    /// What this installation remembers of a store, as [`LocalStore::remembered`].
    pub fn remembered(&self, store_id: &str, installation: &str) -> Result<Option<(String, i64)>> {
        self.done(remembered(self.connection, store_id, installation))
    }

    /// Notes how far the store has come.
    pub fn remember(&self, store_id: &str, installation: &str, epoch: &str, landed: i64) -> Result<()> {
        let remember = "INSERT INTO local_stores (store_id, installation, epoch, landed) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT DO UPDATE SET epoch = excluded.epoch,
                landed = CASE epoch WHEN excluded.epoch THEN max(landed, excluded.landed) ELSE excluded.landed END";
        self.execute(remember, params![store_id, installation, epoch, landed]).map(|_| ())
    }

    pub(super) fn done<T>(&self, result: rusqlite::Result<T>) -> Result<T> {
        result.map_err(|error| fault(self.path, &error))
    }

    pub(super) fn execute(&self, sql: &str, values: impl rusqlite::Params) -> Result<usize> {
        self.done(self.connection.prepare_cached(sql).and_then(|mut statement| statement.execute(values)))
    }
}

/// What a transaction of the local store is to survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// A power cut: what was acknowledged.
    PowerCut,
    /// The end of the process: what only saves work, or is found in the shared store again.
    Process,
}

impl LocalStore {
    /// Opens the local store of a home folder, making or upgrading it where that is due.
    ///
    /// # Errors
    /// `local_store_corrupt`, `store_newer`, `io`, `locked`.
    pub fn open(home: &Path) -> Result<LocalStore> {
        make_private_folder(home)?;
        LocalStore::open_file(&LocalFiles::locate(home)?.own)
    }

    /// Opens the local store for a command that is to write nothing: where there is none, one in memory stands in.
    ///
    /// # Errors
    /// As [`LocalStore::open`].
    pub fn peek(home: &Path) -> Result<LocalStore> {
        let path = LocalFiles::locate(home)?.own;
        match path.exists() {
            true => LocalStore::open_file(&path),
            false => LocalStore::set_up(Connection::open_in_memory().map_err(|error| fault(&path, &error))?, &path),
        }
    }

    fn open_file(path: &Path) -> Result<LocalStore> {
        make_private_file(path)?;
        LocalStore::set_up(Connection::open(path).map_err(|error| fault(path, &error))?, path)
    }

    fn set_up(mut connection: Connection, path: &Path) -> Result<LocalStore> {
        let failed = |error: rusqlite::Error| fault(path, &error);
        connection.busy_timeout(BUSY_WAIT).map_err(failed)?;
        connection.set_prepared_statement_cache_capacity(64);
        write_ahead(&connection).map_err(failed)?;
        connection.pragma_update(None, "cache_size", CACHE_SIZE).map_err(failed)?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES).map_err(failed)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        make_tables(&transaction, path)?;
        transaction.commit().map_err(failed)?;
        Ok(LocalStore { connection, path: path.into() })
    }

    /// This installation's id. A home that was copied to another machine gets a new one, so that no number is given out twice.
    pub fn installation(&self) -> Result<String> {
        let newest = "SELECT id FROM local_installations ORDER BY rowid DESC LIMIT 1";
        // One statement, so that of two processes that are the first at the same time one gives the id and both have it.
        let mint = "INSERT INTO local_installations (id, machine)
            SELECT ?1, ?2 WHERE ?2 IS NOT (SELECT machine FROM local_installations ORDER BY rowid DESC LIMIT 1)";
        self.done(self.connection.execute(mint, [uuid::Uuid::new_v4().to_string(), machine()]))?;
        self.done(self.connection.query_row(newest, [], |row| row.get(0)))
    }

    /// Every id that this installation ever had.
    pub fn installations(&self) -> Result<Vec<String>> {
        let mut statement = self.done(self.connection.prepare("SELECT id FROM local_installations"))?;
        let ids = statement.query_map([], |row| row.get(0));
        self.done(ids.and_then(Iterator::collect))
    }

    /// What this installation remembers of a store: the epoch and the last number that it was given there.
    pub fn remembered(&self, store_id: &str, installation: &str) -> Result<Option<(String, i64)>> {
        self.done(remembered(&self.connection, store_id, installation))
    }

    /// The last number that this installation tried to land under in a store, whether it did or not; no number is tried twice.
    pub fn attempted(&self, store_id: &str, installation: &str) -> Result<i64> {
        let sql = "SELECT attempted FROM local_stores WHERE store_id = ?1 AND installation = ?2";
        let found = self.connection.query_row(sql, [store_id, installation], |row| row.get(0));
        self.done(found.optional()).map(Option::unwrap_or_default)
    }

    /// Notes in one transaction how far the store has come and what was sent of each run.
    pub fn note_sent<'s>(
        &mut self,
        store_id: &str,
        installation: &str,
        (epoch, landed): (&str, i64),
        sent: impl Iterator<Item = (&'s str, &'s str, &'s Sent)>,
    ) -> Result<()> {
        // The journal only saves work: what a power cut takes from it is found in the store.
        self.write(Durability::Process, |writing| {
            writing.remember(store_id, installation, epoch, landed)?;
            let note = "INSERT OR REPLACE INTO local_journal (store_id, owner, run_id, sent_as, results, landing, digest, content)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
            for (owner, run_id, sent) in sent {
                let content = sent.content.map(u64::cast_signed);
                let (results, digest) = (sent.results as i64, sent.digest.to_bytes());
                writing.execute(note, params![store_id, owner, run_id, sent.sent_as, results, sent.landing, digest, content])?;
            }
            Ok(())
        })
    }

    /// What was sent of a run to a store.
    pub fn sent(&self, store_id: &str, owner: &str, run_id: &str) -> Result<Option<Sent>> {
        let sql = "SELECT sent_as, results, landing, digest, content FROM local_journal WHERE store_id = ?1 AND owner = ?2 AND run_id = ?3";
        let mut statement = self.done(self.connection.prepare_cached(sql))?;
        let found = statement.query_row([store_id, owner, run_id], |row| {
            let digest = Digest::from_bytes(row.get_ref(3)?.as_blob()?);
            let content = row.get::<_, Option<i64>>(4)?.map(i64::cast_unsigned);
            Ok(Sent { sent_as: row.get(0)?, results: row.get::<_, i64>(1)? as u64, landing: row.get(2)?, digest, content })
        });
        self.done(found.optional())
    }

    /// What the source had of each run of one owner when it was sent to a store.
    pub fn known(&self, store_id: &str, owner: &str) -> Result<Known> {
        let sql = "SELECT run_id, content FROM local_journal WHERE store_id = ?1 AND owner = ?2 AND content IS NOT NULL";
        let mut statement = self.done(self.connection.prepare(sql))?;
        let rows =
            statement.query_map([store_id, owner], |row| Ok((hash(row.get_ref(0)?.as_bytes()?), row.get::<_, i64>(1)?.cast_unsigned())));
        self.done(rows.and_then(Iterator::collect))
    }

    /// Visits the runs of one owner that were sent to a store: each with the id that the store has it under and how many results it has there.
    pub fn each_sent(&self, store_id: &str, owner: &str, mut each: impl FnMut(&str, &str, u64)) -> Result<()> {
        let sql = "SELECT run_id, sent_as, results FROM local_journal WHERE store_id = ?1 AND owner = ?2 ORDER BY run_id";
        let mut statement = self.done(self.connection.prepare_cached(sql))?;
        let mut rows = self.done(statement.query([store_id, owner]))?;
        while let Some(row) = self.done(rows.next())? {
            let (run_id, sent_as): (String, String) = (self.done(row.get(0))?, self.done(row.get(1))?);
            each(&run_id, &sent_as, self.done(row.get::<_, i64>(2))? as u64);
        }
        Ok(())
    }

    /// What a source file looked like when all of it was last in a store: its fingerprint, and how many runs and results it had.
    pub fn source(&self, store_id: &str, path: &Path) -> Result<Option<(String, u64, u64)>> {
        let sql = "SELECT fingerprint, runs, results FROM local_sources WHERE store_id = ?1 AND path = ?2";
        let found = self.connection.query_row(sql, params![store_id, path.to_string_lossy()], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)? as u64, row.get::<_, i64>(2)? as u64))
        });
        self.done(found.optional())
    }

    /// Notes that all of a source file is in a store.
    pub fn note_source(&mut self, store_id: &str, path: &Path, fingerprint: &str, runs: u64, results: u64) -> Result<()> {
        let sql = "INSERT OR REPLACE INTO local_sources (store_id, path, fingerprint, runs, results) VALUES (?1, ?2, ?3, ?4, ?5)";
        let values = params![store_id, path.to_string_lossy(), fingerprint, runs as i64, results as i64];
        self.done(self.connection.execute(sql, values)).map(|_| ())
    }

    /// Does some work in one transaction; an error undoes it.
    pub fn write<T>(&mut self, durability: Durability, work: impl FnOnce(&Writing<'_>) -> Result<T>) -> Result<T> {
        let path = self.path.clone();
        let failed = |error: rusqlite::Error| fault(&path, &error);
        let synchronous = if durability == Durability::PowerCut { "FULL" } else { "NORMAL" };
        self.connection.pragma_update(None, "synchronous", synchronous).map_err(failed)?;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let done = work(&Writing { connection: &transaction, path: &path })?;
        transaction.commit().map_err(failed)?;
        Ok(done)
    }

    fn done<T>(&self, result: rusqlite::Result<T>) -> Result<T> {
        result.map_err(|error| fault(&self.path, &error))
    }
}

fn remembered(connection: &Connection, store_id: &str, installation: &str) -> rusqlite::Result<Option<(String, i64)>> {
    let sql = "SELECT epoch, landed FROM local_stores WHERE store_id = ?1 AND installation = ?2";
    connection.query_row(sql, [store_id, installation], |row| Ok((row.get(0)?, row.get(1)?))).optional()
}

/// Switches to a write-ahead log. SQLite does not wait where two processes do that to a new file at the same time, whatever the busy timeout is:
/// <https://www.sqlite.org/rescode.html#busy>.
fn write_ahead(connection: &Connection) -> rusqlite::Result<()> {
    let started = Instant::now();
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && started.elapsed() < BUSY_WAIT => {
                std::thread::sleep(BUSY_PAUSE);
            }
            done => return done,
        }
    }
}

fn make_tables(transaction: &Transaction<'_>, path: &Path) -> Result<()> {
    let failed = |error: rusqlite::Error| fault(path, &error);
    let set = MigrationSet::embedded(Backend::Sqlite)?;
    let schema = SchemaName::placeholder();
    let renderer = Renderer { dialect: set.dialect, schema: &schema };
    let tables = "SELECT count(*), coalesce(sum(lower(name) = 'amx_history_runs'), 0) FROM sqlite_master
        WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    let (all, ours): (i64, i64) = transaction.query_row(tables, [], |row| Ok((row.get(0)?, row.get(1)?))).map_err(failed)?;
    if all > 0 && ours == 0 {
        let message = format!("{} holds the tables of another program", path.display());
        return Err(Error::new(Code::LocalStoreCorrupt, message, "move it away, or put the local store back there from a backup"));
    }
    transaction.execute_batch(&renderer.ledger_step(&set.model)?.sql).map_err(failed)?;
    let newest = format!("SELECT coalesce(max(version), 0) FROM {}", set.dialect.table(&schema, &set.model.ledger().name));
    let has: u32 = transaction.query_row(&newest, [], |row| row.get(0)).map_err(failed)?;
    if has > set.latest() {
        return Err(Error::new(
            Code::StoreNewer,
            format!("{} is at V{has} and this build knows up to V{}", path.display(), set.latest()),
            "upgrade amx-schema; nothing was written",
        ));
    }
    for migration in set.migrations.iter().filter(|migration| migration.version > has) {
        for step in &migration.steps {
            transaction.execute_batch(&step.sql).map_err(failed)?;
        }
        let row = renderer.ledger_row(&set.model, migration.version, &migration.checksum())?;
        transaction.execute_batch(&row.sql).map_err(failed)?;
    }
    transaction.execute_batch(LOCAL_TABLES).map_err(failed)?;
    for (table, column, kind) in LATER_COLUMNS {
        let there = "SELECT count(*) FROM pragma_table_info(?1) WHERE name = ?2";
        if transaction.query_row(there, [table, column], |row| row.get::<_, i64>(0)).map_err(failed)? == 0 {
            transaction.execute_batch(&format!("ALTER TABLE {table} ADD COLUMN {column} {kind}")).map_err(failed)?;
        }
    }
    Ok(())
}

/// What tells this machine from another one that a home may be copied to. Its name would not do: names change.
fn machine() -> String {
    let id = fs::read_to_string("/etc/machine-id").unwrap_or_default();
    format!("{:016x}", hash(id.trim().as_bytes()))
}

/// Makes a folder that is its owner's alone, where it is absent.
fn make_private_folder(folder: &Path) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder).map_err(|error| Error::io(format!("making {}", folder.display()), &error))
}

/// Makes a file that is its owner's alone, where it is absent, before SQLite would make it readable to others.
fn make_private_file(path: &Path) -> Result<()> {
    let mut options = fs::OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let opened = options.create(true).truncate(false).write(true).open(path);
    opened.map(|_| ()).map_err(|error| Error::io(format!("opening {}", path.display()), &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_open_a_new_home_at_the_same_time_get_its_store() {
        for _ in 0..40 {
            let home = tempfile::tempdir().unwrap();
            let open = || LocalStore::open(home.path()).and_then(|store| store.installation());
            let ids: Vec<_> = std::thread::scope(|scope| {
                let opening: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
                opening.into_iter().map(|one| one.join().unwrap().unwrap()).collect()
            });
            assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        }
    }
}
