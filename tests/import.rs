//! `migrate-from-local` on every real engine: what arrives, what a second run does, and what it never sets back.

mod common;
use common::files::{Part, add_own_run, add_result, add_run, amx_cli, edit, empty_amx_cli, own, value};
use common::rows::{mapped, shown};
use common::{EXTREME, HISTORY, Home, Ran, Store};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

const IMPORT: [&str; 3] = ["migrate-from-local", "--yes", "--json"];

/// A home whose history.db has three runs of four results.
fn small() -> Home {
    let home = Home::new();
    amx_cli(&home.path("history.db"), &[Part { runs: 3, results: 4, bytes: 40 }]);
    home
}

/// A home that knows a store and whose own local store has a run of each of so many days; and that local store.
fn recorded(days: u32, store: &Store) -> (Home, PathBuf) {
    let home = Home::new();
    let (file, me) = own(home.dir.path());
    for day in 1..=days {
        add_own_run(&file, &me, &format!("run_2026-06-0{day}_10-00-001"), &format!("2026-06-0{day}T10:00:00.000000Z"));
    }
    home.migrated(store);
    (home, file)
}

fn forget_journal(home: &Home) {
    for name in ["amx-schema.db", "amx-schema.db-wal", "amx-schema.db-shm"] {
        let _ = std::fs::remove_file(home.path(name));
    }
}

/// Runs imported, updated, skipped, failed and in conflict.
fn runs(report: &Value) -> [u64; 5] {
    let count = |name: &str| report[name].as_u64().unwrap();
    let conflicts = report["conflicts"].as_array().unwrap().len() as u64;
    [count("runs_imported"), count("runs_updated"), count("runs_skipped"), count("runs_failed"), conflicts]
}

/// Results imported, updated and skipped.
fn results(report: &Value) -> [u64; 3] {
    ["results_imported", "results_updated", "results_skipped"].map(|name| report[name].as_u64().unwrap())
}

/// The id of the first run of [`small`], and its second.
fn ids(home: &Home) -> Vec<String> {
    mapped(&home.path("history.db")).into_keys().collect()
}

/// A teammate's edit of the store.
fn teammate(store: &Store, set: &str, run_id: &str) {
    store.sql(&format!(
        "UPDATE amx_history_results SET {set}, writer = 'bob', landing = 1 WHERE run_id = '{run_id}' AND target_qname = 'sales.t.c00001';"
    ));
}

fn description(store: &Store, run_id: &str, object: &str) -> String {
    let sql = format!("SELECT description FROM amx_history_results WHERE run_id = '{run_id}' AND target_qname = '{object}'");
    store.sql(&sql).trim_end_matches('\n').to_string()
}

// --- what arrives

#[test]
fn the_real_file_arrives_with_exact_counts() {
    for store in Store::all() {
        let home = Home::with_history(HISTORY);
        home.migrated(&store);
        let mut report = home.import(&store, &[]);
        assert!(report.as_object_mut().unwrap().shift_remove("elapsed_ms").unwrap().is_u64());
        let wanted = json!({
            "runs_found": 15, "runs_imported": 15, "runs_updated": 0, "runs_skipped": 0, "runs_failed": 0,
            "results_imported": 210, "results_updated": 0, "results_skipped": 0, "conflicts": [], "failures": [], "statements": null,
        });
        assert_eq!(report, wanted, "{}", store.backend);
        assert_eq!(store.counts(), (15, 210), "{}", store.backend);
    }
}

#[test]
fn every_run_of_the_real_file_has_the_same_hash_on_every_engine() {
    let hashes: Vec<_> = Store::all()
        .into_iter()
        .map(|store| {
            let home = Home::with_history(HISTORY);
            home.migrated(&store);
            home.import(&store, &[]);
            home.hashes(&store)
        })
        .collect();
    assert_eq!(hashes[0].len(), 15);
    assert!(hashes[0].values().all(|hash| hash.trim_end().len() == 64));
    assert!(hashes.iter().all(|other| other == &hashes[0]));
}

#[test]
fn every_value_is_in_every_store_as_it_is_in_the_file() {
    for file in [HISTORY, EXTREME] {
        let wanted = mapped(Path::new(file));
        for store in Store::all() {
            let home = Home::with_history(file);
            home.migrated(&store);
            home.on(&store, &["migrate-from-local", "--yes", "--skip-errors"]);
            assert_eq!(shown(&home, &store), wanted, "{} {file}", store.backend);
        }
    }
}

#[test]
fn text_keeps_normal_form_blanks_case_and_emptiness() {
    let texts =
        ["caf\u{e9}", "cafe\u{301}", "", " two  blanks ", "tab\there\r\nand\\n", "\u{1F600}\u{200D}", "İıŞş", "'; DROP--", "\u{feff}x"];
    let home = Home::new();
    let file = empty_amx_cli(&home.path("history.db"));
    let run = add_run(&file, Some(1_767_225_600.123456));
    for (at, text) in texts.iter().enumerate() {
        add_result(&file, run, at as u64, text);
    }
    add_result(&file, run, 99, "");
    file.execute_batch("UPDATE run_results SET chosen_description = NULL, alternatives_json = '[]' WHERE column_name = 'c00099'").unwrap();
    drop(file);
    for store in Store::all() {
        home.migrated(&store);
        home.import(&store, &[]);
        let shown = shown(&home, &store);
        let (_, run) = shown.first_key_value().unwrap();
        let stored: Vec<_> = run["results"].as_array().unwrap().iter().map(|row| row["description"].as_str()).collect();
        let wanted: Vec<_> = texts.iter().map(|text| Some(*text)).chain([None]).collect();
        assert_eq!(stored, wanted, "{}", store.backend);
        assert_eq!(run["run"]["started_at"], "2026-01-01T00:00:00.123456Z", "{}", store.backend);
        assert_eq!(shown, mapped(&home.path("history.db")), "{}", store.backend);
    }
}

