//! `verify`: what it finds, and what a repair leaves.

use crate::behaviours;
use crate::common::files::{add_result, add_run, edit, empty_amx_cli};
use crate::common::proxy::{Proxy, Weather};
use crate::common::team::{member, result, run};
use crate::common::{Home, Store};
use amx_schema::dialect::Backend;
use serde_json::Value;

const ENFORCED: &str = "the engine enforces the key";
const ENFORCING: &[(Backend, &str)] = &[
    (Backend::PostgreSql, ENFORCED),
    (Backend::MySql, ENFORCED),
    (Backend::SqlServer, ENFORCED),
    (Backend::Oracle, ENFORCED),
    (Backend::Sqlite, ENFORCED),
];
const START: &str = "2026-05-03T15:44:02.123456Z";

behaviours![
    after_an_import_verify_finds_nothing,
    every_hash_is_the_one_that_show_prints,
    a_row_changed_behind_the_stores_back_differs,
    a_run_that_was_not_sent_is_local_only_and_fails,
    what_others_have_and_what_was_pulled_is_no_drift,
    a_row_that_is_there_twice_is_found not on ENFORCING,
    repair_leaves_one_of_exact_copies not on ENFORCING,
    repair_leaves_differing_copies_alone not on ENFORCING,
    repair_leaves_one_of_many_copies_whoever_wrote_them not on ENFORCING,
    a_repair_whose_answers_are_lost_is_ended_by_the_next not on ENFORCING,
];

/// A home whose file has so many runs of so many results, and whose store has them too.
fn imported(store: &Store, runs: u64, results: u64) -> Home {
    let home = Home::new();
    let file = empty_amx_cli(&home.path("history.db"));
    for _ in 0..runs {
        let run = add_run(&file, None);
        (0..results).for_each(|at| add_result(&file, run, at, &format!("run {run} row {at} Müşteri")));
    }
    drop(file);
    home.migrated(store);
    home.import(store, &[]);
    home
}

fn verified(home: &Home, store: &Store, more: &[&str], exit: i32) -> Value {
    let ran = home.on(store, &[&["verify", "--json"], more].concat());
    assert_eq!(ran.code, exit, "{}\n{}", ran.stdout, ran.stderr);
    let (report, schema) = (ran.json(), serde_json::from_str(include_str!("../../docs/schema/verify.json")).unwrap());
    jsonschema::draft202012::validate(&schema, &report).unwrap_or_else(|wrong| panic!("{wrong}: {report:#}"));
    report
}

fn counts(report: &Value) -> [u64; 4] {
    ["runs_local", "runs_shared", "runs_same", "runs_pending"].map(|name| report[name].as_u64().unwrap_or_else(|| panic!("{report}")))
}

/// The runs that differ, each with its status.
fn differing(report: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_string();
    report["differing"].as_array().unwrap().iter().map(|run| (text(&run["run_id"]), text(&run["status"]))).collect()
}

fn ids(home: &Home, store: &Store) -> Vec<String> {
    home.hashes(store).into_keys().collect()
}

fn object(store: &Store, run_id: &str, object: &str) -> String {
    format!("{} = '{run_id}' AND {} = '{object}'", store.column("run_id"), store.column("target_qname"))
}

fn after_an_import_verify_finds_nothing(store: &Store) {
    let home = imported(store, 3, 4);
    let report = verified(&home, store, &[], 0);
    assert_eq!((counts(&report), differing(&report)), ([3, 3, 3, 0], vec![]), "{report}");
    assert_eq!(report["duplicates"], Value::Array(vec![]));
    // A fresh home has nothing that could be missing.
    let report = verified(&Home::new(), store, &[], 0);
    assert_eq!((counts(&report), differing(&report).len()), ([0, 3, 0, 0], 3), "{report}");
}

fn every_hash_is_the_one_that_show_prints(store: &Store) {
    let home = imported(store, 2, 3);
    let file = rusqlite::Connection::open(home.path("history.db")).unwrap();
    let odd = add_run(&file, None);
    // In another order by UTF-16, by JSON and by case than by bytes; a run without results.
    for (at, name) in ["\u{1f600}", "\u{fffd}", "\"", "#", "a", "B", "é", "e\u{301}", "z z", "z-z"].iter().enumerate() {
        add_result(&file, odd, at as u64, &format!("{name} text"));
        file.execute("UPDATE run_results SET table_name = ?1 WHERE id = last_insert_rowid()", [name]).unwrap();
    }
    add_run(&file, None);
    drop(file);
    home.import(store, &[]);
    let report = verified(&home, store, &[], 0);
    assert_eq!(counts(&report), [4, 4, 4, 0], "{report}");
    let report = verified(&Home::new(), store, &[], 0);
    let listed = report["differing"].as_array().unwrap();
    let found: std::collections::BTreeMap<String, String> = listed
        .iter()
        .map(|run| (run["run_id"].as_str().unwrap().into(), format!("{}\n", run["shared"]["hash"].as_str().unwrap())))
        .collect();
    assert_eq!(found, home.hashes(store));
    let results: Vec<u64> = listed.iter().map(|run| run["shared"]["results"].as_u64().unwrap()).collect();
    assert_eq!(results, [3, 3, 10, 0]);
}

