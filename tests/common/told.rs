//! What `record` was told and what it acknowledged, against what a store holds.

use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How many differences are shown.
const SHOWN: usize = 10;

/// What an operation is to bring.
#[derive(Debug, Clone)]
pub enum Brings {
    /// A run with this text as its model, which no other run has.
    Run { mark: String },
    /// Something of a run: texts by object, a state, objects that were applied.
    Change { texts: BTreeMap<String, String>, state: Option<&'static str>, applied: Vec<String> },
}

/// An operation that was given to a process, and the answer if one came.
#[derive(Debug, Clone)]
pub struct Told {
    /// Who gave it. Each worker gives one after the other.
    pub by: String,
    /// The run: as it was given, or as it was answered.
    pub run_id: Option<String>,
    pub brings: Brings,
    /// What the answer said of the shared store.
    pub answer: Option<String>,
}

/// Results whose first word is the text that is asked for in the end.
pub fn results(texts: &BTreeMap<String, String>) -> Vec<Value> {
    let result = |(object, text): (&String, &String)| {
        let description = format!("{text} Müşteri ı 'a' \\ \u{1}");
        let alternatives = json!([{ "text": text, "logprob": -0.5 }]);
        json!({
            "target_qname": object, "target_kind": "COLUMN", "description": description, "alternatives": alternatives, "confidence": "high",
        })
    };
    texts.iter().map(result).collect()
}

/// A result that is there.
struct Described {
    run_id: String,
    text: String,
    applied: bool,
}

/// What a store holds.
#[derive(Default)]
struct Contents {
    /// The runs with each mark.
    marks: BTreeMap<String, Vec<String>>,
    /// The states of the runs of that name: the one with that id, and what was renamed because another one has it.
    states: BTreeMap<String, Vec<String>>,
    /// The results for an object of the runs of that name.
    results: BTreeMap<(String, String), Vec<Described>>,
    /// How many results have a text.
    texts: BTreeMap<String, u32>,
}

impl Contents {
    fn of(ask: impl Fn(&str) -> String) -> Contents {
        let mut contents = Contents::default();
        for line in ask("SELECT llm_model, run_id, state FROM amx_history_runs;").lines() {
            let [mark, run_id, state] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
            contents.marks.entry(mark.into()).or_default().push(run_id.into());
            for name in names(run_id) {
                contents.states.entry(name.into()).or_default().push(state.into());
            }
        }
        let applied = "CASE WHEN applied THEN 'yes' ELSE 'no' END";
        for line in ask(&format!("SELECT run_id, target_qname, {applied}, description FROM amx_history_results;")).lines() {
            let [run_id, object, applied, text] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
            let text = text.split(' ').next().unwrap();
            *contents.texts.entry(text.into()).or_default() += 1;
            for name in names(run_id) {
                let described = Described { run_id: run_id.into(), text: text.into(), applied: applied == "yes" };
                contents.results.entry((name.into(), object.into())).or_default().push(described);
            }
        }
        contents
    }

    fn results(&self, run_id: &str, object: &str) -> &[Described] {
        self.results.get(&(run_id.into(), object.into())).map_or(&[], Vec::as_slice)
    }
}

/// The ids that a run may have had: its own, and the one that it was renamed from.
fn names(run_id: &str) -> impl Iterator<Item = &str> {
    let before = run_id.rsplit_once('-').filter(|(_, suffix)| suffix.len() == 6 && suffix.bytes().all(|digit| digit.is_ascii_hexdigit()));
    [run_id].into_iter().chain(before.map(|(before, _)| before))
}

fn rank(state: &str) -> u8 {
    match state {
        "running" => 0,
        "reviewed" => 1,
        _ => 2,
    }
}

/// Requires that everything that was acknowledged is in a store once, and that nothing is there twice. It is asked in SQL and answers as
/// [`Store::sql`](super::Store::sql) does.
#[track_caller]
pub fn once(place: &str, ask: impl Fn(&str) -> String, told: &[Told]) {
    let contents = Contents::of(ask);
    let mut wrong = vec![];
    let mut marks: BTreeMap<&str, bool> = BTreeMap::new();
    // By run and object, the texts of its one writer since the last that was acknowledged; those that were not may be there too.
    let mut last: BTreeMap<(&str, &str), (Vec<&str>, bool)> = BTreeMap::new();
    for told in told {
        let acknowledged = told.answer.is_some();
        match (&told.brings, told.run_id.as_deref()) {
            (Brings::Run { mark }, _) => *marks.entry(mark).or_default() |= acknowledged,
            (Brings::Change { texts, state, applied }, Some(run_id)) => {
                for (object, text) in texts.iter().filter(|(object, _)| object.starts_with(&told.by)) {
                    let (since, known) = last.entry((run_id, object)).or_default();
                    if acknowledged {
                        since.clear();
                        *known = true;
                    }
                    since.push(text);
                }
                let as_far = |state: &str| contents.states.get(run_id).into_iter().flatten().any(|now| rank(now) >= rank(state));
                if acknowledged && state.is_some_and(|state| !as_far(state)) {
                    wrong.push(format!("the run is not as far as {told:?}"));
                }
                if acknowledged && !applied.iter().all(|object| contents.results(run_id, object).iter().any(|result| result.applied)) {
                    wrong.push(format!("not applied: {told:?}"));
                }
            }
            (Brings::Change { .. }, None) => {}
        }
    }
    for (mark, acknowledged) in marks {
        let there = contents.marks.get(mark).map_or(&[] as &[String], Vec::as_slice);
        if there.len() > 1 || (there.is_empty() && acknowledged) {
            wrong.push(format!("the run {mark} is there as {there:?}"));
        }
    }
    // One operation writes each of its texts to one object.
    let texts = told.iter().filter_map(|told| if let Brings::Change { texts, .. } = &told.brings { Some(texts.values()) } else { None });
    let twice = texts.flatten().filter_map(|text| contents.texts.get(text).filter(|count| **count > 1).map(|count| (text, count)));
    wrong.extend(twice.map(|(text, count)| format!("{text} is there {count} times")));
    for ((run_id, object), (since, known)) in last {
        let there = contents.results(run_id, object);
        if known && !there.iter().any(|result| since.contains(&result.text.as_str())) {
            let there: Vec<_> = there.iter().map(|result| format!("{}: {}", result.run_id, result.text)).collect();
            wrong.push(format!("{run_id} {object} is {there:?} and not one of {since:?}"));
        }
    }
    let count = wrong.len();
    wrong.truncate(SHOWN);
    assert!(count == 0, "{place}: {count} wrong\n{}", wrong.join("\n"));
}
