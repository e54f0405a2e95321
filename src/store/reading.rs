//! The history as it is read back: from the shared store, with what waits here to be sent to it; or from this home's files alone.

use super::amx_cli::AmxCliFile;
use super::byte_order::ByteOrder;
use super::local::{LocalFiles, Writing};
use super::outbox::{Place, Quarantine};
use super::shared::{RunFilter, SharedStore, Stamp, StoredResult, StoredRun};
use super::source::{Person, RunKey, Source, SourceRun};
use super::sqlite_file::{FileKind, ReadOnly, recognise};
use crate::dialect::{Backend, Dialect, SchemaName};
use crate::driver::{Driver, over_sqlite};
use crate::error::{Code, Error, Result};
use crate::history::Run;
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// How many results are read at once.
const PAGE: usize = 1000;

/// The tables that a history is read from.
struct Tables {
    driver: Box<dyn Driver>,
    dialect: &'static Dialect,
    schema: SchemaName,
}

/// A history that is read from one place or several.
pub struct Reading {
    /// The shared store, or this home's cache.
    tables: Option<Tables>,
    /// Our local store, where something may wait to be sent.
    own: Option<PathBuf>,
    /// Where the store is that it would be sent to; for whatever store where none is in use.
    place: Option<Place>,
    /// Whether the tables are the cache: then what waits is in them already, but for what is in conflict.
    from_cache: bool,
    /// amx-cli's file, where it is read beside the cache.
    amx_cli: Option<Box<dyn Source>>,
}

/// How many results of a run have a description that is neither null nor empty, and how many have not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Those that have one.
    pub ok: u64,
    /// The others.
    pub fail: u64,
}

/// A run of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedRun {
    /// The run.
    pub stored: StoredRun,
    /// Its results.
    pub counts: Counts,
    /// Whether something of it waits in the outbox or is in quarantine.
    pub pending: bool,
}

/// A place in a list: runs come newest first, by their start and then their id.
type Key = (DateTime<Utc>, String);

impl Reading {
    /// Reads a shared store alone.
    pub fn of_store(driver: Box<dyn Driver>, dialect: &'static Dialect, schema: SchemaName) -> Reading {
        Reading { tables: Some(Tables { driver, dialect, schema }), own: None, place: None, from_cache: false, amx_cli: None }
    }

    /// Reads beside it what waits for it in a home's outbox.
    ///
    /// # Errors
    /// `local_store_corrupt` and `io` where the home's files cannot be told.
    pub fn with_pending(mut self, home: &Path, place: Place) -> Result<Reading> {
        (self.own, self.place) = (own_file(home)?, Some(place));
        Ok(self)
    }

    /// Reads a home's files alone, in place of the store at a place or where none is in use: the cache, which holds its own runs and those that were pulled, and an amx-cli file beside it. None is made.
    ///
    /// # Errors
    /// `local_store_corrupt`, `io`, `locked`.
    pub fn of_home(home: &Path, person: &Person, place: Option<Place>) -> Result<Reading> {
        let own = own_file(home)?;
        let tables = match &own {
            None => None,
            Some(path) => {
                let driver = over_sqlite(ReadOnly::open(path)?.connection);
                Some(Tables { driver, dialect: Backend::Sqlite.dialect()?, schema: SchemaName::placeholder() })
            }
        };
        let amx_cli = match LocalFiles::locate(home)?.amx_cli {
            None => None,
            Some(path) => Some(Box::new(AmxCliFile::open(&path, person)?) as Box<dyn Source>),
        };
        Ok(Reading { tables, own, place, from_cache: true, amx_cli })
    }

    /// Ends the connection, if there is one.
    pub async fn close(self) {
        if let Some(tables) = self.tables {
            tables.driver.close().await;
        }
    }

