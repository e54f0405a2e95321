//! Brings into the cache what others, and this installation elsewhere, have landed in the shared store. Nothing is written there.
//!
//! One small query says which writers have moved; then only what they changed is read, in windows of their numbers, so that memory stays flat
//! and a pull that is cut off goes on from the last window.

use super::flush::{day, minted_id};
use crate::dialect::{Dialect, SchemaName};
use crate::driver::Driver;
use crate::error::Result;
use crate::report::Reporter;
use crate::store::cache::{Cursor, Put};
use crate::store::local::{Durability, LocalStore, Writing, hash};
use crate::store::outbox::{Destination, Drainer, Place, busy};
use crate::store::shared::{Position, SharedStore, Standing, StoredResult, StoredRun};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

/// How many of a writer's numbers are read at first.
const FIRST_WINDOW: i64 = 64;
/// A window is doubled where it held fewer rows, and halved where it held four times as many.
const ROWS_PER_WINDOW: usize = 4000;
/// How many rows are read at once. An engine may sort what one write brought anew for each page of it.
const PAGE: usize = 5000;
/// How long another process of this machine that sends or pulls is waited for, a window.
const WAIT: Duration = Duration::from_secs(60);

/// What a pull brought.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Runs that the cache lacked.
    pub runs_added: u64,
    /// Runs of which something changed.
    pub runs_updated: u64,
    /// Results that the cache lacked.
    pub results_added: u64,
    /// Results of which something changed.
    pub results_updated: u64,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
}

/// A pull from one store.
pub struct Puller<'a> {
    /// The connection.
    pub driver: &'a mut dyn Driver,
    /// The store's dialect.
    pub dialect: &'a Dialect,
    /// The store's schema.
    pub schema: &'a SchemaName,
    /// Where the store is, as this machine knows it.
    pub place: &'a Place,
    /// The cache.
    pub local: &'a mut LocalStore,
    /// Who hears of progress.
    pub reporter: &'a dyn Reporter,
}

/// A writer that has moved since its rows were last brought.
pub(super) struct Moved {
    writer: String,
    epoch: String,
    from: i64,
    to: i64,
}

/// A pull that is under way.
struct Work<'a> {
    pull: Puller<'a>,
    destination: Destination,
    store_id: String,
    installation: String,
    /// The runs that were met, by their hashes, and whether each has been counted.
    seen: HashMap<u64, bool>,
    report: Report,
}

impl<'a> Puller<'a> {
    /// Brings what is new by what the store says of itself; with `all`, everything, and forgets what the store no longer has.
    ///
    /// # Errors
    /// What the stores say. What was brought until then is in the cache, and the next pull goes on from there.
    pub async fn run(self, standing: &Standing, all: bool) -> Result<Report> {
        let started = Instant::now();
        let store_id = standing.store_id.clone().unwrap_or_default();
        let local = self.local;
        if standing.store_id.is_some() {
            local.learn(self.place, &store_id)?;
        }
        local.cache_of(&store_id)?;
        let moved = moved(standing, &local.cursors(&store_id)?, all);
        let edited = local.edited()?;
        if moved.is_empty() && edited.is_empty() {
            return Ok(Report { elapsed_ms: started.elapsed().as_millis() as u64, ..Report::default() });
        }
        let destination = Destination { place: self.place.name.clone(), store_id: standing.store_id.clone() };
        let installation = local.installation()?;
        let (seen, report) = (HashMap::new(), Report::default());
        let mut work = Work { pull: Puller { local, ..self }, destination, store_id, installation, seen, report };
        work.everything(&moved, &edited, all).await?;
        work.report.elapsed_ms = started.elapsed().as_millis() as u64;
        Ok(work.report)
    }
}

/// The writers whose rows are not all here.
pub(super) fn moved(standing: &Standing, cursors: &BTreeMap<String, Cursor>, all: bool) -> Vec<Moved> {
    let mut moved = vec![];
    for (writer, landed) in &standing.origins {
        // A cursor of another epoch starts anew: the writer's count was set back.
        let known = cursors.get(writer).filter(|cursor| cursor.epoch == landed.epoch && !all);
        let from = known.map_or(0, |cursor| cursor.landing);
        if landed.number > from || (known.is_none() && landed.number > 0) {
            moved.push(Moved { writer: writer.clone(), epoch: landed.epoch.clone(), from, to: landed.number });
        }
    }
    moved
}

