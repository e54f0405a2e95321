//! Drains the outbox: sends what is queued in order, batch by batch, and finds out what became of a batch of which no answer came.

use super::Connect;
use super::landing::{LEASE_WAIT, Landing};
use crate::dialect::{Dialect, SchemaName};
use crate::driver::{Driver, DriverError, ErrorKind, Failure};
use crate::error::{Code, Error, Result};
use crate::report::Reporter;
use crate::store::batch::{Batch, Change, NotLanded, Part};
use crate::store::lease::Lease;
use crate::store::local::{Durability, LocalStore};
use crate::store::outbox::{Entry, Place};
use crate::store::shared::{self, Privilege, SharedStore, Stamp, StoredResult, StoredRun};
use crate::store::source::Person;
use crate::store::write::{Applied, Item, RunRows, Write};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::future::Future;
use std::time::Duration;

/// The pause before the second try; it doubles from there.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// How often a batch is tried where other writers were in the way: they come to an end too.
const OVERTAKEN_TRIES: u32 = 60;
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How many ids are tried at once where a minted one is taken.
const CANDIDATES: i64 = 400;

/// A line to one shared store, made when it is first needed and again where it broke.
pub struct Link<'a> {
    /// How it is made.
    pub connect: &'a dyn Connect,
    /// The store's dialect.
    pub dialect: &'a Dialect,
    /// The store's schema.
    pub schema: &'a SchemaName,
    /// Where the store is, as this machine knows it.
    pub place: Place,
    /// Who works.
    pub person: &'a Person,
    /// How long the store is waited for, a batch.
    pub patience: Duration,
    /// How often a broken line is made again before what is queued is left to wait.
    pub reconnects: u32,
    open: Option<(Box<dyn Driver>, Landing)>,
}

/// What came of draining.
#[derive(Debug, Default)]
pub struct Drained {
    /// How many entries have landed.
    pub landed: u64,
    /// Entries that went into quarantine, each with the reason.
    pub quarantined: Vec<(String, String)>,
    /// What stopped it before the outbox was empty.
    pub stopped: Option<Error>,
}

/// What is to be written for a batch.
struct Plan {
    rows: BTreeMap<String, RunRows>,
    before: Before,
    conflicts: Vec<(String, &'static str)>,
    absent: Vec<i64>,
}

/// What came of sending entries.
enum Sent {
    /// They are there.
    Landed,
    /// Nothing was sent: some of them cannot be.
    SetAside(Plan),
    /// They are not there, or nobody knows.
    Failed(Failure),
}

/// What the store had before.
#[derive(Default)]
struct Before {
    runs: HashMap<String, Stamp>,
    results: HashMap<(String, String), Stamp>,
}

impl<'a> Link<'a> {
    /// A line that is not made yet.
    pub fn new(connect: &'a dyn Connect, dialect: &'a Dialect, schema: &'a SchemaName, place: Place, person: &'a Person) -> Link<'a> {
        Link { connect, dialect, schema, place, person, patience: Duration::from_secs(60), reconnects: 5, open: None }
    }

    /// Whether the line is made, so that asking costs no more than a question.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Makes the line where it is not made.
    ///
    /// # Errors
    /// What connecting says; `unreachable` where the store does not answer in time.
    pub async fn open(&mut self, local: &mut LocalStore) -> Result<()> {
        if self.open.is_some() {
            return Ok(());
        }
        let (connect, patience) = (self.connect, self.patience);
        let mut driver = within(patience, connect.connect()).await??;
        let mut store = SharedStore::new(driver.as_mut(), self.dialect, self.schema);
        let landing = within(self.with_lease(), Landing::begin(&mut store, local, &self.place, self.person)).await??;
        self.open = Some((driver, landing));
        Ok(())
    }

    /// Takes leave of the store.
    pub async fn close(&mut self) {
        if let Some((driver, _)) = self.open.take() {
            driver.close().await;
        }
    }

    /// Gives up a line that broke.
    pub fn drop_line(&mut self) {
        self.open = None;
    }