    /// Runs, newest first, after one of them.
    ///
    /// # Errors
    /// `run_unknown` where there is no run to go on after.
    pub async fn list(&mut self, filter: &RunFilter, after: Option<&str>, limit: usize) -> Result<Vec<ListedRun>> {
        let pending = self.pending()?;
        let amx_cli = self.amx_cli_runs()?;
        let mut filter = filter.clone();
        if let Some(run_id) = after {
            filter.after = Some(self.place(run_id, &pending, &amx_cli).await?.ok_or_else(|| run_unknown(run_id))?);
        }
        let mut listed = self.of_tables(&filter, limit).await?;
        let waiting: BTreeSet<&str> =
            pending.iter().filter(|(_, _, kind)| *kind != Quarantine::Conflict).map(|(run, ..)| id(run)).collect();
        for run in &mut listed {
            run.pending = waiting.contains(id(&run.stored));
        }
        let candidates = || pending.iter().filter(|(stored, ..)| admits(&filter, &stored.run, &stored.state_word));
        let there = match self.from_cache {
            true => waiting.iter().map(|id| id.to_string()).collect(),
            false => self.there(&candidates().map(|(stored, ..)| id(stored)).collect::<Vec<_>>()).await?,
        };
        for (stored, counts, kind) in candidates() {
            if *kind == Quarantine::Conflict || !there.contains(id(stored)) {
                listed.push(ListedRun { stored: stored.clone(), counts: *counts, pending: true });
            }
        }
        // Read newest first, as far as the list goes; the cache has those that were pulled.
        let mut newest = amx_cli.values().rev().filter(|(_, stored)| admits(&filter, &stored.run, &stored.state_word));
        let mut left = limit;
        while left > 0 {
            let page: Vec<_> = newest.by_ref().take(limit).collect();
            let ids: Vec<&str> = page.iter().map(|(_, stored)| id(stored)).collect();
            let there = self.there(&ids).await?;
            for (key, stored) in page.iter().filter(|(_, stored)| !there.contains(id(stored))) {
                let counts = self.amx_cli_counts(key)?;
                listed.push(ListedRun { stored: stored.clone(), counts, pending: false });
            }
            left = left.saturating_sub(page.len() - there.len());
            if page.len() < limit {
                break;
            }
        }
        listed.sort_by_key(|run| std::cmp::Reverse(key(&run.stored)));
        listed.truncate(limit);
        Ok(listed)
    }

    /// A run, and its results to `take`, page by page in byte order of their objects.
    ///
    /// # Errors
    /// `run_unknown`, before the first page.
    pub async fn read(&mut self, run_id: &str, take: &mut (dyn FnMut(Vec<StoredResult>) + Send)) -> Result<StoredRun> {
        if let Some(mut store) = self.store()
            && let Some(run) = store.runs(&[run_id]).await?.remove(run_id)
        {
            let (mut after, mut order) = (String::new(), ByteOrder::new());
            loop {
                let page = store.results_after(run_id, &after, PAGE).await?;
                let Some(last) = page.last() else {
                    take(order.rest(object));
                    return Ok(run);
                };
                after = last.result.target_qname.clone();
                take(order.sorted(page, object));
            }
        }
        let (run, results) = match self.waiting_run(run_id)? {
            Some(found) => found,
            None => self.amx_cli_run(run_id)?.ok_or_else(|| run_unknown(run_id))?,
        };
        take(results);
        Ok(run)
    }

