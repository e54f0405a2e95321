//! What becomes of a run that the store may have already: decided by owner and content (DESIGN, decision 8). Pure.

use crate::driver::Value;
use crate::history::{Run, RunResult, State};
use crate::store::local::{Digest, RowHash};
use crate::store::shared::{StoredResult, StoredRun};
use std::hash::{Hash, Hasher};
use xxhash_rust::xxh3::Xxh3;

/// What to do with a run whose id is taken by another owner's run with other content.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum OnConflict {
    /// Leave it out, list it, and end with an error after all the others.
    #[default]
    Fail,
    /// Leave it out and list it.
    Skip,
    /// Send it as `<run_id>-<first 6 of its owner>`.
    Rename,
}

/// How a run stands to what the store has under its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// The store has nothing under that id.
    New,
    /// The same run of the same owner.
    Own,
    /// Another owner's run. Where its content is the same it counts as there already.
    Foreign,
    /// The same owner's, begun at another time: two copies of one home gave out the same id.
    Clash,
}

/// Compares a run with what the store has. `by_start` is for sources without owners of their own: the same start means the same run.
pub(super) fn standing(run: &Run, owner: &str, by_start: bool, stored: Option<&StoredRun>) -> Standing {
    let Some(stored) = stored else { return Standing::New };
    let same_start = stored.run.started_at == run.started_at;
    let same_owner = stored.stamp.origin.as_deref() == Some(owner) || (by_start && same_start);
    match (same_owner, same_start) {
        (true, true) => Standing::Own,
        (true, false) => Standing::Clash,
        (false, _) => Standing::Foreign,
    }
}

/// Whether two results have the same content.
pub(super) fn same_result(left: &RunResult, right: &RunResult) -> bool {
    same_texts(left, right) && left.metadata_json == right.metadata_json
}

fn same_texts(left: &RunResult, right: &RunResult) -> bool {
    left.target_kind == right.target_kind
        && left.description == right.description
        && left.alternatives == right.alternatives
        && left.confidence == right.confidence
}

/// The id that a run in conflict gets: its own, cut where needed, and the beginning of its owner's.
pub fn renamed(run_id: &str, owner: &str) -> String {
    let base: String = run_id.chars().take(57).collect();
    let suffix: String = owner.chars().filter(char::is_ascii_alphanumeric).take(6).collect();
    format!("{base}-{suffix}")
}

fn hash_of(values: impl Hash) -> u64 {
    let mut hasher = Xxh3::new();
    values.hash(&mut hasher);
    hasher.finish()
}

/// What the source says of a run's own row.
fn run_hash(run: &Run) -> RowHash {
    RowHash {
        texts: hash_of((&run.scope, &run.llm_provider, &run.llm_model, &run.db_backend)),
        metadata: hash_of(&run.metadata_json),
        status: hash_of((run.started_at, run.finished_at, run.state.word(), run.applied_at, &run.applied_by)),
    }
}

/// What the source says of a result.
pub(super) fn result_hash(result: &RunResult) -> RowHash {
    RowHash {
        texts: hash_of((&result.target_kind, &result.description, &result.alternatives, &result.confidence)),
        metadata: hash_of(&result.metadata_json),
        status: hash_of((result.applied, result.applied_at)),
    }
}

/// What decides whether texts may be written: the journal, or the writer of the stored row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Evidence<'a> {
    /// What the journal has of the run.
    pub journal: Option<&'a Digest>,
    /// Every id that this installation ever had.
    pub installations: &'a [&'a str],
}

impl Evidence<'_> {
    /// Whether the texts and the metadata of a row may be written. An import never sets anything back: each changes where the source's own
    /// value did since it was sent or, where that is not known, where this installation wrote the row.
    fn may_write(&self, key: &str, now: RowHash, writer: Option<&str>) -> (bool, bool) {
        match self.journal.and_then(|digest| digest.of(key)) {
            Some([texts, metadata]) => (texts != now.texts, metadata != now.metadata),
            None => {
                let own = writer.is_some_and(|writer| self.installations.contains(&writer));
                (own, own)
            }
        }
    }
}