    fn parts(&mut self) -> Result<(SharedStore<'_>, &mut Landing)> {
        match &mut self.open {
            Some((driver, landing)) => Ok((SharedStore::new(driver.as_mut(), self.dialect, self.schema), landing)),
            None => Err(Error::internal("a line is used before it is made")),
        }
    }

    /// Runs of the store by their ids.
    ///
    /// # Errors
    /// What the store says; the line is given up then.
    pub async fn runs(&mut self, ids: &[&str]) -> Result<BTreeMap<String, StoredRun>> {
        let patience = self.patience;
        let (mut store, _) = self.parts()?;
        let found = within(patience, store.runs(ids)).await.and_then(|found| found);
        if found.is_err() {
            self.drop_line();
        }
        found
    }

    /// Results of the store by run and object.
    ///
    /// # Errors
    /// As [`Link::runs`].
    pub async fn results(&mut self, wanted: &[(&str, &str)]) -> Result<BTreeMap<(String, String), StoredResult>> {
        let patience = self.patience;
        let (mut store, _) = self.parts()?;
        let found = within(patience, store.results_of(wanted)).await.and_then(|found| found);
        if found.is_err() {
            self.drop_line();
        }
        found
    }

    /// Sends what is queued for this store, until nothing waits or something stops it. The caller is the one who drains.
    ///
    /// # Errors
    /// What the local store says. What the shared store says is in the outcome.
    pub async fn drain(&mut self, local: &mut LocalStore, reporter: &dyn Reporter) -> Result<Drained> {
        let mut drained = Drained::default();
        let mut broken = 0;
        loop {
            let Err(error) = self.drain_once(local, reporter, &mut drained).await else { break };
            let local_fault = matches!(error.code, Code::LocalStoreCorrupt | Code::Internal);
            if local_fault {
                return Err(error);
            }
            let lost = error.code == Code::Unreachable;
            if lost {
                self.drop_line();
            }
            if !lost || broken >= self.reconnects {
                local.note_failed(&self.place, &error.message)?;
                drained.stopped = Some(error);
                break;
            }
            tokio::time::sleep(pause(broken + 2)).await;
            broken += 1;
        }
        Ok(drained)
    }

    async fn drain_once(&mut self, local: &mut LocalStore, reporter: &dyn Reporter, drained: &mut Drained) -> Result<()> {
        self.open(local).await?;
        self.resolve(local, reporter, drained).await?;
        loop {
            let store_id = self.parts()?.1.store_id.clone();
            let batch = local.next_batch(&store_id)?;
            if batch.is_empty() {
                return Ok(());
            }
            self.send(batch, local, reporter, drained).await?;
        }
    }

    /// Finds out what became of entries that were sent and of which no answer came.
    async fn resolve(&mut self, local: &mut LocalStore, reporter: &dyn Reporter, drained: &mut Drained) -> Result<()> {
        let patience = self.patience;
        let doubtful = local.in_doubt(&self.parts()?.1.store_id)?;
        if doubtful.is_empty() {
            return Ok(());
        }
        self.begin_again(local).await?;
        let (mut store, landing) = self.parts()?;
        let Landing { store_id, installation, epoch, landed: last, .. } = landing.clone();
        let mut by_number: BTreeMap<i64, Vec<Entry>> = BTreeMap::new();
        for entry in doubtful {
            by_number.entry(entry.landing.unwrap_or_default()).or_default().push(entry);
        }
        for (number, entries) in by_number {
            let found = match number <= last {
                true => within(patience, written(&mut store, &installation, number, &entries)).await??,
                false => None,
            };
            // The last number that landed is this batch's also where none of its rows bears it any more: others have changed them all since.
            let overwritten = found.is_none()
                && store.has_transactions()
                && number == last
                && within(patience, store.changed_runs(&installation, &(number..=number))).await??.is_empty();
            let ids = entries.iter().map(|entry| entry.id);
            match found.is_some() || overwritten {
                true => {
                    local.write(Durability::Process, |writing| {
                        writing.acknowledge(ids)?;
                        writing.remember(&store_id, &installation, &epoch, last)?;
                        let (runs, results) = found.unwrap_or_default();
                        for Entry { write, .. } in entries.iter().filter(|entry| entry.write.run.is_some()) {
                            if let Some(run) = runs.get(&write.run_id) {
                                writing.adopt(&store_id, &write.run_id, &write.owner, run.stamp.origin.as_deref().unwrap_or_default())?;
                            }
                        }
                        runs.values().try_for_each(|run| writing.put_run(run).map(|_| ()))?;
                        results.iter().try_for_each(|((run_id, _), result)| writing.put_result(run_id, result).map(|_| ()))?;
                        runs.keys().try_for_each(|run_id| writing.reapply(&store_id, run_id, &installation))
                    })?;
                    for entry in &entries {
                        reporter.item(&entry.name(), "ok");
                    }
                    drained.landed += entries.len() as u64;
                }
                false => local.write(Durability::Process, |writing| writing.not_landed(ids))?,
            }
        }
        Ok(())
    }

