//! What AMX writes through: every operation is durable in the local store first, with its entry in the outbox, and then goes to the shared one.
//!
//! ```no_run
//! use amx_schema::store::{local::LocalStore, source::Person};
//! use amx_schema::sync::record::{Recorder, Shared};
//!
//! # async fn example() -> amx_schema::error::Result<()> {
//! let person = Person { who: "alice@acme.com".into(), hostname: "laptop".into() };
//! let local = LocalStore::open("/home/alice/.amx".as_ref())?;
//! // Without a shared store; `examples/record.rs` has one.
//! let mut recorder = Recorder::new(local, Shared::Disabled, &person);
//! let answers = recorder.record(&[r#"{"op":"run","scope":"sales"}"#.as_bytes()]).await?;
//! assert!(answers[0].is_ok());
//! # Ok(())
//! # }
//! ```

use super::flush::{Link, day, minted_id};
use super::operation::{Changes, NewRun, Operation, bad};
use crate::error::{Code, Error, Result};
use crate::history::State;
use crate::report::Silent;
use crate::store::local::{Durability, LocalStore, Writing};
use crate::store::outbox::{Destination, Quarantine, busy};
use crate::store::shared::{RESULTS, RUNS};
use crate::store::source::Person;
use crate::store::write::{Applied, Write};
use chrono::{DateTime, SubsecRound, Utc};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How long a store that did not answer is left alone at first; it doubles from there.
const FIRST_REST: Duration = Duration::from_secs(1);
/// How long at most.
const LONGEST_REST: Duration = Duration::from_secs(30);

/// The shared store that operations go to.
pub enum Shared<'a> {
    /// None is in use.
    Disabled,
    /// That one.
    Enabled(Box<Link<'a>>),
}

/// What became of an operation on its way to the shared store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Sent {
    /// It is there.
    Written,
    /// It waits in the outbox.
    Queued,
    /// Its run's id is another run's there; it is kept in quarantine.
    Conflict,
    /// No shared store is in use.
    Disabled,
}

/// The acknowledgement of an operation that is durable in the local store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The run, also where its id was minted.
    pub run_id: String,
    /// The operation's word.
    pub op: &'static str,
    /// Always true: what is not durable locally is answered with an error.
    pub local: bool,
    /// What became of it.
    pub shared: Sent,
}

/// Takes operations.
pub struct Recorder<'a> {
    local: LocalStore,
    shared: Shared<'a>,
    person: &'a Person,
    /// Until when the store that did not answer is left alone, and how long the next rest is.
    resting: Option<(Instant, Duration)>,
    /// What the caller is to be warned of.
    warnings: Vec<String>,
    warned: Option<Code>,
}

/// An operation that is in the local store.
struct Taken {
    run_id: String,
    op: &'static str,
    /// Its entry in the outbox; none where no store is in use.
    entry: Option<i64>,
    /// How it stands before anything was sent.
    sent: Sent,
}

