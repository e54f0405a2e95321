//! The cache in the local store: runs and results as the shared store has them, with what this installation has written since on top.

use super::hashing::{Hashed, Hashing, Line};
use super::local::{Durability, LocalStore, Writing};
use super::reading::Counts;
use super::shared::{RESULT_COLUMNS, RESULTS, RUN_COLUMNS, RUNS, Stamp, StoredResult, StoredRun};
use super::shared::{kinds, names, result_from, result_row, run_from, run_row};
use super::write::{RunRows, Write};
use crate::driver::{Row, Value, decode_sqlite};
use crate::error::{Error, Result};
use crate::model::Kind;
use rusqlite::{OptionalExtension, params, params_from_iter};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// Restricts rows to those that this installation owns.
const OWN: &str = "origin IN (SELECT id FROM local_installations)";
/// The fact that says which store the cache is of.
const CACHED_STORE: &str = "cached_store";

/// What became of a row that was put into the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It was not there.
    Added,
    /// It was there, and is another now.
    Updated,
    /// It was there as it is, but perhaps for who wrote it last.
    Same,
}

/// How far the rows of one writer have been pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The epoch in which.
    pub epoch: String,
    /// The number of the last write that is here.
    pub landing: i64,
}

impl LocalStore {
    /// How far each writer's rows of a store have been pulled.
    pub fn cursors(&self, store_id: &str) -> Result<BTreeMap<String, Cursor>> {
        let sql = "SELECT writer, epoch, landing FROM local_cursors WHERE store_id = ?1";
        let read = || {
            let mut statement = self.connection.prepare(sql)?;
            let rows = statement.query_map([store_id], |row| Ok((row.get(0)?, Cursor { epoch: row.get(1)?, landing: row.get(2)? })))?;
            rows.collect()
        };
        self.reading(read())
    }

    /// The runs of which a cached row was changed by another hand.
    pub fn edited(&self) -> Result<Vec<String>> {
        let read = || {
            let mut statement = self.connection.prepare("SELECT run_id FROM local_edited ORDER BY run_id")?;
            statement.query_map([], |row| row.get(0))?.collect()
        };
        self.reading(read())
    }

    /// The newest run that is here.
    pub fn newest_run(&self) -> Result<Option<String>> {
        let sql = "SELECT run_id FROM amx_history_runs ORDER BY started_at DESC, run_id DESC LIMIT 1";
        self.reading(self.connection.query_row(sql, [], |row| row.get(0)).optional())
    }

    /// Makes the cache one of that store. Of another store's rows those of this installation stay: they may be nowhere else.
    pub fn cache_of(&mut self, store_id: &str) -> Result<()> {
        let cached: Option<String> = self.reading(
            self.connection.query_row("SELECT value FROM local_facts WHERE item = ?1", [CACHED_STORE], |row| row.get(0)).optional(),
        )?;
        if cached.as_deref() == Some(store_id) {
            return Ok(());
        }
        let installation = self.installation()?;
        self.write(Durability::Process, |writing| {
            // A store is read before it has an id; the id that it is given later is the same store's.
            if cached.as_deref() == Some("") {
                writing.execute("UPDATE local_cursors SET store_id = ?1 WHERE store_id = ''", [store_id])?;
            } else if cached.is_some() {
                writing.execute(&format!("DELETE FROM {RESULTS} WHERE run_id IN (SELECT run_id FROM {RUNS} WHERE NOT ({OWN}))"), [])?;
                writing.execute(&format!("DELETE FROM {RUNS} WHERE NOT ({OWN})"), [])?;
                // Numbers of the other store mean nothing in this one.
                for table in [RUNS, RESULTS] {
                    writing.execute(&format!("UPDATE {table} SET writer = NULL, landing = NULL WHERE landing IS NOT NULL"), [])?;
                }
                writing.execute("DELETE FROM local_cursors", [])?;
                writing.execute("DELETE FROM local_edited", [])?;
                // What waits for this store was on top of rows that were put away when it was left.
                writing.reapply_all(store_id, &installation)?;
            }
            writing.execute("INSERT OR REPLACE INTO local_facts (item, value) VALUES (?1, ?2)", [CACHED_STORE, store_id]).map(|_| ())
        })
    }

    /// Forgets runs that are not this installation's, by their ids.
    pub fn forget_runs(&mut self, gone: impl Fn(&str) -> bool) -> Result<()> {
        self.write(Durability::Process, |writing| {
            let others = writing.select(&format!("SELECT run_id FROM {RUNS} WHERE NOT ({OWN})"), [], &[Kind::Text])?;
            let others = others.into_iter().flatten().filter_map(Value::into_text);
            others.filter(|run_id| gone(run_id)).try_for_each(|run_id| writing.remove_run(&run_id))
        })
    }

