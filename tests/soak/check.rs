//! What has to hold once every machine has synced.

use crate::common::chance::Chance;
use crate::common::{Home, Store};
use crate::machine::{Brings, Machine, Told, said};
use rusqlite::types::ValueRef;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Runs of which the hash is asked for on every machine.
const HASHED: usize = 12;
/// How many differences are shown.
const SHOWN: usize = 10;

/// The rows of both tables of a home's cache, by table and key, each as its columns.
fn cached(home: &Home) -> BTreeMap<String, Vec<String>> {
    let connection = rusqlite::Connection::open(home.path("history.db")).unwrap();
    let mut rows = BTreeMap::new();
    for (table, keys) in [("amx_history_runs", 1), ("amx_history_results", 2)] {
        let mut statement = connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let names: Vec<String> = statement.column_names().into_iter().map(str::to_string).collect();
        let mut found = statement.query([]).unwrap();
        while let Some(row) = found.next().unwrap() {
            let cell = |at: usize| match row.get_ref(at).unwrap() {
                ValueRef::Text(text) => format!("{} '{}'", names[at], std::str::from_utf8(text).unwrap()),
                other => format!("{} {other:?}", names[at]),
            };
            let key = (0..keys).map(cell).collect::<Vec<_>>().join(" ");
            rows.insert(format!("{table} {key}"), (0..names.len()).map(cell).collect());
        }
    }
    rows
}

/// What tells a row of the store from one of a cache.
fn difference(key: &str, store: Option<&Vec<String>>, cache: Option<&Vec<String>>) -> String {
    let (Some(store), Some(cache)) = (store, cache) else {
        return format!("{key}: in the store {}, in the cache {}", store.is_some(), cache.is_some());
    };
    let cells = store.iter().zip(cache).filter(|(store, cache)| store != cache);
    let cells: Vec<_> = cells.map(|(store, cache)| format!("{store}, in the cache {cache}")).collect();
    format!("{key}: {}", cells.join("; "))
}

/// Requires that the machines' caches are as the store, that all of them list the same and hash the same, and that nothing is left to be sent.
pub fn all_the_same(store: &Store, machines: &[Machine], chance: &mut Chance) {
    let witness = Home::new();
    witness.run(&["enable", "--yes", "--url", &store.url, "--schema", &store.schema]).ok();
    witness.run(&["pull-from-shared", "--all"]).ok();
    let (rows, (runs, results)) = (cached(&witness), store.counts());
    assert_eq!(rows.len() as i64, runs + results, "{}: a fresh pull does not have it all", store.backend);
    eprintln!("{}: {runs} runs, {results} results", store.backend);
    let list = |home: &Home| said(home.run(&["history", "list", "--limit", "1000000", "--json"]));
    let listed = list(&witness);
    let ids: Vec<&str> = listed.as_array().unwrap().iter().map(|run| run["run_id"].as_str().unwrap()).collect();
    assert_eq!(ids.len() as i64, runs);
    let mut wrong = vec![];
    for machine in machines {
        let theirs = cached(&machine.home);
        let keys: BTreeSet<&String> = rows.keys().chain(theirs.keys()).collect();
        let differ = keys.into_iter().filter(|key| rows.get(*key) != theirs.get(*key));
        let differ: Vec<_> = differ.map(|key| difference(key, rows.get(key), theirs.get(key))).collect();
        if !differ.is_empty() {
            let shown = differ.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("\n");
            wrong.push(format!("{} machine {}: {} rows differ\n{shown}", store.backend, machine.number, differ.len()));
        }
        assert!(list(&machine.home) == listed, "{} machine {} lists other runs", store.backend, machine.number);
        let status = said(machine.home.run(&["status", "--json"]));
        assert_eq!((&status["outbox_depth"], &status["outbox_quarantined"]), (&Value::from(0), &Value::from(0)), "{status}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for _ in 0..HASHED {
        let run_id = *chance.one(&ids);
        let hashes: BTreeSet<String> = machines.iter().map(|m| m.home.run(&["history", "show", run_id, "--hash"]).ok()).collect();
        assert_eq!(hashes.len(), 1, "{} {run_id}", store.backend);
    }
}

/// A result of the store.
struct Described {
    run_id: String,
    text: String,
    applied: bool,
}

/// What the store holds.
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
    fn of(store: &Store) -> Contents {
        let mut contents = Contents::default();
        for line in store.sql("SELECT llm_model, run_id, state FROM amx_history_runs;").lines() {
            let [mark, run_id, state] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
            contents.marks.entry(mark.into()).or_default().push(run_id.into());
            for name in names(run_id) {
                contents.states.entry(name.into()).or_default().push(state.into());
            }
        }
        let applied = "CASE WHEN applied THEN 'yes' ELSE 'no' END";
        for line in store.sql(&format!("SELECT run_id, target_qname, {applied}, description FROM amx_history_results;")).lines() {
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

/// Requires that everything that was acknowledged is in the store once, and that nothing is there twice.
pub fn once(store: &Store, told: &[Told]) {
    let contents = Contents::of(store);
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
    wrong.extend(contents.texts.iter().filter(|(_, count)| **count > 1).map(|(text, count)| format!("{text} is there {count} times")));
    for ((run_id, object), (since, known)) in last {
        let there = contents.results(run_id, object);
        if known && !there.iter().any(|result| since.contains(&result.text.as_str())) {
            let there: Vec<_> = there.iter().map(|result| format!("{}: {}", result.run_id, result.text)).collect();
            wrong.push(format!("{run_id} {object} is {there:?} and not one of {since:?}"));
        }
    }
    let count = wrong.len();
    wrong.truncate(SHOWN);
    assert!(count == 0, "{}: {count} wrong\n{}", store.backend, wrong.join("\n"));
}