impl<'a> Recorder<'a> {
    /// A recorder over a local store.
    pub fn new(local: LocalStore, shared: Shared<'a>, person: &'a Person) -> Recorder<'a> {
        Recorder { local, shared, person, resting: None, warnings: vec![], warned: None }
    }

    /// What the caller is to be told beside the answers, since it was last asked.
    pub fn warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// Takes operations, one JSON object each, in one local transaction, sends what waits, and answers each in order.
    ///
    /// # Errors
    /// What the local store says: then none of them was taken. What is wrong with one operation is its own answer: `bad_record`,
    /// `run_unknown`, `state_invalid`.
    pub async fn record(&mut self, lines: &[&[u8]]) -> Result<Vec<Result<Answer>>> {
        let operations: Vec<Result<Operation>> = lines.iter().map(|line| Operation::parse(line, self.person)).collect();
        self.fetch_missing(&operations).await?;
        let place = match &self.shared {
            Shared::Disabled => None,
            Shared::Enabled(link) => Some(&link.place),
        };
        let (person, installation) = (self.person, self.local.installation()?);
        let now = Utc::now().trunc_subsecs(6);
        let taken: Vec<Result<Taken>> = self.local.write(Durability::PowerCut, |writing| {
            // Asked for within: another process that learns the store's id meanwhile would not find what is queued without it.
            let destination = place.map(|place| writing.destination(place)).transpose()?;
            let taker = Taker { writing, destination: destination.as_ref(), installation: &installation, person, now };
            let mut taken = vec![];
            for operation in operations {
                match operation {
                    Ok(operation) => taken.push(taker.take(operation)?),
                    Err(error) => taken.push(Err(error)),
                }
            }
            Ok(taken)
        })?;
        self.send().await?;
        let runs = taken.iter().flatten().filter(|taken| taken.op == "run").filter_map(|taken| taken.entry);
        let minted = self.local.tell_minted(runs.collect())?;
        let mut answers = vec![];
        for taken in taken {
            answers.push(match taken {
                Ok(taken) => Ok(self.answer(taken, &minted)?),
                Err(error) => Err(error),
            });
        }
        Ok(answers)
    }

    /// Ends the stream and gives the local store back.
    pub async fn close(mut self) -> LocalStore {
        if let Shared::Enabled(link) = &mut self.shared {
            link.close().await;
        }
        self.local
    }

    /// Brings runs and results that the operations name and the cache lacks, where the shared store can be asked. Anyone may write anyone's run.
    async fn fetch_missing(&mut self, operations: &[Result<Operation>]) -> Result<()> {
        let Shared::Enabled(link) = &mut self.shared else { return Ok(()) };
        let mut runs: BTreeSet<&str> = BTreeSet::new();
        let mut results: BTreeSet<(&str, &str)> = BTreeSet::new();
        let changes = |operation: &'_ Result<Operation>| match operation {
            Ok(Operation::Results(changes) | Operation::Update(changes)) => Some(changes.clone()),
            _ => None,
        };
        let all: Vec<Changes> = operations.iter().filter_map(changes).collect();
        let begun: BTreeSet<&str> = operations
            .iter()
            .filter_map(|operation| match operation {
                Ok(Operation::Run(new)) => new.run_id.as_deref(),
                _ => None,
            })
            .collect();
        self.local.write(Durability::Process, |writing| {
            for changes in &all {
                let written = changes.results.iter().map(|result| result.target_qname.as_str()).collect::<BTreeSet<_>>();
                let wanted: Vec<&str> = changes.applied.iter().map(String::as_str).filter(|qname| !written.contains(qname)).collect();
                let rows = writing.rows(&changes.run_id, wanted.iter().copied())?;
                if rows.run.is_none() && !begun.contains(changes.run_id.as_str()) {
                    runs.insert(&changes.run_id);
                }
                let missing = wanted.into_iter().filter(|qname| !rows.results.contains_key(*qname));
                results.extend(missing.map(|qname| (changes.run_id.as_str(), qname)));
            }
            Ok(())
        })?;
        if runs.is_empty() && results.is_empty() {
            return Ok(());
        }
        if self.resting.is_some_and(|(until, _)| Instant::now() < until) {
            return Ok(());
        }
        let asked = Instant::now();
        if !link.is_open() {
            // Only one process at a time finds out how this installation stands.
            let Some(_drainer) = self.local.drainer(link.patience).await? else {
                self.rest(&busy(), asked);
                return Ok(());
            };
            if let Err(error) = link.open(&mut self.local).await {
                self.rest(&error, asked);
                return Ok(());
            }
        }
        let ids: BTreeSet<&str> = runs.iter().copied().chain(results.iter().map(|(run_id, _)| *run_id)).collect();
        let found = async {
            let runs = link.runs(&ids.into_iter().collect::<Vec<_>>()).await?;
            let results = link.results(&results.into_iter().collect::<Vec<_>>()).await?;
            Ok::<_, Error>((runs, results))
        };
        match found.await {
            Err(error) => self.rest(&error, asked),
            Ok((runs, results)) => self.local.write(Durability::Process, |writing| {
                for (run_id, run) in &runs {
                    if writing.run(run_id)?.is_none() {
                        writing.put_run(run)?;
                    }
                }
                for ((run_id, _), result) in &results {
                    // A run that landed only after it was asked for is not here yet, and its results need it.
                    if writing.run(run_id)?.is_some() && writing.result(run_id, &result.result.target_qname)?.is_none() {
                        writing.put_result(run_id, result)?;
                    }
                }
                Ok(())
            })?,
        }
        Ok(())
    }

    /// Sends what waits, unless the store is being left alone. What stops it is a warning: every operation is durable already.
    async fn send(&mut self) -> Result<()> {
        let Shared::Enabled(link) = &mut self.shared else { return Ok(()) };
        if self.resting.is_some_and(|(until, _)| Instant::now() < until) {
            return Ok(());
        }
        let asked = Instant::now();
        let Some(_drainer) = self.local.drainer(link.patience).await? else {
            self.rest(&busy(), asked);
            return Ok(());
        };
        let mut drained = link.drain(&mut self.local, &Silent).await?;
        match drained.stopped.take() {
            Some(error) => self.rest(&error, asked),
            None => (self.resting, self.warned) = (None, None),
        }
        for (name, reason) in &drained.quarantined {
            self.warnings.push(format!("{name} is in quarantine: {reason}"));
        }
        Ok(())
    }

    /// Leaves a store alone that does not take anything just now, each time for longer, and for no less than it was waited for.
    fn rest(&mut self, error: &Error, asked: Instant) {
        let rest = self.resting.map_or(FIRST_REST, |(_, rest)| (rest * 2).min(LONGEST_REST)).max(asked.elapsed());
        self.resting = Some((Instant::now() + rest, rest));
        if self.warned.replace(error.code) != Some(error.code) {
            self.warnings.push(format!("{}; writes are kept here and queued", error.message));
        }
    }

    fn answer(&mut self, taken: Taken, minted: &BTreeMap<i64, String>) -> Result<Answer> {
        let run_id = taken.entry.and_then(|entry| minted.get(&entry).cloned()).unwrap_or(taken.run_id);
        let shared = match (taken.sent, taken.entry, &self.shared) {
            (Sent::Queued, Some(entry), Shared::Enabled(link)) => {
                let destination = self.local.destination(&link.place)?;
                match self.local.fate(entry, &run_id, &destination)? {
                    None => Sent::Written,
                    Some(Quarantine::Conflict) => Sent::Conflict,
                    Some(Quarantine::No | Quarantine::Refused) => Sent::Queued,
                }
            }
            (sent, ..) => sent,
        };
        Ok(Answer { run_id, op: taken.op, local: true, shared })
    }
}

