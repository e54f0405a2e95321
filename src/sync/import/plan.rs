//! What an import is to do with a batch, by what the source, the store and the journal say. Nothing is written here.

use super::{Conflict, Work};
use crate::error::{Error, Result};
use crate::history::{BadRow, Run, RunResult};
use crate::store::batch::{Batch, Change, Part};
use crate::store::local::Sent;
use crate::store::shared::{self, Stamp, StoredRun};
use crate::sync::merge::{self, Evidence, OnConflict, Standing};
use crate::sync::reader::ReadRun;

/// What is said of a run that the store has already.
pub(super) const THERE: &str = "already there";

/// What is to be done for a batch.
#[derive(Default)]
pub(super) struct Plan<'r> {
    pub(super) runs: Vec<Addition<'r, Run>>,
    pub(super) results: Vec<Addition<'r, RunResult>>,
    pub(super) changed_runs: Vec<Change>,
    pub(super) changed_results: Vec<Change>,
    pub(super) outcomes: Vec<Outcome>,
}

/// Rows to be added under one run's id, with one stamp.
pub(super) struct Addition<'r, T> {
    pub(super) id: String,
    pub(super) stamp: Stamp,
    pub(super) rows: Vec<&'r T>,
}

impl Plan<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
            && self.results.iter().all(|place| place.rows.is_empty())
            && self.changed_runs.is_empty()
            && self.changed_results.is_empty()
    }
}

/// What comes of a run once its batch has landed.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) run_id: String,
    pub(super) owner: String,
    pub(super) word: &'static str,
    pub(super) imported: bool,
    pub(super) changed: bool,
    pub(super) conflict: Option<Conflict>,
    pub(super) results_imported: u64,
    pub(super) results_updated: u64,
    pub(super) results_skipped: u64,
    /// The engine's word on a value that it does not take.
    pub(super) refused: Option<BadRow>,
    /// What the journal is to know; nothing where it knows it already.
    pub(super) sent: Option<Sent>,
}

impl Outcome {
    pub(super) fn there(run: &ReadRun) -> Outcome {
        Outcome { run_id: run.run.run_id.clone(), owner: run.owner.clone(), word: THERE, results_skipped: run.total, ..Outcome::default() }
    }

    pub(super) fn conflict(run: &ReadRun, reason: &str) -> Outcome {
        let conflict = Conflict { run_id: run.run.run_id.clone(), reason: reason.into() };
        Outcome { word: "conflict", results_skipped: 0, conflict: Some(conflict), ..Outcome::there(run) }
    }

    pub(super) fn refused(run: &ReadRun, reason: String) -> Outcome {
        let (run_id, local_id) = (run.run.run_id.clone(), run.run.attribution.local_id);
        let refused = Some(BadRow { run_id, target_qname: None, local_id, reason });
        Outcome { word: "failed", results_skipped: 0, refused, ..Outcome::there(run) }
    }

    /// Takes in what came of another part of the same run.
    pub(super) fn add(&mut self, part: Outcome) {
        self.imported |= part.imported;
        self.changed |= part.changed;
        self.results_imported += part.results_imported;
        self.results_updated += part.results_updated;
        self.results_skipped += part.results_skipped;
        self.conflict = self.conflict.take().or(part.conflict);
        self.refused = self.refused.take().or(part.refused);
        self.sent = part.sent.or(self.sent.take());
        if part.word != THERE {
            self.word = part.word;
        }
    }
}

/// Where a run goes.
pub(super) struct Target {
    pub(super) id: String,
    pub(super) stored: Option<StoredRun>,
    pub(super) action: Action,
    /// What the journal knows of it.
    pub(super) sent: Option<Sent>,
}

impl Target {
    /// Whether the source says of the run what it said when it was sent.
    pub(super) fn unchanged_since_sent(&self, run: &ReadRun) -> bool {
        self.sent.as_ref().is_some_and(|sent| sent.digest == run.digest)
    }
}

