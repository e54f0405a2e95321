//! The store itself: how it is made, looked at, changed and taken back.

use crate::behaviours;
use crate::common::team::{member, run};
use crate::common::{Home, Store};
use crate::lint;
use amx_schema::model::Kind;
use std::process::Stdio;

behaviours![
    migrate_makes_a_store_and_a_second_one_finds_nothing_to_do,
    a_check_tells_what_is_pending_by_its_status_and_makes_nothing,
    a_dry_run_shows_statements_and_makes_nothing,
    a_store_of_an_older_version_comes_up_to_date_with_its_rows,
    the_script_for_a_dba_makes_the_store_that_migrate_would,
    the_script_for_a_dba_can_be_run_twice,
    two_migrations_at_once_make_one_store,
    a_migration_that_was_killed_is_finished_by_the_next,
    the_newest_version_is_taken_back_where_nothing_is_lost,
    the_lock_is_free_after_a_migration,
    a_new_store_does_not_differ_from_the_model,
    a_column_that_somebody_dropped_is_a_difference,
    enable_makes_the_store_once_and_then_asks_nothing,
    a_schema_in_another_case_is_the_same_or_is_refused,
    a_store_that_is_not_there_is_said_to_be_missing,
    status_tells_version_and_runs,
    inspect_shows_the_tables_with_their_rows,
];

fn migrate_makes_a_store_and_a_second_one_finds_nothing_to_do(store: &Store) {
    let home = Home::new();
    let first = home.on(store, &["migrate", "--json"]);
    assert_eq!(first.code, 0, "{}", first.stderr);
    let (first, second) = (first.json(), home.on(store, &["migrate", "--json"]).json());
    assert_eq!((&first["from_version"], &first["to_version"]), (&0.into(), &2.into()), "{first}");
    assert_eq!((&second["from_version"], &second["applied"]), (&2.into(), &serde_json::json!([])), "{second}");
}

fn a_check_tells_what_is_pending_by_its_status_and_makes_nothing(store: &Store) {
    let home = Home::new();
    home.on(store, &["migrate", "--check"]).fails("pending_migrations", 3);
    home.on(store, &["history", "list"]).fails("store_missing", 2);
    home.migrated(store);
    home.on(store, &["migrate", "--check"]).ok();
}

fn a_dry_run_shows_statements_and_makes_nothing(store: &Store) {
    let home = Home::new();
    let shown = home.on(store, &["migrate", "--dry-run"]).ok();
    assert!(shown.to_lowercase().contains("amx_history_results"), "{shown}");
    home.on(store, &["migrate", "--check"]).fails("pending_migrations", 3);
}

fn a_store_of_an_older_version_comes_up_to_date_with_its_rows(store: &Store) {
    let home = Home::new();
    home.on(store, &["migrate", "--target", "1"]).ok();
    let names = ["run_id", "who", "started_at", "scope", "llm_provider", "llm_model", "db_backend", "state"].map(|name| store.column(name));
    let time = match store.backend {
        "sqlite" => "'2026-05-03T15:44:02.000000Z'",
        "sqlserver" => "'2026-05-03T15:44:02'",
        _ => "TIMESTAMP '2026-05-03 15:44:02'",
    };
    let values = format!("'run_1', 'ann', {time}, 'sales', 'p', 'm', 'oracle', 'running'");
    store.execute(&format!("INSERT INTO {} ({}) VALUES ({values})", store.table("amx_history_runs"), names.join(", ")));
    home.on(store, &["history", "list"]).fails("pending_migrations", 3);
    home.on(store, &["migrate"]).ok();
    let shown = home.on(store, &["history", "show", "run_1", "--json"]).json();
    assert_eq!((&shown["run"]["writer"], &shown["run"]["created_by"]), (&"v1".into(), &"ann".into()), "{shown}");
    assert_eq!(shown["run"]["started_at"], "2026-05-03T15:44:02.000000Z");
}

/// Runs a script as the engine's shell would.
fn run_script(store: &Store, more: &[&str]) {
    let script = Home::new().run(&[&["dump-ddl", "--dialect", store.backend, "--schema", &store.schema], more].concat()).ok();
    for statement in lint::statements(store.kind(), &script).unwrap() {
        if statement.starts_with("SET") && store.backend == "bigquery" {
            continue;
        }
        store.execute(&statement);
    }
}

fn the_script_for_a_dba_makes_the_store_that_migrate_would(store: &Store) {
    run_script(store, &[]);
    let home = Home::new();
    home.on(store, &["migrate", "--check"]).ok();
    home.on(store, &["diff"]).ok();
    let member = member(store);
    assert_eq!(member.record(&[run("run_1", "2026-05-03T15:44:02Z")], &[]).code, 0);
    assert_eq!(store.count("amx_history_runs"), 1);
}

fn the_script_for_a_dba_can_be_run_twice(store: &Store) {
    run_script(store, &[]);
    run_script(store, &[]);
    assert_eq!(store.count("amx_history_ledger"), 2);
    Home::new().on(store, &["migrate", "--check"]).ok();
}