fn a_row_changed_behind_the_stores_back_differs(store: &Store) {
    let home = imported(store, 3, 4);
    let ids = ids(&home, store);
    let (table, column) = (store.table("amx_history_results"), store.column("description"));
    store.execute(&format!("UPDATE {table} SET {column} = 'changed' WHERE {}", object(store, &ids[1], "sales.t.c00002")));
    let report = verified(&home, store, &[], 3);
    assert_eq!((counts(&report), differing(&report)), ([3, 3, 2, 0], vec![(ids[1].clone(), "differs".into())]), "{report}");
    let run = &report["differing"][0];
    assert_eq!((&run["local"]["results"], &run["shared"]["results"]), (&4.into(), &4.into()));
    assert_ne!(run["local"]["hash"], run["shared"]["hash"]);
    store.execute(&format!("DELETE FROM {table} WHERE {}", object(store, &ids[1], "sales.t.c00002")));
    let report = verified(&home, store, &[], 3);
    assert_eq!(report["differing"][0]["shared"]["results"], 3);
    home.on(store, &["verify"]).fails("drift", 3);
    home.import(store, &[]);
    verified(&home, store, &[], 0);
}

fn a_run_that_was_not_sent_is_local_only_and_fails(store: &Store) {
    let home = imported(store, 2, 2);
    let file = rusqlite::Connection::open(home.path("history.db")).unwrap();
    let run = add_run(&file, None);
    add_result(&file, run, 0, "new");
    drop(file);
    let report = verified(&home, store, &[], 3);
    assert_eq!(counts(&report), [3, 2, 2, 0], "{report}");
    assert_eq!((differing(&report)[0].1.as_str(), &report["differing"][0]["shared"]), ("local_only", &Value::Null));
    let failed = home.on(store, &["verify"]).fails("drift", 3);
    assert!(failed.stderr.contains("migrate-from-local"), "{}", failed.stderr);
    home.import(store, &[]);
    assert_eq!(counts(&verified(&home, store, &[], 0)), [3, 3, 3, 0]);
    // What changed in the file since is not in the store either.
    edit(&home.path("history.db"), "UPDATE run_results SET chosen_description = 'newer' WHERE chosen_description = 'new'");
    let report = verified(&home, store, &[], 3);
    assert_eq!(differing(&report)[0].1, "differs");
}

fn what_others_have_and_what_was_pulled_is_no_drift(store: &Store) {
    let (ann, bob) = (member(store), member(store));
    ann.record(&[run("run_1", START), result("run_1", "one"), run("run_2", START)], &[]).ok();
    let verify = |home: &Home, exit: i32| {
        let ran = home.run(&["verify", "--json"]);
        assert_eq!(ran.code, exit, "{}\n{}", ran.stdout, ran.stderr);
        ran.json()
    };
    assert_eq!(counts(&verify(&ann, 0)), [2, 2, 2, 0]);
    let report = verify(&bob, 0);
    assert_eq!((counts(&report), differing(&report)[0].1.as_str()), ([0, 2, 0, 0], "shared_only"), "{report}");
    bob.pulled();
    assert_eq!(counts(&verify(&bob, 0)), [2, 2, 2, 0]);
    // What has changed since is to be pulled; what was changed by hand cannot be.
    ann.record(&[result("run_1", "two")], &[]).ok();
    assert_eq!(differing(&verify(&bob, 0)), [("run_1".to_string(), "differs".to_string())]);
    bob.pulled();
    assert_eq!(counts(&verify(&bob, 0)), [2, 2, 2, 0]);
    let (table, column) = (store.table("amx_history_results"), store.column("description"));
    store.execute(&format!("UPDATE {table} SET {column} = 'by hand' WHERE 1 = 1"));
    assert_eq!(differing(&verify(&bob, 3)), [("run_1".to_string(), "differs".to_string())]);
}