    /// Takes the store's lease, where it has one.
    async fn lease(&mut self) -> Result<Option<Lease>> {
        let (patience, person) = (self.with_lease(), self.person);
        let (mut store, landing) = self.parts()?;
        within(patience, landing.lease(&mut store, person)).await?
    }

    /// How long is waited where the lease may be wanted: a holder that died has lost it by then.
    fn with_lease(&self) -> Duration {
        if self.dialect.keys_enforced { self.patience } else { self.patience + LEASE_WAIT }
    }

    async fn give_back(&mut self, lease: Option<Lease>) {
        if lease.is_some()
            && let Ok((mut store, landing)) = self.parts()
        {
            landing.hint = store.give_back(lease).await;
        }
    }

    async fn plan_and_land(&mut self, entries: &[Entry], local: &mut LocalStore, lease: Option<&Lease>) -> Result<Sent> {
        let plan = within(self.patience, self.plan(entries, local)).await??;
        if !plan.conflicts.is_empty() || !plan.absent.is_empty() {
            return Ok(Sent::SetAside(plan));
        }
        Ok(match self.land(entries, plan, local, lease).await? {
            Ok(()) => Sent::Landed,
            Err(failure) => Sent::Failed(failure),
        })
    }

    /// Sends entries, apart where the store does not take one of them.
    async fn send(&mut self, batch: Vec<Entry>, local: &mut LocalStore, reporter: &dyn Reporter, drained: &mut Drained) -> Result<()> {
        let mut waiting = VecDeque::from([batch]);
        let mut refused: HashSet<String> = HashSet::new();
        let mut tries = 0;
        while let Some(entries) = waiting.pop_front() {
            let entries: Vec<Entry> = entries.into_iter().filter(|entry| !refused.contains(&entry.write.run_id)).collect();
            if entries.is_empty() {
                continue;
            }
            let lease = self.lease().await?;
            let sent = self.plan_and_land(&entries, local, lease.as_ref()).await;
            self.give_back(lease).await;
            let failure = match sent? {
                Sent::SetAside(plan) => {
                    // What is left is planned anew, without what cannot be sent.
                    self.set_aside(plan, &entries, local, drained).await?;
                    return Ok(());
                }
                Sent::Landed => {
                    entries.iter().for_each(|entry| reporter.item(&entry.name(), "ok"));
                    drained.landed += entries.len() as u64;
                    tries = 0;
                    continue;
                }
                Sent::Failed(failure) => failure,
            };
            match failure {
                Failure::Database(error) if matches!(error.kind, ErrorKind::TooLong | ErrorKind::NotNull) => match entries.as_slice() {
                    [entry] => {
                        local.write(Durability::PowerCut, |writing| writing.refuse(entry, &error.message))?;
                        refused.insert(entry.write.run_id.clone());
                        reporter.item(&entry.name(), "refused");
                        drained.quarantined.push((entry.name(), error.message));
                    }
                    _ => {
                        for part in apart(entries).into_iter().rev() {
                            waiting.push_front(part);
                        }
                    }
                },
                Failure::Database(error) if error.kind.may_pass() && error.kind != ErrorKind::Unreachable && tries < OVERTAKEN_TRIES => {
                    self.again(entries, local, &mut waiting, &mut tries).await?;
                }
                Failure::Overtaken if tries < OVERTAKEN_TRIES => self.again(entries, local, &mut waiting, &mut tries).await?,
                Failure::Database(error) => return Err(shared::refused(error, self.dialect, self.schema, Privilege::Write)),
                failure => return Err(failure.into()),
            }
        }
        Ok(())
    }

