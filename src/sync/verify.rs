//! Compares the shared store with this home, run by run, by count and content hash; finds rows that are there twice, and leaves one of each.
//!
//! All results of the store are read once, in pages over all runs: a statement for each run would be ruinous where a service bills by statement.
//! What either side has of a run is one hash, kept in a temporary file, so that neither many runs nor a large one take memory.

use super::landing::LEASE_WAIT;
use super::merge;
use super::pull::moved;
use crate::dialect::{Dialect, SchemaName};
use crate::driver::{Driver, Failure};
use crate::error::{Code, Error, Result};
use crate::report::Reporter;
use crate::store::duplicates::{Duplicate, Key, Keyed, Repairer};
use crate::store::hashing::{Hashed, Hashing, Line};
use crate::store::lease::Lease;
use crate::store::local::LocalStore;
use crate::store::outbox::Place;
use crate::store::shared::{self, Privilege, SharedStore, Standing};
use crate::store::sides::{Compared, Sides};
use crate::store::source::{Person, Source, SourceRun};
use serde::Serialize;

/// How many ids of runs are read at once.
const RUNS_PER_PAGE: usize = 10_000;
/// How many results are read at once, at least and at most.
const RESULTS_PER_PAGE: (usize, usize) = (500, 10_000);
/// About how many bytes of results are read at once.
const BYTES_PER_PAGE: usize = 16 * 1024 * 1024;

/// How a run here stands to the one in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Both have the same results.
    Same,
    /// Both have it, with other results.
    Differs,
    /// Only this home has it.
    LocalOnly,
    /// Only the store has it.
    SharedOnly,
    /// Something of it waits in the outbox or is in quarantine.
    Pending,
}

impl Status {
    /// How a run stands.
    pub fn of(run: &Compared) -> Status {
        match (&run.local, &run.shared) {
            _ if run.pending => Status::Pending,
            (Some(local), Some(shared)) if local == shared => Status::Same,
            (Some(_), Some(_)) => Status::Differs,
            (Some(_), None) => Status::LocalOnly,
            (None, _) => Status::SharedOnly,
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Status::Same => "same",
            Status::Differs => "differs",
            Status::LocalOnly => "local_only",
            Status::SharedOnly => "shared_only",
            Status::Pending => "pending",
        }
    }
}

/// A run that is not the same here and there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Differing {
    /// The run.
    pub run_id: String,
    /// How it stands.
    pub status: Status,
    /// What this home has of it.
    pub local: Option<Hashed>,
    /// What the store has of it.
    pub shared: Option<Hashed>,
}

/// What a comparison found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Runs of this home: its own and those that were pulled.
    pub runs_local: u64,
    /// Runs of the store.
    pub runs_shared: u64,
    /// Runs that are the same here and there.
    pub runs_same: u64,
    /// Runs of which something waits to be sent, or is in quarantine.
    pub runs_pending: u64,
    /// The runs that are not the same.
    pub differing: Vec<Differing>,
    /// The rows that are there more than once.
    pub duplicates: Vec<Duplicate>,
    /// Of how many keys a repair has left one row.
    pub repaired: u64,
    /// Own runs that the store lacks.
    #[serde(skip)]
    pub own_missing: u64,
    /// Own runs that differ.
    #[serde(skip)]
    pub own_differing: u64,
    /// Runs that were pulled and differ, or are gone from the store, though all that its writers say they changed is here.
    #[serde(skip)]
    pub unexplained: u64,
    /// Runs that were pulled and differ, as where they have changed since.
    #[serde(skip)]
    pub outdated: u64,
}

impl Report {
    /// Counts a run. `behind` says whether the store has changes that were not pulled.
    fn note(&mut self, run: Compared, behind: bool) {
        let status = Status::of(&run);
        self.runs_local += u64::from(run.local.is_some());
        self.runs_shared += u64::from(run.shared.is_some());
        match (status, run.own) {
            (Status::Same, _) => {
                self.runs_same += 1;
                return;
            }
            (Status::Pending, _) => self.runs_pending += 1,
            (Status::SharedOnly, _) => {}
            (Status::LocalOnly, true) => self.own_missing += 1,
            (Status::Differs, true) => self.own_differing += 1,
            (Status::Differs, false) if behind => self.outdated += 1,
            (Status::LocalOnly | Status::Differs, false) => self.unexplained += 1,
        }
        let Compared { run_id, local, shared, .. } = run;
        self.differing.push(Differing { run_id, status, local, shared });
    }

