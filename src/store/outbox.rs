//! The outbox in the local store: writes that the shared store has not acknowledged, in the order in which they were made.

use super::hashing::{Hashed, Hashing, Line};
use super::local::{Durability, LocalFiles, LocalStore, Writing};
use super::reading::Counts;
use super::shared::{StoredResult, StoredRun};
use super::sqlite_file::{ReadOnly, fault};
use super::write::{Applied, RunRows, Write, WrittenResult};
use crate::error::{Code, Error, Result};
use crate::history::time_text;
use chrono::Utc;
use rusqlite::{OptionalExtension, Row, params};
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

/// How many entries are sent in one batch.
const BATCH_ENTRIES: usize = 1000;
/// A batch is sent once it has about this many bytes; a single entry may have more.
const BATCH_BYTES: usize = 6 * 1024 * 1024;
/// How many results go into one entry where a run is queued as it is.
const RESULTS_PER_ENTRY: usize = 500;
/// The pause between two tries to be the one who drains.
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// Why an entry is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quarantine {
    /// It waits to be sent.
    No,
    /// The store does not take it as it is, or it comes after one of its run that the store does not take.
    Refused,
    /// Its run's id is another run's in the store.
    Conflict,
}

impl Quarantine {
    fn number(self) -> i64 {
        match self {
            Quarantine::No => 0,
            Quarantine::Refused => 1,
            Quarantine::Conflict => 2,
        }
    }

    fn from_number(number: i64) -> Quarantine {
        match number {
            0 => Quarantine::No,
            2 => Quarantine::Conflict,
            _ => Quarantine::Refused,
        }
    }
}

/// Where a store is, as the configuration has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// What the user calls it: the profile and the schema.
    pub name: String,
    /// Where that leads to just now. A profile that leads elsewhere may lead to another store.
    pub address: String,
}

/// The store that a write is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// The name of its place: what is queued for it before the store's id is known goes to the store that is found there.
    pub place: String,
    /// The store's id, where this machine has learnt it.
    pub store_id: Option<String>,
}

/// A queued write.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its number; of two entries the earlier one has the lower.
    pub id: i64,
    /// The write.
    pub write: Write,
    /// Why it is not sent.
    pub quarantine: Quarantine,
    /// What the store last said of it.
    pub last_error: Option<String>,
    /// The number that it was sent under, where it is not known whether it landed.
    pub landing: Option<i64>,
    /// Whether its run's id was minted and nobody has been told of it yet.
    pub minted: bool,
}

/// An entry with its size in bytes, or the number of one that cannot be read, and why.
type Found = Result<(Entry, usize), (i64, String)>;

impl Entry {
    /// Its name, such as `run_2026-05-13_14-22-003.results`.
    pub fn name(&self) -> String {
        format!("{}.{}", self.write.run_id, self.write.item())
    }
}

/// The name of an entry that waits, and what the store last said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Its name.
    pub name: String,
    /// What the store said.
    pub last_error: Option<String>,
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
    /// When the oldest was queued.
    pub oldest: Option<String>,
    /// What the store last said of one.
    pub last_error: Option<String>,
}

/// The right to drain the outbox: one process of a machine has it at a time.
#[derive(Debug)]
pub struct Drainer {
    /// The lock is the open file's: the system frees it where the process ends, in whatever way.
    _file: File,
}

impl LocalStore {
    /// The store at a place, as far as this machine knows.
    pub fn destination(&self, place: &Place) -> Result<Destination> {
        let sql = "SELECT store_id FROM local_places WHERE place = ?1 AND address = ?2";
        let store_id = self.reading(self.connection.query_row(sql, [&place.name, &place.address], |row| row.get(0)).optional())?;
        Ok(Destination { place: place.name.clone(), store_id })
    }