    /// Makes ready for another try after someone else was in the way.
    async fn again(
        &mut self,
        entries: Vec<Entry>,
        local: &mut LocalStore,
        waiting: &mut VecDeque<Vec<Entry>>,
        tries: &mut u32,
    ) -> Result<()> {
        waiting.push_front(entries);
        *tries += 1;
        tokio::time::sleep(pause(*tries)).await;
        self.begin_again(local).await
    }

    /// Learns how this installation stands now: another process of this machine may have moved it, or the store may have been set back while
    /// the line was open.
    async fn begin_again(&mut self, local: &mut LocalStore) -> Result<()> {
        let (patience, place, person) = (self.with_lease(), self.place.clone(), self.person);
        let (mut store, landing) = self.parts()?;
        *landing = within(patience, Landing::begin(&mut store, local, &place, person)).await??;
        Ok(())
    }

    /// What the entries make of what the store has now. Nothing is written.
    async fn plan(&mut self, entries: &[Entry], local: &mut LocalStore) -> Result<Plan> {
        let (mut store, landing) = self.parts()?;
        let stored = store.runs(&ids_of(entries)).await?;
        let named = entries.iter().filter(|entry| stored.contains_key(&entry.write.run_id));
        let wanted: BTreeSet<(&str, &str)> =
            named.flat_map(|entry| entry.write.objects().map(|object| (entry.write.run_id.as_str(), object))).collect();
        let wanted: Vec<(&str, &str)> = wanted.into_iter().collect();
        let results = if wanted.is_empty() { BTreeMap::new() } else { store.results_of(&wanted).await? };
        let mut before = Before::default();
        let mut rows: BTreeMap<String, RunRows> = BTreeMap::new();
        for (run_id, run) in stored {
            before.runs.insert(run_id.clone(), run.stamp.clone());
            rows.insert(run_id, RunRows { run: Some(run), ..RunRows::default() });
        }
        for ((run_id, qname), result) in results {
            before.results.insert((run_id.clone(), qname.clone()), result.stamp.clone());
            rows.entry(run_id).or_default().results.insert(qname, result);
        }
        let mut plan = Plan { rows, before, conflicts: vec![], absent: vec![] };
        let mut in_conflict: HashSet<&str> = HashSet::new();
        for entry in entries {
            let write = &entry.write;
            if in_conflict.contains(write.run_id.as_str()) {
                continue;
            }
            let rows = plan.rows.entry(write.run_id.clone()).or_default();
            lend_missing(write, rows, local, &landing.installation)?;
            match write.apply(rows, &landing.installation) {
                Applied::Done => {}
                Applied::Absent => plan.absent.push(entry.id),
                Applied::Conflict(reason) => {
                    in_conflict.insert(&write.run_id);
                    plan.conflicts.push((write.run_id.clone(), reason));
                }
            }
        }
        Ok(plan)
    }