    /// What the comparison ends with where it found what should not be.
    pub fn error(&self) -> Option<Error> {
        let exact = self.duplicates.iter().filter(|duplicate| duplicate.exact).count();
        if !self.duplicates.is_empty() {
            let hint = match (exact, self.duplicates.len()) {
                (0, _) => "their copies are not the same: decide which one is right, and delete the others by hand",
                (exact, all) if exact == all => "run `amx-schema verify --repair` to leave one of each",
                _ => "run `amx-schema verify --repair` to leave one of each whose copies are the same; of the others delete by hand",
            };
            return Some(Error::new(Code::Duplicates, format!("the store holds {} keys more than once", self.duplicates.len()), hint));
        }
        let counted = [
            (self.own_missing, "of your runs are not in the store", "`amx-schema migrate-from-local` to send what is missing"),
            (
                self.own_differing,
                "of your runs differ from it",
                "`amx-schema history sync` to bring what others changed, or `migrate-from-local` to send what you did",
            ),
            (
                self.unexplained,
                "pulled runs differ from it or are gone",
                "`amx-schema pull-from-shared --all` to take the store's word for pulled runs",
            ),
        ];
        let found: Vec<_> = counted.into_iter().filter(|(count, ..)| *count > 0).collect();
        if found.is_empty() {
            return None;
        }
        let message: Vec<String> = found.iter().map(|(count, what, _)| format!("{count} {what}")).collect();
        let hint: Vec<&str> = found.iter().map(|(.., what)| *what).collect();
        Some(Error::new(Code::Drift, message.join(", "), format!("run {}", hint.join("; "))))
    }
}

/// A comparison of one store with one home.
pub struct Verifier<'a> {
    /// The connection.
    pub driver: &'a mut dyn Driver,
    /// The store's dialect.
    pub dialect: &'a Dialect,
    /// The store's schema.
    pub schema: &'a SchemaName,
    /// Where the store is, as this machine knows it.
    pub place: &'a Place,
    /// What the store says of itself.
    pub standing: &'a Standing,
    /// The local store.
    pub local: LocalStore,
    /// An amx-cli file beside it.
    pub amx_cli: Option<Box<dyn Source>>,
    /// Who hears of progress.
    pub reporter: &'a dyn Reporter,
}

