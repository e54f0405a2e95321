//! Moves a history into the shared store: planned against what the store has, landed batch by batch, and right whenever it is run again.

mod large;
mod plan;

use super::Connect;
use super::landing::Landing;
use super::merge::OnConflict;
use super::reader::{self, Read, ReadRun};
use crate::dialect::{Dialect, SchemaName};
use crate::driver::{Counted, Driver, ErrorKind, Failure};
use crate::error::{Code, Error, Result};
use crate::history::BadRow;
use crate::report::Reporter;
use crate::store::batch::NotLanded;
use crate::store::lease::Lease;
use crate::store::local::{Known, LocalStore, hash};
use crate::store::outbox::Place;
use crate::store::shared::{self, Privilege, SharedStore, StoredRun};
use crate::store::source::{Person, Source};
use plan::{Outcome, THERE};
use serde::Serialize;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often a batch is tried where the line broke or someone else was in the way.
const TRIES: u32 = 6;
/// How often where another process of this machine landed its own batch first: that one comes to an end too.
const OVERTAKEN_TRIES: u32 = 100;
/// The pause before the second try; it doubles from there.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// How many runs of the journal are compared with the store at once.
const JOURNAL_PAGE: usize = 500;
/// How an import is to go.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Copy a run without its bad rows instead of leaving it out.
    pub skip_errors: bool,
    /// Find out what would happen, and write nothing.
    pub dry_run: bool,
    /// What to do with conflicts.
    pub on_conflict: OnConflict,
}

/// A run that was left out because its id is another run's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// The run.
    pub run_id: String,
    /// Why, in one clause.
    pub reason: String,
}

/// What an import did. `results_*` count one per object, after re-runs of an object are merged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Runs of the source, teammates' left out.
    pub runs_found: u64,
    /// Runs that the store did not have.
    pub runs_imported: u64,
    /// Runs of which something changed.
    pub runs_updated: u64,
    /// Runs that were there already.
    pub runs_skipped: u64,
    /// Runs that were left out because of a bad row.
    pub runs_failed: u64,
    /// Results that the store did not have.
    pub results_imported: u64,
    /// Results of which something changed.
    pub results_updated: u64,
    /// Results that were there already.
    pub results_skipped: u64,
    /// Runs that were left out because of a conflict.
    pub conflicts: Vec<Conflict>,
    /// Rows that cannot be stored.
    pub failures: Vec<BadRow>,
    /// Of a dry run: about how many statements the import will send.
    pub statements: Option<u64>,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
}

/// A file to import from.
pub struct SourceFile {
    /// Where it is.
    pub path: PathBuf,
    /// How many own runs it has, bad ones included.
    pub found: u64,
    /// Its content.
    pub source: Box<dyn Source>,
    /// For an amx-cli file, whose runs have no owner of their own: what it looked like before it was opened.
    pub fingerprint: Option<String>,
}

/// An import into one store.
pub struct Importer<'a> {
    /// The connection.
    pub driver: Box<dyn Driver>,
    /// How to get another one.
    pub connect: &'a dyn Connect,
    /// The store's dialect.
    pub dialect: &'a Dialect,
    /// The store's schema.
    pub schema: &'a SchemaName,
    /// Where the store is, as this machine knows it.
    pub place: &'a Place,
    /// The journal.
    pub local: &'a mut LocalStore,
    /// Who imports.
    pub person: &'a Person,
    /// How.
    pub options: Options,
    /// Who hears of progress.
    pub reporter: &'a dyn Reporter,
}