    /// Moves what cannot be sent out of the way: a minted id that is taken is minted again, another one goes into quarantine.
    async fn set_aside(&mut self, plan: Plan, entries: &[Entry], local: &mut LocalStore, drained: &mut Drained) -> Result<()> {
        let destination = local.destination(&self.place)?;
        for (run_id, reason) in plan.conflicts {
            let of_run: Vec<&Entry> = entries.iter().filter(|entry| entry.write.run_id == run_id).collect();
            if let Some(entry) = of_run.first().filter(|entry| entry.minted)
                && let Some(stored) = self.runs(&[&run_id]).await?.get(&run_id)
            {
                self.mint_again(entry, stored, local).await?;
                continue;
            }
            local.write(Durability::PowerCut, |writing| writing.quarantine_run(&destination, &run_id, reason))?;
            drained.quarantined.extend(of_run.iter().map(|entry| (entry.name(), reason.to_string())));
        }
        for entry in entries.iter().filter(|entry| plan.absent.contains(&entry.id)) {
            let reason = "the store has no such run, and neither has this machine";
            local.write(Durability::PowerCut, |writing| writing.refuse(entry, reason))?;
            drained.quarantined.push((entry.name(), reason.into()));
        }
        Ok(())
    }

    /// Gives a run of which nobody was told another id.
    async fn mint_again(&mut self, entry: &Entry, stored: &StoredRun, local: &mut LocalStore) -> Result<()> {
        loop {
            let free = self.free_id(&entry.write, local).await?;
            let Landing { store_id, installation, .. } = self.parts()?.1.clone();
            let minted = local.write(Durability::PowerCut, |writing| {
                let minted = writing.mint_again(entry, &free, stored)?;
                writing.reapply(&store_id, &entry.write.run_id, &installation)?;
                Ok(minted)
            })?;
            if minted.is_some() {
                return Ok(());
            }
        }
    }

    /// The next id of this machine for that run that is free both here and in the store.
    async fn free_id(&mut self, write: &Write, local: &mut LocalStore) -> Result<String> {
        loop {
            let candidates = local.write(Durability::Process, |writing| {
                let mut candidates = vec![];
                let first = writing.next_of_day(&day(write))?;
                for ahead in 0..CANDIDATES {
                    let run_id = minted_id(write.started_at, first + ahead);
                    if writing.run(&run_id)?.is_none() {
                        candidates.push((first + ahead, run_id));
                    }
                }
                Ok(candidates)
            })?;
            let ids: Vec<&str> = candidates.iter().map(|(_, run_id)| run_id.as_str()).collect();
            let taken = self.runs(&ids).await?;
            let free = candidates.iter().find(|(_, run_id)| !taken.contains_key(run_id));
            let reached = free.or(candidates.last()).map(|(number, _)| *number).unwrap_or_default();
            local.write(Durability::Process, |writing| writing.day_has_reached(&day(write), reached))?;
            if let Some((_, run_id)) = free {
                return Ok(run_id.clone());
            }
        }
    }

    /// Lands a batch: all of it or nothing. That it is sent is noted before, and that it landed after.
    async fn land(&mut self, entries: &[Entry], plan: Plan, local: &mut LocalStore, lease: Option<&Lease>) -> Result<Result<(), Failure>> {
        let patience = self.patience;
        let (mut store, landing) = self.parts()?;
        let Landing { store_id, installation, epoch, landed, .. } = landing.clone();
        let number = landed.max(local.attempted(&store_id, &installation)?) + 1;
        let mut rows = plan.rows;
        for rows in rows.values_mut() {
            number_rows(rows, number);
        }
        let batch = Batch { installation: installation.clone(), from: landed, number, parts: parts(&rows, &plan.before) };
        let ids = || entries.iter().map(|entry| entry.id);
        local.write(Durability::Process, |writing| writing.attempt(&store_id, &installation, ids(), number))?;
        let sent = match tokio::time::timeout(patience, store.land(batch, lease)).await {
            Ok(sent) => sent,
            Err(_) => Err(NotLanded { failure: no_answer(patience).into(), in_doubt: true }),
        };
        if let Err(NotLanded { failure, in_doubt }) = sent {
            // Where it is not known whether the batch landed, that is found out before anything is sent again.
            if !in_doubt {
                local.write(Durability::Process, |writing| writing.not_landed(ids()))?;
            }
            return Ok(Err(failure));
        }
        landing.landed = number;
        local.write(Durability::Process, |writing| {
            writing.acknowledge(ids())?;
            writing.remember(&store_id, &installation, &epoch, number)?;
            writing.pass_own(&store_id, &installation, &epoch, landed, number)?;
            for (run_id, rows) in &rows {
                writing.put_touched(rows)?;
                if let (Some(own), Some(run)) = (&rows.same_as, &rows.run) {
                    writing.adopt(&store_id, run_id, own, run.stamp.origin.as_deref().unwrap_or_default())?;
                }
                writing.reapply(&store_id, run_id, &installation)?;
            }
            Ok(())
        })?;
        Ok(Ok(()))
    }
}

