//! `migrate-from-local`: what arrives, what a second run does, and what it never sets back.

use crate::behaviours;
use crate::common::files::{add_result, add_run, edit, empty_amx_cli};
use crate::common::proxy::{Proxy, Weather};
use crate::common::rows::{mapped, shown};
use crate::common::{EXTREME, HISTORY, Home, Store};
use amx_schema::dialect::Backend;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Stdio;

const REDSHIFT: &[(Backend, &str)] =
    &[(Backend::Redshift, "a value of that file has more than the 65,535 bytes that a column holds there")];
const NO_LINE: &[(Backend, &str)] = &[(Backend::Sqlite, "there is no line that could break")];

behaviours![
    the_real_file_arrives_with_exact_counts_and_values not on REDSHIFT,
    what_can_be_stored_of_a_file_with_bad_values_arrives,
    every_run_has_the_hash_that_it_has_on_sqlite,
    text_arrives_byte_for_byte,
    hostile_text_is_text,
    long_text_arrives_whole,
    a_second_import_adds_nothing,
    an_import_without_its_journal_adds_nothing,
    what_changed_in_the_file_is_updated,
    a_state_goes_forward_only,
    a_row_that_was_deleted_is_restored,
    another_run_of_the_same_id_is_a_conflict,
    a_conflict_is_renamed_where_that_is_asked_for,
    a_dry_run_counts_and_writes_nothing,
    two_machines_that_import_one_file_at_once_add_each_row_once,
    a_large_run_arrives_whole,
    an_import_that_was_killed_is_completed_by_the_next,
    answers_that_are_lost_double_nothing not on NO_LINE,
];

/// A home whose file has so many runs of so many results.
fn small(runs: u64, results: u64) -> Home {
    let home = Home::new();
    let mut file = empty_amx_cli(&home.path("history.db"));
    let transaction = file.transaction().unwrap();
    for _ in 0..runs {
        let run = add_run(&transaction, None);
        (0..results).for_each(|at| add_result(&transaction, run, at, &format!("run {run} row {at}")));
    }
    transaction.commit().unwrap();
    home
}

fn first_id(home: &Home) -> String {
    mapped(&home.path("history.db")).into_keys().next().unwrap()
}

/// Runs imported, updated and skipped, and results likewise.
fn counts(report: &Value) -> [u64; 6] {
    ["runs_imported", "runs_updated", "runs_skipped", "results_imported", "results_updated", "results_skipped"]
        .map(|name| report[name].as_u64().unwrap_or_else(|| panic!("{report}")))
}

fn the_real_file_arrives_with_exact_counts_and_values(store: &Store) {
    let home = Home::with_history(HISTORY);
    home.migrated(store);
    assert_eq!(counts(&home.import(store, &[])), [15, 0, 0, 210, 0, 0]);
    assert_eq!((store.count("amx_history_runs"), store.count("amx_history_results")), (15, 210));
    assert_eq!(shown(&home, store), mapped(Path::new(HISTORY)));
}