fn two_migrations_at_once_make_one_store(store: &Store) {
    let homes = [Home::new(), Home::new()];
    let start = |home: &Home| {
        let mut command = home.command(&["migrate", "--url", &store.url, "--schema", &store.schema, "--lock-timeout", "120s"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let running: Vec<_> = homes.iter().map(start).collect();
    for child in running {
        let done = child.wait_with_output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    assert_eq!(store.count("amx_history_ledger"), 2);
    homes[0].on(store, &["diff"]).ok();
}

fn a_migration_that_was_killed_is_finished_by_the_next(store: &Store) {
    let home = Home::new();
    let mut command = home.command(&["migrate", "--url", &store.url, "--schema", &store.schema]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // As soon as its ledger is there it is at work on the versions.
    for _ in 0..3000 {
        let made = store.try_execute(&format!("SELECT 1 FROM {}", store.table("amx_history_steps"))).is_ok();
        if made || child.try_wait().unwrap().is_some() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let _ = child.kill();
    child.wait().unwrap();
    home.on(store, &["migrate", "--lock-timeout", "60s"]).ok();
    assert_eq!(store.count("amx_history_ledger"), 2);
    home.on(store, &["diff"]).ok();
}

fn the_newest_version_is_taken_back_where_nothing_is_lost(store: &Store) {
    let home = Home::new();
    home.migrated(store);
    home.on(store, &["migrate", "undo"]).ok();
    home.on(store, &["migrate", "--check"]).fails("pending_migrations", 3);
    home.on(store, &["migrate"]).ok();
    home.on(store, &["diff"]).ok();
}

fn the_lock_is_free_after_a_migration(store: &Store) {
    let home = Home::new();
    home.migrated(store);
    let state = home.on(store, &["migrate", "lock", "status", "--json"]).json();
    assert_eq!((&state["held"], &state["holder"]), (&false.into(), &serde_json::Value::Null), "{state}");
}

fn a_new_store_does_not_differ_from_the_model(store: &Store) {
    let home = Home::new();
    home.migrated(store);
    let diff = home.on(store, &["diff", "--json"]);
    assert_eq!(diff.code, 0, "{}", diff.stdout);
    let drift = diff.json()["drift"].clone();
    assert!(drift.as_array().unwrap().iter().all(|found| found["class"] == "compatible"), "{drift}");
}

fn a_column_that_somebody_dropped_is_a_difference(store: &Store) {
    let home = Home::new();
    home.migrated(store);
    let table = store.table("amx_history_runs");
    if store.backend == "databricks" {
        store.execute(&format!("ALTER TABLE {table} SET TBLPROPERTIES ('delta.columnMapping.mode' = 'name', 'delta.minReaderVersion' = '2', 'delta.minWriterVersion' = '5')"));
    }
    store.execute(&format!("ALTER TABLE {table} DROP COLUMN {}", store.column("applied_by")));
    let diff = home.on(store, &["diff", "--json"]);
    assert_eq!(diff.code, 3, "{}", diff.stdout);
    assert!(diff.stdout.contains("applied_by"), "{}", diff.stdout);
}

fn enable_makes_the_store_once_and_then_asks_nothing(store: &Store) {
    let home = Home::new();
    let args = ["enable", "--url", &store.url, "--schema", &store.schema];
    let said = home.run(&[&args[..], &["--yes"]].concat());
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(said.stdout.contains("History store enabled") || said.stderr.contains("History store enabled"), "{said:?}");
    let again = Home::new().run(&args);
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert!((again.stdout.clone() + &again.stderr).contains("History store now points at"), "{again:?}");
}

fn a_schema_in_another_case_is_the_same_or_is_refused(store: &Store) {
    let home = Home::new();
    home.migrated(store);
    let other = store.schema.to_lowercase();
    let ran = home.run(&["migrate", "--check", "--url", &store.url, "--schema", &other]);
    match store.dialect().schema_case_counts {
        // Where the database's collation says so, or the file system's.
        true if ran.code != 0 => drop(ran.fails("schema_case", 2)),
        _ => drop(ran.ok()),
    }
}

fn a_store_that_is_not_there_is_said_to_be_missing(store: &Store) {
    Home::new().on(store, &["history", "list"]).fails("store_missing", 2);
}

fn status_tells_version_and_runs(store: &Store) {
    let member = member(store);
    member.record(&[run("run_1", "2026-05-03T15:44:02Z")], &[]).ok();
    let status = member.run(&["status", "--json"]).json();
    let wanted = serde_json::json!({
        "active_store": "shared", "reachable": true, "schema_version": 2, "pending_migrations": 0, "outbox_depth": 0, "shared_runs": 1
    });
    for (key, value) in wanted.as_object().unwrap() {
        assert_eq!(&status[key], value, "{key} of {status}");
    }
    assert_eq!(status["store_id"].as_str().unwrap().len(), 36, "{status}");
}

fn inspect_shows_the_tables_with_their_rows(store: &Store) {
    let member = member(store);
    member.record(&[run("run_1", "2026-05-03T15:44:02Z")], &[]).ok();
    let shown = member.run(&["inspect", "--json"]);
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    assert!(shown.stdout.to_lowercase().contains("amx_history_results"), "{}", shown.stdout);
    let rows = store.query(&format!("SELECT COUNT(*) FROM {}", store.table("amx_history_runs")), &[Kind::Integer]);
    assert_eq!(rows[0][0].as_integer(), Some(1));
}
