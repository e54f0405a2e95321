//! What has to hold once every machine has synced.

use crate::common::chance::Chance;
use crate::common::{Home, Store};
use crate::machine::{Machine, said};
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