#[test]
fn our_own_local_store_arrives_and_teammates_rows_in_it_do_not() {
    for store in Store::all() {
        let home = Home::new();
        let (file, me) = own(home.dir.path());
        add_own_run(&file, &me, "run_2026-06-01_10-00-001", "2026-06-01T10:00:00.000001Z");
        add_own_run(&file, &me, "run_2026-06-02_10-00-002", "2026-06-02T10:00:00.999999Z");
        add_own_run(&file, "bob", "run_2026-06-03_10-00-001", "2026-06-03T10:00:00.000000Z");
        home.migrated(&store);
        let report = home.import(&store, &[]);
        assert_eq!(
            (report["runs_found"].as_u64(), runs(&report), results(&report)),
            (Some(2), [2, 0, 0, 0, 0], [4, 0, 0]),
            "{}",
            store.backend
        );
        let shown = shown(&home, &store);
        let run = &shown["run_2026-06-01_10-00-001"];
        assert_eq!(run["run"]["started_at"], "2026-06-01T10:00:00.000001Z");
        assert_eq!(run["run"]["origin"], json!(me));
        assert_eq!(run["run"]["client_version"], "0.20.0");
        let [table, column] = &run["results"].as_array().unwrap()[..] else { panic!("{run}") };
        assert_eq!(
            (&table["description"], &table["applied"], &table["local_id"]),
            (&json!(""), &json!(true), &json!(8)),
            "{}",
            store.backend
        );
        assert_eq!(
            (&column["description"], &column["applied"], &column["metadata_json"]),
            (&Value::Null, &json!(false), &json!("{\"b\": null}"))
        );
        let again = home.import(&store, &[]);
        assert_eq!((runs(&again), results(&again)), ([0, 0, 2, 0, 0], [0, 0, 4]), "{}", store.backend);
    }
}

#[test]
fn a_home_with_both_kinds_of_file_sends_both() {
    for store in Store::all() {
        let home = small();
        let (file, me) = own(home.dir.path());
        add_own_run(&file, &me, "run_2026-06-01_10-00-001", "2026-06-01T10:00:00.000000Z");
        home.migrated(&store);
        let report = home.import(&store, &[]);
        assert_eq!(
            (report["runs_found"].as_u64(), runs(&report), results(&report)),
            (Some(4), [4, 0, 0, 0, 0], [14, 0, 0]),
            "{}",
            store.backend
        );
    }
}

#[test]
fn a_file_with_both_sets_of_tables_is_read_as_both() {
    for store in Store::all() {
        let home = Home::new();
        let (file, me) = own(home.dir.path());
        assert_eq!(file, home.path("history.db"));
        add_own_run(&file, &me, "run_2026-06-01_10-00-001", "2026-06-01T10:00:00.000000Z");
        let other = small();
        let theirs = other.path("history.db");
        let copy = |table: &str| {
            let ddl = value(&theirs, &format!("SELECT sql FROM sqlite_master WHERE name = '{table}'"));
            format!("{ddl}; INSERT INTO {table} SELECT * FROM theirs.{table};")
        };
        edit(&file, &format!("ATTACH '{}' AS theirs; {}{}", theirs.display(), copy("analysis_runs"), copy("run_results")));
        home.migrated(&store);
        let report = home.import(&store, &[]);
        assert_eq!(
            (report["runs_found"].as_u64(), runs(&report), results(&report)),
            (Some(4), [4, 0, 0, 0, 0], [14, 0, 0]),
            "{}",
            store.backend
        );
        assert!(!home.path("amx-schema.db").exists());
        let again = home.import(&store, &[]);
        assert_eq!((runs(&again), results(&again)), ([0, 0, 4, 0, 0], [0, 0, 14]), "{}", store.backend);
    }
}

#[test]
fn runs_that_were_pulled_from_teammates_are_neither_counted_nor_sent() {
    for store in Store::all() {
        let home = small();
        let file = home.path("history.db");
        edit(&file, "UPDATE analysis_runs SET shared_uuid = 'u' WHERE id = 2; UPDATE run_results SET shared_uuid = 'v' WHERE run_id = 2");
        home.migrated(&store);
        let report = home.import(&store, &[]);
        assert_eq!(
            (report["runs_found"].as_u64(), runs(&report), results(&report)),
            (Some(2), [2, 0, 0, 0, 0], [8, 0, 0]),
            "{}",
            store.backend
        );
    }
}