    /// Learns the id of the store at a place. What was queued for it before it had one is for that store.
    pub fn learn(&mut self, place: &Place, store_id: &str) -> Result<()> {
        // Another process may have learnt it between this one's question and its entry.
        let sql = "SELECT EXISTS (SELECT 1 FROM local_outbox WHERE store_id IS NULL AND place = ?1)";
        let nameless: bool = self.reading(self.connection.query_row(sql, [&place.name], |row| row.get(0)))?;
        if self.destination(place)?.store_id.as_deref() == Some(store_id) && !nameless {
            return Ok(());
        }
        self.write(Durability::PowerCut, |writing| {
            writing.execute(
                "INSERT OR REPLACE INTO local_places (place, address, store_id) VALUES (?1, ?2, ?3)",
                [&place.name, &place.address, store_id],
            )?;
            writing
                .execute("UPDATE local_outbox SET store_id = ?2 WHERE store_id IS NULL AND place = ?1", [&place.name, store_id])
                .map(|_| ())
        })
    }

    /// Waits to be the one who drains; nothing where another process of this machine is still at it.
    ///
    /// # Errors
    /// `io` where the lock file cannot be made.
    pub async fn drainer(&mut self, wait: Duration) -> Result<Option<Drainer>> {
        let path = self.path.with_extension("lock");
        let failed = |error: std::io::Error| Error::io(format!("locking {}", path.display()), &error);
        let mut options = std::fs::OpenOptions::new();
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        let started = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Some(Drainer { _file: file })),
                Err(TryLockError::WouldBlock) if started.elapsed() < wait => tokio::time::sleep(LOCK_PAUSE).await,
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
    }

    /// The next entries to be sent to a store, oldest first. What cannot be read is put into quarantine.
    pub fn next_batch(&mut self, store_id: &str) -> Result<Vec<Entry>> {
        self.write(Durability::Process, |writing| writing.next_batch(store_id))
    }

    /// Entries of which it is not known whether they landed, oldest first.
    pub fn in_doubt(&mut self, store_id: &str) -> Result<Vec<Entry>> {
        let condition = "store_id = ?1 AND landing IS NOT NULL AND quarantined = 0";
        self.write(Durability::Process, |writing| Ok(readable(writing.entries(condition, [store_id])?)))
    }

    /// Notes that what waits for the store at a place was tried, and why it still waits.
    pub fn note_failed(&mut self, place: &Place, reason: &str) -> Result<()> {
        let destination = self.destination(place)?;
        self.write(Durability::Process, |writing| writing.failed(&destination, reason))
    }

    /// How much of the outbox waits, for whatever store.
    pub fn outbox_state(&self) -> Result<OutboxState> {
        self.reading(state_of(&self.connection))
    }

    /// How many entries wait for a store; those for other stores are left out.
    pub fn depth(&self, store_id: &str) -> Result<u64> {
        let sql = "SELECT count(*) FROM local_outbox WHERE store_id = ?1 AND quarantined = 0";
        self.reading(self.connection.query_row(sql, [store_id], |row| row.get::<_, i64>(0))).map(|count| count as u64)
    }

    /// What became of an entry: nothing where it has landed.
    pub fn fate(&self, entry: i64, run_id: &str, destination: &Destination) -> Result<Option<Quarantine>> {
        let sql = "SELECT (SELECT max(quarantined) FROM local_outbox WHERE run_id = ?2 AND (store_id IS ?3 OR store_id IS NULL)),
            (SELECT count(*) FROM local_outbox WHERE id = ?1)";
        let found = self.connection.prepare_cached(sql).and_then(|mut fate| {
            fate.query_row(params![entry, run_id, destination.store_id], |row| Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, i64>(1)?)))
        });
        let (of_run, here) = self.reading(found)?;
        Ok(match of_run.map(Quarantine::from_number) {
            // All that there is of a run in conflict is put together into other entries.
            Some(Quarantine::Conflict) => Some(Quarantine::Conflict),
            of_run => of_run.filter(|_| here > 0),
        })
    }

    /// The ids that runs of those entries were minted again, by the entry. They are about to be told, and stay from here on.
    pub fn tell_minted(&mut self, entries: Vec<i64>) -> Result<BTreeMap<i64, String>> {
        let open = "SELECT EXISTS (SELECT 1 FROM local_outbox WHERE id = ?1 AND minted) OR EXISTS (SELECT 1 FROM local_minted_again WHERE entry = ?1)";
        let is_open = |entry: &i64| {
            let found = self.connection.prepare_cached(open).and_then(|mut open| open.query_row([entry], |row| row.get::<_, bool>(0)));
            self.reading(found)
        };
        let mut open = vec![];
        for entry in entries {
            if is_open(&entry)? {
                open.push(entry);
            }
        }
        let mut told = BTreeMap::new();
        if open.is_empty() {
            return Ok(told);
        }
        self.write(Durability::PowerCut, |writing| {
            for entry in open {
                writing.execute("UPDATE local_outbox SET minted = 0 WHERE id = ?1", [entry])?;
                let sql = "DELETE FROM local_minted_again WHERE entry = ?1 RETURNING run_id";
                let again =
                    writing.connection.prepare_cached(sql).and_then(|mut told| told.query_row([entry], |row| row.get(0)).optional());
                told.extend(writing.done(again)?.map(|run_id| (entry, run_id)));
            }
            Ok(())
        })?;
        Ok(told)
    }

    /// The entries that wait, oldest first, for whatever store, and whether each is for that one.
    pub fn waiting(&self, destination: &Destination) -> Result<Vec<(Waiting, bool)>> {
        let read = || {
            let sql = "SELECT run_id || '.' || item, last_error, coalesce(store_id = ?1, store_id IS NULL AND place IS ?2)
                FROM local_outbox WHERE quarantined = 0 ORDER BY id";
            let mut statement = self.connection.prepare(sql)?;
            let named = |row: &Row<'_>| Ok((Waiting { name: row.get(0)?, last_error: row.get(1)? }, row.get(2)?));
            statement.query_map(params![destination.store_id, destination.place], named)?.collect()
        };
        self.reading(read())
    }

    /// The runs of which something is in quarantine.
    pub fn quarantined_runs(&self) -> Result<Vec<String>> {
        let read = || {
            let mut statement =
                self.connection.prepare("SELECT DISTINCT run_id FROM local_outbox WHERE quarantined <> 0 ORDER BY run_id")?;
            statement.query_map([], |row| row.get(0))?.collect()
        };
        self.reading(read())
    }

    /// The entries in quarantine, oldest first, for whatever store, and why each is there.
    pub fn quarantined(&self) -> Result<Vec<(Waiting, Quarantine)>> {
        let read = || {
            // By its columns: an entry that cannot be read is to be named too.
            let sql = "SELECT run_id || '.' || item, last_error, quarantined FROM local_outbox WHERE quarantined <> 0 ORDER BY id";
            let mut statement = self.connection.prepare(sql)?;
            let named = |row: &Row<'_>| Ok((Waiting { name: row.get(0)?, last_error: row.get(1)? }, Quarantine::from_number(row.get(2)?)));
            statement.query_map([], named)?.collect()
        };
        self.reading(read())
    }

    /// Visits the runs of which something waits for the store at a place or is in quarantine; of one in conflict with what the quarantined one's
    /// results come to.
    pub fn each_pending(&self, place: &Place, each: &mut dyn FnMut(&str, Option<Hashed>) -> Result<()>) -> Result<()> {
        let destination = self.destination(place)?;
        let sql = "SELECT run_id, max(quarantined) FROM local_outbox
            WHERE store_id = ?2 OR (store_id IS NULL AND place = ?1) GROUP BY run_id ORDER BY run_id";
        let mut statement = self.reading(self.connection.prepare(sql))?;
        let mut rows = self.reading(statement.query(params![destination.place, destination.store_id]))?;
        let here = Writing::over(&self.connection, &self.path);
        while let Some(row) = self.reading(rows.next())? {
            let (run_id, quarantined): (String, i64) = (self.reading(row.get(0))?, self.reading(row.get(1))?);
            let hashed = match Quarantine::from_number(quarantined) {
                Quarantine::Conflict => {
                    Some(Hashing::sorted(here.folded(&run_id)?.results.values().map(|stored| Line::of(&stored.result)).collect()))
                }
                _ => None,
            };
            each(&run_id, hashed)?;
        }
        Ok(())
    }

    /// Gives every entry that the store did not take another chance. Those in conflict stay: under their id it is another run that later
    /// operations would meet.
    pub fn release(&mut self, store_id: &str) -> Result<()> {
        let sql = "UPDATE local_outbox SET quarantined = 0, landing = NULL WHERE store_id = ?1 AND quarantined = ?2";
        self.write(Durability::Process, |writing| writing.execute(sql, params![store_id, Quarantine::Refused.number()]).map(|_| ()))
    }

    /// Gives the runs in conflict with a store another id each, made by `rename` of the id and the owner; they wait to be sent again.
    pub fn rename(&mut self, store_id: &str, rename: impl Fn(&str, &str) -> String) -> Result<()> {
        self.write(Durability::PowerCut, |writing| {
            let condition = "store_id = ?1 AND quarantined = ?2";
            let entries = readable(writing.entries(condition, params![store_id, Quarantine::Conflict.number()])?);
            for entry in entries {
                let new = rename(&entry.write.run_id, &entry.write.owner);
                let mut rows = writing.rows(&new, entry.write.objects())?;
                let write = entry.write.renamed(&new);
                let writer = write.owner.clone();
                if write.apply(&mut rows, &writer) == Applied::Done {
                    writing.put_touched(&rows)?;
                    let sql =
                        "UPDATE local_outbox SET run_id = ?2, body = ?3, quarantined = 0, last_error = NULL, landing = NULL WHERE id = ?1";
                    writing.execute(sql, params![entry.id, new, body(&write)?])?;
                }
            }
            Ok(())
        })
    }

    /// Empties the outbox, and says how many entries it had. What was written stays in the cache until the next pull.
    pub fn drop_outbox(&mut self) -> Result<u64> {
        self.write(Durability::PowerCut, |writing| {
            writing.execute("INSERT OR IGNORE INTO local_edited (run_id) SELECT DISTINCT run_id FROM local_outbox", [])?;
            writing.execute("DELETE FROM local_outbox", []).map(|dropped| dropped as u64)
        })
    }
}