/// Takes operations into the local store.
struct Taker<'t> {
    writing: &'t Writing<'t>,
    destination: Option<&'t Destination>,
    installation: &'t str,
    person: &'t Person,
    now: DateTime<Utc>,
}

impl Taker<'_> {
    /// Takes one operation, or says why it cannot be taken; then nothing of it was.
    fn take(&self, operation: Operation) -> Result<Result<Taken>> {
        let op = operation.word();
        let taken = match operation {
            Operation::Run(new) => self.begin(*new)?,
            Operation::Results(changes) | Operation::Update(changes) => self.change(changes)?,
        };
        Ok(taken.map(|(run_id, entry, sent)| Taken { run_id, op, entry, sent }))
    }

    fn begin(&self, new: NewRun) -> Result<Result<(String, Option<i64>, Sent)>> {
        let NewRun { run_id: given, started_at, mut run } = new;
        let known = match &given {
            // Under the id of a run in conflict the cache has the other one.
            Some(run_id) if self.in_conflict(run_id)? => self.writing.folded(run_id)?.run,
            Some(run_id) => self.writing.run(run_id)?,
            None => None,
        };
        let mut owner = self.installation.to_string();
        run.started_at = started_at.unwrap_or(self.now);
        if let Some(known) = &known
            && self.writing.is_own(&known.stamp)?
        {
            // Given again, as by a client that did not see the answer.
            owner = known.stamp.origin.clone().unwrap_or(owner);
            run.started_at = started_at.unwrap_or(known.run.started_at);
        }
        run.run_id = match &given {
            Some(run_id) => run_id.clone(),
            None => self.mint(&Write::of("", &owner, run.started_at))?,
        };
        if run.attribution.local_id.is_none() {
            run.attribution.local_id = Some(match &known {
                Some(known) => known.run.attribution.local_id.unwrap_or_default(),
                None => self.writing.next_local_id(RUNS)?,
            });
        }
        let write = Write::of_run(&run, &owner);
        let taken = self.put(write)?;
        if let (Ok((_, Some(entry), Sent::Queued)), None) = (&taken, &given) {
            self.writing.note_minted(*entry)?;
        }
        Ok(taken)
    }

    fn change(&self, mut changes: Changes) -> Result<Result<(String, Option<i64>, Sent)>> {
        let written: BTreeSet<String> = changes.results.iter().map(|result| result.target_qname.clone()).collect();
        let rows = match self.in_conflict(&changes.run_id)? {
            true => self.writing.folded(&changes.run_id)?,
            false => {
                self.writing.rows(&changes.run_id, changes.applied.iter().map(String::as_str).chain(written.iter().map(String::as_str)))?
            }
        };
        let Some(run) = &rows.run else {
            let message = format!("there is no run {} here", changes.run_id);
            let hint = "record the run first; a teammate's run comes with `amx-schema pull-from-shared`";
            return Ok(Err(Error::new(Code::RunUnknown, message, hint)));
        };
        if let Some(missing) = changes.applied.iter().find(|qname| !rows.results.contains_key(*qname) && !written.contains(*qname)) {
            return Ok(Err(bad(format!("run {} has no result for {missing}", changes.run_id))));
        }
        if let (Some(next), Some(state)) = (changes.state, State::from_word(&run.state_word))
            && next != state
            && !state.may_become(next)
        {
            let message = format!("run {} is {state} and cannot become {next}", changes.run_id);
            return Ok(Err(Error::new(Code::StateInvalid, message, "states go forward: running, reviewed, applied; or failed")));
        }
        let mut next_id = None;
        for result in &mut changes.results {
            if result.attribution.local_id.is_none() {
                let known = rows.results.get(&result.target_qname).and_then(|stored| stored.result.attribution.local_id);
                let fresh = match next_id {
                    Some(id) => id,
                    None => self.writing.next_local_id(RESULTS)?,
                };
                result.attribution.local_id = Some(known.unwrap_or(fresh));
                next_id = Some(if known.is_some() { fresh } else { fresh + 1 });
            }
        }
        let owner = run.stamp.origin.clone().unwrap_or_default();
        self.put(changes.write(&owner, run.run.started_at, self.now, self.person))
    }

    /// Writes into the local tables and the outbox.
    fn put(&self, write: Write) -> Result<Result<(String, Option<i64>, Sent)>> {
        let run_id = write.run_id.clone();
        let quarantine = match self.destination {
            Some(destination) => self.writing.quarantine_of(destination, &run_id)?,
            None => Quarantine::No,
        };
        let (mut conflict, mut landed) = (None, false);
        if quarantine == Quarantine::Conflict {
            conflict = Some("it belongs to a run in conflict");
        } else {
            let mut rows = self.writing.rows(&run_id, write.objects())?;
            landed = rows.run.as_ref().is_some_and(|run| run.stamp.landing.is_some());
            match write.apply(&mut rows, self.installation) {
                Applied::Done => self.writing.put_touched(&rows)?,
                Applied::Conflict(reason) => conflict = Some(reason),
                Applied::Absent => return Err(Error::internal("a write of a run that is not there was let through")),
            }
        }
        let Some(destination) = self.destination else {
            return Ok(match conflict {
                // Nothing but the local store could hold it, and that has another run under its id.
                Some(_) => Err(bad(format!("run {run_id} is another run of this machine's history; give another run_id"))),
                None => {
                    self.keep_for_its_store(&write, landed)?;
                    Ok((run_id, None, Sent::Disabled))
                }
            });
        };
        let (quarantine, sent, reason) = match (conflict, quarantine) {
            (Some(reason), _) => (Quarantine::Conflict, Sent::Conflict, Some(reason)),
            (None, Quarantine::No) => (quarantine, Sent::Queued, None),
            (None, _) => (quarantine, Sent::Queued, Some("it waits behind an earlier write of its run")),
        };
        let entry = self.writing.enqueue(destination, &write, quarantine, reason)?;
        Ok(Ok((run_id, Some(entry), sent)))
    }

    /// Queues a write that is made while no store is in use, where a store has its run already or will have it: for the day that it is
    /// enabled again, since a pull would set the run back else.
    fn keep_for_its_store(&self, write: &Write, landed: bool) -> Result<()> {
        if let Some(store_id) = self.writing.cached_store()? {
            let destination = Destination { place: String::new(), store_id: Some(store_id) };
            if landed || self.writing.is_queued(&destination, &write.run_id)? {
                self.writing.enqueue(&destination, write, Quarantine::No, None)?;
            }
        }
        Ok(())
    }

    fn in_conflict(&self, run_id: &str) -> Result<bool> {
        Ok(match self.destination {
            Some(destination) => self.writing.quarantine_of(destination, run_id)? == Quarantine::Conflict,
            None => false,
        })
    }

    /// This machine's next id for a run of that start.
    fn mint(&self, write: &Write) -> Result<String> {
        loop {
            let run_id = minted_id(write.started_at, self.writing.next_of_day(&day(write))?);
            if self.writing.run(&run_id)?.is_none() && !self.in_conflict(&run_id)? {
                return Ok(run_id);
            }
        }
    }
}