/// Gives the rows what the store lacks and this machine has: a run that was recorded while no store was in use, or that a store which was set
/// back has lost.
fn lend_missing(write: &Write, rows: &mut RunRows, local: &mut LocalStore, installation: &str) -> Result<()> {
    if rows.run.is_none() && write.run.is_none() {
        let here = local.whole(&write.run_id)?;
        if let Some(run) = &here.run {
            let owner = run.stamp.origin.clone().unwrap_or_default();
            let results = here
                .results
                .values()
                .map(|stored| crate::store::write::WrittenResult { result: stored.result.clone(), origin: stored.stamp.origin.clone() });
            Write { results: results.collect(), ..Write::of_run(&run.run, &owner) }.apply(rows, installation);
        }
    }
    if write.applied.iter().any(|qname| !rows.results.contains_key(qname)) {
        let mut here = local.rows(write)?;
        for qname in write.applied.iter().filter(|qname| !rows.results.contains_key(*qname)).cloned().collect::<Vec<_>>() {
            if let Some(result) = here.results.remove(&qname) {
                rows.results.insert(qname, result);
            }
        }
    }
    Ok(())
}

fn ids_of(entries: &[Entry]) -> Vec<&str> {
    let ids: BTreeSet<&str> = entries.iter().map(|entry| entry.write.run_id.as_str()).collect();
    ids.into_iter().collect()
}

type Found = (BTreeMap<String, StoredRun>, BTreeMap<(String, String), StoredResult>);

/// The rows that those entries are about, where they show that a batch with a number of this installation landed. Of a transaction one row tells.
/// Where a batch is none, all of its rows must bear the number: it may have ended half-way.
async fn written(store: &mut SharedStore<'_>, installation: &str, number: i64, entries: &[Entry]) -> Result<Option<Found>> {
    let ours = |stamp: &Stamp| stamp.landing == Some(number) && stamp.writer.as_deref() == Some(installation);
    let runs = store.runs(&ids_of(entries)).await?;
    let wanted: BTreeSet<(&str, &str)> =
        entries.iter().flat_map(|entry| entry.write.objects().map(|object| (entry.write.run_id.as_str(), object))).collect();
    let results = store.results_of(&wanted.into_iter().collect::<Vec<_>>()).await?;
    let landed = match store.has_transactions() {
        true => runs.values().any(|run| ours(&run.stamp)) || results.values().any(|result| ours(&result.stamp)),
        false => entries.iter().map(|entry| &entry.write).all(|write| {
            let run = write.item() == Item::Results || runs.get(&write.run_id).is_some_and(|run| ours(&run.stamp));
            let result = |object: &str| results.get(&(write.run_id.clone(), object.into())).is_some_and(|result| ours(&result.stamp));
            run && write.objects().all(result)
        }),
    };
    Ok(landed.then_some((runs, results)))
}

fn number_rows(rows: &mut RunRows, number: i64) {
    if let Some(run) = rows.run.as_mut().filter(|_| rows.run_touched) {
        run.stamp.landing = Some(number);
    }
    for qname in &rows.touched {
        if let Some(result) = rows.results.get_mut(qname) {
            result.stamp.landing = Some(number);
        }
    }
}