impl Work<'_> {
    fn store(&mut self) -> SharedStore<'_> {
        SharedStore::new(self.pull.driver, self.pull.dialect, self.pull.schema)
    }

    /// Waits until no other process of this machine sends or pulls. Whatever the store says is in the cache before another asks: else an older
    /// row could be put over a newer one.
    async fn alone(&mut self) -> Result<Drainer> {
        self.pull.local.drainer(WAIT).await?.ok_or_else(busy)
    }

    async fn everything(&mut self, moved: &[Moved], edited: &[String], all: bool) -> Result<()> {
        let mut total = edited.len() as u64;
        for writer in moved {
            let numbers = writer.from + 1..=writer.to;
            total += self.store().count_changed(&writer.writer, &numbers).await?;
        }
        self.pull.reporter.begin(total);
        let mut outcome = Ok(());
        for writer in moved {
            outcome = self.writer(writer).await;
            if outcome.is_err() {
                break;
            }
        }
        if outcome.is_ok() {
            outcome = self.edited(edited).await;
        }
        if outcome.is_ok() && all {
            let seen = &self.seen;
            outcome = self.pull.local.forget_runs(|run_id| !seen.contains_key(&hash(run_id.as_bytes())));
        }
        self.pull.reporter.end();
        outcome
    }

    /// Brings what one writer changed.
    async fn writer(&mut self, moved: &Moved) -> Result<()> {
        let (mut at, mut size) = (moved.from, FIRST_WINDOW);
        while at < moved.to {
            let end = at.saturating_add(size).min(moved.to);
            let _alone = self.alone().await?;
            let rows = self.window(&moved.writer, at + 1..=end).await?;
            let cursor = Cursor { epoch: moved.epoch.clone(), landing: end };
            self.pull.local.write(Durability::Process, |writing| writing.set_cursor(&self.store_id, &moved.writer, &cursor))?;
            at = end;
            if rows < ROWS_PER_WINDOW {
                size = size.saturating_mul(2);
            } else if rows > 4 * ROWS_PER_WINDOW {
                size = (size / 2).max(1);
            }
        }
        Ok(())
    }

    /// Brings what a writer changed under those numbers, and says how many rows that were.
    async fn window(&mut self, writer: &str, numbers: RangeInclusive<i64>) -> Result<usize> {
        let changed = self.store().changed_runs(writer, &numbers).await?;
        let mut rows = changed.len();
        let mut met = BTreeMap::new();
        for ids in changed.chunks(PAGE) {
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            let runs = self.store().runs(&ids).await?;
            self.put_runs(&runs, &mut met)?;
        }
        let mut after = Position::default();
        loop {
            let page = self.store().changed_results(writer, &numbers, &after, PAGE).await?;
            let Some((run_id, last)) = page.last() else { break };
            after = Position {
                landing: last.stamp.landing.unwrap_or_default(),
                run_id: run_id.clone(),
                target_qname: last.result.target_qname.clone(),
            };
            rows += page.len();
            let whole = page.len() == PAGE;
            self.put_results(&page, &mut met).await?;
            if !whole {
                break;
            }
        }
        self.tell(met);
        Ok(rows)
    }

    /// Brings runs whose cached rows were changed by another hand, whole.
    async fn edited(&mut self, edited: &[String]) -> Result<()> {
        for ids in edited.chunks(PAGE) {
            let wanted: Vec<&str> = ids.iter().map(String::as_str).collect();
            let _alone = self.alone().await?;
            let runs = self.store().runs(&wanted).await?;
            for run_id in ids {
                let mut met = BTreeMap::new();
                match runs.get(run_id) {
                    Some(run) => {
                        self.put_runs(&BTreeMap::from([(run_id.clone(), run.clone())]), &mut met)?;
                        let (mut after, mut qnames) = (String::new(), BTreeSet::new());
                        loop {
                            let page = self.store().results_after(run_id, &after, PAGE).await?;
                            let Some(last) = page.last() else { break };
                            after = last.result.target_qname.clone();
                            qnames.extend(page.iter().map(|stored| stored.result.target_qname.clone()));
                            let page: Vec<_> = page.into_iter().map(|stored| (run_id.clone(), stored)).collect();
                            self.put_results(&page, &mut met).await?;
                        }
                        self.pull.local.write(Durability::Process, |writing| {
                            writing.keep_results(run_id, &qnames)?;
                            writing.reapply(&self.store_id, run_id, &self.installation)?;
                            writing.unedited(run_id)
                        })?;
                    }
                    // A run of this installation may be nowhere else.
                    None => self.pull.local.write(Durability::Process, |writing| match writing.run(run_id)? {
                        Some(here) if !writing.is_own(&here.stamp)? => writing.remove_run(run_id),
                        _ => writing.unedited(run_id),
                    })?,
                }
                self.tell(met);
            }
        }
        Ok(())
    }

    fn put_runs(&mut self, runs: &BTreeMap<String, StoredRun>, met: &mut BTreeMap<String, (String, Put)>) -> Result<()> {
        let Work { pull, destination, store_id, installation, .. } = self;
        pull.local.write(Durability::Process, |writing| {
            for (run_id, run) in runs {
                make_room(writing, destination, run_id, run)?;
                let put = writing.put_run(run)?;
                writing.reapply(store_id, run_id, installation)?;
                let who = run.run.who.split('@').next().unwrap_or_default();
                let machine = run.run.attribution.hostname.as_deref().map(|name| format!("@{name}")).unwrap_or_default();
                met.insert(run_id.clone(), (format!("{run_id} ({who}{machine})"), put));
            }
            Ok(())
        })
    }

    async fn put_results(&mut self, page: &[(String, StoredResult)], met: &mut BTreeMap<String, (String, Put)>) -> Result<()> {
        // A run that moved on to another writer while this was read is not in the window; its row is needed all the same.
        let lacking: BTreeSet<&str> = page.iter().map(|(run_id, _)| run_id.as_str()).filter(|run_id| !met.contains_key(*run_id)).collect();
        if !lacking.is_empty() {
            let runs = self.store().runs(&lacking.into_iter().collect::<Vec<_>>()).await?;
            self.put_runs(&runs, met)?;
        }
        let Work { pull, store_id, installation, report, .. } = self;
        pull.local.write(Durability::Process, |writing| {
            let mut again = BTreeSet::new();
            for (run_id, result) in page {
                let Some((_, run_put)) = met.get_mut(run_id) else { continue };
                // Of a run that has just been added nothing is here.
                let put = match run_put {
                    Put::Added => writing.add_result(run_id, result).map(|()| Put::Added)?,
                    _ => writing.put_result(run_id, result)?,
                };
                match put {
                    Put::Added => report.results_added += 1,
                    Put::Updated => report.results_updated += 1,
                    Put::Same => continue,
                }
                if *run_put == Put::Same {
                    *run_put = Put::Updated;
                }
                again.insert(run_id);
            }
            again.into_iter().try_for_each(|run_id| writing.reapply(store_id, run_id, installation))
        })
    }

    /// Reports the runs of a window, each once in a pull.
    fn tell(&mut self, met: BTreeMap<String, (String, Put)>) {
        for (run_id, (name, put)) in met {
            let key = hash(run_id.as_bytes());
            let before = self.seen.get(&key).copied();
            // Of two writers of a run it may be the second one who changed something.
            match (before, put) {
                (Some(true), _) | (_, Put::Same) => {}
                (_, Put::Added) => self.report.runs_added += 1,
                (_, Put::Updated) => self.report.runs_updated += 1,
            }
            self.seen.insert(key, before == Some(true) || put != Put::Same);
            if before.is_none() {
                self.pull.reporter.item(&name, "ok");
            }
        }
    }
}

