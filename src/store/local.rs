//! Our local store: one SQLite file in the home folder with this machine's runs, the outbox, and the journal of what was imported.

use super::source::Content;
use super::sqlite_file::{FileKind, ReadOnly, fault, recognise};
use crate::dialect::{Backend, SchemaName};
use crate::error::{Code, Error, Result};
use crate::migration::MigrationSet;
use crate::render::Renderer;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, TransactionBehavior, params};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long another process of this machine is waited for.
const BUSY_WAIT: Duration = Duration::from_secs(10);
/// The pause between two tries where SQLite itself does not wait.
const BUSY_PAUSE: Duration = Duration::from_millis(10);

/// What the local store has beside the tables of the model. Never part of a shared store.
const LOCAL_TABLES: &str = "
CREATE TABLE IF NOT EXISTS local_installations (
  id TEXT NOT NULL PRIMARY KEY, machine TEXT NOT NULL, since TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);
CREATE TABLE IF NOT EXISTS local_stores (
  store_id TEXT NOT NULL, installation TEXT NOT NULL, epoch TEXT NOT NULL, landed INTEGER NOT NULL, PRIMARY KEY (store_id, installation)
);
CREATE TABLE IF NOT EXISTS local_journal (
  store_id TEXT NOT NULL, owner TEXT NOT NULL, run_id TEXT NOT NULL, sent_as TEXT NOT NULL, results INTEGER NOT NULL,
  landing INTEGER NOT NULL, digest BLOB NOT NULL, content INTEGER, PRIMARY KEY (store_id, owner, run_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS local_sources (
  store_id TEXT NOT NULL, path TEXT NOT NULL, fingerprint TEXT NOT NULL, runs INTEGER NOT NULL, results INTEGER NOT NULL,
  PRIMARY KEY (store_id, path)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS local_outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT, store_id TEXT, run_id TEXT NOT NULL, item TEXT NOT NULL, body TEXT NOT NULL,
  queued_at TEXT NOT NULL, last_attempt_at TEXT, last_error TEXT, quarantined INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS local_sessions (
  id INTEGER PRIMARY KEY AUTOINCREMENT, profile TEXT NOT NULL, title TEXT, created_by TEXT NOT NULL, hostname TEXT NOT NULL,
  created_at TEXT NOT NULL, last_active_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS local_current_sessions (
  profile TEXT NOT NULL PRIMARY KEY, session TEXT NOT NULL, since TEXT NOT NULL
) WITHOUT ROWID;
";

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
    /// `local_store_corrupt` and `io` where `history.db` cannot be told.
    pub fn locate(home: &Path) -> Result<LocalFiles> {
        let (history, beside) = (home.join("history.db"), home.join("amx-schema.db"));
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

/// How much of the outbox waits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutboxState {
    /// Entries to be sent.
    pub depth: u64,
    /// Entries that cannot be sent as they are.
    pub quarantined: u64,
    /// When one was last tried.
    pub last_attempt: Option<String>,
}

/// Our local store, open.
#[derive(Debug)]
pub struct LocalStore {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
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
        write_ahead(&connection).map_err(failed)?;
        // A committed outbox entry survives a power cut.
        connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
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
        let sql = "SELECT epoch, landed FROM local_stores WHERE store_id = ?1 AND installation = ?2";
        let found = self.connection.query_row(sql, [store_id, installation], |row| Ok((row.get(0)?, row.get(1)?)));
        self.done(found.optional())
    }

    /// Forgets what was sent to a store after a number, because the store was set back behind it.
    pub fn forget_after(&mut self, store_id: &str, landed: i64) -> Result<()> {
        self.done(self.connection.execute("DELETE FROM local_journal WHERE store_id = ?1 AND landing > ?2", params![store_id, landed]))?;
        self.done(self.connection.execute("DELETE FROM local_sources WHERE store_id = ?1", [store_id]))?;
        Ok(())
    }

    /// Notes in one transaction how far the store has come and what was sent of each run.
    pub fn note_sent<'s>(
        &mut self,
        store_id: &str,
        installation: &str,
        (epoch, landed): (&str, i64),
        sent: impl Iterator<Item = (&'s str, &'s str, &'s Sent)>,
    ) -> Result<()> {
        let path = self.path.clone();
        let failed = |error: rusqlite::Error| fault(&path, &error);
        // The journal only saves work: what a power cut takes from it is found in the store. No entry of the outbox is in this transaction.
        self.connection.pragma_update(None, "synchronous", "NORMAL").map_err(failed)?;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let remember = "INSERT INTO local_stores (store_id, installation, epoch, landed) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT DO UPDATE SET epoch = excluded.epoch,
                landed = CASE epoch WHEN excluded.epoch THEN max(landed, excluded.landed) ELSE excluded.landed END";
        transaction.execute(remember, params![store_id, installation, epoch, landed]).map_err(failed)?;
        {
            let note = "INSERT OR REPLACE INTO local_journal (store_id, owner, run_id, sent_as, results, landing, digest, content)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
            let mut note = transaction.prepare_cached(note).map_err(failed)?;
            for (owner, run_id, sent) in sent {
                let content = sent.content.map(u64::cast_signed);
                let (results, digest) = (sent.results as i64, sent.digest.to_bytes());
                note.execute(params![store_id, owner, run_id, sent.sent_as, results, sent.landing, digest, content]).map_err(failed)?;
            }
        }
        transaction.commit().map_err(failed)?;
        self.connection.pragma_update(None, "synchronous", "FULL").map_err(failed)
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

    /// The runs that were sent to a store from one owner, in pages: the id that the store has each under and how many results it has there.
    pub fn sent_runs(&self, store_id: &str, owner: &str, after: &str, limit: usize) -> Result<Vec<(String, String, i64)>> {
        let sql = "SELECT run_id, sent_as, results FROM local_journal WHERE store_id = ?1 AND owner = ?2 AND run_id > ?3 ORDER BY run_id LIMIT ?4";
        let mut statement = self.done(self.connection.prepare_cached(sql))?;
        let rows = statement.query_map(params![store_id, owner, after, limit as i64], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        self.done(rows.and_then(Iterator::collect))
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

    fn done<T>(&self, result: rusqlite::Result<T>) -> Result<T> {
        result.map_err(|error| fault(&self.path, &error))
    }
}

/// How much of a home folder's outbox waits. The file is only read, and none is made.
pub fn outbox_state(home: &Path) -> Result<OutboxState> {
    let path = LocalFiles::locate(home)?.own;
    if !path.exists() {
        return Ok(OutboxState::default());
    }
    let file = ReadOnly::open(&path)?;
    let sql = "SELECT count(*) FILTER (WHERE NOT quarantined), count(*) FILTER (WHERE quarantined), max(last_attempt_at) FROM local_outbox";
    let state = file.connection.query_row(sql, [], |row| {
        Ok(OutboxState { depth: row.get::<_, i64>(0)? as u64, quarantined: row.get::<_, i64>(1)? as u64, last_attempt: row.get(2)? })
    });
    match state {
        Err(rusqlite::Error::SqliteFailure(_, Some(message))) if message.contains("no such table") => Ok(OutboxState::default()),
        state => state.map_err(|error| fault(&path, &error)),
    }
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
    transaction.execute_batch(LOCAL_TABLES).map_err(failed)
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
