//! One write of one run: as the outbox keeps it, and what it does to rows. The same on the local store and on the shared one. Pure.

use super::shared::{Stamp, StoredResult, StoredRun};
use crate::history::{Run, RunResult, State};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A write of one run. What it does not say stays as it is.
///
/// Its JSON is kept in the outbox for as long as it waits: a later build reads what an earlier one queued, so that keys may be added and
/// never change their meaning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Write {
    /// The run.
    pub run_id: String,
    /// The installation that owns the run that is meant; empty in a write that is queued before that is known.
    pub owner: String,
    /// When the run that is meant began: owner and start tell it from another one of the same id.
    pub started_at: DateTime<Utc>,
    /// The run's own row, where the write brings it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Run>,
    /// Results to insert or to replace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<WrittenResult>,
    /// How far the run has come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<DateTime<Utc>>,
    /// What else is known of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata_json: Option<String>,
    /// Objects whose description was written to the catalog.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub applied: Vec<String>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_at: Option<DateTime<Utc>>,
    /// By whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_by: Option<String>,
}

/// A result of a write.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WrittenResult {
    /// The result.
    #[serde(flatten)]
    pub result: RunResult,
    /// The installation that first wrote it; the writer's own where it says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
}

/// What a write brings, as items of the outbox are named: `<run_id>.run`, `.results`, `.update`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    /// The run's own row.
    Run,
    /// Results alone.
    Results,
    /// Anything else of a run.
    Update,
}