fn what_can_be_stored_of_a_file_with_bad_values_arrives(store: &Store) {
    let home = Home::with_history(EXTREME);
    home.migrated(store);
    let ran = home.on(store, &["migrate-from-local", "--yes", "--skip-errors", "--json"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let (there, wanted) = (shown(&home, store), mapped(Path::new(EXTREME)));
    // What an engine's columns cannot hold costs its run and is named; all else is as it is in the file.
    let refused: Vec<String> =
        ran.json()["failures"].as_array().unwrap().iter().map(|bad| bad["run_id"].as_str().unwrap().into()).collect();
    for (run_id, run) in &wanted {
        match there.get(run_id) {
            Some(found) => assert_eq!(found, run),
            None => assert!(refused.contains(run_id), "{run_id} is neither there nor named"),
        }
    }
    assert!(there.len() * 2 > wanted.len());
}

fn every_run_has_the_hash_that_it_has_on_sqlite(store: &Store) {
    let home = Home::with_history(HISTORY);
    home.migrated(store);
    let report = home.import(store, &[]);
    let (other, sqlite) = (Home::with_history(HISTORY), Store::sqlite());
    other.migrated(&sqlite);
    other.import(&sqlite, &[]);
    let mut wanted = other.hashes(&sqlite);
    assert_eq!(wanted.len(), 15);
    // What a column there cannot hold is named and left out.
    for failure in report["failures"].as_array().unwrap() {
        wanted.remove(failure["run_id"].as_str().unwrap());
    }
    assert!(wanted.len() >= 10, "{report}");
    assert_eq!(home.hashes(store), wanted);
}

/// The descriptions of the first run's results, in the order of their objects.
fn descriptions(home: &Home, store: &Store) -> Vec<Value> {
    let shown = home.on(store, &["history", "show", &first_id(home), "--json"]).json();
    shown["results"].as_array().unwrap().iter().map(|result| result["description"].clone()).collect()
}

fn arrive(store: &Store, texts: &[&str]) {
    let home = Home::new();
    let file = empty_amx_cli(&home.path("history.db"));
    let run = add_run(&file, Some(1_767_225_600.123456));
    for (at, text) in texts.iter().enumerate() {
        add_result(&file, run, at as u64, text);
    }
    add_result(&file, run, 99_999, "");
    file.execute_batch("UPDATE run_results SET chosen_description = NULL, alternatives_json = '[]' WHERE column_name = 'c99999'").unwrap();
    drop(file);
    home.migrated(store);
    home.import(store, &[]);
    let mut wanted: Vec<Value> = texts.iter().map(|text| json!(text)).collect();
    wanted.push(Value::Null);
    assert_eq!(descriptions(&home, store), wanted);
    let shown = home.on(store, &["history", "show", &first_id(&home), "--json"]).json();
    assert_eq!(shown["run"]["started_at"], "2026-01-01T00:00:00.123456Z");
}

fn text_arrives_byte_for_byte(store: &Store) {
    arrive(
        store,
        &[
            "caf\u{e9}",
            "cafe\u{301}",
            "",
            " two  blanks ",
            "tab\there\r\nand\\n",
            "\u{1F600}\u{200D}",
            "İıŞş",
            "\u{feff}x",
            "\u{1}\u{7f}\u{85}",
        ],
    );
}

fn hostile_text_is_text(store: &Store) {
    arrive(
        store,
        &[
            "'; DROP TABLE x; --",
            "\\'; \\\\ \"",
            "? ?? $1 :1 :p1 @p1 @P1 {{ schema }} {% x %}",
            "/* -- */ # //",
            "null",
            "\\u0041 \\x41 %s %%",
            "[{\"c1\": null}]",
            "$$ q'[x]' N'y'",
        ],
    );
}

fn long_text_arrives_whole(store: &Store) {
    let long = "Müşteri ".repeat(6_000);
    arrive(store, &[&long]);
}

fn a_second_import_adds_nothing(store: &Store) {
    let home = small(3, 4);
    home.migrated(store);
    assert_eq!(counts(&home.import(store, &[])), [3, 0, 0, 12, 0, 0]);
    assert_eq!(counts(&home.import(store, &[])), [0, 0, 3, 0, 0, 12]);
    assert_eq!((store.count("amx_history_runs"), store.count("amx_history_results")), (3, 12));
}

fn an_import_without_its_journal_adds_nothing(store: &Store) {
    let home = small(3, 4);
    home.migrated(store);
    home.import(store, &[]);
    for name in ["amx-schema.db", "amx-schema.db-wal", "amx-schema.db-shm"] {
        let _ = std::fs::remove_file(home.path(name));
    }
    assert_eq!(counts(&home.import(store, &[])), [0, 0, 3, 0, 0, 12]);
    assert_eq!((store.count("amx_history_runs"), store.count("amx_history_results")), (3, 12));
}

fn what_changed_in_the_file_is_updated(store: &Store) {
    let home = small(3, 4);
    home.migrated(store);
    home.import(store, &[]);
    edit(
        &home.path("history.db"),
        "UPDATE run_results SET chosen_description = 'new' WHERE run_id = 1 AND column_name IN ('c00001', 'c00002')",
    );
    assert_eq!(counts(&home.import(store, &[])), [0, 1, 2, 0, 2, 10]);
    assert_eq!(descriptions(&home, store), ["run 1 row 0", "new", "new", "run 1 row 3"]);
}

fn a_state_goes_forward_only(store: &Store) {
    let home = small(1, 1);
    home.migrated(store);
    home.import(store, &[]);
    let state = |home: &Home| home.on(store, &["history", "show", &first_id(home), "--json"]).json()["run"]["state"].clone();
    for (word, then) in [("success", "reviewed"), ("applied_partial", "applied"), ("running", "applied")] {
        edit(&home.path("history.db"), &format!("UPDATE analysis_runs SET status = '{word}'"));
        home.import(store, &[]);
        assert_eq!(state(&home), then, "{word}");
    }
}

fn a_row_that_was_deleted_is_restored(store: &Store) {
    let home = small(2, 3);
    home.migrated(store);
    home.import(store, &[]);
    let (table, column) = (store.table("amx_history_results"), store.column("target_qname"));
    store.execute(&format!("DELETE FROM {table} WHERE {column} = 'sales.t.c00001' AND {} = '{}'", store.column("run_id"), first_id(&home)));
    assert_eq!(counts(&home.import(store, &[])), [0, 1, 1, 1, 0, 5]);
    assert_eq!(store.count("amx_history_results"), 6);
}

/// Two homes whose first runs have one id and other content.
fn in_conflict(store: &Store) -> (Home, Home) {
    let (one, other) = (small(1, 2), small(2, 2));
    edit(
        &other.path("history.db"),
        "UPDATE analysis_runs SET llm_model = 'other'; UPDATE analysis_runs SET started_at = started_at + 1 WHERE id = 1",
    );
    one.migrated(store);
    one.import(store, &[]);
    (one, other)
}

fn another_run_of_the_same_id_is_a_conflict(store: &Store) {
    let (_, other) = in_conflict(store);
    let ran = other.on(store, &["migrate-from-local", "--yes", "--json"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert_eq!(ran.json()["conflicts"].as_array().unwrap().len(), 1, "{}", ran.stdout);
    assert_eq!((store.count("amx_history_runs"), store.count("amx_history_results")), (2, 4));
}

fn a_conflict_is_renamed_where_that_is_asked_for(store: &Store) {
    let (_, other) = in_conflict(store);
    for _ in 0..2 {
        other.on(store, &["migrate-from-local", "--yes", "--on-conflict", "rename"]).ok();
        assert_eq!((store.count("amx_history_runs"), store.count("amx_history_results")), (3, 6));
    }
}

fn a_dry_run_counts_and_writes_nothing(store: &Store) {
    let home = small(3, 4);
    home.migrated(store);
    let report = home.import(store, &["--dry-run"]);
    assert_eq!(counts(&report), [3, 0, 0, 12, 0, 0]);
    assert_eq!((store.count("amx_history_runs"), store.count("amx_history_results"), store.count("amx_history_origins")), (0, 0, 0));
}

fn two_machines_that_import_one_file_at_once_add_each_row_once(store: &Store) {
    let one = small(30, 20);
    let other = Home::new();
    std::fs::copy(one.path("history.db"), other.path("history.db")).unwrap();
    one.migrated(store);
    let start = |home: &Home| {
        let mut command = home.command(&["migrate-from-local", "--yes", "--json", "--url", &store.url, "--schema", &store.schema]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    for child in [start(&one), start(&other)] {
        let done = child.wait_with_output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    assert_eq!((store.count("amx_history_runs"), store.count("amx_history_results")), (30, 600));
}

fn a_large_run_arrives_whole(store: &Store) {
    let home = small(1, 12_000);
    home.migrated(store);
    assert_eq!(counts(&home.import(store, &[])), [1, 0, 0, 12_000, 0, 0]);
    assert_eq!(counts(&home.import(store, &[])), [0, 0, 1, 0, 0, 12_000]);
    assert_eq!(store.count("amx_history_results"), 12_000);
}

fn an_import_that_was_killed_is_completed_by_the_next(store: &Store) {
    let home = small(20, 100);
    home.migrated(store);
    let args = ["migrate-from-local", "--yes", "--url", &store.url, "--schema", &store.schema];
    for wait in [0, 60, 150, 400] {
        let mut child = home.command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(wait));
        let _ = child.kill();
        child.wait().unwrap();
    }
    home.import(store, &[]);
    assert_eq!((store.count("amx_history_runs"), store.count("amx_history_results")), (20, 2_000));
    assert_eq!(shown(&home, store), mapped(&home.path("history.db")));
}

fn answers_that_are_lost_double_nothing(store: &Store) {
    let home = small(6, 5);
    home.migrated(store);
    let proxy = Proxy::to(store);
    let url = proxy.url(store);
    let args = ["migrate-from-local", "--yes", "--url", &url, "--schema", &store.schema, "--quiet"];
    proxy.weather(Weather::Forgetful(30));
    let reruns = std::env::var("AMX_TEST_RERUNS").ok().and_then(|count| count.parse().ok()).unwrap_or(4);
    for _ in 0..reruns {
        home.run(&args);
    }
    proxy.weather(Weather::Fair);
    home.run(&args).ok();
    assert_eq!((store.count("amx_history_runs"), store.count("amx_history_results")), (6, 30));
    assert_eq!(shown(&home, store), mapped(&home.path("history.db")));
}