impl Writing<'_> {
    /// The runs of which something is in the outbox, for the store at a place or for whatever store, with what is known of each here. Of a run
    /// in conflict it is the quarantined one.
    pub fn pending(&self, place: Option<&Place>) -> Result<Vec<(StoredRun, Counts, Quarantine)>> {
        let destination = place.map(|place| self.destination(place)).transpose()?;
        let (name, store_id) = destination.map(|destination| (destination.place, destination.store_id)).unzip();
        let sql = "SELECT run_id, max(quarantined) FROM local_outbox
            WHERE ?1 IS NULL OR store_id = ?2 OR (store_id IS NULL AND place = ?1) GROUP BY run_id";
        let mut statement = self.done(self.connection.prepare_cached(sql))?;
        let found = statement.query_map(params![name, store_id.flatten()], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)));
        let found: Vec<_> = self.done(found.and_then(Iterator::collect))?;
        let mut pending = vec![];
        for (run_id, quarantined) in found {
            let quarantine = Quarantine::from_number(quarantined);
            let (run, counts) = match quarantine {
                Quarantine::Conflict => {
                    let rows = self.folded(&run_id)?;
                    let described = |stored: &&StoredResult| stored.result.description.as_ref().is_some_and(|text| !text.is_empty());
                    let ok = rows.results.values().filter(described).count() as u64;
                    (rows.run, Counts { ok, fail: rows.results.len() as u64 - ok })
                }
                _ => (self.run(&run_id)?, self.counts(&run_id)?),
            };
            pending.extend(run.map(|run| (run, counts, quarantine)));
        }
        Ok(pending)
    }

    /// A run of which something is in the outbox, or that is here and was never sent, as it is here.
    pub fn waiting_run(&self, run_id: &str) -> Result<Option<RunRows>> {
        let destination = "SELECT coalesce(max(quarantined), 0) FROM local_outbox WHERE run_id = ?1";
        let quarantined = self.done(self.connection.query_row(destination, [run_id], |row| row.get(0)))?;
        let rows = match Quarantine::from_number(quarantined) {
            Quarantine::Conflict => self.folded(run_id)?,
            _ => self.whole(run_id)?,
        };
        Ok(rows.run.is_some().then_some(rows))
    }

    /// The store at a place, as far as this machine knows at the moment of the transaction.
    pub fn destination(&self, place: &Place) -> Result<Destination> {
        let sql = "SELECT store_id FROM local_places WHERE place = ?1 AND address = ?2";
        let found = self
            .connection
            .prepare_cached(sql)
            .and_then(|mut known| known.query_row([&place.name, &place.address], |row| row.get(0)).optional());
        Ok(Destination { place: place.name.clone(), store_id: self.done(found)? })
    }

    /// Queues a write.
    pub fn enqueue(&self, destination: &Destination, write: &Write, quarantine: Quarantine, reason: Option<&str>) -> Result<i64> {
        let sql = "INSERT INTO local_outbox (store_id, place, run_id, item, body, queued_at, quarantined, last_error)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let (item, now) = (write.item().word(), time_text(Utc::now()));
        self.execute(
            sql,
            params![destination.store_id, destination.place, write.run_id, item, body(write)?, now, quarantine.number(), reason],
        )?;
        Ok(self.connection.last_insert_rowid())
    }

    /// Whether a run has entries in quarantine, and of which kind.
    pub fn quarantine_of(&self, destination: &Destination, run_id: &str) -> Result<Quarantine> {
        let sql = "SELECT coalesce(max(quarantined), 0) FROM local_outbox WHERE run_id = ?1 AND (store_id IS ?2 OR store_id IS NULL)";
        let found =
            self.connection.prepare_cached(sql).and_then(|mut s| s.query_row(params![run_id, destination.store_id], |row| row.get(0)));
        self.done(found).map(Quarantine::from_number)
    }

    /// Whether anything of a run is queued for a store other than that one.
    pub fn is_queued_elsewhere(&self, destination: &Destination, run_id: &str) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM local_outbox WHERE run_id = ?1 AND store_id IS NOT NULL AND store_id IS NOT ?2)";
        let found =
            self.connection.prepare_cached(sql).and_then(|mut s| s.query_row(params![run_id, destination.store_id], |row| row.get(0)));
        self.done(found)
    }

    /// Applies all that is queued for a store on top of the rows that are here.
    pub fn reapply_all(&self, store_id: &str, installation: &str) -> Result<()> {
        let sql = "SELECT DISTINCT run_id FROM local_outbox WHERE store_id = ?1 AND quarantined < 2";
        let runs = self.select(sql, [store_id], &[crate::model::Kind::Text])?;
        let mut runs = runs.into_iter().flatten().filter_map(crate::driver::Value::into_text);
        runs.try_for_each(|run_id| self.reapply(store_id, &run_id, installation))
    }

    /// Whether something of a run is in the outbox for a store.
    pub fn is_queued(&self, destination: &Destination, run_id: &str) -> Result<bool> {
        let sql = "SELECT count(*) FROM local_outbox WHERE run_id = ?1 AND store_id IS ?2";
        let found = self
            .connection
            .prepare_cached(sql)
            .and_then(|mut found| found.query_row(params![run_id, destination.store_id], |row| row.get::<_, i64>(0)));
        self.done(found).map(|count| count > 0)
    }

    /// The rows of a run as its queued entries alone make them.
    pub fn folded(&self, run_id: &str) -> Result<RunRows> {
        let mut rows = RunRows::default();
        for entry in readable(self.entries("run_id = ?1", [run_id])?) {
            entry.write.apply(&mut rows, &entry.write.owner);
        }
        Ok(rows)
    }

    /// Applies what is still queued of a run on top of the rows that are here.
    pub fn reapply(&self, store_id: &str, run_id: &str, installation: &str) -> Result<()> {
        for entry in readable(self.entries("run_id = ?1 AND store_id = ?2 AND quarantined < 2", [run_id, store_id])?) {
            let mut rows = self.rows(run_id, entry.write.objects())?;
            if entry.write.apply(&mut rows, installation) == Applied::Done {
                self.put_touched(&rows)?;
            }
        }
        Ok(())
    }

    /// Makes what is still queued of a run that of the store's owner: the store has the same run, as another installation first wrote it.
    pub fn adopt(&self, store_id: &str, run_id: &str, own: &str, owner: &str) -> Result<()> {
        for mut entry in readable(self.entries("run_id = ?1 AND store_id = ?2 AND quarantined < 2", [run_id, store_id])?) {
            if entry.write.owner == own {
                entry.write.owner = owner.into();
                self.execute("UPDATE local_outbox SET body = ?2 WHERE id = ?1", params![entry.id, body(&entry.write)?])?;
            }
        }
        Ok(())
    }

    /// Removes entries that have landed.
    pub fn acknowledge(&self, ids: impl Iterator<Item = i64>) -> Result<()> {
        for id in ids {
            self.execute("DELETE FROM local_outbox WHERE id = ?1", [id])?;
        }
        Ok(())
    }

    /// Notes that entries are about to be sent under a number.
    pub fn attempt(&self, store_id: &str, installation: &str, ids: impl Iterator<Item = i64>, landing: i64) -> Result<()> {
        let now = time_text(Utc::now());
        for id in ids {
            self.execute("UPDATE local_outbox SET landing = ?2, last_attempt_at = ?3 WHERE id = ?1", params![id, landing, now])?;
        }
        let sql = "UPDATE local_stores SET attempted = max(attempted, ?3) WHERE store_id = ?1 AND installation = ?2";
        self.execute(sql, params![store_id, installation, landing]).map(|_| ())
    }

    /// Notes that entries did not land.
    pub fn not_landed(&self, ids: impl Iterator<Item = i64>) -> Result<()> {
        for id in ids {
            self.execute("UPDATE local_outbox SET landing = NULL WHERE id = ?1", [id])?;
        }
        Ok(())
    }

    /// Notes that what waits for a store was tried, and why it still waits.
    pub fn failed(&self, destination: &Destination, reason: &str) -> Result<()> {
        let sql = "UPDATE local_outbox SET last_attempt_at = ?3, last_error = ?4
            WHERE quarantined = 0 AND (store_id IS ?1 OR (store_id IS NULL AND place = ?2))";
        self.execute(sql, params![destination.store_id, destination.place, time_text(Utc::now()), reason]).map(|_| ())
    }

    /// Puts an entry that the store does not take into quarantine, and all later ones of its run behind it.
    pub fn refuse(&self, entry: &Entry, reason: &str) -> Result<()> {
        let sql = "UPDATE local_outbox SET quarantined = ?2, landing = NULL, last_error = ?3 WHERE id = ?1";
        self.execute(sql, params![entry.id, Quarantine::Refused.number(), reason])?;
        let later = "UPDATE local_outbox SET quarantined = ?3, landing = NULL, last_error = ?4
            WHERE run_id = ?1 AND id > ?2 AND quarantined = 0 AND store_id IS (SELECT store_id FROM local_outbox WHERE id = ?2)";
        let behind = format!("it waits behind {}", entry.name());
        self.execute(later, params![entry.write.run_id, entry.id, Quarantine::Refused.number(), behind]).map(|_| ())
    }

    /// Moves a run whose id is another run's in the store to quarantine, with all that this installation has of it. The cache is free for
    /// the other one.
    pub fn quarantine_run(&self, destination: &Destination, run_id: &str, reason: &str) -> Result<()> {
        let mine = self.whole(run_id)?;
        let own = match &mine.run {
            Some(run) => self.is_own(&run.stamp)?,
            None => false,
        };
        if own {
            self.execute(
                "DELETE FROM local_outbox WHERE run_id = ?1 AND (store_id IS ?2 OR store_id IS NULL)",
                params![run_id, destination.store_id],
            )?;
            for write in as_it_is(&mine) {
                self.enqueue(destination, &write, Quarantine::Conflict, Some(reason))?;
            }
            self.remove_run(run_id)?;
            self.mark_edited(run_id)
        } else {
            let sql = "UPDATE local_outbox SET quarantined = ?3, landing = NULL, last_error = ?4 WHERE run_id = ?1 AND (store_id IS ?2 OR store_id IS NULL)";
            self.execute(sql, params![run_id, destination.store_id, Quarantine::Conflict.number(), reason]).map(|_| ())
        }
    }

    /// Queues again, as it is here, what this installation had landed after a number.
    pub fn queue_again(&self, destination: &Destination, landing: i64) -> Result<u64> {
        let mut queued = 0;
        for run_id in self.written_after(landing)? {
            let mut rows = self.whole(&run_id)?;
            let mut ours = vec![];
            for (qname, stored) in &rows.results {
                let by_us = super::shared::Stamp { origin: stored.stamp.writer.clone(), ..Default::default() };
                if stored.stamp.landing.is_some_and(|number| number > landing) && self.is_own(&by_us)? {
                    ours.push(qname.clone());
                }
            }
            rows.results.retain(|qname, _| ours.contains(qname));
            for write in as_it_is(&rows) {
                self.enqueue(destination, &write, Quarantine::No, None)?;
                queued += 1;
            }
        }
        Ok(queued)
    }

    /// The entry of a run whose id was minted and that nobody has been told of, where it is under that id.
    pub fn untold(&self, run_id: &str) -> Result<Option<Entry>> {
        Ok(readable(self.entries("run_id = ?1 AND minted", [run_id])?).into_iter().next())
    }

    /// Gives a run of which nobody was told another id, and its first one to the run that the store has under it: what was queued for that id
    /// since was meant for that one. Nothing where the new id has been taken meanwhile.
    pub fn mint_again(&self, entry: &Entry, run_id: &str, stored: &StoredRun) -> Result<Option<()>> {
        if self.run(run_id)?.is_some() {
            return Ok(None);
        }
        let meant = &entry.write;
        self.put_run(stored)?;
        for mut later in readable(self.entries("run_id = ?1 AND id <> ?2 AND quarantined < 2", params![meant.run_id, entry.id])?) {
            if later.write.owner == meant.owner && later.write.started_at == meant.started_at {
                later.write.owner = stored.stamp.origin.clone().unwrap_or_default();
                later.write.started_at = stored.run.started_at;
                self.execute("UPDATE local_outbox SET body = ?2 WHERE id = ?1", params![later.id, body(&later.write)?])?;
            }
        }
        let write = meant.clone().renamed(run_id);
        let mut rows = RunRows::default();
        write.apply(&mut rows, &write.owner);
        self.put_touched(&rows)?;
        let sql = "UPDATE local_outbox SET run_id = ?2, body = ?3, landing = NULL WHERE id = ?1";
        self.execute(sql, params![entry.id, run_id, body(&write)?])?;
        self.execute("INSERT OR REPLACE INTO local_minted_again (entry, run_id) VALUES (?1, ?2)", params![entry.id, run_id])?;
        Ok(Some(()))
    }

    /// Notes that an entry's run has an id of which nobody has been told yet: until then it may have another one.
    pub fn note_minted(&self, entry: i64) -> Result<()> {
        self.execute("UPDATE local_outbox SET minted = 1 WHERE id = ?1", [entry]).map(|_| ())
    }

    fn next_batch(&self, store_id: &str) -> Result<Vec<Entry>> {
        let condition = format!("store_id = ?1 AND quarantined = 0 ORDER BY id LIMIT {BATCH_ENTRIES}");
        loop {
            let (mut batch, mut bytes) = (vec![], 0);
            let mut unreadable = None;
            let mut statement = self.done(self.connection.prepare_cached(&entries_sql(&condition)))?;
            let mut rows = self.done(statement.query([store_id]))?;
            // One by one: a thousand large ones would not fit into memory.
            while let Some(row) = self.done(rows.next())? {
                match entry(row) {
                    Ok((_, size)) if bytes + size > BATCH_BYTES && !batch.is_empty() => break,
                    Ok((entry, size)) => {
                        bytes += size;
                        batch.push(entry);
                    }
                    Err(wrong) => {
                        // What comes after may be of the same run: that is for the next batch.
                        unreadable = Some(wrong);
                        break;
                    }
                }
            }
            drop(rows);
            let Some((id, reason)) = unreadable else { return Ok(batch) };
            let sql = "UPDATE local_outbox SET quarantined = ?2, last_error = ?3
                WHERE id >= ?1 AND store_id = ?4 AND run_id = (SELECT run_id FROM local_outbox WHERE id = ?1)";
            self.execute(sql, params![id, Quarantine::Refused.number(), reason, store_id])?;
            if !batch.is_empty() {
                return Ok(batch);
            }
        }
    }

    /// Entries by a condition, in order.
    fn entries(&self, condition: &str, values: impl rusqlite::Params) -> Result<Vec<Found>> {
        let mut statement = self.done(self.connection.prepare_cached(&entries_sql(&format!("{condition} ORDER BY id"))))?;
        let found = statement.query_map(values, |row| Ok(entry(row))).and_then(Iterator::collect);
        self.done(found)
    }
}