    /// Visits every run that is here of a store, with what its results come to: those that this installation owns and, where the cache is of that
    /// store, those that were pulled. Each comes under the id that the store has it under, and says whether it is own.
    pub fn each_hashed(&self, store_id: &str, each: &mut dyn FnMut(&str, bool, &Hashed) -> Result<()>) -> Result<()> {
        // One statement, and so one state of the file. Both keys are in byte order.
        let sql = format!(
            "SELECT r.run_id, coalesce(j.sent_as, r.run_id), r.{OWN}, x.target_qname, x.target_kind, x.description, x.confidence
             FROM (SELECT run_id, origin FROM {RUNS} WHERE {OWN} OR ?1 IN (SELECT value FROM local_facts WHERE item = ?2)) r
             LEFT JOIN local_journal j ON j.store_id = ?1 AND j.owner = r.origin AND j.run_id = r.run_id
             LEFT JOIN {RESULTS} x ON x.run_id = r.run_id ORDER BY r.run_id, x.target_qname"
        );
        let mut statement = self.reading(self.connection.prepare(&sql))?;
        let mut rows = self.reading(statement.query([store_id, CACHED_STORE]))?;
        let mut run: Option<(String, String, bool, Hashing)> = None;
        let mut hashed = |run: Option<(String, String, bool, Hashing)>| match run {
            None => Ok(()),
            Some((run_id, sent_as, own, hashing)) => {
                let hashed = hashing.end().ok_or_else(|| Error::internal(format!("the results of {run_id} are not in byte order")))?;
                each(&sent_as, own, &hashed)
            }
        };
        while let Some(row) = self.reading(rows.next())? {
            let run_id: String = self.reading(row.get(0))?;
            if run.as_ref().is_none_or(|(known, ..)| *known != run_id) {
                let (sent_as, own) = (self.reading(row.get(1))?, self.reading(row.get(2))?);
                hashed(run.replace((run_id, sent_as, own, Hashing::default())))?;
            }
            let line = |row: &rusqlite::Row<'_>| {
                let Some(qname) = row.get::<_, Option<String>>(3)? else { return Ok(None) };
                let (kind, description, confidence) =
                    (row.get::<_, String>(4)?, row.get::<_, Option<String>>(5)?, row.get::<_, String>(6)?);
                Ok(Some(Line::new(&qname, &kind, description.as_deref(), &confidence)))
            };
            if let (Some((.., hashing)), Some(line)) = (&mut run, self.reading(line(row))?) {
                hashing.add(line);
            }
        }
        hashed(run)
    }

    /// Every result of a run of which the row is here, with the run's own.
    pub fn whole(&mut self, run_id: &str) -> Result<RunRows> {
        self.write(Durability::Process, |writing| writing.whole(run_id))
    }

    /// The rows of a run that a write meets.
    pub fn rows(&mut self, write: &Write) -> Result<RunRows> {
        self.write(Durability::Process, |writing| writing.rows(&write.run_id, write.objects()))
    }

    pub(super) fn reading<T>(&self, result: rusqlite::Result<T>) -> Result<T> {
        result.map_err(|error| super::sqlite_file::fault(&self.path, &error))
    }
}