#[test]
fn bad_rows_are_listed_and_cost_their_run_or_with_skip_errors_only_themselves() {
    let mut seen = vec![];
    for store in Store::all() {
        let home = Home::with_history(EXTREME);
        home.migrated(&store);
        let report = home.on(&store, &IMPORT);
        assert_eq!(report.code, 1, "{}", report.stderr);
        assert!(report.stderr.contains("\"rows_failed\""), "{}", report.stderr);
        let strict = report.json();
        let lenient = home.on(&store, &[&IMPORT[..], &["--skip-errors"]].concat());
        assert_eq!(lenient.code, 1);
        let lenient = lenient.json();
        for failure in strict["failures"].as_array().unwrap() {
            assert!(failure["run_id"].is_string() && failure["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{failure}");
        }
        assert_eq!(strict["failures"], lenient["failures"], "{}", store.backend);
        assert!(runs(&strict)[3] > runs(&lenient)[3]);
        assert_eq!(runs(&strict).iter().sum::<u64>(), strict["runs_found"].as_u64().unwrap());
        assert_eq!(runs(&lenient).iter().sum::<u64>(), lenient["runs_found"].as_u64().unwrap());
        seen.push((runs(&strict), results(&strict), runs(&lenient), results(&lenient), strict["failures"].clone(), store.counts()));
    }
    assert!(seen.iter().all(|one| one == &seen[0]), "{seen:#?}");
}

// --- a second run

#[test]
fn a_second_run_copies_nothing_and_says_so() {
    for store in Store::all() {
        let home = Home::with_history(HISTORY);
        home.migrated(&store);
        home.import(&store, &[]);
        let (rows, landed) = (store.rows(), store.sql("SELECT * FROM amx_history_origins"));
        let again = home.import(&store, &[]);
        assert_eq!((runs(&again), results(&again)), ([0, 0, 15, 0, 0], [0, 0, 210]), "{}", store.backend);
        let said = home.on(&store, &["migrate-from-local", "--yes"]).ok();
        assert!(said.contains("Nothing to copy"), "{said}");
        assert_eq!((store.rows(), store.sql("SELECT * FROM amx_history_origins")), (rows, landed), "{}", store.backend);
    }
}

#[test]
fn a_second_run_copies_nothing_without_the_journal_and_from_another_machine() {
    for store in Store::all() {
        let home = Home::with_history(HISTORY);
        home.migrated(&store);
        home.import(&store, &[]);
        let rows = store.rows();
        forget_journal(&home);
        let other = Home::with_history(HISTORY);
        for home in [&home, &other] {
            for _ in 0..2 {
                let again = home.import(&store, &[]);
                assert_eq!((runs(&again), results(&again)), ([0, 0, 15, 0, 0], [0, 0, 210]), "{}", store.backend);
                assert_eq!(store.rows(), rows, "{}", store.backend);
            }
        }
    }
}

#[test]
fn a_file_whose_earliest_run_was_deleted_adds_nothing() {
    for store in Store::all() {
        let home = Home::with_history(HISTORY);
        home.migrated(&store);
        home.import(&store, &[]);
        let rows = store.rows();
        let earliest = "(SELECT id FROM analysis_runs ORDER BY started_at LIMIT 1)";
        edit(
            &home.path("history.db"),
            &format!("DELETE FROM run_results WHERE run_id = {earliest}; DELETE FROM analysis_runs WHERE id = {earliest}"),
        );
        for _ in 0..2 {
            let again = home.import(&store, &[]);
            assert_eq!((again["runs_found"].as_u64(), runs(&again)), (Some(14), [0, 0, 14, 0, 0]), "{}", store.backend);
            assert_eq!(store.rows(), rows, "{}", store.backend);
        }
    }
}

#[test]
fn what_changed_locally_since_is_updated_and_the_rest_is_left_alone() {
    for store in Store::all() {
        let home = small();
        let file = home.path("history.db");
        home.migrated(&store);
        home.import(&store, &[]);
        let ids = ids(&home);
        edit(&file, "UPDATE run_results SET chosen_description = 'mine' WHERE run_id = 1 AND column_name = 'c00001'");
        let report = home.import(&store, &[]);
        assert_eq!((runs(&report), results(&report)), ([0, 1, 2, 0, 0], [0, 1, 11]), "{}", store.backend);
        assert_eq!(description(&store, &ids[0], "sales.t.c00001"), "mine");
        edit(
            &file,
            "UPDATE run_results SET db_applied_status = 'applied', applied_at = 1767225700.5 WHERE run_id = 2 AND column_name = 'c00002';
            UPDATE analysis_runs SET status = 'success' WHERE id = 2",
        );
        let report = home.import(&store, &[]);
        assert_eq!((runs(&report), results(&report)), ([0, 1, 2, 0, 0], [0, 1, 11]), "{}", store.backend);
        assert_eq!(shown(&home, &store), mapped(&file), "{}", store.backend);
        let file = Connection::open(file).unwrap();
        add_result(&file, 3, 9, "new");
        let fourth = add_run(&file, None);
        add_result(&file, fourth, 0, "new");
        drop(file);
        let report = home.import(&store, &[]);
        assert_eq!((runs(&report), results(&report)), ([1, 1, 2, 0, 0], [2, 0, 12]), "{}", store.backend);
        assert_eq!(shown(&home, &store), mapped(&home.path("history.db")), "{}", store.backend);
    }
}

#[test]
fn whoever_changed_a_run_of_our_own_local_store_the_next_import_sends_it() {
    let second = "run_id = 'run_2026-06-02_10-00-001'";
    let changes = [
        (format!("UPDATE amx_history_runs SET metadata_json = '{{\"a\": 2}}' WHERE {second}"), [1, 2], [0, 0, 6]),
        (format!("UPDATE amx_history_results SET description = 'b' WHERE target_qname = 'sales.t.c' AND {second}"), [1, 2], [0, 1, 5]),
        (
            format!(
                "INSERT INTO amx_history_results (run_id, target_qname, target_kind, confidence, applied, origin)
                 SELECT run_id, 'sales.t.d', 'COLUMN', 'low', 0, origin FROM amx_history_runs WHERE {second}"
            ),
            [1, 2],
            [1, 0, 6],
        ),
        (
            format!("UPDATE OR IGNORE amx_history_results SET description = 'd' WHERE target_qname = 'sales.t.d' AND {second}"),
            [1, 2],
            [0, 1, 6],
        ),
        (format!("DELETE FROM amx_history_results WHERE target_qname = 'sales.t.d' AND {second}"), [0, 3], [0, 0, 6]),
        (
            format!(
                "DELETE FROM amx_history_results WHERE {second};
                 INSERT OR REPLACE INTO amx_history_runs SELECT * FROM amx_history_runs WHERE {second};
                 INSERT OR IGNORE INTO amx_history_results (run_id, target_qname, target_kind, description, confidence, applied, origin)
                 SELECT run_id, 'sales.t.e', 'COLUMN', 'e', 'low', 0, origin FROM amx_history_runs WHERE {second}"
            ),
            [1, 2],
            [1, 0, 4],
        ),
    ];
    for store in Store::all() {
        let (home, file) = recorded(3, &store);
        home.import(&store, &[]);
        for (change, [updated, there], wanted) in &changes {
            edit(&file, change);
            let report = home.import(&store, &[]);
            assert_eq!((runs(&report), results(&report)), ([0, *updated, *there, 0, 0], *wanted), "{} {change}", store.backend);
        }
        assert_eq!(description(&store, "run_2026-06-02_10-00-001", "sales.t.c"), "b", "{}", store.backend);
        assert_eq!(description(&store, "run_2026-06-02_10-00-001", "sales.t.d"), "d", "{}", store.backend);
        assert_eq!(runs(&home.import(&store, &[])), [0, 0, 3, 0, 0], "{}", store.backend);
    }
}

#[test]
fn a_row_that_was_deleted_from_the_store_is_restored_from_our_own_local_store() {
    for store in Store::all() {
        let (home, _) = recorded(3, &store);
        home.import(&store, &[]);
        let rows = store.rows();
        store.sql("DELETE FROM amx_history_results WHERE run_id = 'run_2026-06-01_10-00-001' AND target_qname = 'sales.t.c';");
        store.sql(
            "DELETE FROM amx_history_results WHERE run_id = 'run_2026-06-03_10-00-001';
             DELETE FROM amx_history_runs WHERE run_id = 'run_2026-06-03_10-00-001';",
        );
        let report = home.import(&store, &[]);
        assert_eq!((runs(&report), results(&report)), ([1, 1, 1, 0, 0], [3, 0, 3]), "{}", store.backend);
        assert_eq!(store.rows(), rows, "{}", store.backend);
    }
}

#[test]
fn runs_of_our_own_local_store_that_nobody_changed_are_not_read_again() {
    for store in Store::all() {
        let (home, file) = recorded(1, &store);
        home.import(&store, &[]);
        // What would be told if it was read.
        edit(&file, "DROP TRIGGER local_run_marked_again; UPDATE amx_history_runs SET state = 'unheard of'");
        assert_eq!(runs(&home.import(&store, &[])), [0, 0, 1, 0, 0], "{}", store.backend);
        edit(&file, "DELETE FROM local_marks");
        assert_eq!(home.on(&store, &IMPORT).code, 1, "{}", store.backend);
    }
}

#[test]
fn a_state_goes_forward_and_what_was_applied_stays_applied() {
    for store in Store::all() {
        let home = small();
        let file = home.path("history.db");
        edit(
            &file,
            "UPDATE analysis_runs SET status = 'success' WHERE id = 1;
            UPDATE run_results SET db_applied_status = 'applied', applied_at = 1767225700.5 WHERE run_id = 1",
        );
        home.migrated(&store);
        home.import(&store, &[]);
        let applied = mapped(&file);
        edit(
            &file,
            "UPDATE analysis_runs SET status = 'running' WHERE id = 1;
            UPDATE run_results SET db_applied_status = '', applied_at = NULL WHERE run_id = 1",
        );
        home.import(&store, &[]);
        let (shown, id) = (shown(&home, &store), ids(&home).remove(0));
        assert_eq!(shown[&id]["run"]["state"], "applied", "{}", store.backend);
        assert_eq!(shown[&id]["run"]["applied_at"], applied[&id]["run"]["applied_at"], "{}", store.backend);
        assert!(shown[&id]["results"].as_array().unwrap().iter().all(|row| row["applied"] == true && row["applied_at"].is_string()));
    }
}

#[test]
fn a_teammates_edit_is_not_set_back_while_the_file_is_unchanged() {
    for store in Store::all() {
        let home = small();
        home.migrated(&store);
        home.import(&store, &[]);
        let id = ids(&home).remove(0);
        teammate(&store, "description = 'theirs'", &id);
        let rows = store.rows();
        home.import(&store, &[]);
        forget_journal(&home);
        home.import(&store, &[]);
        // The file changes, this value does not.
        edit(&home.path("history.db"), "UPDATE run_results SET chosen_description = 'other' WHERE run_id = 2 AND column_name = 'c00000'");
        home.import(&store, &[]);
        assert_eq!(description(&store, &id, "sales.t.c00001"), "theirs", "{}", store.backend);
        assert_eq!(store.rows().lines().count(), rows.lines().count());
    }
}

#[test]
fn a_teammates_text_stays_where_the_file_only_says_that_its_own_was_applied() {
    for store in Store::all() {
        let home = small();
        home.migrated(&store);
        home.import(&store, &[]);
        let id = ids(&home).remove(0);
        teammate(&store, "description = 'theirs'", &id);
        edit(
            &home.path("history.db"),
            "UPDATE run_results SET db_applied_status = 'applied', applied_at = 1767225700.5, evaluated_at = 1767225690.0,
            evaluation = 'accepted' WHERE run_id = 1 AND column_name = 'c00001'; UPDATE analysis_runs SET status = 'success' WHERE id = 1",
        );
        home.import(&store, &[]);
        assert_eq!(description(&store, &id, "sales.t.c00001"), "theirs", "{}", store.backend);
        let applied = format!(
            "SELECT count(*) FROM amx_history_results WHERE run_id = '{id}' AND applied = {}",
            if store.backend == "postgresql" { "true" } else { "1" }
        );
        assert_eq!(store.number(&applied), 1, "{}", store.backend);
    }
}

#[test]
fn a_teammates_edit_gives_way_where_the_files_own_value_changed_since_it_was_sent() {
    for store in Store::all() {
        let home = small();
        home.migrated(&store);
        home.import(&store, &[]);
        let id = ids(&home).remove(0);
        teammate(&store, "description = 'theirs'", &id);
        edit(&home.path("history.db"), "UPDATE run_results SET chosen_description = 'mine' WHERE run_id = 1 AND column_name = 'c00001'");
        let report = home.import(&store, &[]);
        assert_eq!(results(&report), [0, 1, 11], "{}", store.backend);
        assert_eq!(description(&store, &id, "sales.t.c00001"), "mine", "{}", store.backend);
    }
}

#[test]
fn what_another_machine_sent_follows_this_file_where_its_value_changed_since_it_was_compared() {
    for store in Store::all() {
        let (first, second) = (small(), small());
        first.migrated(&store);
        first.import(&store, &[]);
        second.import(&store, &[]);
        edit(
            &second.path("history.db"),
            "UPDATE run_results SET chosen_description = 'second' WHERE run_id = 1 AND column_name = 'c00001'",
        );
        let report = second.import(&store, &[]);
        assert_eq!(results(&report), [0, 1, 11], "{}", store.backend);
        assert_eq!(description(&store, &ids(&first)[0], "sales.t.c00001"), "second", "{}", store.backend);
        first.import(&store, &[]);
        assert_eq!(description(&store, &ids(&first)[0], "sales.t.c00001"), "second", "{}", store.backend);
    }
}

#[test]
fn a_home_that_was_copied_to_another_machine_goes_on_with_its_own_runs() {
    for store in Store::all() {
        let home = Home::new();
        let (file, me) = own(home.dir.path());
        add_own_run(&file, &me, "run_2026-06-01_10-00-001", "2026-06-01T10:00:00.000000Z");
        home.migrated(&store);
        home.import(&store, &[]);
        edit(
            &file,
            "UPDATE local_installations SET machine = 'another'; DELETE FROM local_journal; DELETE FROM local_sources;
            UPDATE amx_history_results SET description = 'mine' WHERE target_qname = 'sales.t.c'",
        );
        let report = home.import(&store, &[]);
        assert_eq!((runs(&report), results(&report)), ([0, 1, 0, 0, 0], [0, 1, 1]), "{}", store.backend);
        assert_eq!(store.number("SELECT count(*) FROM amx_history_origins WHERE origin <> 'v1'"), 2, "{}", store.backend);
        assert_eq!(store.number("SELECT count(DISTINCT origin) FROM amx_history_runs"), 1, "{}", store.backend);
    }
}

#[test]
fn a_row_that_was_deleted_from_the_store_is_restored() {
    for store in Store::all() {
        let home = small();
        home.migrated(&store);
        home.import(&store, &[]);
        let rows = store.rows();
        let ids = ids(&home);
        store.sql(&format!("DELETE FROM amx_history_results WHERE run_id = '{}' AND target_qname = 'sales.t.c00002';", ids[0]));
        store.sql(&format!(
            "DELETE FROM amx_history_results WHERE run_id = '{0}'; DELETE FROM amx_history_runs WHERE run_id = '{0}';",
            ids[2]
        ));
        let report = home.import(&store, &[]);
        assert_eq!((runs(&report), results(&report)), ([1, 1, 1, 0, 0], [5, 0, 7]), "{}", store.backend);
        assert_eq!(store.rows(), rows, "{}", store.backend);
    }
}

#[test]
fn a_row_that_was_deleted_from_the_store_is_restored_also_where_only_another_run_changed() {
    for store in Store::all() {
        let home = small();
        home.migrated(&store);
        home.import(&store, &[]);
        let ids = ids(&home);
        store.sql(&format!("DELETE FROM amx_history_results WHERE run_id = '{}' AND target_qname = 'sales.t.c00002';", ids[0]));
        edit(&home.path("history.db"), "UPDATE run_results SET chosen_description = 'mine' WHERE run_id = 2 AND column_name = 'c00001'");
        let report = home.import(&store, &[]);
        assert_eq!((runs(&report), results(&report)), ([0, 2, 1, 0, 0], [1, 1, 10]), "{}", store.backend);
        assert_eq!(shown(&home, &store), mapped(&home.path("history.db")), "{}", store.backend);
    }
}

#[test]
fn a_row_that_was_deleted_from_the_store_is_restored_also_where_the_file_has_lost_another_run() {
    for store in Store::all() {
        let home = small();
        home.migrated(&store);
        home.import(&store, &[]);
        let ids = ids(&home);
        edit(&home.path("history.db"), "DELETE FROM run_results WHERE run_id = 3; DELETE FROM analysis_runs WHERE id = 3");
        assert_eq!(runs(&home.import(&store, &[])), [0, 0, 2, 0, 0], "{}", store.backend);
        store.sql(&format!(
            "DELETE FROM amx_history_results WHERE run_id = '{0}'; DELETE FROM amx_history_runs WHERE run_id = '{0}';",
            ids[0]
        ));
        let report = home.import(&store, &[]);
        assert_eq!((runs(&report), results(&report)), ([1, 0, 1, 0, 0], [4, 0, 4]), "{}", store.backend);
    }
}

// --- conflicts

/// Two homes whose second runs have one id and other content, the first one's in the store.
fn in_conflict(store: &Store) -> (Home, Home) {
    let homes = [0.0, 3.0].map(|later| {
        let home = Home::new();
        let file = empty_amx_cli(&home.path("history.db"));
        for run in 0..3 {
            let at = if run == 1 { 600.0 + later } else { 1200.0 * run as f64 + later * 100.0 };
            let id = add_run(&file, Some(1_767_225_600.25 + at));
            add_result(&file, id, 0, &format!("{later} {run}"));
        }
        home
    });
    let [first, second] = homes;
    first.migrated(store);
    first.import(store, &[]);
    (first, second)
}

#[test]
fn a_conflict_is_listed_and_ends_in_an_error_after_all_the_others() {
    for store in Store::all() {
        let (first, second) = in_conflict(&store);
        let rows = first.hashes(&store);
        let ran = second.on(&store, &IMPORT);
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        assert!(ran.stderr.contains("\"conflict\""), "{}", ran.stderr);
        let report = ran.json();
        assert_eq!((runs(&report), results(&report)), ([2, 0, 0, 0, 1], [2, 0, 0]), "{}", store.backend);
        assert_eq!(report["conflicts"][0]["run_id"], "run_2026-01-01_00-10-002");
        assert!(report["conflicts"][0]["reason"].as_str().is_some_and(|reason| reason.contains("store")));
        let after = first.hashes(&store);
        assert_eq!(after.len(), 5);
        assert!(rows.iter().all(|(id, hash)| after.get(id) == Some(hash)), "{}", store.backend);
        second.on(&store, &["migrate-from-local", "--yes"]).fails("conflict", 1);
    }
}

#[test]
fn a_conflict_that_is_to_be_skipped_is_listed_and_is_no_error() {
    for store in Store::all() {
        let (_, second) = in_conflict(&store);
        let ran = second.on(&store, &[&IMPORT[..], &["--on-conflict", "skip"]].concat());
        assert_eq!(runs(&ran.json()), [2, 0, 0, 0, 1], "{}", store.backend);
        ran.ok();
    }
}

#[test]
fn a_conflict_that_is_to_be_renamed_is_sent_once_under_another_id() {
    for store in Store::all() {
        let (_, second) = in_conflict(&store);
        let rename = |home: &Home| home.import(&store, &["--on-conflict", "rename"]);
        let report = rename(&second);
        assert_eq!((runs(&report), results(&report)), ([3, 0, 0, 0, 0], [3, 0, 0]), "{}", store.backend);
        let (origin, id) = {
            let found = store.sql("SELECT origin, run_id FROM amx_history_runs WHERE run_id LIKE 'run_2026-01-01_00-10-002-%'");
            let (origin, id) = found.trim().split_once('\t').unwrap();
            (origin.to_string(), id.to_string())
        };
        assert_eq!(id, format!("run_2026-01-01_00-10-002-{}", &origin[..6]), "{}", store.backend);
        let rows = store.rows();
        for _ in 0..2 {
            let again = rename(&second);
            assert_eq!((runs(&again), results(&again)), ([0, 0, 3, 0, 0], [0, 0, 3]), "{}", store.backend);
            forget_journal(&second);
        }
        let other_machine = Home::with_history(second.path("history.db").to_str().unwrap());
        rename(&other_machine);
        assert_eq!(store.rows(), rows, "{}", store.backend);
    }
}

#[test]
fn a_run_that_was_renamed_once_follows_its_file_without_being_told_again() {
    for store in Store::all() {
        let (_, second) = in_conflict(&store);
        second.import(&store, &["--on-conflict", "rename"]);
        edit(&second.path("history.db"), "UPDATE run_results SET chosen_description = 'later' WHERE run_id = 2");
        let report = second.import(&store, &[]);
        assert_eq!((runs(&report), results(&report)), ([0, 1, 2, 0, 0], [0, 1, 2]), "{}", store.backend);
        assert_eq!(store.number("SELECT count(*) FROM amx_history_results WHERE description = 'later'"), 1, "{}", store.backend);
    }
}

#[test]
fn two_copies_of_one_home_that_gave_out_the_same_id_are_in_conflict() {
    for store in Store::all() {
        let home = Home::new();
        let (file, me) = own(home.dir.path());
        add_own_run(&file, &me, "run_2026-06-01_10-00-001", "2026-06-01T10:00:00.000000Z");
        home.migrated(&store);
        home.import(&store, &[]);
        let copy = Home::new();
        let (file, other) = own(copy.dir.path());
        edit(&file, &format!("INSERT INTO local_installations (id, machine) VALUES ('{me}', 'another')"));
        assert_ne!(me, other);
        add_own_run(&file, &me, "run_2026-06-01_10-00-001", "2026-06-01T10:00:30.000000Z");
        let report = copy.import(&store, &[]);
        assert_eq!(runs(&report), [0, 0, 0, 0, 1], "{}", store.backend);
    }
}

// --- what is not written

#[test]
fn a_dry_run_counts_and_writes_nothing() {
    for store in Store::all() {
        let home = Home::with_history(HISTORY);
        home.migrated(&store);
        let origins = store.number("SELECT count(*) FROM amx_history_origins");
        for _ in 0..2 {
            let report = home.import(&store, &["--dry-run"]);
            assert_eq!((runs(&report), results(&report)), ([15, 0, 0, 0, 0], [210, 0, 0]), "{}", store.backend);
        }
        assert_eq!((store.counts(), store.number("SELECT count(*) FROM amx_history_origins")), ((0, 0), origins), "{}", store.backend);
        assert!(!home.path("amx-schema.db").exists(), "a dry run made a local store");
        home.import(&store, &[]);
        let report = home.import(&store, &["--dry-run"]);
        assert_eq!((runs(&report), results(&report)), ([0, 0, 15, 0, 0], [0, 0, 210]), "{}", store.backend);
    }
}

#[test]
fn without_a_terminal_and_without_yes_nothing_is_written() {
    for store in Store::all() {
        let home = Home::with_history(HISTORY);
        home.migrated(&store);
        home.on(&store, &["migrate-from-local"]).fails("confirmation_required", 2);
        assert_eq!(store.counts(), (0, 0), "{}", store.backend);
    }
}

#[test]
fn the_source_is_not_touched() {
    for store in Store::all() {
        let home = Home::with_history(HISTORY);
        let before = std::fs::read(home.path("history.db")).unwrap();
        home.migrated(&store);
        home.import(&store, &[]);
        assert!(std::fs::read(home.path("history.db")).unwrap() == before, "{}", store.backend);
    }
}

#[test]
fn a_store_with_pending_migrations_is_refused_and_not_written() {
    for store in Store::all() {
        let home = Home::with_history(HISTORY);
        home.on(&store, &["migrate", "--target", "1"]).ok();
        home.on(&store, &["migrate-from-local", "--yes"]).fails("pending_migrations", 3);
        assert_eq!(store.counts(), (0, 0), "{}", store.backend);
    }
}

// --- what is said

#[test]
fn stdout_is_one_json_document_and_progress_is_a_line_a_run() {
    for store in Store::all() {
        let home = Home::with_history(HISTORY);
        home.migrated(&store);
        let Ran { stderr, .. } = home.on(&store, &["migrate-from-local", "--yes"]);
        let lines: Vec<_> = stderr.lines().collect();
        assert_eq!(lines.len(), 15, "{stderr}");
        for (at, line) in lines.iter().enumerate() {
            assert!(line.starts_with(&format!("[{}/15] run_20", at + 1)) && line.ends_with(" ............ ok"), "{line}");
        }
        let ran = home.on(&store, &IMPORT);
        assert_eq!(ran.json()["runs_skipped"], 15);
        assert_eq!(ran.stderr, "");
    }
}

// --- landing numbers

#[test]
fn a_batch_has_one_number_and_the_store_knows_the_greatest() {
    for store in Store::all() {
        let home = Home::new();
        amx_cli(&home.path("history.db"), &[Part { runs: 1100, results: 1, bytes: 30 }]);
        home.migrated(&store);
        home.import(&store, &[]);
        let greatest =
            "SELECT max(landing) FROM (SELECT landing FROM amx_history_runs UNION ALL SELECT landing FROM amx_history_results) x";
        assert_eq!(store.number(greatest), 3, "500 runs a batch");
        assert_eq!(store.number("SELECT landed FROM amx_history_origins WHERE origin <> 'v1'"), 3, "{}", store.backend);
        let apart = "SELECT count(*) FROM amx_history_results s JOIN amx_history_runs r ON r.run_id = s.run_id WHERE s.landing <> r.landing OR s.writer <> r.writer";
        assert_eq!(store.number(apart), 0, "{}", store.backend);
        edit(&home.path("history.db"), "UPDATE run_results SET chosen_description = 'x' WHERE run_id = 700");
        home.import(&store, &[]);
        assert_eq!(store.number("SELECT landing FROM amx_history_results WHERE description = 'x'"), 4, "{}", store.backend);
        assert_eq!(store.number("SELECT landed FROM amx_history_origins WHERE origin <> 'v1'"), 4, "{}", store.backend);
        assert_eq!(store.number(greatest), 4, "{}", store.backend);
    }
}

#[test]
fn a_store_that_was_set_back_gets_everything_again_under_a_new_epoch() {
    for store in Store::all() {
        let home = small();
        let file = home.path("history.db");
        home.migrated(&store);
        home.import(&store, &[]);
        let epoch = || store.sql("SELECT epoch FROM amx_history_origins WHERE origin <> 'v1'");
        let before = epoch();
        // A backup is taken here.
        edit(&file, "UPDATE run_results SET chosen_description = 'later' WHERE run_id = 1 AND column_name = 'c00001'");
        let fourth = Connection::open(&file).map(|file| (add_run(&file, None), file)).unwrap();
        add_result(&fourth.1, fourth.0, 0, "fourth");
        drop(fourth);
        home.import(&store, &[]);
        let rows = store.rows();
        assert_eq!(epoch(), before, "{}", store.backend);
        // It is put back here.
        let ids = ids(&home);
        store.sql(&format!(
            "DELETE FROM amx_history_results WHERE run_id = '{0}'; DELETE FROM amx_history_runs WHERE run_id = '{0}';
            UPDATE amx_history_results SET description = 'run 1 row 1', landing = 1 WHERE description = 'later';
            UPDATE amx_history_origins SET landed = 1 WHERE origin <> 'v1';",
            ids[3]
        ));
        home.import(&store, &[]);
        assert_eq!(store.rows(), rows, "{}", store.backend);
        assert_ne!(epoch(), before, "{}", store.backend);
        let now = epoch();
        home.import(&store, &[]);
        assert_eq!((store.rows(), epoch()), (rows, now), "{}", store.backend);
    }
}

#[test]
fn an_older_copy_of_a_sqlite_store_gets_everything_again() {
    let (store, home) = (Store::sqlite(), small());
    let path = PathBuf::from(store.url.trim_start_matches("sqlite://"));
    home.migrated(&store);
    let backup = std::fs::read(&path).unwrap();
    home.import(&store, &[]);
    let rows = store.rows();
    std::fs::write(&path, backup).unwrap();
    let report = home.import(&store, &[]);
    assert_eq!(runs(&report), [3, 0, 0, 0, 0]);
    assert_eq!(store.rows(), rows);
}

// --- several at once

/// Runs imports at the same time and gives what each said.
fn at_once(store: &Store, calls: &[(&Home, &[&str])]) -> Vec<Ran> {
    let spawned: Vec<_> = calls
        .iter()
        .map(|(home, more)| {
            let args = [&IMPORT[..], more, &["--url", &store.url, "--schema", &store.schema]].concat();
            home.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let finished = spawned.into_iter().map(|child| child.wait_with_output().unwrap());
    finished
        .map(|output| Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
        .collect()
}

/// A file that takes several batches.
fn several_batches(path: &Path) {
    amx_cli(path, &[Part { runs: 1600, results: 2, bytes: 60 }]);
}

#[test]
fn two_machines_that_import_the_same_file_at_the_same_time_add_each_row_once() {
    let first = Home::new();
    several_batches(&first.path("history.db"));
    let wanted = mapped(&first.path("history.db"));
    for store in Store::all() {
        first.migrated(&store);
        let second = Home::with_history(first.path("history.db").to_str().unwrap());
        let ran = at_once(&store, &[(&first, &[]), (&second, &[])]);
        let imported: u64 = ran
            .into_iter()
            .map(|ran| {
                assert_eq!(ran.code, 0, "{} {}", store.backend, ran.stderr);
                runs(&ran.json())[0]
            })
            .sum();
        assert_eq!((imported, store.counts()), (1600, (1600, 3200)), "{}", store.backend);
        assert_eq!(wanted.len(), 1600);
        assert_eq!(store.number("SELECT count(DISTINCT origin) FROM amx_history_runs"), 1, "{}", store.backend);
    }
}

#[test]
fn one_home_that_imports_twice_at_the_same_time_adds_each_row_once() {
    let home = Home::new();
    several_batches(&home.path("history.db"));
    for store in Store::all() {
        forget_journal(&home);
        home.migrated(&store);
        let ran = at_once(&store, &[(&home, &[]), (&home, &[])]);
        let imported: u64 = ran
            .into_iter()
            .map(|ran| {
                assert_eq!(ran.code, 0, "{} {}", store.backend, ran.stderr);
                runs(&ran.json())[0]
            })
            .sum();
        assert_eq!((imported, store.counts()), (1600, (1600, 3200)), "{}", store.backend);
        assert_eq!(store.number("SELECT count(*) FROM amx_history_origins WHERE origin <> 'v1'"), 1, "one home is one installation");
        let landed = store.number("SELECT landed FROM amx_history_origins WHERE origin <> 'v1'");
        assert_eq!(landed, store.number("SELECT max(landing) FROM amx_history_runs"), "{}", store.backend);
        let epoch = store.sql("SELECT epoch FROM amx_history_origins WHERE origin <> 'v1'");
        home.import(&store, &[]);
        assert_eq!(
            store.sql("SELECT epoch FROM amx_history_origins WHERE origin <> 'v1'"),
            epoch,
            "{}: nothing was set back",
            store.backend
        );
    }
}

#[test]
fn one_home_that_imports_different_files_at_the_same_time_lands_all_of_them() {
    let files = Home::new();
    let sources: Vec<_> = (0..3)
        .map(|number| {
            let path = files.path(&format!("{number}.db"));
            several_batches(&path);
            edit(
                &path,
                &format!(
                    "UPDATE analysis_runs SET started_at = started_at + {number} * 8640000, id = id + {number} * 2000;
                UPDATE run_results SET run_id = run_id + {number} * 2000"
                ),
            );
            path.to_str().unwrap().to_string()
        })
        .collect();
    for store in Store::all() {
        let home = Home::new();
        home.migrated(&store);
        let args: Vec<_> = sources.iter().map(|source| ["--source", source]).collect();
        let calls: Vec<(&Home, &[&str])> = args.iter().map(|args| (&home, &args[..])).collect();
        for ran in at_once(&store, &calls) {
            assert_eq!(ran.code, 0, "{} {}", store.backend, ran.stderr);
            assert_eq!(runs(&ran.json()), [1600, 0, 0, 0, 0], "{}", store.backend);
        }
        assert_eq!(store.counts(), (4800, 9600), "{}", store.backend);
    }
}

#[test]
fn a_store_without_an_id_gets_one_however_many_write_to_it_first() {
    for store in Store::all() {
        let homes: Vec<_> = (0..4).map(|_| small()).collect();
        homes[0].migrated(&store);
        for _ in 0..3 {
            store.empty();
            store.sql("DELETE FROM amx_history_store;");
            let calls: Vec<(&Home, &[&str])> = homes.iter().map(|home| (home, &[][..])).collect();
            for ran in at_once(&store, &calls) {
                assert_eq!(ran.code, 0, "{} {}", store.backend, ran.stderr);
            }
            assert_eq!(store.counts(), (3, 12), "{}", store.backend);
            assert_eq!(store.number("SELECT count(*) FROM amx_history_store WHERE item = 'store_id'"), 1, "{}", store.backend);
        }
    }
}

// --- the source file

#[test]
fn a_file_that_amx_is_writing_to_is_read_with_what_is_only_in_its_wal_and_without_what_is_not_committed() {
    for store in Store::all() {
        let home = small();
        home.migrated(&store);
        let writer = Connection::open(home.path("history.db")).unwrap();
        writer.execute_batch("PRAGMA wal_autocheckpoint = 0; PRAGMA journal_mode = WAL").unwrap();
        let fourth = add_run(&writer, None);
        add_result(&writer, fourth, 0, "only in the WAL");
        writer.execute_batch("BEGIN IMMEDIATE").unwrap();
        add_run(&writer, None);
        let report = home.import(&store, &[]);
        assert_eq!((runs(&report), results(&report)), ([4, 0, 0, 0, 0], [13, 0, 0]), "{}", store.backend);
        writer.execute_batch("COMMIT").unwrap();
        let report = home.import(&store, &[]);
        assert_eq!(runs(&report), [1, 0, 4, 0, 0], "{}", store.backend);
    }
}

#[test]
fn a_file_in_a_folder_without_write_right_is_read() {
    let home = Home::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("history.db");
    std::fs::copy(HISTORY, &file).unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o444)).unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o555)).unwrap();
    for store in Store::all().into_iter().filter(|store| store.backend != "sqlite") {
        home.migrated(&store);
        let ran = common::user::unprivileged(
            &home,
            &[&IMPORT[..], &["--source", file.to_str().unwrap(), "--url", &store.url, "--schema", &store.schema]].concat(),
        );
        assert_eq!(runs(&ran.json()), [15, 0, 0, 0, 0], "{} {}", store.backend, ran.stderr);
    }
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_source_may_have_any_name() {
    for store in Store::all() {
        let home = Home::new();
        home.migrated(&store);
        for (at, name) in
            ["a?mode=rwc.db", "100%25.db", "a#b.db", " two  blanks .db", "müşteri.db", "-leading.db", "q'uo\"te;.db"].iter().enumerate()
        {
            let path = home.path(name);
            std::fs::copy(HISTORY, &path).unwrap();
            let report = home.import(&store, &[&format!("--source={}", path.display())]);
            let wanted = if at == 0 { [15, 0, 0, 0, 0] } else { [0, 0, 15, 0, 0] };
            assert_eq!(runs(&report), wanted, "{} {name}", store.backend);
        }
    }
}

// --- large runs

#[test]
fn a_run_that_is_too_large_for_memory_lands_whole_and_once() {
    let home = Home::new();
    let file = home.path("history.db");
    amx_cli(
        &file,
        &[Part { runs: 1, results: 1, bytes: 20 }, Part { runs: 1, results: 9000, bytes: 1000 }, Part { runs: 1, results: 1, bytes: 20 }],
    );
    let original = std::fs::read(&file).unwrap();
    for store in Store::all() {
        std::fs::write(&file, &original).unwrap();
        forget_journal(&home);
        home.migrated(&store);
        let report = home.import(&store, &["--dry-run"]);
        assert_eq!((runs(&report), results(&report)), ([3, 0, 0, 0, 0], [9002, 0, 0]), "{}", store.backend);
        let report = home.import(&store, &[]);
        assert_eq!((runs(&report), results(&report)), ([3, 0, 0, 0, 0], [9002, 0, 0]), "{}", store.backend);
        assert_eq!(store.counts(), (3, 9002), "{}", store.backend);
        let again = home.import(&store, &[]);
        assert_eq!((runs(&again), results(&again)), ([0, 0, 3, 0, 0], [0, 0, 9002]), "{}", store.backend);
        // A change in it is one change.
        edit(&file, "UPDATE run_results SET chosen_description = 'mine' WHERE run_id = 2 AND column_name = 'c05000'");
        let report = home.import(&store, &[]);
        assert_eq!((runs(&report), results(&report)), ([0, 1, 2, 0, 0], [0, 1, 9001]), "{}", store.backend);
        forget_journal(&home);
        let again = home.import(&store, &[]);
        assert_eq!((runs(&again), results(&again)), ([0, 0, 3, 0, 0], [0, 0, 9002]), "{}", store.backend);
        assert_eq!(store.counts(), (3, 9002), "{}", store.backend);
    }
}

#[test]
fn a_large_run_with_a_bad_row_is_left_out_or_lands_without_it() {
    let home = Home::new();
    let file = home.path("history.db");
    amx_cli(&file, &[Part { runs: 1, results: 7000, bytes: 1000 }, Part { runs: 1, results: 1, bytes: 20 }]);
    edit(&file, "UPDATE run_results SET confidence = 'sure' WHERE column_name = 'c06999'");
    for store in Store::all() {
        forget_journal(&home);
        home.migrated(&store);
        let report = home.import(&store, &[]);
        assert_eq!((runs(&report), results(&report)), ([1, 0, 0, 1, 0], [1, 0, 0]), "{}", store.backend);
        for imported in [1, 0] {
            let report = home.import(&store, &["--skip-errors"]);
            assert_eq!(runs(&report), [imported, 0, 2 - imported, 0, 0], "{}", store.backend);
            assert_eq!(report["failures"].as_array().unwrap().len(), 1);
            assert_eq!(store.counts(), (2, 7000), "{}", store.backend);
        }
    }
}

#[test]
fn a_large_run_in_conflict_is_one_conflict() {
    let (first, second) = (Home::new(), Home::new());
    for (home, bytes) in [(&first, 20), (&second, 1000)] {
        let file = empty_amx_cli(&home.path("history.db"));
        file.execute_batch("BEGIN").unwrap();
        let run = add_run(&file, Some(1_767_225_600.0 + bytes as f64 / 1000.0));
        (0..7000).for_each(|at| add_result(&file, run, at, &common::files::text(run, at, bytes)));
        file.execute_batch("COMMIT").unwrap();
    }
    for store in Store::all() {
        first.migrated(&store);
        first.import(&store, &[]);
        let report = second.import(&store, &[]);
        assert_eq!((runs(&report), results(&report)), ([0, 0, 0, 0, 1], [0, 0, 0]), "{}", store.backend);
        let report = second.import(&store, &["--on-conflict", "rename"]);
        assert_eq!((runs(&report), results(&report)), ([1, 0, 0, 0, 0], [7000, 0, 0]), "{}", store.backend);
    }
}

#[test]
fn one_home_that_imports_a_large_run_twice_at_the_same_time_adds_it_once() {
    let home = Home::new();
    amx_cli(&home.path("history.db"), &[Part { runs: 2, results: 7000, bytes: 1000 }]);
    for store in Store::all() {
        forget_journal(&home);
        home.migrated(&store);
        let ran = at_once(&store, &[(&home, &[]), (&home, &[])]);
        let imported: u64 = ran
            .into_iter()
            .map(|ran| {
                assert_eq!(ran.code, 0, "{} {}", store.backend, ran.stderr);
                runs(&ran.json())[0]
            })
            .sum();
        assert_eq!((imported, store.counts()), (2, (2, 14000)), "{}", store.backend);
    }
}

// --- what only one engine refuses

/// Three runs, the second of them with texts of so many million bytes.
fn with_long_texts(millions: &[usize]) -> Home {
    let home = Home::new();
    let file = empty_amx_cli(&home.path("history.db"));
    for run in 0..3 {
        let id = add_run(&file, None);
        add_result(&file, id, 0, "short");
        for (at, millions) in millions.iter().enumerate().filter(|_| run == 1) {
            add_result(&file, id, at as u64 + 1, &"ab".repeat(millions * 500_000));
        }
    }
    home
}

#[test]
fn a_value_that_the_engine_refuses_fails_its_run_alone() {
    let Some(store) = Store::mysql() else { return };
    let home = with_long_texts(&[17]);
    home.migrated(&store);
    for _ in 0..2 {
        let ran = home.on(&store, &IMPORT);
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        let report = ran.json();
        assert_eq!(runs(&report)[3], 1, "{report}");
        assert_eq!(report["failures"][0]["run_id"], json!(ids(&home)[1]));
        assert!(report["failures"][0]["reason"].as_str().is_some_and(|reason| reason.contains("max_allowed_packet")), "{report}");
        assert_eq!(store.counts(), (2, 2));
    }
}

#[test]
fn a_text_that_grew_beyond_what_the_engine_takes_fails_its_run_alone() {
    let Some(store) = Store::mysql() else { return };
    let home = small();
    home.migrated(&store);
    home.import(&store, &[]);
    edit(
        &home.path("history.db"),
        "UPDATE run_results SET chosen_description = printf('%.*c', 17000000, 'x') WHERE run_id = 2 AND column_name = 'c00001';
        UPDATE run_results SET chosen_description = 'mine' WHERE run_id = 3 AND column_name = 'c00001'",
    );
    for updated in [1, 0] {
        let ran = home.on(&store, &IMPORT);
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        assert_eq!(runs(&ran.json()), [0, updated, 2 - updated, 1, 0], "{}", ran.stdout);
    }
}

#[test]
fn texts_of_many_megabytes_arrive_where_the_engine_takes_them() {
    for store in Store::all() {
        // Two in one statement would be more than MariaDB's default of 16 MB.
        let home = with_long_texts(&[3, 14, 3]);
        home.migrated(&store);
        let report = home.import(&store, &[]);
        assert_eq!((runs(&report), results(&report)), ([3, 0, 0, 0, 0], [6, 0, 0]), "{} {report}", store.backend);
        assert_eq!(store.number("SELECT max(length(description)) FROM amx_history_results"), 14_000_000, "{}", store.backend);
        assert_eq!(runs(&home.import(&store, &[])), [0, 0, 3, 0, 0], "{}", store.backend);
    }
}