impl<'a> Importer<'a> {
    /// Imports one file after the other and says what came of it, also where it stopped half-way: then with the error.
    ///
    /// # Errors
    /// What the driver says before anything is read. After that the error is beside the report: what the driver says, or `local_store_corrupt`
    /// where a source cannot be read on. Bad rows and conflicts are in the report.
    pub async fn run(mut self, files: Vec<SourceFile>) -> Result<(Report, Option<Error>)> {
        let started = Instant::now();
        let (asked, dry_run) = (Arc::new(AtomicU64::new(0)), self.options.dry_run);
        if dry_run {
            self.driver = Counted::over(self.driver, Arc::clone(&asked));
        }
        let mut work = Work::begin(self).await?;
        work.import.reporter.begin(files.iter().map(|file| file.found).sum());
        let mut stopped = None;
        for file in files {
            stopped = work.file(file).await.err();
            if stopped.is_some() {
                break;
            }
        }
        work.import.reporter.end();
        work.import.driver.close().await;
        if dry_run {
            // The import asks what this one asked, and writes.
            work.report.statements = Some(asked.load(Ordering::Relaxed) + work.to_send);
        }
        work.report.elapsed_ms = started.elapsed().as_millis() as u64;
        Ok((work.report, stopped))
    }
}

impl Importer<'_> {
    fn store(&mut self) -> SharedStore<'_> {
        SharedStore::new(self.driver.as_mut(), self.dialect, self.schema)
    }

    /// How this installation stands in the store; it is entered there where it is new, but by a dry run.
    async fn landing(&mut self) -> Result<Landing> {
        let mut store = SharedStore::new(self.driver.as_mut(), self.dialect, self.schema);
        match self.options.dry_run {
            true => Landing::look(&mut store, self.local).await,
            false => Landing::begin(&mut store, self.local, self.place, self.person).await,
        }
    }
}

/// An import that is under way.
struct Work<'a> {
    import: Importer<'a>,
    landing: Landing,
    by_start: bool,
    report: Report,
    /// How many statements a dry run left out.
    to_send: u64,
    /// The run whose first part this import has added, and whose further parts follow.
    adding: Option<String>,
}