fn entries_sql(condition: &str) -> String {
    format!("SELECT id, body, quarantined, last_error, landing, minted FROM local_outbox WHERE {condition}")
}

fn entry(row: &Row<'_>) -> Found {
    let id: i64 = row.get(0).map_err(|error| (0, error.to_string()))?;
    let wrong = |error: &dyn std::fmt::Display| (id, format!("the queued write cannot be read: {error}"));
    let body: String = row.get(1).map_err(|error| wrong(&error))?;
    let write: Write = serde_json::from_str(&body).map_err(|error| wrong(&error))?;
    let quarantine = Quarantine::from_number(row.get(2).map_err(|error| wrong(&error))?);
    let (last_error, landing) = (row.get(3).map_err(|error| wrong(&error))?, row.get(4).map_err(|error| wrong(&error))?);
    let minted = row.get(5).map_err(|error| wrong(&error))?;
    Ok((Entry { id, write, quarantine, last_error, landing, minted }, body.len()))
}

fn readable(found: Vec<Found>) -> Vec<Entry> {
    found.into_iter().filter_map(Result::ok).map(|(entry, _)| entry).collect()
}

/// Writes that bring a run just as it is here: the run first, then its results.
fn as_it_is(rows: &RunRows) -> Vec<Write> {
    let Some(run) = &rows.run else { return vec![] };
    let owner = run.stamp.origin.clone().unwrap_or_default();
    let mut writes = vec![Write::of_run(&run.run, &owner)];
    let results: Vec<WrittenResult> =
        rows.results.values().map(|stored| WrittenResult { result: stored.result.clone(), origin: stored.stamp.origin.clone() }).collect();
    let part = |part: &[WrittenResult]| Write { results: part.to_vec(), ..Write::of(&run.run.run_id, &owner, run.run.started_at) };
    writes.extend(results.chunks(RESULTS_PER_ENTRY).map(part));
    writes
}