impl Verifier<'_> {
    fn store(&mut self) -> SharedStore<'_> {
        SharedStore::new(self.driver, self.dialect, self.schema)
    }

    /// Compares every run. What is written meanwhile may be seen on one side only.
    ///
    /// # Errors
    /// What the stores say.
    pub async fn compare(&mut self) -> Result<Report> {
        let mut sides = Sides::new()?;
        let behind = self.here(&sides)?;
        let none = Hashing::sorted(vec![]);
        let mut after: Option<String> = None;
        loop {
            let page = self.store().run_ids(after.as_deref(), RUNS_PER_PAGE).await?;
            let Some(last) = page.last() else { break };
            page.iter().try_for_each(|run_id| sides.add_shared(run_id, &none))?;
            after = Some(last.clone());
        }
        self.reporter.begin(sides.count()?);
        let compared = self.there(&mut sides).await.and_then(|()| {
            let mut report = Report::default();
            sides.each(&mut |run| {
                // The others were told when their results had been read.
                if run.shared.as_ref().is_none_or(|shared| shared.results == 0) {
                    self.reporter.item(&run.run_id, Status::of(&run).word());
                }
                report.note(run, behind);
                Ok(())
            })?;
            Ok(report)
        });
        self.reporter.end();
        compared
    }

    /// Puts what this home has, and says whether the store has changes that were not pulled.
    fn here(&self, sides: &Sides) -> Result<bool> {
        let local = &self.local;
        let store_id = self.standing.store_id.clone().unwrap_or_default();
        local.each_hashed(&store_id, &mut |run_id, own, hashed| sides.put_local(run_id, hashed, own))?;
        if let Some(source) = self.amx_cli.as_deref() {
            source.runs(&mut |run| of_amx_cli(source, run, local, &store_id, sides))?;
        }
        local.each_pending(self.place, &mut |run_id, quarantined| {
            quarantined.iter().try_for_each(|hashed| sides.put_local(run_id, hashed, true))?;
            sides.put_pending(run_id)
        })?;
        Ok(!moved(self.standing, &local.cursors(&store_id)?, false).is_empty() || !local.edited()?.is_empty())
    }

    /// Reads all results of the store, and puts what those of each run come to.
    async fn there(&mut self, sides: &mut Sides) -> Result<()> {
        let (least, most) = RESULTS_PER_PAGE;
        let (mut after, mut limit) = (None, most);
        let mut run: Option<(String, Hashing)> = None;
        loop {
            let page = self.store().hashed_results(after.as_ref(), limit).await?;
            let Some((run_id, qname, _)) = page.last() else { break };
            after = Some((run_id.clone(), qname.clone()));
            let bytes: usize = page.iter().map(|(.., line)| line.size()).sum();
            limit = (BYTES_PER_PAGE * page.len() / bytes.max(1)).clamp(least, most);
            for (run_id, _, line) in page {
                if run.as_ref().is_none_or(|(known, _)| *known != run_id) {
                    self.read(run.replace((run_id, Hashing::default())), sides).await?;
                }
                if let Some((_, hashing)) = &mut run {
                    hashing.add(line);
                }
            }
        }
        self.read(run, sides).await
    }

    /// Puts a run of which all results have been read.
    async fn read(&mut self, run: Option<(String, Hashing)>, sides: &mut Sides) -> Result<()> {
        let Some((run_id, hashing)) = run else { return Ok(()) };
        let hashed = match hashing.end() {
            Some(hashed) => hashed,
            None => self.sorted(&run_id).await?,
        };
        if let Some(run) = sides.put_shared(&run_id, &hashed)? {
            self.reporter.item(&run_id, Status::of(&run).word());
        }
        Ok(())
    }

    /// What a run's results come to where the engine's order is not that of bytes.
    async fn sorted(&mut self, run_id: &str) -> Result<Hashed> {
        let (mut lines, mut after) = (vec![], String::new());
        loop {
            let page = self.store().results_after(run_id, &after, RESULTS_PER_PAGE.0).await?;
            let Some(last) = page.last() else { return Ok(Hashing::sorted(lines)) };
            after = last.result.target_qname.clone();
            lines.extend(page.iter().map(|stored| Line::of(&stored.result)));
        }
    }

    /// The keys that several rows of the store have.
    ///
    /// # Errors
    /// What the store says.
    pub async fn duplicates(&mut self) -> Result<Vec<Duplicate>> {
        self.store().duplicates().await
    }

    /// Leaves one row of each of those keys whose copies are the same, and says of how many.
    ///
    /// # Errors
    /// `permission_denied` where rows may not be deleted, `locked`, what the store says. Run again, it goes on from there.
    pub async fn repair(&mut self, duplicates: &[Duplicate], person: &Person) -> Result<u64> {
        let (mut repaired, mut hint, mut repairer) = (0, None, None);
        for table in Keyed::ALL {
            let exact = duplicates.iter().filter(|duplicate| duplicate.exact);
            let keys: Vec<Key> = exact.filter_map(|duplicate| table.key_of(duplicate)).collect();
            let at_once = self.store().keys_at_once(table);
            for keys in keys.chunks(at_once) {
                let lease = self.store().lease(person, hint.take(), LEASE_WAIT).await?;
                let left = self.leave_one(table, keys, &mut repairer, person, lease.as_ref()).await;
                hint = self.store().give_back(lease).await;
                repaired += left?;
            }
        }
        Ok(repaired)
    }

    async fn leave_one(
        &mut self,
        table: Keyed,
        keys: &[Key],
        repairer: &mut Option<Repairer>,
        person: &Person,
        lease: Option<&Lease>,
    ) -> Result<u64> {
        if repairer.is_none() {
            let writer = uuid::Uuid::new_v4().to_string();
            self.store().add_origin(&writer, &uuid::Uuid::new_v4().to_string(), &person.hostname, &person.who).await?;
            *repairer = Some(Repairer { writer, landed: 0 });
        }
        let Some(repairer) = repairer else { return Ok(0) };
        self.store().leave_one(table, keys, repairer, lease).await.map_err(|failure| match failure {
            Failure::Database(error) => shared::refused(error, self.dialect, self.schema, Privilege::Delete),
            failure => failure.into(),
        })
    }
}

