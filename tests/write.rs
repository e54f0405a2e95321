//! What may be said of any writes of a run: what was sent twice is there once.

use amx_schema::history::{Attribution, Run, RunResult, State};
use amx_schema::store::write::{Applied, RunRows, Write, WrittenResult};
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_780_000_000, 0).unwrap() + TimeDelta::seconds(seconds)
}

fn run() -> Write {
    let run = Run {
        run_id: "run_1".into(),
        who: "ann".into(),
        started_at: at(0),
        finished_at: None,
        scope: "sales".into(),
        llm_provider: "p".into(),
        llm_model: "m".into(),
        db_backend: "postgresql".into(),
        state: State::Running,
        applied_at: None,
        applied_by: None,
        metadata_json: None,
        attribution: Attribution::default(),
    };
    Write::of_run(&run, "ann")
}

fn result(object: u8, text: u8) -> WrittenResult {
    let result = RunResult {
        target_qname: format!("a.{object}"),
        target_kind: "TABLE".into(),
        description: (text > 0).then(|| text.to_string()),
        alternatives: None,
        confidence: "high".into(),
        applied: false,
        applied_at: None,
        metadata_json: None,
        attribution: Attribution::default(),
    };
    WrittenResult { result, origin: None }
}

/// One operation's draft: a state, a time, metadata, results, and objects that were applied.
type Draft = (Option<usize>, Option<i64>, Option<u8>, Vec<(u8, u8)>, Vec<u8>, bool);

fn draft() -> impl Strategy<Value = Draft> {
    (
        prop::option::of(0..4_usize),
        prop::option::of(0..9_i64),
        prop::option::of(0..9_u8),
        prop::collection::vec((0..4_u8, 0..9_u8), 0..3),
        prop::collection::vec(0..4_u8, 0..3),
        prop::bool::weighted(0.1),
    )
}

/// Writes as `record` lets them through: only what has a result can be applied.
fn writes(drafts: Vec<Draft>) -> Vec<Write> {
    let mut there = BTreeSet::new();
    let mut writes = vec![run()];
    for (n, (state, finished, metadata, results, applied, again)) in drafts.into_iter().enumerate() {
        if again {
            writes.push(run());
        }
        there.extend(results.iter().map(|(object, _)| *object));
        let applied: Vec<String> =
            applied.into_iter().filter(|object| there.contains(object)).map(|object| format!("a.{object}")).collect();
        let write = Write {
            results: results.into_iter().map(|(object, text)| result(object, text)).collect(),
            state: state.map(|state| State::ALL[state]),
            finished_at: finished.map(at),
            metadata_json: metadata.map(|number| format!("{{\"n\":{number}}}")),
            applied_at: (!applied.is_empty()).then(|| at(n as i64)),
            applied,
            ..Write::of("run_1", "ann", at(0))
        };
        writes.push(write);
    }
    writes
}

fn applied(rows: &mut RunRows, writes: &[Write], writer: &str) {
    for write in writes {
        assert_eq!(write.apply(rows, writer), Applied::Done);
    }
}

fn visible(rows: &RunRows) -> (Option<(Run, String)>, Vec<RunResult>) {
    let run = rows.run.as_ref().map(|stored| (stored.run.clone(), stored.state_word.clone()));
    (run, rows.results.values().map(|stored| stored.result.clone()).collect())
}

proptest! {
    #[test]
    fn replaying_any_suffix_of_acknowledged_writes_changes_nothing_visible(
        drafts in prop::collection::vec(draft(), 0..12), from in 0..14_usize
    ) {
        let writes = writes(drafts);
        let mut rows = RunRows::default();
        applied(&mut rows, &writes, "ann");
        let before = visible(&rows);
        applied(&mut rows, &writes[from.min(writes.len())..], "ann");
        prop_assert_eq!(visible(&rows), before);
    }

    #[test]
    fn what_two_wrote_of_different_objects_is_the_same_in_either_order(
        left in prop::collection::vec((0..4_u8, 0..9_u8), 0..6), right in prop::collection::vec((4..8_u8, 0..9_u8), 0..6),
        states in prop::collection::vec(0..3_usize, 2..3),
    ) {
        // Of states up to applied the furthest holds; failed and applied end a run, and the first of them stays.
        let of = |results: Vec<(u8, u8)>, state: usize| Write {
            results: results.into_iter().map(|(object, text)| result(object, text)).collect(),
            state: Some(State::ALL[state]),
            ..Write::of("run_1", "ann", at(0))
        };
        let (left, right) = (of(left, states[0]), of(right, states[1]));
        let both = |first: (&Write, &str), second: (&Write, &str)| {
            let mut rows = RunRows::default();
            applied(&mut rows, &[run()], "ann");
            for (write, writer) in [first, second] {
                applied(&mut rows, std::slice::from_ref(write), writer);
            }
            visible(&rows)
        };
        prop_assert_eq!(both((&left, "ann"), (&right, "bob")), both((&right, "bob"), (&left, "ann")));
    }

    #[test]
    fn an_update_that_came_before_a_run_was_given_again_stays(state in 0..4_usize, number in 0..9_u8) {
        let update = Write {
            state: Some(State::ALL[state]),
            metadata_json: Some(format!("{{\"n\":{number}}}")),
            finished_at: Some(at(1)),
            ..Write::of("run_1", "ann", at(0))
        };
        let mut rows = RunRows::default();
        applied(&mut rows, &[run(), update], "ann");
        let before = visible(&rows);
        applied(&mut rows, &[run()], "ann");
        prop_assert_eq!(visible(&rows), before);
    }
}