fn body(write: &Write) -> Result<String> {
    serde_json::to_string(write).map_err(|error| Error::internal(format!("a write has no JSON form: {error}")))
}

fn state_of(connection: &rusqlite::Connection) -> rusqlite::Result<OutboxState> {
    let sql = "SELECT count(*) FILTER (WHERE NOT quarantined), count(*) FILTER (WHERE quarantined), max(last_attempt_at), min(queued_at),
        (SELECT last_error FROM local_outbox WHERE last_error IS NOT NULL ORDER BY last_attempt_at DESC, id LIMIT 1) FROM local_outbox";
    connection.query_row(sql, [], |row| {
        Ok(OutboxState {
            depth: row.get::<_, i64>(0)? as u64,
            quarantined: row.get::<_, i64>(1)? as u64,
            last_attempt: row.get(2)?,
            oldest: row.get(3)?,
            last_error: row.get(4)?,
        })
    })
}

/// How much of a home folder's outbox waits. The file is only read, and none is made.
pub fn outbox_state(home: &Path) -> Result<OutboxState> {
    let path = LocalFiles::locate(home)?.own;
    if !path.exists() {
        return Ok(OutboxState::default());
    }
    let file = ReadOnly::open(&path)?;
    match state_of(&file.connection) {
        Err(rusqlite::Error::SqliteFailure(_, Some(message))) if message.contains("no such table") => Ok(OutboxState::default()),
        state => state.map_err(|error| fault(&path, &error)),
    }
}

/// The error of a store that another process of this machine is still sending to.
pub fn busy() -> Error {
    Error::new(
        Code::Locked,
        "another process of this machine is sending the queued writes",
        "wait until it has finished, then run the same command again",
    )
}