/// Columns to set, with their values.
pub(super) type Changes = Vec<(&'static str, Value)>;

/// What of a stored run is to change. The state only goes forward.
pub(super) fn run_changes(run: &Run, stored: &StoredRun, evidence: Evidence<'_>) -> Changes {
    let mut changes: Changes = vec![];
    let old = &stored.run;
    let forward = State::from_word(&stored.state_word).is_some_and(|state| state.may_become(run.state));
    if forward {
        changes.push(("state", run.state.word().into()));
    }
    if run.finished_at.is_some() && run.finished_at != old.finished_at && (forward || old.finished_at.is_none()) {
        changes.push(("finished_at", run.finished_at.into()));
    }
    if run.applied_at > old.applied_at {
        changes.push(("applied_at", run.applied_at.into()));
        changes.push(("applied_by", run.applied_by.clone().into()));
    }
    let (texts, metadata) = evidence.may_write("", run_hash(run), stored.stamp.writer.as_deref());
    if texts {
        let texts = [
            ("scope", &run.scope, &old.scope),
            ("llm_provider", &run.llm_provider, &old.llm_provider),
            ("llm_model", &run.llm_model, &old.llm_model),
            ("db_backend", &run.db_backend, &old.db_backend),
        ];
        changes.extend(texts.into_iter().filter(|(_, new, old)| new != old).map(|(name, new, _)| (name, new.as_str().into())));
    }
    if metadata && run.metadata_json != old.metadata_json {
        changes.push(("metadata_json", run.metadata_json.clone().into()));
    }
    changes
}

/// What of a stored result is to change. What was applied stays applied.
pub(super) fn result_changes(result: &RunResult, stored: &StoredResult, evidence: Evidence<'_>) -> Changes {
    let mut changes: Changes = vec![];
    let old = &stored.result;
    if result.applied && (!old.applied || result.applied_at > old.applied_at) {
        changes.push(("applied", true.into()));
        changes.push(("applied_at", result.applied_at.into()));
    }
    let (texts, metadata) = evidence.may_write(&result.target_qname, result_hash(result), stored.stamp.writer.as_deref());
    if texts && !same_texts(result, old) {
        changes.push(("target_kind", result.target_kind.as_str().into()));
        changes.push(("description", result.description.clone().into()));
        changes.push(("alternatives", result.alternatives.clone().into()));
        changes.push(("confidence", result.confidence.as_str().into()));
    }
    if metadata && result.metadata_json != old.metadata_json {
        changes.push(("metadata_json", result.metadata_json.clone().into()));
    }
    changes
}

/// The digest of a run and its results.
pub(super) fn digest<'r>(run: &Run, results: impl Iterator<Item = &'r RunResult>) -> Digest {
    let mut digest = Digest::default();
    digest.note("", run_hash(run));
    for result in results {
        digest.note(&result.target_qname, result_hash(result));
    }
    digest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Attribution;
    use crate::store::shared::Stamp;
    use chrono::{DateTime, TimeDelta, Utc};

    const ME: &str = "me";

    fn start() -> DateTime<Utc> {
        DateTime::from_timestamp_micros(1_780_000_000_000_000).unwrap()
    }

    fn run(state: State) -> Run {
        Run {
            run_id: "run_1".into(),
            who: "ann".into(),
            started_at: start(),
            finished_at: None,
            scope: "sales".into(),
            llm_provider: "p".into(),
            llm_model: "m".into(),
            db_backend: "postgresql".into(),
            state,
            applied_at: None,
            applied_by: None,
            metadata_json: None,
            attribution: Attribution::default(),
        }
    }

    fn stored(run: Run, origin: &str, writer: &str) -> StoredRun {
        let state_word = run.state.word().into();
        StoredRun { run, state_word, stamp: Stamp { origin: Some(origin.into()), writer: Some(writer.into()), landing: Some(1) } }
    }

    fn result(description: &str) -> RunResult {
        RunResult {
            target_qname: "a.b".into(),
            target_kind: "TABLE".into(),
            description: Some(description.into()),
            alternatives: None,
            confidence: "high".into(),
            applied: false,
            applied_at: None,
            metadata_json: None,
            attribution: Attribution::default(),
        }
    }

    fn stored_result(result: RunResult, writer: &str) -> StoredResult {
        StoredResult { result, stamp: Stamp { writer: Some(writer.into()), ..Stamp::default() } }
    }

    fn no_journal() -> Evidence<'static> {
        Evidence { journal: None, installations: &[ME] }
    }

    #[test]
    fn a_run_is_known_by_owner_and_start() {
        let mine = run(State::Running);
        let later = Run { started_at: start() + TimeDelta::seconds(1), ..run(State::Running) };
        assert_eq!(standing(&mine, ME, false, None), Standing::New);
        assert_eq!(standing(&mine, ME, false, Some(&stored(run(State::Running), ME, ME))), Standing::Own);
        assert_eq!(standing(&mine, ME, false, Some(&stored(later.clone(), ME, ME))), Standing::Clash);
        assert_eq!(standing(&mine, ME, false, Some(&stored(run(State::Running), "bob", "bob"))), Standing::Foreign);
        assert_eq!(standing(&mine, ME, true, Some(&stored(later, "bob", "bob"))), Standing::Foreign);
    }

    #[test]
    fn an_amx_file_owns_what_has_its_start_whoever_brought_it() {
        assert_eq!(standing(&run(State::Running), ME, true, Some(&stored(run(State::Running), "bob", "bob"))), Standing::Own);
    }

    #[test]
    fn a_state_goes_forward_and_never_back() {
        let states = |new, old| run_changes(&run(new), &stored(run(old), ME, ME), no_journal());
        assert_eq!(states(State::Applied, State::Running), vec![("state", "applied".into())]);
        assert_eq!(states(State::Running, State::Applied), vec![]);
        assert_eq!(states(State::Applied, State::Failed), vec![]);
    }

    #[test]
    fn a_text_that_a_teammate_wrote_stays() {
        let theirs = stored_result(result("theirs"), "bob");
        assert_eq!(result_changes(&result("mine"), &theirs, no_journal()), vec![]);
    }

    #[test]
    fn a_text_that_this_installation_wrote_follows_the_file() {
        let mine = stored_result(result("old"), ME);
        assert!(result_changes(&result("new"), &mine, no_journal()).contains(&("description", "new".into())));
    }

    #[test]
    fn a_text_that_changed_in_the_file_since_it_was_sent_is_the_later_one() {
        let journal = digest(&run(State::Running), [result("sent")].iter());
        let evidence = Evidence { journal: Some(&journal), installations: &[ME] };
        let theirs = stored_result(result("theirs"), "bob");
        assert_eq!(result_changes(&result("sent"), &theirs, evidence), vec![]);
        let evaluated = RunResult { metadata_json: Some("{}".into()), ..result("sent") };
        assert_eq!(result_changes(&evaluated, &theirs, evidence), vec![("metadata_json", Some("{}".to_string()).into())]);
        assert!(result_changes(&result("edited"), &theirs, evidence).contains(&("description", "edited".into())));
    }

    #[test]
    fn an_unchanged_file_does_not_undo_a_later_edit_of_the_same_installation() {
        let journal = digest(&run(State::Running), [result("sent")].iter());
        let evidence = Evidence { journal: Some(&journal), installations: &[ME] };
        assert_eq!(result_changes(&result("sent"), &stored_result(result("edited since"), ME), evidence), vec![]);
    }

    #[test]
    fn what_was_applied_stays_applied() {
        let applied = RunResult { applied: true, applied_at: Some(start()), ..result("d") };
        assert_eq!(result_changes(&result("d"), &stored_result(applied.clone(), ME), no_journal()), vec![]);
        let changes = result_changes(&applied, &stored_result(result("d"), "bob"), no_journal());
        assert_eq!(changes, vec![("applied", true.into()), ("applied_at", start().into())]);
    }

    #[test]
    fn a_renamed_run_keeps_within_the_limit() {
        assert_eq!(renamed("run_1", "abc-defgh"), "run_1-abcdef");
        assert_eq!(renamed(&"x".repeat(64), "0123456789").len(), 64);
    }
}