impl Item {
    /// The word that it is named by.
    pub fn word(self) -> &'static str {
        match self {
            Item::Run => "run",
            Item::Results => "results",
            Item::Update => "update",
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What came of applying a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It is in the rows now.
    Done,
    /// There is no such run, and the write does not bring it.
    Absent,
    /// The run of that id is another one.
    Conflict(&'static str),
}

/// The rows of one run that a write meets: the run's own and those results that it names.
#[derive(Debug, Clone, Default)]
pub struct RunRows {
    /// The run's own row, where there is one.
    pub run: Option<StoredRun>,
    /// Results, by object.
    pub results: BTreeMap<String, StoredResult>,
    /// Whether a write changed or confirmed the run's own row.
    pub run_touched: bool,
    /// The results that a write changed or confirmed.
    pub touched: BTreeSet<String>,
    /// An owner whose run of that id was found to have the same content as the one that is here.
    pub same_as: Option<String>,
}

impl Write {
    /// A write that so far says only which run it is about.
    pub fn of(run_id: &str, owner: &str, started_at: DateTime<Utc>) -> Write {
        Write {
            run_id: run_id.into(),
            owner: owner.into(),
            started_at,
            run: None,
            results: vec![],
            state: None,
            finished_at: None,
            metadata_json: None,
            applied: vec![],
            applied_at: None,
            applied_by: None,
        }
    }

    /// A write that brings a run just as it is.
    pub fn of_run(run: &Run, owner: &str) -> Write {
        Write { run: Some(run.clone()), ..Write::of(&run.run_id, owner, run.started_at) }
    }

    /// How it is named.
    pub fn item(&self) -> Item {
        let only_results = self.state.is_none() && self.finished_at.is_none() && self.metadata_json.is_none() && self.applied_at.is_none();
        match &self.run {
            Some(_) => Item::Run,
            None if only_results => Item::Results,
            None => Item::Update,
        }
    }

    /// The objects whose results it meets.
    pub fn objects(&self) -> impl Iterator<Item = &str> {
        self.results.iter().map(|written| written.result.target_qname.as_str()).chain(self.applied.iter().map(String::as_str))
    }

    /// The same under another id.
    pub fn renamed(mut self, run_id: &str) -> Write {
        self.run_id = run_id.into();
        if let Some(run) = &mut self.run {
            run.run_id = run_id.into();
        }
        self
    }

    /// Applies it to rows: a state only goes forward, what was applied stays applied, and texts are the later writer's.
    pub fn apply(&self, rows: &mut RunRows, writer: &str) -> Applied {
        let stamp = |origin: Option<&str>| Stamp { origin: origin.map(str::to_string), writer: Some(writer.into()), landing: None };
        match (&mut rows.run, &self.run) {
            (None, None) => return Applied::Absent,
            (None, Some(run)) => {
                let state_word = run.state.word().to_string();
                rows.run = Some(StoredRun { run: run.clone(), state_word, stamp: stamp(Some(&self.owner)) });
                rows.run_touched = true;
            }
            (Some(stored), brought) => {
                let owner = stored.stamp.origin.as_deref().unwrap_or_default();
                let same_owner = owner == self.owner || rows.same_as.as_deref() == Some(&self.owner);
                match (same_owner, stored.run.started_at == self.started_at) {
                    (true, true) => {}
                    (true, false) => return Applied::Conflict("the store has a run of that id by the same owner, begun at another time"),
                    (false, _) if brought.as_ref().is_some_and(|run| run.same_content(&stored.run)) => {
                        rows.same_as = Some(self.owner.clone());
                    }
                    (false, _) => return Applied::Conflict("the store has another owner's run of that id, with other content"),
                }
                if let Some(run) = brought {
                    merge_run(stored, run);
                    rows.run_touched = true;
                }
            }
        }
        if let Some(stored) = &mut rows.run {
            let more = self.state.is_some() || self.finished_at.is_some() || self.metadata_json.is_some() || self.applied_at.is_some();
            if let Some(state) = self.state {
                forward(stored, state);
            }
            stored.run.finished_at = self.finished_at.or(stored.run.finished_at);
            if self.metadata_json.is_some() {
                stored.run.metadata_json.clone_from(&self.metadata_json);
            }
            if self.applied_at.is_some() {
                stored.run.applied_at = self.applied_at;
                stored.run.applied_by.clone_from(&self.applied_by);
            }
            rows.run_touched |= more;
            if rows.run_touched {
                stored.stamp = stamp(stored.stamp.origin.as_deref());
            }
        }
        for written in &self.results {
            let new = &written.result;
            let stored = rows.results.entry(new.target_qname.clone()).or_insert_with(|| StoredResult {
                result: RunResult { applied: false, applied_at: None, ..new.clone() },
                stamp: stamp(Some(written.origin.as_deref().unwrap_or(writer))),
            });
            let old = &mut stored.result;
            old.target_kind.clone_from(&new.target_kind);
            old.description.clone_from(&new.description);
            old.alternatives.clone_from(&new.alternatives);
            old.confidence.clone_from(&new.confidence);
            old.metadata_json.clone_from(&new.metadata_json);
            if new.applied {
                (old.applied, old.applied_at) = (true, new.applied_at.or(old.applied_at));
            }
            stored.stamp = stamp(stored.stamp.origin.as_deref());
            rows.touched.insert(new.target_qname.clone());
        }
        for qname in &self.applied {
            if let Some(stored) = rows.results.get_mut(qname) {
                (stored.result.applied, stored.result.applied_at) = (true, self.applied_at);
                stored.stamp = stamp(stored.stamp.origin.as_deref());
                rows.touched.insert(qname.clone());
            }
        }
        Applied::Done
    }
}

/// Takes over what a later write of the same run says.
fn merge_run(stored: &mut StoredRun, run: &Run) {
    forward(stored, run.state);
    let old = &mut stored.run;
    old.scope.clone_from(&run.scope);
    old.llm_provider.clone_from(&run.llm_provider);
    old.llm_model.clone_from(&run.llm_model);
    old.db_backend.clone_from(&run.db_backend);
    // A run that is given again, as by a client that saw no answer, takes back nothing that became known of it since.
    if run.metadata_json.is_some() {
        old.metadata_json.clone_from(&run.metadata_json);
    }
    old.finished_at = run.finished_at.or(old.finished_at);
    if run.applied_at > old.applied_at {
        old.applied_at = run.applied_at;
        old.applied_by.clone_from(&run.applied_by);
    }
}

fn forward(stored: &mut StoredRun, next: State) {
    if State::from_word(&stored.state_word).is_some_and(|state| state.may_become(next)) {
        stored.run.state = next;
        stored.state_word = next.word().into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Attribution;

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

    fn result(description: &str) -> WrittenResult {
        let result = RunResult {
            target_qname: "a.b".into(),
            target_kind: "TABLE".into(),
            description: Some(description.into()),
            alternatives: None,
            confidence: "high".into(),
            applied: false,
            applied_at: None,
            metadata_json: None,
            attribution: Attribution::default(),
        };
        WrittenResult { result, origin: None }
    }

    fn rows(state: State, owner: &str) -> RunRows {
        let mut rows = RunRows::default();
        assert_eq!(Write::of_run(&run(state), owner).apply(&mut rows, owner), Applied::Done);
        (rows.run_touched, rows.touched) = (false, BTreeSet::new());
        rows
    }

    fn about(owner: &str) -> Write {
        Write::of("run_1", owner, start())
    }

    #[test]
    fn a_run_that_is_not_there_is_not_made_up() {
        assert_eq!(about(ME).apply(&mut RunRows::default(), ME), Applied::Absent);
    }

    #[test]
    fn a_state_goes_forward_and_never_back() {
        for (from, to, then) in [
            (State::Running, State::Applied, "applied"),
            (State::Applied, State::Reviewed, "applied"),
            (State::Failed, State::Applied, "failed"),
            (State::Reviewed, State::Failed, "failed"),
        ] {
            let mut rows = rows(from, ME);
            Write { state: Some(to), ..about(ME) }.apply(&mut rows, ME);
            assert_eq!(rows.run.unwrap().state_word, then);
        }
    }

    #[test]
    fn anyone_may_write_anyones_run_and_its_owner_stays() {
        let mut rows = rows(State::Running, "bob");
        let write = Write { state: Some(State::Reviewed), results: vec![result("d")], ..about("bob") };
        assert_eq!(write.apply(&mut rows, ME), Applied::Done);
        let run = rows.run.unwrap();
        assert_eq!((run.stamp.origin.as_deref(), run.stamp.writer.as_deref()), (Some("bob"), Some(ME)));
        assert_eq!(rows.results["a.b"].stamp.origin.as_deref(), Some(ME));
    }

    #[test]
    fn another_run_of_the_same_id_is_a_conflict() {
        let mut rows = rows(State::Running, "bob");
        assert!(matches!(about(ME).apply(&mut rows, ME), Applied::Conflict(_)));
        let other = Run { scope: "other".into(), ..run(State::Running) };
        assert!(matches!(Write::of_run(&other, ME).apply(&mut rows, ME), Applied::Conflict(_)));
        let later = Write { started_at: start() + chrono::TimeDelta::seconds(1), ..about("bob") };
        assert!(matches!(later.apply(&mut rows, "bob"), Applied::Conflict(_)));
    }

    #[test]
    fn another_owners_run_with_the_same_content_is_the_same() {
        let mut rows = rows(State::Reviewed, "bob");
        assert_eq!(Write::of_run(&run(State::Running), ME).apply(&mut rows, ME), Applied::Done);
        let results = Write { results: vec![result("d")], ..about(ME) };
        assert_eq!(results.apply(&mut rows, ME), Applied::Done);
        assert_eq!(rows.run.unwrap().stamp.origin.as_deref(), Some("bob"));
    }

    #[test]
    fn a_later_text_replaces_and_what_was_applied_stays_applied() {
        let mut rows = rows(State::Running, ME);
        Write { results: vec![result("one")], applied: vec!["a.b".into()], applied_at: Some(start()), ..about(ME) }.apply(&mut rows, ME);
        Write { results: vec![result("two")], ..about(ME) }.apply(&mut rows, "bob");
        let stored = &rows.results["a.b"];
        assert_eq!((stored.result.description.as_deref(), stored.result.applied), (Some("two"), true));
        assert_eq!(stored.stamp.writer.as_deref(), Some("bob"));
    }

    #[test]
    fn the_same_again_changes_nothing_and_is_stamped_anew() {
        let mut rows = rows(State::Running, ME);
        let write = Write { results: vec![result("one")], state: Some(State::Reviewed), ..about(ME) };
        write.apply(&mut rows, ME);
        let before = rows.clone();
        write.apply(&mut rows, ME);
        assert_eq!((before.run, before.results), (rows.run, rows.results));
        assert!(rows.run_touched && rows.touched.contains("a.b"));
    }

    #[test]
    fn what_an_earlier_build_queued_is_understood() {
        let queued = r#"{"run_id":"run_1","owner":"me","started_at":"2026-05-03T15:44:02Z","later_key":1,
            "results":[{"target_qname":"a.b","target_kind":"TABLE","description":null,"alternatives":null,"confidence":"low","applied":false}]}"#;
        let write: Write = serde_json::from_str(queued).unwrap();
        assert_eq!((write.item(), write.results[0].result.attribution.clone()), (Item::Results, Attribution::default()));
    }

    #[test]
    fn a_write_comes_back_from_its_json_as_it_was() {
        let mut write = Write { results: vec![result("ı\u{1}\n")], state: Some(State::Failed), ..Write::of_run(&run(State::Running), ME) };
        write.results[0].result.attribution.local_id = Some(7);
        assert_eq!(serde_json::from_str::<Write>(&serde_json::to_string(&write).unwrap()).unwrap(), write);
    }
}