impl Writing<'_> {
    /// A run's own row.
    pub fn run(&self, run_id: &str) -> Result<Option<StoredRun>> {
        static SQL: LazyLock<String> = LazyLock::new(|| format!("SELECT {} FROM {RUNS} WHERE run_id = ?1", names(&RUN_COLUMNS).join(", ")));
        Ok(self.select(&SQL, [run_id], &kinds(&RUN_COLUMNS))?.pop().map(run_from))
    }

    /// One result.
    pub fn result(&self, run_id: &str, qname: &str) -> Result<Option<StoredResult>> {
        static SQL: LazyLock<String> = LazyLock::new(|| {
            format!("SELECT {} FROM {RESULTS} WHERE run_id = ?1 AND target_qname = ?2", names(&RESULT_COLUMNS).join(", "))
        });
        Ok(self.select(&SQL, [run_id, qname], &kinds(&RESULT_COLUMNS))?.pop().map(result_from))
    }

    /// A run's own row and those results.
    pub fn rows<'o>(&self, run_id: &str, objects: impl Iterator<Item = &'o str>) -> Result<RunRows> {
        let mut rows = RunRows { run: self.run(run_id)?, ..RunRows::default() };
        for qname in objects {
            if let Some(result) = self.result(run_id, qname)? {
                rows.results.insert(qname.into(), result);
            }
        }
        Ok(rows)
    }

    /// A run's own row and all its results.
    pub fn whole(&self, run_id: &str) -> Result<RunRows> {
        let sql = format!("SELECT {} FROM {RESULTS} WHERE run_id = ?1", names(&RESULT_COLUMNS).join(", "));
        let results = self.select(&sql, [run_id], &kinds(&RESULT_COLUMNS))?.into_iter().map(result_from);
        let results = results.map(|stored| (stored.result.target_qname.clone(), stored)).collect();
        Ok(RunRows { run: self.run(run_id)?, results, ..RunRows::default() })
    }

    /// How many results of a run have a description, and how many have not.
    pub fn counts(&self, run_id: &str) -> Result<Counts> {
        let sql = "SELECT count(*) FILTER (WHERE description <> ''), count(*) FROM amx_history_results WHERE run_id = ?1";
        let counted = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64));
        let (ok, all) = self.done(self.connection.prepare_cached(sql).and_then(|mut counts| counts.query_row([run_id], counted)))?;
        Ok(Counts { ok, fail: all - ok })
    }

    /// Puts a run's own row where it differs from what is here.
    pub fn put_run(&self, stored: &StoredRun) -> Result<Put> {
        static SQL: LazyLock<String> = LazyLock::new(|| upsert(RUNS, &RUN_COLUMNS, 1));
        let run_id = &stored.run.run_id;
        let put = match self.run(run_id)? {
            Some(known) if known == *stored => return Ok(Put::Same),
            Some(known) if known.run == stored.run && known.state_word == stored.state_word => Put::Same,
            Some(_) => Put::Updated,
            None => Put::Added,
        };
        let mut row = run_row(&stored.run, run_id, &stored.stamp);
        // A word of a later build stays as it is.
        if let Some(state) = row.get_mut(RUN_COLUMNS.iter().position(|(name, _)| *name == "state").unwrap_or_default()) {
            *state = stored.state_word.as_str().into();
        }
        self.execute(&SQL, params_from_iter(row))?;
        Ok(put)
    }

    /// Puts a result where it differs from what is here. Its run is here.
    pub fn put_result(&self, run_id: &str, stored: &StoredResult) -> Result<Put> {
        let put = match self.result(run_id, &stored.result.target_qname)? {
            Some(known) if known == *stored => return Ok(Put::Same),
            Some(known) if known.result == stored.result => Put::Same,
            Some(_) => Put::Updated,
            None => Put::Added,
        };
        self.add_result(run_id, stored).map(|()| put)
    }

    /// Puts a result of which it is known that it is to be put. Its run is here.
    pub fn add_result(&self, run_id: &str, stored: &StoredResult) -> Result<()> {
        static SQL: LazyLock<String> = LazyLock::new(|| upsert(RESULTS, &RESULT_COLUMNS, 2));
        self.execute(&SQL, params_from_iter(result_row(run_id, &stored.result, &stored.stamp))).map(|_| ())
    }

    /// Puts what writes have touched of a run.
    pub fn put_touched(&self, rows: &RunRows) -> Result<()> {
        let Some(run) = &rows.run else { return Ok(()) };
        // Results need their run's row, also where only they were touched.
        if rows.run_touched || self.run(&run.run.run_id)?.is_none() {
            self.put_run(run)?;
        }
        for qname in &rows.touched {
            if let Some(result) = rows.results.get(qname) {
                self.put_result(&run.run.run_id, result)?;
            }
        }
        Ok(())
    }

    /// Removes a run and its results from the cache, without taking that for another hand's doing.
    pub fn remove_run(&self, run_id: &str) -> Result<()> {
        self.execute(&format!("DELETE FROM {RESULTS} WHERE run_id = ?1"), [run_id])?;
        self.execute(&format!("DELETE FROM {RUNS} WHERE run_id = ?1"), [run_id])?;
        self.unedited(run_id)
    }

    /// Removes the results of a run that are not among those.
    pub fn keep_results(&self, run_id: &str, qnames: &BTreeSet<String>) -> Result<()> {
        let sql = format!("SELECT target_qname FROM {RESULTS} WHERE run_id = ?1 AND landing IS NOT NULL");
        let here = self.select(&sql, [run_id], &[Kind::Text])?;
        for qname in here.into_iter().flatten().filter_map(Value::into_text).filter(|qname| !qnames.contains(qname)) {
            self.execute(&format!("DELETE FROM {RESULTS} WHERE run_id = ?1 AND target_qname = ?2"), [run_id, &qname])?;
        }
        Ok(())
    }

    /// The store that the cache is of, where it is of one that has an id.
    pub fn cached_store(&self) -> Result<Option<String>> {
        let sql = "SELECT value FROM local_facts WHERE item = ?1 AND value <> ''";
        self.done(self.connection.query_row(sql, [CACHED_STORE], |row| row.get(0)).optional())
    }

    /// Whether a run is this installation's.
    pub fn is_own(&self, stamp: &Stamp) -> Result<bool> {
        let sql = "SELECT count(*) FROM local_installations WHERE id = ?1";
        let count = self.connection.prepare_cached(sql).and_then(|mut found| found.query_row([&stamp.origin], |row| row.get::<_, i64>(0)));
        self.done(count).map(|count| count > 0)
    }

    /// Notes that a run is as the store has it.
    pub fn unedited(&self, run_id: &str) -> Result<()> {
        self.execute("DELETE FROM local_edited WHERE run_id = ?1", [run_id]).map(|_| ())
    }

    /// Notes that a run is to be had from the store again.
    pub fn mark_edited(&self, run_id: &str) -> Result<()> {
        self.execute("INSERT OR IGNORE INTO local_edited (run_id) VALUES (?1)", [run_id]).map(|_| ())
    }

    /// Notes how far a writer's rows are here.
    pub fn set_cursor(&self, store_id: &str, writer: &str, cursor: &Cursor) -> Result<()> {
        let sql = "INSERT OR REPLACE INTO local_cursors (store_id, writer, epoch, landing) VALUES (?1, ?2, ?3, ?4)";
        self.execute(sql, params![store_id, writer, cursor.epoch, cursor.landing]).map(|_| ())
    }

    /// Moves the cursor over a write of this installation's own, whose rows are here already, where nothing before it is missing.
    pub fn pass_own(&self, store_id: &str, installation: &str, epoch: &str, from: i64, to: i64) -> Result<()> {
        let sql = "UPDATE local_cursors SET landing = ?5 WHERE store_id = ?1 AND writer = ?2 AND epoch = ?3 AND landing = ?4";
        let moved = self.execute(sql, params![store_id, installation, epoch, from, to])?;
        if moved == 0 && from == 0 {
            let first = "INSERT OR IGNORE INTO local_cursors (store_id, writer, epoch, landing) VALUES (?1, ?2, ?3, ?4)";
            self.execute(first, params![store_id, installation, epoch, to])?;
        }
        Ok(())
    }

    /// The runs of which this installation wrote a row after a number.
    pub fn written_after(&self, landing: i64) -> Result<Vec<String>> {
        let of = |table: &str| format!("SELECT run_id FROM {table} WHERE writer IN (SELECT id FROM local_installations) AND landing > ?1");
        let sql = format!("{} UNION {} ORDER BY 1", of(RUNS), of(RESULTS));
        let rows = self.select(&sql, [landing], &[Kind::Text])?;
        Ok(rows.into_iter().flatten().filter_map(Value::into_text).collect())
    }

    /// The id of the next row of a table here, which the row keeps as its `local_id`.
    pub fn next_local_id(&self, table: &str) -> Result<i64> {
        let sql = format!("SELECT coalesce(max(rowid), 0) + 1 FROM {table}");
        self.done(self.connection.prepare_cached(&sql).and_then(|mut next| next.query_row([], |row| row.get(0))))
    }

    /// This machine's next number among the runs of a day.
    pub fn next_of_day(&self, day: &str) -> Result<i64> {
        let sql = "INSERT INTO local_minted (day, runs) VALUES (?1, 1) ON CONFLICT DO UPDATE SET runs = runs + 1 RETURNING runs";
        self.done(self.connection.prepare_cached(sql).and_then(|mut next| next.query_row([day], |row| row.get(0))))
    }

    /// Notes that this machine's runs of a day have come to a number.
    pub fn day_has_reached(&self, day: &str, number: i64) -> Result<()> {
        self.execute("UPDATE local_minted SET runs = max(runs, ?2) WHERE day = ?1", params![day, number]).map(|_| ())
    }

    pub(super) fn select(&self, sql: &str, values: impl rusqlite::Params, kinds: &[Kind]) -> Result<Vec<Row>> {
        let mut statement = self.done(self.connection.prepare_cached(sql))?;
        let mut found = self.done(statement.query(values))?;
        let mut rows = vec![];
        while let Some(row) = self.done(found.next())? {
            rows.push(decode_sqlite(row, kinds).map_err(Error::from)?);
        }
        Ok(rows)
    }
}

fn upsert(table: &str, columns: &[(&str, Kind)], keys: usize) -> String {
    let names = names(columns);
    let (key, others) = names.split_at(keys);
    let marks = vec!["?"; names.len()].join(", ");
    let set: Vec<String> = others.iter().map(|name| format!("{name} = excluded.{name}")).collect();
    format!("INSERT INTO {table} ({}) VALUES ({marks}) ON CONFLICT ({}) DO UPDATE SET {}", names.join(", "), key.join(", "), set.join(", "))
}
