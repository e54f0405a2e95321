//! History files as amx-cli 0.19 writes them, of any size. The same parameters give the same file.

use rusqlite::{Connection, Statement, Transaction, params};
use std::fmt::Write as _;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The file whose tables and indexes are taken.
const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/history-amx-0.19.db");
/// Rows of one table in a run: the table itself and its columns.
const ROWS_OF_A_TABLE: u64 = 25;
const FIRST_START: f64 = 1_767_225_600.25;
/// What descriptions are made of; some of it needs escaping in JSON, as Python does it.
#[rustfmt::skip]
const WORDS: [&str; 32] = [
    "stores", "the", "given", "name", "of", "customer", "as", "captured", "at", "registration", "time", "identifier", "foreign", "key",
    "to", "order", "amount", "in", "local", "currency", "before", "tax", "date", "when", "shipment", "was", "confirmed", "by", "warehouse",
    "\"legacy\"", "Müşteri", "adı",
];

/// The file with so many runs of so many results each, made where it is not there yet.
pub fn file(dir: &Path, runs: u64, results: u64) -> PathBuf {
    let path = dir.join(format!("history-{runs}x{results}.db"));
    if !path.exists() {
        let growing = dir.join("history.new");
        eprintln!("making {}", path.display());
        std::fs::create_dir_all(dir).unwrap();
        std::fs::copy(FIXTURE, &growing).unwrap();
        std::fs::set_permissions(&growing, Permissions::from_mode(0o644)).unwrap();
        fill(&growing, runs, results);
        std::fs::rename(growing, &path).unwrap();
    }
    path
}

fn fill(path: &Path, runs: u64, results: u64) {
    let mut connection = Connection::open(path).unwrap();
    let empty = "PRAGMA foreign_keys = OFF; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -400000;
        DELETE FROM chat_turns; DELETE FROM chat_sessions; DELETE FROM run_results; DELETE FROM analysis_runs;
        DELETE FROM sqlite_sequence WHERE name IN ('run_results', 'analysis_runs')";
    connection.execute_batch(empty).unwrap();
    let transaction = connection.transaction().unwrap();
    insert(&transaction, runs, results);
    transaction.commit().unwrap();
    connection.execute_batch("PRAGMA journal_mode = WAL").unwrap();
}

fn insert(transaction: &Transaction<'_>, runs: u64, results: u64) {
    let run = "INSERT INTO analysis_runs (started_at, ended_at, duration_sec, status, command, mode, db_backend, db_profile, llm_provider,
        llm_model, scope_json, metrics_json, tokens_json, selected_count, planned_count, processed_count, applied_count)
        VALUES (?1, ?2, ?3, 'success', 'analyze.run', 'metadata', 'postgresql', 'prod-pg', 'openai', 'gpt-4o', ?4, ?5, ?6, ?7, ?7, ?7, ?8)";
    let result = "INSERT INTO run_results (run_id, saved_at, schema_name, table_name, column_name, source, confidence, logprob_score,
        raw_logprob, token_count, model_version, reasoning, alternatives_json, evaluated_at, applied_at, chosen_description, evaluation,
        db_applied_status, model, provider)
        VALUES (?1, ?2, ?3, ?4, ?5, 'combined', ?6, ?7, ?7, ?8, 'gpt-4o-2024-08-06', ?9, ?10, ?11, ?12, ?13, ?14, ?15, 'gpt-4o', 'openai')";
    let (mut run, mut result) = (transaction.prepare(run).unwrap(), transaction.prepare(result).unwrap());
    let mut chance = Chance(0x9E37_79B9_7F4A_7C15);
    for number in 0..runs {
        // Not on a whole minute, and some begin within the same one.
        let started_at = FIRST_START + number as f64 * 47.618;
        let schema = format!("schema_{:02}", number % 40);
        let tables: Vec<String> =
            (0..results.div_ceil(ROWS_OF_A_TABLE)).map(|n| format!("fact_orders_{:03}", number / 40 * 7 + n)).collect();
        let scope = format!("{{\"{schema}\": [\"{}\"]}}", tables.join("\", \""));
        let metrics = format!("{{\"model_processing_sec\": {:.3}, \"assets\": {results}}}", chance.part() * 90.0);
        let tokens = format!("{{\"prompt\": {}, \"completion\": {}}}", chance.below(300_000), chance.below(90_000));
        let took = 30.0 + chance.part() * 300.0;
        run.execute(params![started_at, started_at + took, took, scope, metrics, tokens, results as i64, results as i64 / 2]).unwrap();
        let id = transaction.last_insert_rowid();
        for at in 0..results {
            let table = &tables[(at / ROWS_OF_A_TABLE) as usize];
            insert_result(&mut result, (id, started_at + took + at as f64 * 0.001), (&schema, table, at % ROWS_OF_A_TABLE), &mut chance);
        }
    }
}

/// One row. Two thirds were reviewed, half were applied.
fn insert_result(statement: &mut Statement<'_>, (run, saved_at): (i64, f64), (schema, table, at): (&str, &str, u64), chance: &mut Chance) {
    let column = (at > 0).then(|| format!("attribute_{:02}_{}", (at * 17) % ROWS_OF_A_TABLE, WORDS[(at % 29) as usize]));
    let reviewed = chance.below(3) > 0;
    let applied = reviewed && chance.below(4) > 0;
    let alternatives = alternatives(chance);
    let chosen = reviewed.then(|| prose(chance, 90));
    let values = params![
        run,
        saved_at,
        schema,
        table,
        column,
        ["high", "medium", "low"][chance.below(3) as usize],
        -chance.part() * 4.0,
        chance.below(700) as i64,
        prose(chance, 150),
        alternatives,
        reviewed.then_some(saved_at + 60.0),
        applied.then_some(saved_at + 90.0),
        chosen,
        reviewed.then_some("accepted"),
        if applied { "applied" } else { "" },
    ];
    statement.execute(values).unwrap();
}

/// Three drafts as `json.dumps` writes them.
fn alternatives(chance: &mut Chance) -> String {
    let mut out = String::from("[");
    for (at, band) in ["high", "medium", "low"].into_iter().enumerate() {
        out.push_str(if at == 0 { "{\"text\": \"" } else { ", {\"text\": \"" });
        escape(&mut out, &prose(chance, 80));
        write!(out, "\", \"signal\": \"logprob\", \"score\": {:.6}, \"band\": \"{band}\"}}", chance.part()).unwrap();
    }
    out.push(']');
    out
}

/// Non-ASCII escaped, as Python does it. There is nothing beyond 16 bits in the words.
fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            c if c.is_ascii() => out.push(c),
            c => write!(out, "\\u{:04x}", u32::from(c)).unwrap(),
        }
    }
}

/// A sentence of at least so many bytes.
fn prose(chance: &mut Chance, bytes: u64) -> String {
    let length = (bytes + chance.below(bytes / 2)) as usize;
    let mut out = String::with_capacity(length + 16);
    while out.len() < length {
        // The last three words are seldom, as quotes and foreign letters are.
        let range = if chance.below(8) == 0 { 32 } else { 29 };
        out.push_str(WORDS[chance.below(range) as usize]);
        out.push(' ');
    }
    out.truncate(out.trim_end().len());
    out
}

/// Numbers that look random and are the same each time: <https://prng.di.unimi.it/splitmix64.c>.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// From 0 to 1.
    fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}