fn a_row_that_is_there_twice_is_found(store: &Store) {
    let home = imported(store, 2, 3);
    let ids = ids(&home, store);
    store.double("amx_history_runs", &format!("{} = '{}'", store.column("run_id"), ids[0]), None);
    store.double("amx_history_results", &object(store, &ids[1], "sales.t.c00001"), None);
    let report = verified(&home, store, &[], 3);
    let found = serde_json::json!([
        { "run_id": ids[0], "target_qname": null, "copies": 2, "exact": true },
        { "run_id": ids[1], "target_qname": "sales.t.c00001", "copies": 2, "exact": true },
    ]);
    // They are no other content.
    assert_eq!((&report["duplicates"], counts(&report), differing(&report)), (&found, [2, 2, 2, 0], vec![]), "{report}");
    home.on(store, &["verify"]).fails("duplicates", 3);
    home.on(store, &["verify", "--repair"]).fails("confirmation_required", 2);
    assert_eq!((store.count("amx_history_runs"), store.count("amx_history_results")), (3, 7));
}

fn repair_leaves_one_of_exact_copies(store: &Store) {
    let home = imported(store, 2, 3);
    let before = home.hashes(store);
    let shown = crate::common::rows::shown(&home, store);
    store.double("amx_history_runs", &format!("{} = '{}'", store.column("run_id"), before.keys().next().unwrap()), None);
    store.double("amx_history_results", "1 = 1", None);
    let report = verified(&home, store, &["--repair", "--yes"], 0);
    assert_eq!((&report["repaired"], &report["duplicates"]), (&7.into(), &Value::Array(vec![])), "{report}");
    assert_eq!((store.count("amx_history_runs"), store.count("amx_history_results")), (2, 6));
    assert_eq!((home.hashes(store), crate::common::rows::shown(&home, store)), (before, shown));
    assert_eq!(verified(&home, store, &["--repair", "--yes"], 0)["repaired"], 0);
    // Whoever pulls finds every row, and no import sets one back.
    assert_eq!(member(store).pulled_with(&["--all"]), [2, 0, 6, 0]);
    home.import(store, &[]);
    assert_eq!((store.count("amx_history_runs"), store.count("amx_history_results")), (2, 6));
}

fn repair_leaves_differing_copies_alone(store: &Store) {
    let home = imported(store, 1, 3);
    let ids = ids(&home, store);
    store.double("amx_history_results", &object(store, &ids[0], "sales.t.c00001"), Some(("metadata_json", "other")));
    store.double("amx_history_results", &object(store, &ids[0], "sales.t.c00002"), None);
    let report = verified(&home, store, &["--repair", "--yes"], 3);
    let left = serde_json::json!([{ "run_id": ids[0], "target_qname": "sales.t.c00001", "copies": 2, "exact": false }]);
    assert_eq!((&report["repaired"], &report["duplicates"]), (&1.into(), &left), "{report}");
    assert_eq!(store.count("amx_history_results"), 4);
    let failed = home.on(store, &["verify", "--repair", "--yes"]).fails("duplicates", 3);
    assert!(failed.stderr.contains("by hand"), "{}", failed.stderr);
}

fn repair_leaves_one_of_many_copies_whoever_wrote_them(store: &Store) {
    let home = imported(store, 1, 1);
    let (table, writer, landing) = (store.table("amx_history_results"), store.column("writer"), store.column("landing"));
    store.double("amx_history_results", "1 = 1", None);
    store.execute(&format!("UPDATE {table} SET {writer} = NULL, {landing} = NULL WHERE 1 = 1"));
    store.double("amx_history_results", "1 = 1", None);
    assert_eq!(store.count("amx_history_results"), 4);
    let report = verified(&home, store, &["--repair", "--yes"], 0);
    assert_eq!((&report["repaired"], store.count("amx_history_results")), (&1.into(), 1), "{report}");
}

fn a_repair_whose_answers_are_lost_is_ended_by_the_next(store: &Store) {
    let home = imported(store, 2, 4);
    let shown = crate::common::rows::shown(&home, store);
    store.double("amx_history_runs", "1 = 1", None);
    store.double("amx_history_results", "1 = 1", None);
    let proxy = Proxy::to(store);
    let args = ["verify", "--repair", "--yes", "--quiet", "--url", &proxy.url(store), "--schema", &store.schema];
    proxy.weather(Weather::Forgetful(15));
    for _ in 0..6 {
        home.run(&args);
        assert!(store.count("amx_history_runs") >= 2 && store.count("amx_history_results") >= 8);
    }
    proxy.weather(Weather::Fair);
    home.run(&args).ok();
    assert_eq!((store.count("amx_history_runs"), store.count("amx_history_results")), (2, 8));
    assert_eq!(crate::common::rows::shown(&home, store), shown);
    assert_eq!(member(store).pulled_with(&["--all"]), [2, 0, 8, 0]);
}