impl<'a> Work<'a> {
    async fn begin(mut import: Importer<'a>) -> Result<Work<'a>> {
        let landing = import.landing().await?;
        Ok(Work { import, landing, by_start: false, report: Report::default(), to_send: 0, adding: None })
    }

    async fn file(&mut self, file: SourceFile) -> Result<()> {
        let found = file.found;
        self.report.runs_found += found;
        self.by_start = file.fingerprint.is_some();
        let owners = file.source.owners()?;
        if let Some(fingerprint) = &file.fingerprint
            && self.all_there(&file.path, fingerprint, &owners, found).await?
        {
            return Ok(());
        }
        let before = (self.report.failures.len(), self.report.conflicts.len(), self.results_seen());
        let mut known = Known::new();
        for owner in &owners {
            known.extend(self.import.local.known(&self.landing.store_id, owner)?);
        }
        let nothing_known = known.is_empty();
        let mut reading = reader::start(file.source, known, self.import.options.skip_errors);
        // Asked for while the source is read.
        let mut there = match nothing_known {
            true => HashMap::new(),
            false => self.runs_there(&owners).await?,
        };
        let mut lacking = HashSet::new();
        while let Some(read) = reading.recv().await {
            match read {
                Read::Batch(runs) => self.batch(runs).await?,
                Read::Large(run, again) => self.large(*run, again, &mut reading).await?,
                Read::Same(run_ids) => {
                    for run_id in run_ids {
                        match there.remove(&hash(run_id.as_bytes())) {
                            Some(results_skipped) => {
                                self.count(Outcome { run_id, word: THERE, results_skipped, ..Outcome::default() });
                            }
                            None => {
                                lacking.insert(run_id);
                            }
                        }
                    }
                }
                Read::End(again) => {
                    // Where nobody listens any more, its error comes next.
                    let _ = again.send(std::mem::take(&mut lacking));
                }
                Read::Failed(bad) => self.left_out(&bad.run_id.clone(), vec![bad]),
                Read::Broken(error) => return Err(error),
                // They follow a large run, which takes them all.
                Read::Chunk(_) | Read::LargeEnd => {}
            }
        }
        let clean = before.0 == self.report.failures.len() && before.1 == self.report.conflicts.len();
        if let Some(fingerprint) = file.fingerprint.filter(|_| clean && !self.import.options.dry_run) {
            let results = self.results_seen() - before.2;
            self.import.local.note_source(&self.landing.store_id, &file.path, &fingerprint, found, results)?;
        }
        Ok(())
    }

    fn results_seen(&self) -> u64 {
        self.report.results_imported + self.report.results_updated + self.report.results_skipped
    }

    /// Whether the file is as it was when all of it was last in the store, and the store still has all of it. The store is the truth:
    /// its counts are asked for, and a missing row makes the file be read again.
    async fn all_there(&mut self, path: &Path, fingerprint: &str, owners: &[String], found: u64) -> Result<bool> {
        let Some((known, runs, results)) = self.import.local.source(&self.landing.store_id, path)? else { return Ok(false) };
        // One that was sent and is no longer in the file would stand in for one that the store lacks.
        let mut sent = 0;
        for owner in owners {
            self.import.local.each_sent(&self.landing.store_id, owner, |_, _, _| sent += 1)?;
        }
        if known != fingerprint || runs != found || runs != sent || self.runs_there(owners).await?.len() as u64 != runs {
            return Ok(false);
        }
        for owner in owners {
            self.import.local.each_sent(&self.landing.store_id, owner, |run_id, _, _| self.import.reporter.item(run_id, THERE))?;
        }
        self.report.runs_skipped += runs;
        self.report.results_skipped += results;
        Ok(true)
    }

    /// The runs of these owners that the store has as the journal says, each with as many results as were sent at least; and that number, by
    /// the hash of the run's id.
    async fn runs_there(&mut self, owners: &[String]) -> Result<HashMap<u64, u64>> {
        let mut whole = HashMap::new();
        for owner in owners {
            let there = self.import.store().result_counts(owner).await?;
            let mut elsewhere = vec![];
            self.import.local.each_sent(&self.landing.store_id, owner, |run_id, sent_as, results| {
                match there.get(&hash(sent_as.as_bytes())) {
                    Some(counted) if *counted >= results => {
                        whole.insert(hash(run_id.as_bytes()), results);
                    }
                    Some(_) => {}
                    None => elsewhere.push((run_id.to_string(), sent_as.to_string(), results)),
                }
            })?;
            // Another owner's who brought them first, or not there.
            for page in elsewhere.chunks(JOURNAL_PAGE) {
                let ids: Vec<&str> = page.iter().map(|(_, sent_as, _)| sent_as.as_str()).collect();
                let mut store = self.import.store();
                let there = store.runs(&ids).await?;
                let counts = store.count_results(&ids).await?;
                for (run_id, sent_as, results) in page {
                    if there.contains_key(sent_as) && counts.get(sent_as).map_or(0, |count| *count as u64) >= *results {
                        whole.insert(hash(run_id.as_bytes()), *results);
                    }
                }
            }
        }
        Ok(whole)
    }

    /// Lands a batch of whole runs.
    async fn batch(&mut self, runs: Vec<ReadRun>) -> Result<()> {
        let skip_errors = self.import.options.skip_errors;
        let (mut good, bad): (Vec<_>, Vec<_>) = runs.into_iter().partition(|run| run.failures.is_empty() || skip_errors);
        for run in bad {
            self.left_out(&run.run.run_id, run.failures);
        }
        let outcomes = self.land(&good).await?;
        self.note(&outcomes)?;
        for (run, outcome) in good.iter_mut().zip(outcomes) {
            self.report.failures.append(&mut run.failures);
            self.count(outcome);
        }
        // To free thousands of texts takes as long as some round trips; the next batch need not wait for it.
        tokio::task::spawn_blocking(move || drop(good));
        Ok(())
    }

    /// Lands runs and says what came of each. Tries again where the line broke or someone else was in the way; where the engine does not
    /// take a value, finds the run that has it.
    async fn land(&mut self, runs: &[ReadRun]) -> Result<Vec<Outcome>> {
        let (mut tries, mut in_doubt) = (Tries::default(), None);
        loop {
            let failure = match self.try_to_land(runs, &mut in_doubt).await {
                Ok(outcomes) => return Ok(outcomes),
                Err(failure) => failure,
            };
            if let Some(reason) = refused(&failure) {
                return self.apart(runs, reason).await;
            }
            self.recover(failure, &mut tries).await?;
        }
    }

    /// Plans a batch and lands it. `in_doubt` is the number of one of which no answer came, and what it was to bring.
    async fn try_to_land(&mut self, runs: &[ReadRun], in_doubt: &mut Option<(i64, Vec<Outcome>)>) -> Result<Vec<Outcome>, Failure> {
        if let Some((landing, outcomes)) = in_doubt {
            if self.has_landed(*landing, outcomes).await? {
                return Ok(std::mem::take(outcomes));
            }
            *in_doubt = None;
        }
        let lease = self.lease().await?;
        let landed = self.plan_and_land(runs, lease.as_ref(), in_doubt).await;
        self.give_back(lease).await;
        landed
    }

    async fn plan_and_land(
        &mut self,
        runs: &[ReadRun],
        lease: Option<&Lease>,
        in_doubt: &mut Option<(i64, Vec<Outcome>)>,
    ) -> Result<Vec<Outcome>, Failure> {
        let mut plan = self.plan(runs).await?;
        if plan.is_empty() {
            // Nothing lands, so what is known of these runs belongs to the last number that was given.
            plan.outcomes.iter_mut().filter_map(|outcome| outcome.sent.as_mut()).for_each(|sent| sent.landing = self.landing.landed);
            return Ok(plan.outcomes);
        }
        let (batch, outcomes) = self.to_batch(plan);
        if self.import.options.dry_run {
            self.to_send += self.import.store().statements_for(&batch);
            return Ok(outcomes);
        }
        match self.import.store().land(batch, lease).await {
            Ok(()) => {
                self.landing.landed += 1;
                Ok(outcomes)
            }
            Err(NotLanded { failure, in_doubt: doubtful }) => {
                if doubtful {
                    *in_doubt = Some((self.landing.landed + 1, outcomes));
                }
                Err(failure)
            }
        }
    }

    /// Takes the store's lease, where it has one and something is to be written.
    async fn lease(&mut self) -> Result<Option<Lease>> {
        let import = &mut self.import;
        if import.options.dry_run {
            return Ok(None);
        }
        self.landing.lease(&mut SharedStore::new(import.driver.as_mut(), import.dialect, import.schema), import.person).await
    }

    async fn give_back(&mut self, lease: Option<Lease>) {
        if lease.is_some() {
            self.landing.hint = self.import.store().give_back(lease).await;
        }
    }

    /// Makes ready for another try, after a pause and over a new line where that is due.
    ///
    /// # Errors
    /// The failure, where the same again would not pass or has been tried often enough.
    async fn recover(&mut self, failure: Failure, tries: &mut Tries) -> Result<()> {
        let may_pass = broke(&failure)
            || match &failure {
                Failure::Overtaken => true,
                Failure::Database(error) => error.kind.may_pass(),
                Failure::Source(error) => error.code == Code::Locked,
            };
        let pause = tries.pause(&failure).filter(|_| may_pass);
        let Some(pause) = pause else {
            return Err(match failure {
                Failure::Database(error) => shared::refused(error, self.import.dialect, self.import.schema, Privilege::Write),
                failure => failure.into(),
            });
        };
        tokio::time::sleep(pause).await;
        if broke(&failure) {
            self.import.reporter.warn("the line to the database broke; connecting again");
            match self.import.connect.connect().await {
                Ok(driver) => self.import.driver = driver,
                // The next try fails at once, and counts.
                Err(error) if error.code == Code::Unreachable => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        match self.catch_up().await {
            Err(error) if error.code == Code::Unreachable => Ok(()),
            caught_up => caught_up,
        }
    }

    /// Learns how this installation stands now: another process of this machine may have moved it, and behind a new line may be a server that
    /// lacks what the one before it had.
    async fn catch_up(&mut self) -> Result<()> {
        let landing = self.import.landing().await?;
        if landing.store_id != self.landing.store_id {
            // What was found to be there already was there and not here.
            let message = format!("another store answers at {} than the one that the import began with", self.import.place.name);
            return Err(Error::new(Code::StoreMissing, message, "run the same command again; it goes into the store that is there then"));
        }
        self.landing = landing;
        Ok(())
    }

    /// Whether a batch of which no answer came did land: the runs that it was to add bear its number then.
    async fn has_landed(&mut self, landing: i64, outcomes: &[Outcome]) -> Result<bool> {
        let added = outcomes.iter().filter(|outcome| outcome.imported).filter_map(|outcome| outcome.sent.as_ref());
        let ids: Vec<&str> = added.map(|sent| sent.sent_as.as_str()).collect();
        let stored = self.import.store().runs(&ids).await?;
        let ours = |run: &StoredRun| run.stamp.landing == Some(landing) && run.stamp.writer.as_deref() == Some(&self.landing.installation);
        Ok(!ids.is_empty() && ids.iter().all(|id| stored.get(*id).is_some_and(ours)))
    }

    /// Lands runs one by one, so that one value that the engine does not take costs one run.
    async fn apart(&mut self, runs: &[ReadRun], reason: String) -> Result<Vec<Outcome>> {
        if let [run] = runs {
            return Ok(vec![Outcome::refused(run, reason)]);
        }
        let mut outcomes = vec![];
        for run in runs {
            outcomes.extend(Box::pin(self.land(std::slice::from_ref(run))).await?);
        }
        Ok(outcomes)
    }

    /// Writes what landed into the journal.
    fn note(&mut self, outcomes: &[Outcome]) -> Result<()> {
        if self.import.options.dry_run {
            return Ok(());
        }
        let sent: Vec<_> =
            outcomes.iter().filter_map(|outcome| Some((outcome.owner.as_str(), outcome.run_id.as_str(), outcome.sent.as_ref()?))).collect();
        if sent.is_empty() {
            return Ok(());
        }
        self.import.local.note_sent(
            &self.landing.store_id,
            &self.landing.installation,
            (&self.landing.epoch, self.landing.landed),
            sent.into_iter(),
        )
    }

    fn count(&mut self, outcome: Outcome) {
        self.import.reporter.item(&outcome.run_id, outcome.word);
        let report = &mut self.report;
        report.results_imported += outcome.results_imported;
        report.results_updated += outcome.results_updated;
        report.results_skipped += outcome.results_skipped;
        if let Some(bad) = outcome.refused {
            report.runs_failed += 1;
            report.failures.push(bad);
        } else if let Some(conflict) = outcome.conflict {
            report.conflicts.push(conflict);
        } else if outcome.imported {
            report.runs_imported += 1;
        } else if outcome.changed {
            report.runs_updated += 1;
        } else {
            report.runs_skipped += 1;
        }
    }

    fn left_out(&mut self, run_id: &str, failures: Vec<BadRow>) {
        self.import.reporter.item(run_id, "failed");
        self.report.runs_failed += 1;
        self.report.failures.extend(failures);
    }
}

/// How often a batch was tried.
#[derive(Default)]
struct Tries {
    failed: u32,
    overtaken: u32,
}

impl Tries {
    /// How long to wait before the next try; nothing where there is to be none.
    fn pause(&mut self, failure: &Failure) -> Option<Duration> {
        if matches!(failure, Failure::Overtaken) {
            self.overtaken += 1;
            return (self.overtaken < OVERTAKEN_TRIES).then_some(FIRST_PAUSE);
        }
        self.failed += 1;
        (self.failed < TRIES).then(|| FIRST_PAUSE * 2_u32.pow(self.failed - 1))
    }
}

/// Whether the line to the database broke.
fn broke(failure: &Failure) -> bool {
    match failure {
        Failure::Database(error) => error.kind == ErrorKind::Unreachable,
        Failure::Source(error) => error.code == Code::Unreachable,
        Failure::Overtaken => false,
    }
}

/// The engine's word where it does not take a value.
fn refused(failure: &Failure) -> Option<String> {
    match failure {
        Failure::Database(error) if matches!(error.kind, ErrorKind::TooLong | ErrorKind::NotNull) => Some(error.message.clone()),
        _ => None,
    }
}