/// What is to be done with a run.
#[derive(Clone, Copy)]
pub(super) enum Action {
    /// The store does not have it.
    Add,
    /// The store has what this import has just added of it.
    AddMore,
    /// The store has it.
    Merge,
    /// The store has another owner's, which may be the same.
    Compare,
    /// The store has another one under its id.
    Conflict(&'static str),
}

impl Action {
    pub(super) fn in_conflict(self) -> bool {
        matches!(self, Action::Conflict(_))
    }
}

impl Work<'_> {
    pub(super) fn to_batch<'r>(&self, plan: Plan<'r>) -> (Batch<'r>, Vec<Outcome>) {
        let count = plan.results.iter().map(|place| place.rows.len()).sum();
        let run = |place: Addition<'r, Run>| place.rows.into_iter().map(move |run| shared::run_row(run, &place.id, &place.stamp));
        let result =
            |place: Addition<'r, RunResult>| place.rows.into_iter().map(move |result| shared::result_row(&place.id, result, &place.stamp));
        let parts = vec![
            Part::Runs(plan.runs.len(), Box::new(plan.runs.into_iter().flat_map(run))),
            Part::Results(count, Box::new(plan.results.into_iter().flat_map(result))),
            Part::ChangedRuns(plan.changed_runs),
            Part::ChangedResults(plan.changed_results),
        ];
        let (installation, from) = (self.landing.installation.clone(), self.landing.landed);
        (Batch { installation, from, number: from + 1, parts }, plan.outcomes)
    }

    /// Where each run goes: under which id, and what is to be done there.
    pub(super) async fn targets(&mut self, runs: &[ReadRun]) -> Result<Vec<Target>> {
        let mut sent = vec![];
        for run in runs {
            let known = self.import.local.sent(&self.landing.store_id, &run.owner, &run.run.run_id)?;
            sent.push(known.filter(|sent| sent.landing <= self.landing.landed));
        }
        let first_ids: Vec<String> =
            runs.iter().zip(&sent).map(|(run, sent)| sent.as_ref().map_or(&run.run.run_id, |sent| &sent.sent_as).clone()).collect();
        let other_ids: Vec<String> = runs.iter().map(|run| merge::renamed(&run.run.run_id, &run.owner)).collect();
        let rename = self.import.options.on_conflict == OnConflict::Rename;
        let mut ids: Vec<&str> = first_ids.iter().map(String::as_str).collect();
        if rename {
            ids.extend(other_ids.iter().map(String::as_str));
        }
        let mut stored = self.import.store().runs(&ids).await?;
        let mut targets = vec![];
        for ((run, sent), (first, other)) in runs.iter().zip(sent).zip(first_ids.into_iter().zip(other_ids)) {
            let mut action = self.action(run, stored.get(&first));
            let mut id = first;
            if rename && action.in_conflict() {
                (action, id) = (self.action(run, stored.get(&other)), other);
            }
            targets.push(Target { stored: stored.remove(&id), id, action, sent });
        }
        Ok(targets)
    }

    fn action(&self, run: &ReadRun, stored: Option<&StoredRun>) -> Action {
        let Some(there) = stored else { return Action::Add };
        match merge::standing(&run.run, &run.owner, self.by_start, stored) {
            Standing::New => Action::Add,
            Standing::Own if self.adding.as_ref() == Some(&run.run.run_id) => Action::AddMore,
            Standing::Own => Action::Merge,
            Standing::Clash => Action::Conflict("the store has a run of that id by the same owner, begun at another time"),
            Standing::Foreign if run.run.same_content(&there.run) => Action::Compare,
            Standing::Foreign => Action::Conflict("the store has another owner's run of that id, with other content"),
        }
    }

    /// What is to be done for a batch, by what the store has now. Nothing is written.
    pub(super) async fn plan<'r>(&mut self, runs: &'r [ReadRun]) -> Result<Plan<'r>> {
        let targets = self.targets(runs).await?;
        let unchanged: Vec<&str> = runs
            .iter()
            .zip(&targets)
            .filter(|(run, target)| target.unchanged_since_sent(run))
            .map(|(_, target)| target.id.as_str())
            .collect();
        let counts = self.import.store().count_results(&unchanged).await?;
        let mut plan = Plan::default();
        for (run, target) in runs.iter().zip(targets) {
            let whole = target.unchanged_since_sent(run) && counts.get(&target.id).copied().unwrap_or(0) as u64 >= run.total;
            let outcome = match target.action {
                Action::Add => {
                    let stamp = self.stamp(&run.owner);
                    let outcome = self.imported(run, &target.id);
                    plan.runs.push(Addition { id: target.id.clone(), stamp: stamp.clone(), rows: vec![&run.run] });
                    plan.results.push(Addition { id: target.id, stamp, rows: run.results.iter().collect() });
                    outcome
                }
                Action::AddMore => {
                    let outcome = Outcome { word: "ok", ..self.imported(run, &target.id) };
                    plan.results.push(Addition { id: target.id, stamp: self.stamp(&run.owner), rows: run.results.iter().collect() });
                    outcome
                }
                Action::Merge if whole => {
                    let noted = target.sent.as_ref().is_some_and(|sent| sent.content == run.content);
                    Outcome { sent: if noted { None } else { self.to_journal(run, &target.id) }, ..Outcome::there(run) }
                }
                Action::Merge => self.merge(run, target, &mut plan).await?,
                Action::Compare => self.compare(run, &target).await?,
                Action::Conflict(reason) => Outcome::conflict(run, reason),
            };
            plan.outcomes.push(outcome);
        }
        Ok(plan)
    }

    async fn merge<'r>(&mut self, run: &'r ReadRun, target: Target, plan: &mut Plan<'r>) -> Result<Outcome> {
        let Some(stored) = target.stored else { return Err(Error::internal("a run is to be merged with nothing")) };
        let installations: Vec<&str> = self.landing.installations.iter().map(String::as_str).collect();
        let evidence = Evidence { journal: target.sent.as_ref().map(|sent| &sent.digest), installations: &installations };
        let stamp = Stamp { origin: stored.stamp.origin.clone(), ..self.stamp(&run.owner) };
        let mut outcome = Outcome { sent: self.to_journal(run, &target.id), ..Outcome::there(run) };
        outcome.results_skipped = 0;
        let qnames: Vec<&str> = run.results.iter().map(|result| result.target_qname.as_str()).collect();
        let there = self.import.store().results(&target.id, &qnames).await?;
        let landed_now = |mut changes: merge::Changes| {
            changes.extend([("writer", stamp.writer.clone().into()), ("landing", stamp.landing.into())]);
            changes
        };
        let changes = merge::run_changes(&run.run, &stored, evidence);
        if !changes.is_empty() {
            outcome.changed = true;
            // A state that moved on meanwhile makes the batch be planned anew.
            let key = vec![("run_id", target.id.as_str().into()), ("state", stored.state_word.as_str().into())];
            plan.changed_runs.push(Change { set: landed_now(changes), key });
        }
        let mut missing = vec![];
        for result in &run.results {
            let Some(known) = there.get(&result.target_qname) else {
                missing.push(result);
                outcome.results_imported += 1;
                continue;
            };
            let changes = merge::result_changes(result, known, evidence);
            if changes.is_empty() {
                outcome.results_skipped += 1;
                continue;
            }
            let key = vec![("run_id", target.id.as_str().into()), ("target_qname", result.target_qname.as_str().into())];
            plan.changed_results.push(Change { set: landed_now(changes), key });
            outcome.results_updated += 1;
        }
        plan.results.push(Addition { id: target.id.clone(), stamp: stamp.clone(), rows: missing });
        outcome.changed |= outcome.results_imported + outcome.results_updated > 0;
        if outcome.changed {
            outcome.word = "updated";
        }
        Ok(outcome)
    }

    /// Another owner's run with the same head: the same where all its results are.
    async fn compare(&mut self, run: &ReadRun, target: &Target) -> Result<Outcome> {
        let qnames: Vec<&str> = run.results.iter().map(|result| result.target_qname.as_str()).collect();
        let there = self.import.store().results(&target.id, &qnames).await?;
        let same = |result: &RunResult| there.get(&result.target_qname).is_some_and(|there| merge::same_result(result, &there.result));
        Ok(match run.results.iter().all(same) {
            true => Outcome::there(run),
            false => Outcome::conflict(run, "the store has another owner's run of that id, with other results"),
        })
    }

    pub(super) fn stamp(&self, owner: &str) -> Stamp {
        Stamp { origin: Some(owner.into()), writer: Some(self.landing.installation.clone()), landing: Some(self.landing.landed + 1) }
    }

    fn to_journal(&self, run: &ReadRun, id: &str) -> Option<Sent> {
        Some(Sent {
            sent_as: id.into(),
            results: run.total,
            landing: self.landing.landed + 1,
            digest: run.digest.clone(),
            content: run.content,
        })
    }

    pub(super) fn imported(&self, run: &ReadRun, id: &str) -> Outcome {
        Outcome {
            run_id: run.run.run_id.clone(),
            owner: run.owner.clone(),
            word: "ok",
            imported: true,
            results_imported: run.total,
            sent: self.to_journal(run, id),
            ..Outcome::default()
        }
    }
}