    fn store(&mut self) -> Option<SharedStore<'_>> {
        self.tables.as_mut().map(|tables| SharedStore::new(tables.driver.as_mut(), tables.dialect, &tables.schema))
    }

    async fn of_tables(&mut self, filter: &RunFilter, limit: usize) -> Result<Vec<ListedRun>> {
        let Some(mut store) = self.store() else { return Ok(vec![]) };
        let runs = store.list(filter, limit).await?;
        let ids: Vec<&str> = runs.iter().map(id).collect();
        let (all, described) = (store.count_results(&ids).await?, store.count_described(&ids).await?);
        let count = |of: &BTreeMap<String, i64>, run_id: &str| of.get(run_id).copied().unwrap_or(0) as u64;
        let counts = |stored: &StoredRun| {
            let (all, ok) = (count(&all, id(stored)), count(&described, id(stored)));
            Counts { ok, fail: all.saturating_sub(ok) }
        };
        let counts: Vec<Counts> = runs.iter().map(counts).collect();
        Ok(runs.into_iter().zip(counts).map(|(stored, counts)| ListedRun { stored, counts, pending: false }).collect())
    }

    /// Which of those runs the tables have.
    async fn there(&mut self, ids: &[&str]) -> Result<BTreeSet<String>> {
        match self.store() {
            Some(mut store) if !ids.is_empty() => Ok(store.runs(ids).await?.into_keys().collect()),
            _ => Ok(BTreeSet::new()),
        }
    }

    /// Where a run is in the list.
    async fn place(
        &mut self,
        run_id: &str,
        pending: &[(StoredRun, Counts, Quarantine)],
        amx_cli: &BTreeMap<Key, (RunKey, StoredRun)>,
    ) -> Result<Option<Key>> {
        if let Some(mut store) = self.store()
            && let Some(run) = store.runs(&[run_id]).await?.remove(run_id)
        {
            return Ok(Some(key(&run)));
        }
        let waiting = pending.iter().map(|(stored, ..)| stored);
        Ok(waiting.chain(amx_cli.values().map(|(_, stored)| stored)).find(|stored| id(stored) == run_id).map(key))
    }

    /// What waits here.
    fn pending(&self) -> Result<Vec<(StoredRun, Counts, Quarantine)>> {
        match &self.own {
            None => Ok(vec![]),
            Some(path) => Writing::over(&ReadOnly::open(path)?.connection, path).pending(self.place.as_ref()),
        }
    }

    /// A run that waits here, as it is here.
    fn waiting_run(&self, run_id: &str) -> Result<Option<(StoredRun, Vec<StoredResult>)>> {
        let Some(path) = &self.own else { return Ok(None) };
        let file = ReadOnly::open(path)?;
        let rows = Writing::over(&file.connection, path).waiting_run(run_id)?;
        // In byte order: that of the map.
        Ok(rows.and_then(|rows| Some((rows.run?, rows.results.into_values().collect()))))
    }

    /// The runs of the amx-cli file. Those of which the own row cannot be read are left out.
    fn amx_cli_runs(&self) -> Result<BTreeMap<Key, (RunKey, StoredRun)>> {
        let mut found = BTreeMap::new();
        if let Some(source) = &self.amx_cli {
            source.runs(&mut |SourceRun { key, owner, run, .. }| {
                if let Ok(run) = run {
                    let stored = of_source(run, owner);
                    found.entry(self::key(&stored)).or_insert((key, stored));
                }
                Ok(())
            })?;
        }
        Ok(found)
    }

    fn amx_cli_run(&self, run_id: &str) -> Result<Option<(StoredRun, Vec<StoredResult>)>> {
        let Some(source) = &self.amx_cli else { return Ok(None) };
        let found = self.amx_cli_runs()?.into_values().find(|(_, stored)| id(stored) == run_id);
        let Some((key, stored)) = found else { return Ok(None) };
        let mut results = vec![];
        source.results(&key, &mut |result| {
            results.extend(result.ok().map(|result| StoredResult { result, stamp: stored.stamp.clone() }));
            Ok(())
        })?;
        results.sort_by(|left, right| left.result.target_qname.cmp(&right.result.target_qname));
        Ok(Some((stored, results)))
    }

    fn amx_cli_counts(&self, key: &RunKey) -> Result<Counts> {
        let mut counts = Counts::default();
        if let Some(source) = &self.amx_cli {
            source.results(key, &mut |result| {
                match result.is_ok_and(|result| result.description.is_some_and(|text| !text.is_empty())) {
                    true => counts.ok += 1,
                    false => counts.fail += 1,
                }
                Ok(())
            })?;
        }
        Ok(counts)
    }
}

/// A home's own local store, where there is one.
fn own_file(home: &Path) -> Result<Option<PathBuf>> {
    let own = LocalFiles::locate(home)?.own;
    let there = own.exists() && matches!(recognise(&own)?, FileKind::Own | FileKind::Both);
    Ok(there.then_some(own))
}

fn of_source(run: Run, owner: String) -> StoredRun {
    StoredRun { state_word: run.state.word().into(), run, stamp: Stamp { origin: Some(owner), ..Stamp::default() } }
}

fn id(stored: &StoredRun) -> &str {
    &stored.run.run_id
}

fn object(stored: &StoredResult) -> &str {
    &stored.result.target_qname
}

fn key(stored: &StoredRun) -> Key {
    (stored.run.started_at, stored.run.run_id.clone())
}

fn admits(filter: &RunFilter, run: &Run, state: &str) -> bool {
    let names = |wanted: &String| run.scope.split(", ").any(|name| name == wanted || name.starts_with(&format!("{wanted}.")));
    let before = |after: &Key| (run.started_at, run.run_id.as_str()) < (after.0, after.1.as_str());
    filter.who.as_ref().is_none_or(|who| *who == run.who)
        && filter.state.as_deref().is_none_or(|wanted| wanted == state)
        && filter.scope.as_ref().is_none_or(names)
        && filter.after.as_ref().is_none_or(before)
}

fn run_unknown(run_id: &str) -> Error {
    Error::new(Code::RunUnknown, format!("there is no run {run_id}"), "see `amx-schema history list`")
}