/// Puts a run of an amx-cli file. One that is in the cache too counts as it is there, unless the file says something else of it now than when it
/// was sent: then that is what this home has of it. A row that cannot be stored is in no store.
fn of_amx_cli(source: &dyn Source, found: SourceRun, local: &LocalStore, store_id: &str, sides: &Sides) -> Result<()> {
    let SourceRun { key, owner, run, .. } = found;
    let Ok(run) = run else { return Ok(()) };
    let mut digest = merge::digest(&run, std::iter::empty());
    let mut hashing = Hashing::default();
    source.results(&key, &mut |result| {
        if let Ok(result) = result {
            digest.note(&result.target_qname, merge::result_hash(&result));
            hashing.add(Line::of(&result));
        }
        Ok(())
    })?;
    let sent = local.sent(store_id, &owner, &run.run_id)?;
    let unchanged = sent.as_ref().is_none_or(|sent| sent.digest == digest);
    let run_id = sent.map_or(run.run_id, |sent| sent.sent_as);
    if sides.own(&run_id)? && unchanged {
        return Ok(());
    }
    let hashed = match hashing.end() {
        Some(hashed) => hashed,
        None => {
            let mut lines = vec![];
            source.results(&key, &mut |result| {
                lines.extend(result.ok().map(|result| Line::of(&result)));
                Ok(())
            })?;
            Hashing::sorted(lines)
        }
    };
    sides.put_local(&run_id, &hashed, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashed(results: u64) -> Option<Hashed> {
        Some(Hashed { results, hash: format!("{results:064}") })
    }

    fn run(local: Option<Hashed>, shared: Option<Hashed>, own: bool, pending: bool) -> Compared {
        Compared { run_id: "run_1".into(), local, shared, own, pending }
    }

    fn report(runs: Vec<Compared>, behind: bool) -> Report {
        let mut report = Report::default();
        runs.into_iter().for_each(|run| report.note(run, behind));
        report
    }

    fn code(report: &Report) -> Option<Code> {
        report.error().map(|error| error.code)
    }

    fn duplicate(exact: bool) -> Duplicate {
        Duplicate { run_id: "run_1".into(), target_qname: None, copies: 2, exact }
    }

    #[test]
    fn runs_with_the_same_count_and_hash_are_the_same() {
        assert_eq!(Status::of(&run(hashed(1), hashed(1), true, false)), Status::Same);
        assert_eq!(Status::of(&run(hashed(1), hashed(2), true, false)), Status::Differs);
        assert_eq!(Status::of(&run(hashed(1), None, true, false)), Status::LocalOnly);
        assert_eq!(Status::of(&run(None, hashed(1), false, false)), Status::SharedOnly);
        assert_eq!(Status::of(&run(hashed(1), hashed(1), true, true)), Status::Pending);
    }

    #[test]
    fn only_what_is_not_the_same_is_listed() {
        let found = report(vec![run(hashed(1), hashed(1), true, false), run(None, hashed(2), false, false)], false);
        assert_eq!((found.runs_local, found.runs_shared, found.runs_same, found.differing.len()), (1, 2, 1, 1));
        assert_eq!(code(&found), None);
    }

    #[test]
    fn what_waits_to_be_sent_and_what_others_have_is_no_drift() {
        let found = report(vec![run(hashed(1), None, true, true), run(None, hashed(2), false, false)], false);
        assert_eq!((found.runs_pending, code(&found)), (1, None));
    }

    #[test]
    fn an_own_run_that_is_missing_or_differs_is_drift() {
        assert_eq!(code(&report(vec![run(hashed(1), None, true, false)], false)), Some(Code::Drift));
        assert_eq!(code(&report(vec![run(hashed(1), hashed(2), true, false)], true)), Some(Code::Drift));
    }

    #[test]
    fn a_pulled_run_that_differs_is_drift_where_nothing_is_left_to_be_pulled() {
        let changed = || vec![run(hashed(1), hashed(2), false, false)];
        assert_eq!(code(&report(changed(), true)), None);
        assert_eq!(code(&report(changed(), false)), Some(Code::Drift));
        assert_eq!(code(&report(vec![run(hashed(1), None, false, false)], true)), Some(Code::Drift));
    }

    #[test]
    fn duplicates_come_before_drift_and_the_hint_says_what_can_be_done() {
        let mut found = report(vec![run(hashed(1), None, true, false)], false);
        found.duplicates = vec![duplicate(true)];
        let exact = found.error().unwrap();
        assert_eq!(exact.code, Code::Duplicates);
        assert!(exact.hint.contains("--repair"));
        found.duplicates = vec![duplicate(false)];
        assert!(!found.error().unwrap().hint.contains("--repair"));
    }
}