/// Takes another run of that id out of the way: one of this installation goes to quarantine, since the store may not have it.
fn make_room(writing: &Writing<'_>, destination: &Destination, run_id: &str, run: &StoredRun) -> Result<()> {
    let Some(here) = writing.run(run_id)? else { return Ok(()) };
    let same = here.stamp.origin == run.stamp.origin && here.run.started_at == run.run.started_at;
    if same {
        return Ok(());
    }
    if let Some(own) = here.stamp.origin.as_deref().filter(|_| here.run.same_content(&run.run)) {
        return match (&destination.store_id, &run.stamp.origin) {
            (Some(store_id), Some(owner)) => writing.adopt(store_id, run_id, own, owner),
            _ => Ok(()),
        };
    }
    // Nobody knows of it yet; whether its next id is free will be seen when it is sent.
    if let Some(entry) = writing.untold(run_id)? {
        loop {
            let next = minted_id(entry.write.started_at, writing.next_of_day(&day(&entry.write))?);
            if writing.mint_again(&entry, &next, run)?.is_some() {
                return Ok(());
            }
        }
    }
    // One that is in another store, or on its way there, is not this store's business.
    let elsewhere = here.stamp.writer.is_none() || writing.is_queued_elsewhere(destination, run_id)?;
    match writing.is_own(&here.stamp)? && !elsewhere {
        true => writing.quarantine_run(destination, run_id, "the store has another run of that id"),
        false => writing.remove_run(run_id),
    }
}