/// The parts of a batch: the new runs, the new results, and a change of each row that was there. A row that somebody else has changed since it was
/// read makes the batch be planned anew.
fn parts<'r>(rows: &BTreeMap<String, RunRows>, before: &Before) -> Vec<Part<'r>> {
    let (mut new_runs, mut new_results, mut changed_runs, mut changed_results) = (vec![], vec![], vec![], vec![]);
    for (run_id, rows) in rows {
        let touched_run = rows.run.as_ref().filter(|_| rows.run_touched);
        match (touched_run, before.runs.get(run_id)) {
            (Some(run), None) => new_runs.push(shared::run_row(&run.run, run_id, &run.stamp)),
            (Some(run), Some(old)) => {
                let key = key(vec![("run_id", run_id.as_str().into())], old);
                changed_runs.push(Change { set: shared::run_changes(run), key });
            }
            (None, _) => {}
        }
        for qname in &rows.touched {
            let Some(result) = rows.results.get(qname) else { continue };
            match before.results.get(&(run_id.clone(), qname.clone())) {
                None => new_results.push(shared::result_row(run_id, &result.result, &result.stamp)),
                Some(old) => {
                    let key = key(vec![("run_id", run_id.as_str().into()), ("target_qname", qname.as_str().into())], old);
                    changed_results.push(Change { set: shared::result_changes(result), key });
                }
            }
        }
    }
    vec![
        Part::Runs(new_runs.len(), Box::new(new_runs.into_iter())),
        Part::Results(new_results.len(), Box::new(new_results.into_iter())),
        Part::ChangedRuns(changed_runs),
        Part::ChangedResults(changed_results),
    ]
}

/// A key with the row's version. A row that no sync has ever stamped has none.
fn key(mut key: Vec<(&'static str, crate::driver::Value)>, old: &Stamp) -> Vec<(&'static str, crate::driver::Value)> {
    if let (Some(writer), Some(landing)) = (&old.writer, old.landing) {
        key.extend([("writer", writer.as_str().into()), ("landing", landing.into())]);
    }
    key
}

/// A batch in smaller ones: by run, else by entry. The order within a run stays.
fn apart(entries: Vec<Entry>) -> Vec<Vec<Entry>> {
    let mut by_run: Vec<(String, Vec<Entry>)> = vec![];
    let mut at: HashMap<String, usize> = HashMap::new();
    for entry in entries {
        let place = *at.entry(entry.write.run_id.clone()).or_insert_with(|| {
            by_run.push((entry.write.run_id.clone(), vec![]));
            by_run.len() - 1
        });
        if let Some((_, of_run)) = by_run.get_mut(place) {
            of_run.push(entry);
        }
    }
    let mut parts: Vec<Vec<Entry>> = by_run.into_iter().map(|(_, entries)| entries).collect();
    if parts.len() == 1 {
        parts = parts.into_iter().flatten().map(|entry| vec![entry]).collect();
    }
    parts
}

/// The pause before a further try.
fn pause(tries: u32) -> Duration {
    (FIRST_PAUSE * 2_u32.saturating_pow(tries.saturating_sub(1).min(10))).min(LONGEST_PAUSE)
}

fn no_answer(patience: Duration) -> DriverError {
    DriverError::new(ErrorKind::Unreachable, format!("no answer within {} s", patience.as_secs()))
}

async fn within<T>(patience: Duration, work: impl Future<Output = T>) -> Result<T> {
    tokio::time::timeout(patience, work).await.map_err(|_| no_answer(patience).into())
}

/// The day of a run, as this machine counts them.
pub(super) fn day(write: &Write) -> String {
    write.started_at.format("%Y-%m-%d").to_string()
}

/// The id of this machine's so-and-so-manieth run of a day.
pub(super) fn minted_id(started_at: chrono::DateTime<chrono::Utc>, number: i64) -> String {
    format!("run_{}-{number:03}", started_at.format("%Y-%m-%d_%H-%M"))
}
