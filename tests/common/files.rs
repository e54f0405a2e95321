//! History files made for a test: as amx-cli writes them, and as our own local store is.

use super::{HISTORY, make_writable};
use amx_schema::store::local::LocalStore;
use rusqlite::{Connection, params};
use std::path::{Path, PathBuf};

/// The first start, and how far the runs of a made file lie apart.
const FIRST_START: f64 = 1_767_225_600.25;
const APART: f64 = 47.618;

/// So many runs with so many results each, whose descriptions have so many bytes.
#[derive(Clone, Copy)]
pub struct Part {
    pub runs: u64,
    pub results: u64,
    pub bytes: usize,
}

/// An empty amx-cli file with all its tables.
pub fn empty_amx_cli(path: &Path) -> Connection {
    std::fs::copy(HISTORY, path).unwrap();
    make_writable(path);
    let file = Connection::open(path).unwrap();
    let empty =
        "PRAGMA foreign_keys = OFF; PRAGMA synchronous = OFF; DELETE FROM chat_turns; DELETE FROM chat_sessions; DELETE FROM run_results;
        DELETE FROM analysis_runs; DELETE FROM sqlite_sequence WHERE name IN ('run_results', 'analysis_runs')";
    file.execute_batch(empty).unwrap();
    file
}

/// An amx-cli file with those parts, one after the other.
pub fn amx_cli(path: &Path, parts: &[Part]) {
    let mut file = empty_amx_cli(path);
    let transaction = file.transaction().unwrap();
    for part in parts {
        for _ in 0..part.runs {
            let run = add_run(&transaction, None);
            (0..part.results).for_each(|at| add_result(&transaction, run, at, &text(run, at, part.bytes)));
        }
    }
    transaction.commit().unwrap();
}

/// Adds a run that begins when it is its turn, or at another time, and gives its id.
pub fn add_run(file: &Connection, started_at: Option<f64>) -> i64 {
    let next: i64 = file.query_row("SELECT count(*) FROM analysis_runs", [], |row| row.get(0)).unwrap();
    let started_at = started_at.unwrap_or(FIRST_START + next as f64 * APART);
    let sql = "INSERT INTO analysis_runs (started_at, ended_at, status, command, db_backend, llm_provider, llm_model, scope_json)
        VALUES (?1, ?1 + 20, 'ready_for_review', 'analyze.run', 'postgresql', 'openai', 'gpt-4o', '{\"sales\": []}')";
    file.execute(sql, [started_at]).unwrap();
    file.last_insert_rowid()
}

/// Adds a result for the object `sales.t.c<at>`.
pub fn add_result(file: &Connection, run: i64, at: u64, description: &str) {
    let sql = "INSERT INTO run_results (run_id, saved_at, schema_name, table_name, column_name, source, confidence, alternatives_json,
        chosen_description) VALUES (?1, ?2, 'sales', 't', ?3, 'combined', ?4, '[\"a\", \"b\"]', ?5)";
    let confidence = ["high", "medium", "low"][(at % 3) as usize];
    file.prepare_cached(sql).unwrap().execute(params![run, FIRST_START, format!("c{at:05}"), confidence, description]).unwrap();
}

/// Text that differs from run to run and from row to row.
pub fn text(run: i64, at: u64, bytes: usize) -> String {
    let head = format!("run {run} row {at} Müşteri ");
    let fill = bytes.saturating_sub(head.len());
    head + &"lorem ipsum ".repeat(fill / 12 + 1)[..fill]
}

/// Runs SQL on a local file.
#[track_caller]
pub fn edit(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(&format!("PRAGMA foreign_keys = OFF; {sql}")).unwrap();
}

/// One value of a local file.
#[track_caller]
pub fn value(path: &Path, sql: &str) -> String {
    let get = |row: &rusqlite::Row<'_>| row.get::<_, rusqlite::types::Value>(0);
    match Connection::open(path).unwrap().query_row(sql, [], get).unwrap() {
        rusqlite::types::Value::Text(text) => text,
        rusqlite::types::Value::Integer(number) => number.to_string(),
        other => format!("{other:?}"),
    }
}

/// Our own local store in a home folder, and its installation's id.
pub fn own(home: &Path) -> (PathBuf, String) {
    let installation = LocalStore::open(home).unwrap().installation().unwrap();
    let beside = home.join("amx-schema.db");
    (if beside.exists() { beside } else { home.join("history.db") }, installation)
}

/// Adds a run of an owner with two results to an own local store.
pub fn add_own_run(store: &Path, owner: &str, run_id: &str, started_at: &str) {
    edit(
        store,
        &format!(
            "INSERT INTO amx_history_runs (run_id, who, started_at, finished_at, scope, llm_provider, llm_model, db_backend, state,
                applied_at, applied_by, metadata_json, created_by, hostname, client_version, local_id, origin, writer, landing)
            VALUES ('{run_id}', 'ann', '{started_at}', '{started_at}', 'sales.t', 'openai', 'gpt-4o', 'oracle', 'applied',
                '{started_at}', 'ann', '{{\"a\": 1}}', 'ann', 'laptop', '0.20.0', 7, '{owner}', '{owner}', 1);
            INSERT INTO amx_history_results (run_id, target_qname, target_kind, description, alternatives, confidence, applied,
                applied_at, metadata_json, created_by, hostname, client_version, local_id, origin, writer, landing)
            VALUES ('{run_id}', 'sales.t', 'TABLE', '', '[]', 'high', 1, '{started_at}', NULL, 'ann', 'laptop', '0.20.0', 8,
                '{owner}', '{owner}', 1),
            ('{run_id}', 'sales.t.c', 'COLUMN', NULL, NULL, 'low', 0, NULL, '{{\"b\": null}}', 'ann', NULL, NULL, NULL,
                '{owner}', '{owner}', 1);"
        ),
    );
}
