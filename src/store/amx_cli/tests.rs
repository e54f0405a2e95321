//! The behaviour of `amx_cli`.

use super::*;
use crate::history::time_text;
use rusqlite::Connection;
use serde_json::{Value, json};
use std::fs;
use tempfile::TempDir;

/// The two tables as amx-cli 0.19 makes them.
const TABLES: &str = "
        CREATE TABLE analysis_runs (id INTEGER PRIMARY KEY AUTOINCREMENT, started_at REAL NOT NULL, ended_at REAL, duration_sec REAL, status TEXT NOT NULL,
            command TEXT NOT NULL, mode TEXT, db_backend TEXT, db_profile TEXT, llm_provider TEXT, llm_model TEXT, scope_json TEXT, metrics_json TEXT,
            tokens_json TEXT, results_json TEXT, error_text TEXT, selected_count INTEGER NOT NULL DEFAULT 0, planned_count INTEGER NOT NULL DEFAULT 0,
            processed_count INTEGER NOT NULL DEFAULT 0, applied_count INTEGER NOT NULL DEFAULT 0, review_strategy TEXT, llm_profile TEXT, doc_profile TEXT,
            code_profile TEXT, settings_json TEXT, created_by TEXT, hostname TEXT, client_version TEXT, shared_uuid TEXT, triggered_by_schedule_id INTEGER,
            last_heartbeat_at REAL, current_step_label TEXT);
        CREATE TABLE run_results (id INTEGER PRIMARY KEY AUTOINCREMENT, run_id INTEGER NOT NULL, saved_at REAL NOT NULL DEFAULT 5.5,
            schema_name TEXT NOT NULL, table_name TEXT NOT NULL, column_name TEXT, asset_kind TEXT NOT NULL DEFAULT 'table',
            source TEXT NOT NULL DEFAULT 'rag', confidence TEXT NOT NULL DEFAULT 'high', logprob_score REAL, raw_logprob REAL, token_count INTEGER,
            model_version TEXT NOT NULL DEFAULT '', reasoning TEXT, alternatives_json TEXT NOT NULL DEFAULT '[]', evaluated_at REAL, applied_at REAL,
            chosen_description TEXT, evaluation TEXT, catalog_status TEXT NOT NULL DEFAULT '', catalog_indexed_at REAL,
            db_applied_status TEXT NOT NULL DEFAULT '', effective_source_kind TEXT NOT NULL DEFAULT '', superseded_at REAL,
            rejection_reason TEXT NOT NULL DEFAULT '', alternatives_mode TEXT, seed_alternative_id TEXT, seed_alternative_text TEXT,
            parent_run_id INTEGER, model TEXT, provider TEXT, production_warning TEXT, created_by TEXT, hostname TEXT, shared_uuid TEXT,
            parent_result_id INTEGER, rerun_seq INTEGER NOT NULL DEFAULT 0, user_instructions TEXT, citations_json TEXT);
        CREATE INDEX idx_run_results_run_id ON run_results(run_id);";
/// One run, 1: 2026-06-23 14:20 UTC and a bit.
const RUN: &str = "INSERT INTO analysis_runs (id, started_at, status, command) VALUES (1, 1782224408.1278677, 'success', 'analyze.run');";

fn person() -> Person {
    Person { who: "alice".into(), hostname: "laptop".into() }
}

struct Fixture {
    dir: TempDir,
}

impl Fixture {
    fn of(sql: &str) -> Fixture {
        let dir = TempDir::new().unwrap();
        let fixture = Fixture { dir };
        fixture.write(sql);
        fixture
    }

    /// amx-cli's tables, one run, and what the statements add.
    fn with(sql: &str) -> Fixture {
        Fixture::of(&format!("{TABLES}{RUN}{sql}"))
    }

    fn real(name: &str) -> Fixture {
        let dir = TempDir::new().unwrap();
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name), dir.path().join("history.db")).unwrap();
        Fixture { dir }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("history.db")
    }

    fn write(&self, sql: &str) {
        Connection::open(self.path()).unwrap().execute_batch(sql).unwrap();
    }

    fn open(&self) -> AmxCliFile {
        AmxCliFile::open(&self.path(), &person()).unwrap()
    }

    fn runs(&self) -> Vec<SourceRun> {
        runs(&self.open())
    }

    fn run(&self) -> Run {
        self.runs().remove(0).run.unwrap()
    }

    fn results(&self) -> Vec<Result<RunResult, BadRow>> {
        let file = self.open();
        let key = runs(&file).remove(0).key;
        results(&file, &key)
    }

    fn result(&self) -> RunResult {
        let mut all = self.results();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0).unwrap()
    }

    fn bad(&self) -> BadRow {
        let mut all = self.results();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0).unwrap_err()
    }
}

fn runs(file: &AmxCliFile) -> Vec<SourceRun> {
    let mut all = Vec::new();
    file.runs(&mut |run| {
        all.push(run);
        Ok(())
    })
    .unwrap();
    all
}

fn results(file: &AmxCliFile, key: &RunKey) -> Vec<Result<RunResult, BadRow>> {
    let mut all = Vec::new();
    file.results(key, &mut |result| {
        all.push(result);
        Ok(())
    })
    .unwrap();
    all
}

fn content(file: &AmxCliFile, run: &SourceRun) -> u64 {
    let results = file.results(&run.key, &mut |_| Ok(())).unwrap();
    run.content.unwrap().wrapping_add(results.unwrap())
}

fn read(json: &Option<String>) -> Value {
    serde_json::from_str(json.as_deref().unwrap()).unwrap()
}

#[test]
fn a_real_file_gives_every_run_and_result() {
    let file = Fixture::real("history-amx-0.19.db").open();
    let all = runs(&file);
    assert_eq!((file.count().unwrap(), all.len(), file.orphans().unwrap()), (15, 15, 0));
    let mut count = 0;
    for run in &all {
        assert!(run.run.is_ok(), "{run:?}");
        for result in results(&file, &run.key) {
            let result = result.unwrap();
            read(&result.alternatives);
            read(&result.metadata_json);
            count += 1;
        }
    }
    // 215 rows, of which five are re-runs of an object.
    assert_eq!(count, 210);
    let first = all[0].run.as_ref().unwrap();
    assert_eq!((first.run_id.as_str(), first.state), ("run_2026-06-23_14-20-001", State::Reviewed));
    assert_eq!(first.scope, "satış.fact_sales, satış.müşteri, satış.dim_date");
    assert_eq!(all[1].run.as_ref().unwrap().state, State::Applied);
    assert_eq!(all[14].run.as_ref().unwrap().scope, "*");
}

#[test]
fn the_extreme_file_gives_one_bad_row_with_all_its_reasons() {
    let file = Fixture::real("history-amx-0.19-extreme.db").open();
    let mut bad = Vec::new();
    let mut good = 0;
    for run in runs(&file) {
        assert!(run.run.is_ok());
        for result in results(&file, &run.key) {
            match result {
                Ok(_) => good += 1,
                Err(row) => bad.push(row),
            }
        }
    }
    assert_eq!((good, bad.len()), (58, 1));
    assert_eq!((bad[0].run_id.as_str(), bad[0].local_id), ("run_2026-11-21_14-28-008", Some(59)));
    assert_eq!(bad[0].target_qname.as_deref().map(str::len), Some(902));
    assert_eq!(
        bad[0].reason,
        "confidence is \"very-high-confidence-indeed\", not one of high, medium, low; reasoning holds a NUL character; \
             target_qname is too long: 902 UTF-16 units and 902 bytes, at most 700 and 2400"
    );
}

#[test]
fn the_extreme_runs_keep_nan_as_a_string_and_an_escaped_nul() {
    let last = Fixture::real("history-amx-0.19-extreme.db").runs().pop().unwrap().run.unwrap();
    let metadata = last.metadata_json.as_deref().unwrap();
    assert!(metadata.contains(r#""metrics_json":{"nan": "NaN"}"#), "{metadata}");
    assert!(metadata.contains(r#""results_json":{"nul": "a\u0000b"}"#), "{metadata}");
}

#[test]
fn a_run_maps_to_every_column() {
    let run = Fixture::of(&format!(
            "{TABLES} INSERT INTO analysis_runs (id, started_at, ended_at, status, command, db_backend, llm_provider, llm_model, scope_json, tokens_json,
             created_by, hostname, client_version, mode, error_text) VALUES (7, 1782224408.1278677, 1782224500.5, 'ready_for_review', 'rerun', 'mysql', 'openai',
             'gpt-4o', '{{\"sales\": []}}', 'null', 'bob', 'desk', '0.18.1', '', 'not json: [')"
        ))
        .run();
    assert_eq!((run.run_id.as_str(), run.who.as_str(), run.scope.as_str()), ("run_2026-06-23_14-20-007", "bob", "sales"));
    assert_eq!(time_text(run.started_at), "2026-06-23T14:20:08.127868Z");
    assert_eq!(run.finished_at.map(time_text).unwrap(), "2026-06-23T14:21:40.500000Z");
    assert_eq!((run.llm_provider.as_str(), run.llm_model.as_str(), run.db_backend.as_str()), ("openai", "gpt-4o", "mysql"));
    assert_eq!((run.state, run.applied_at, run.applied_by), (State::Reviewed, None, None));
    let expected = r#"{"applied_count":0,"command":"rerun","error_text":"not json: [","mode":"","planned_count":0,"processed_count":0,"#;
    assert!(run.metadata_json.as_deref().unwrap().starts_with(expected), "{:?}", run.metadata_json);
    assert!(!run.metadata_json.as_deref().unwrap().contains("tokens_json"));
    let attribution = Attribution {
        created_by: Some("bob".into()),
        hostname: Some("desk".into()),
        client_version: Some("0.18.1".into()),
        local_id: Some(7),
    };
    assert_eq!(run.attribution, attribution);
}

#[test]
fn what_a_run_does_not_say_is_the_persons_or_unknown() {
    let run = Fixture::with("").run();
    assert_eq!((run.who.as_str(), run.attribution.hostname.as_deref(), run.attribution.client_version), ("alice", Some("laptop"), None));
    assert_eq!((run.llm_provider.as_str(), run.llm_model.as_str(), run.db_backend.as_str()), (UNKNOWN, UNKNOWN, UNKNOWN));
}

#[test]
fn success_is_applied_only_where_something_was() {
    assert_eq!(Fixture::with("").run().state, State::Reviewed);
    let counted = Fixture::with("UPDATE analysis_runs SET applied_count = 1").run();
    assert_eq!((counted.state, counted.applied_at, counted.applied_by.as_deref()), (State::Applied, None, Some("alice")));
    let seen = Fixture::with(
            "INSERT INTO run_results (run_id, schema_name, table_name, db_applied_status, applied_at) VALUES
             (1, 's', 'a', 'applied', 100.5), (1, 's', 'b', 'applied', 200.25), (1, 's', 'c', 'failed', 300), (1, 's', 'd', 'applied', 'soon')",
        )
        .run();
    assert_eq!((seen.state, seen.applied_at.map(time_text).unwrap().as_str()), (State::Applied, "1970-01-01T00:03:20.250000Z"));
}

#[test]
fn every_status_has_its_state() {
    let expected = [
        ("running", State::Running),
        ("queued", State::Running),
        ("ready_for_review", State::Reviewed),
        ("completed", State::Reviewed),
        ("applied_partial", State::Applied),
        ("failed", State::Failed),
        ("cancelled", State::Failed),
    ];
    for (word, state_) in expected {
        assert_eq!(Fixture::with(&format!("UPDATE analysis_runs SET status = '{word}'")).run().state, state_);
    }
}

#[test]
fn bad_values_fail_the_run_and_name_the_column() {
    let cases = [
        ("status = 'paused'", "run_2026-06-23_14-20-001", "status \"paused\" is none of amx-cli's"),
        ("started_at = 'noon'", "run_?-001", "started_at holds text where a number belongs"),
        ("started_at = x'00'", "run_?-001", "started_at holds bytes where a number belongs"),
        ("started_at = 9e999", "run_?-001", "started_at is inf seconds, a time outside the years 1 to 9999"),
        ("ended_at = 1e15", "run_2026-06-23_14-20-001", "ended_at is 1e15 seconds, a time outside the years 1 to 9999"),
        ("command = CAST(x'41ff' AS TEXT)", "run_2026-06-23_14-20-001", "command is not UTF-8 at byte 1"),
        ("error_text = 'a' || char(0)", "run_2026-06-23_14-20-001", "error_text holds a NUL character"),
        ("mode = x'00'", "run_2026-06-23_14-20-001", "mode holds bytes where text or a number belongs"),
        ("status = CAST(x'ff' AS TEXT)", "run_2026-06-23_14-20-001", "status is not UTF-8 at byte 0"),
        (
            "created_by = x'41', llm_model = 'a' || char(0)",
            "run_2026-06-23_14-20-001",
            "created_by holds bytes where text belongs; llm_model holds a NUL character",
        ),
        ("scope_json = '{\"a\\u0000\": []}'", "run_2026-06-23_14-20-001", "scope holds a NUL character"),
    ];
    for (set, run_id, reason) in cases {
        let run = Fixture::with(&format!("UPDATE analysis_runs SET {set}")).runs().remove(0);
        let bad = run.run.unwrap_err();
        assert_eq!((bad.run_id.as_str(), bad.reason.as_str(), bad.local_id, bad.target_qname), (run_id, reason, Some(1), None), "{set}");
        assert_eq!(run.key, RunKey { run_id: run_id.into(), local_id: Some(1) });
    }
}

#[test]
fn runs_come_oldest_first_and_without_teammates() {
    let fixture = Fixture::with(
            "INSERT INTO analysis_runs (id, started_at, status, command, shared_uuid) VALUES
             (2, 5, 'failed', 'x', NULL), (3, 4, 'failed', 'x', 'u'), (4, 1782224408.1278677, 'failed', 'x', NULL), (5, 'z', 'failed', 'x', NULL)",
        );
    let ids: Vec<_> = fixture.runs().iter().map(|run| run.key.local_id.unwrap()).collect();
    assert_eq!((ids, fixture.open().count().unwrap()), (vec![2, 1, 4, 5], 4));
}

#[test]
fn the_origin_stays_while_the_file_grows_and_differs_between_files() {
    let fixture = Fixture::with("");
    let origin = fixture.open().origin().unwrap().unwrap();
    assert_eq!(origin.len(), 36);
    fixture.write(
        "INSERT INTO analysis_runs (started_at, status, command, shared_uuid) VALUES (1e10, 'failed', 'x', NULL), (1, 'failed', 'x', 'u'),
             (x'00', 'failed', 'x', NULL); UPDATE analysis_runs SET status = 'failed'",
    );
    assert_eq!(fixture.open().origin().unwrap().unwrap(), origin);
    fixture.write("UPDATE analysis_runs SET started_at = 1782224408.1278700 WHERE id = 1");
    assert_ne!(fixture.open().origin().unwrap().unwrap(), origin);
    fixture.write("UPDATE analysis_runs SET shared_uuid = 'u'");
    assert_eq!(fixture.open().origin().unwrap(), None);
}

#[test]
fn a_result_maps_to_every_column() {
    let result = Fixture::with(
            "INSERT INTO run_results (id, run_id, schema_name, table_name, column_name, asset_kind, confidence, logprob_score, alternatives_json, applied_at,
             chosen_description, evaluation, db_applied_status, reasoning, token_count, citations_json, created_by, hostname)
             VALUES (9, 1, 'sales', 'customer', 'name', 'view', 'HIGH', -0.5, '[\"a\", \"b\"]', 100.25, '', 'custom', 'applied', '', 3,
             '[{\"x\": NaN}]', 'bob', 'desk')",
        )
        .result();
    assert_eq!((result.target_qname.as_str(), result.target_kind.as_str()), ("sales.customer.name", "COLUMN"));
    assert_eq!((result.description.as_deref(), result.confidence.as_str(), result.applied), (Some(""), "high", true));
    assert_eq!(result.applied_at.map(time_text).unwrap(), "1970-01-01T00:01:40.250000Z");
    assert_eq!(result.alternatives.as_deref(), Some(r#"[{"text":"a","logprob":-0.5},{"text":"b","logprob":null}]"#));
    assert_eq!(
        result.metadata_json.as_deref(),
        Some(
            r#"{"asset_kind":"view","citations_json":[{"x": "NaN"}],"evaluation":"custom","rerun_seq":0,"saved_at":5.5,"source":"rag","token_count":3}"#
        )
    );
    assert_eq!((result.attribution.created_by.as_deref(), result.attribution.hostname.as_deref()), (Some("bob"), Some("desk")));
    assert_eq!((result.attribution.client_version, result.attribution.local_id), (None, Some(9)));
}

#[test]
fn without_a_choice_the_first_alternative_describes() {
    let fixture = Fixture::with(
        "INSERT INTO run_results (run_id, schema_name, table_name, alternatives_json) VALUES (1, 's', 't', '[\"a\", \"b\"]')",
    );
    assert_eq!(fixture.result().description.as_deref(), Some("a"));
    fixture.write("UPDATE run_results SET alternatives_json = '[]'");
    assert_eq!(fixture.result().description, None);
}

#[test]
fn a_row_without_a_column_is_its_asset() {
    for (kind, expected) in [("table", "TABLE"), ("view", "VIEW"), ("materialized_view", "MATERIALIZED_VIEW"), ("", "TABLE")] {
        let fixture =
            Fixture::with(&format!("INSERT INTO run_results (run_id, schema_name, table_name, asset_kind) VALUES (1, 's', 't', '{kind}')"));
        assert_eq!(fixture.result().target_kind, expected);
    }
    let bad = Fixture::with("INSERT INTO run_results (run_id, schema_name, table_name, asset_kind) VALUES (1, 's', 't', 'column')").bad();
    assert_eq!(bad.reason, "asset_kind \"COLUMN\" is none of amx-cli's");
}

#[test]
fn parts_of_a_name_are_quoted_where_they_must_be() {
    let fixture = Fixture::with(
            "INSERT INTO run_results (run_id, schema_name, table_name, column_name) VALUES
             (1, '', 'Order Lines', NULL), (1, 'a.b', 'c', ''), (1, 'a', 'b.c', 'q\"q'), (1, 'a', 'b', char(0xa0) || 'x'), (1, 'ı', 'İ', 'é')",
        );
    let names: Vec<_> = fixture.results().into_iter().map(|result| result.unwrap().target_qname).collect();
    assert_eq!(names, ["\"\".\"Order Lines\"", "a.b.\"\u{a0}x\"", "a.\"b.c\".\"q\"\"q\"", "\"a.b\".c.\"\"", "ı.İ.é"]);
}

#[test]
fn alternatives_that_are_not_json_stay_in_the_metadata_as_text() {
    for (raw, kept) in [("oops [", json!("oops [")), ("{\"a\": 1}", json!({"a": 1})), ("[\"\\ud800\"]", json!("[\"\\ud800\"]"))] {
        let result = Fixture::with(&format!(
            "INSERT INTO run_results (run_id, schema_name, table_name, alternatives_json) VALUES (1, 's', 't', '{raw}')"
        ))
        .result();
        assert_eq!((result.alternatives, result.description), (None, None));
        assert_eq!(read(&result.metadata_json)["alternatives_json"], kept);
    }
    let null =
        Fixture::with("INSERT INTO run_results (run_id, schema_name, table_name, alternatives_json) VALUES (1, 's', 't', 'null')").result();
    assert_eq!((null.alternatives, read(&null.metadata_json).get("alternatives_json")), (None, None));
}

#[test]
fn a_log_probability_without_a_place_stays_in_the_metadata() {
    for (score, alternatives, kept) in [("-0.5", "[]", json!(-0.5)), ("-9e999", "[\"a\"]", json!("-Infinity"))] {
        let result = Fixture::with(&format!(
                "INSERT INTO run_results (run_id, schema_name, table_name, alternatives_json, logprob_score) VALUES (1, 's', 't', '{alternatives}', {score})"
            ))
            .result();
        assert_eq!(read(&result.metadata_json)["logprob_score"], kept);
    }
}

#[test]
fn bad_values_fail_the_result_and_name_the_column() {
    let cases = [
        ("confidence = 'sure'", Some("s.t"), "confidence is \"sure\", not one of high, medium, low"),
        ("confidence = x'00'", Some("s.t"), "confidence holds bytes where text belongs"),
        ("schema_name = CAST(x'ff' AS TEXT)", None, "schema_name is not UTF-8 at byte 0"),
        ("table_name = x'41'", None, "table_name holds bytes where text belongs"),
        ("column_name = 'a' || char(0)", Some("s.t.a\0"), "target_qname holds a NUL character"),
        ("chosen_description = CAST(x'c328' AS TEXT)", Some("s.t"), "chosen_description is not UTF-8 at byte 0"),
        ("chosen_description = char(0)", Some("s.t"), "chosen_description holds a NUL character"),
        ("alternatives_json = '[\"a\\u0000\"]'", Some("s.t"), "description holds a NUL character"),
        ("alternatives_json = x'5b5d'", Some("s.t"), "alternatives_json holds bytes where text belongs"),
        ("applied_at = 'soon'", Some("s.t"), "applied_at holds text where a number belongs"),
        ("logprob_score = 'low'", Some("s.t"), "logprob_score holds text where a number belongs"),
        ("reasoning = 'a' || char(0) || 'b'", Some("s.t"), "reasoning holds a NUL character"),
        ("user_instructions = x'00'", Some("s.t"), "user_instructions holds bytes where text or a number belongs"),
        ("asset_kind = x'00'", Some("s.t"), "asset_kind holds bytes where text belongs"),
    ];
    for (set, target_qname, reason) in cases {
        let bad = Fixture::with(&format!(
            "INSERT INTO run_results (run_id, schema_name, table_name) VALUES (1, 's', 't'); UPDATE run_results SET {set}"
        ))
        .bad();
        assert_eq!((bad.target_qname.as_deref(), bad.reason.as_str(), bad.local_id), (target_qname, reason, Some(1)), "{set}");
        assert_eq!(bad.run_id, "run_2026-06-23_14-20-001");
    }
}

#[test]
fn a_name_at_the_limit_is_stored_and_one_longer_is_bad() {
    let fixture =
        Fixture::with(&format!("INSERT INTO run_results (run_id, schema_name, table_name) VALUES (1, 's', '{}')", "t".repeat(698)));
    assert_eq!(fixture.result().target_qname.len(), 700);
    fixture.write("UPDATE run_results SET table_name = table_name || 't'");
    assert!(fixture.bad().reason.starts_with("target_qname is too long: 701"));
}

#[test]
fn the_newest_row_that_is_not_superseded_stands() {
    let result = Fixture::with(
            "INSERT INTO run_results (id, run_id, schema_name, table_name, alternatives_json, chosen_description, superseded_at, logprob_score) VALUES
             (1, 1, 's', 't', '[\"old\", \"older\"]', 'mine', NULL, -1.5), (2, 1, 's', 't', '[\"now\"]', NULL, NULL, NULL),
             (3, 1, 's', 't', '[{\"text\": \"gone\", \"band\": \"low\"}]', NULL, 9.0, NULL)",
        )
        .result();
    assert_eq!((result.attribution.local_id, result.description.as_deref()), (Some(2), Some("now")));
    assert_eq!(
        read(&result.alternatives),
        json!([
            {"text": "now", "logprob": null},
            {"text": "mine", "logprob": null, "superseded": true},
            {"text": "old", "logprob": -1.5, "superseded": true},
            {"text": "older", "logprob": null, "superseded": true},
            {"text": "gone", "logprob": null, "band": "low", "superseded": true},
        ])
    );
}

#[test]
fn where_all_rows_are_superseded_the_newest_stands() {
    let result = Fixture::with(
            "INSERT INTO run_results (id, run_id, schema_name, table_name, chosen_description, superseded_at) VALUES (1, 1, 's', 't', 'a', 9), (2, 1, 's', 't', 'b', 8)",
        )
        .result();
    assert_eq!(result.description.as_deref(), Some("b"));
    assert_eq!(read(&result.metadata_json)["superseded_at"], json!(8.0));
}

#[test]
fn a_bad_older_row_is_told_and_the_object_given_without_it() {
    let all = Fixture::with(
            "INSERT INTO run_results (id, run_id, schema_name, table_name, chosen_description) VALUES (1, 1, 's', 't', char(0)), (2, 1, 's', 't', 'b')",
        )
        .results();
    assert_eq!(all.len(), 2);
    assert_eq!(all[0].as_ref().unwrap_err().local_id, Some(1));
    assert_eq!(all[1].as_ref().unwrap().alternatives.as_deref(), Some("[]"));
}

#[test]
fn a_bad_standing_row_is_not_replaced_by_an_older_one() {
    let bad = Fixture::with(
            "INSERT INTO run_results (id, run_id, schema_name, table_name, confidence) VALUES (1, 1, 's', 't', 'low'), (2, 1, 's', 't', 'sure')",
        )
        .bad();
    assert_eq!(bad.local_id, Some(2));
}

#[test]
fn the_table_and_a_column_without_a_name_are_two_objects() {
    let all = Fixture::with(
        "INSERT INTO run_results (run_id, schema_name, table_name, column_name) VALUES (1, 's', 't', NULL), (1, 's', 't', '')",
    )
    .results();
    let names: Vec<_> = all.into_iter().map(|result| result.unwrap().target_qname).collect();
    assert_eq!(names, ["s.t", "s.t.\"\""]);
}

#[test]
fn results_that_were_pulled_and_those_without_a_run_are_left_out() {
    let fixture = Fixture::with(
        "INSERT INTO run_results (run_id, schema_name, table_name, shared_uuid) VALUES (1, 's', 't', 'u'), (1, 's', 'own', NULL), (99, 's', 't', NULL)",
    );
    assert_eq!(fixture.result().target_qname, "s.own");
    assert_eq!(fixture.open().orphans().unwrap(), 1);
}

#[test]
fn an_old_file_without_later_columns_and_without_an_index_is_read() {
    let fixture = Fixture::of(
            "CREATE TABLE analysis_runs (id INTEGER PRIMARY KEY, started_at REAL NOT NULL, status TEXT NOT NULL, command TEXT NOT NULL);
             CREATE TABLE run_results (id INTEGER PRIMARY KEY, run_id INTEGER NOT NULL, schema_name TEXT, table_name TEXT, column_name TEXT, confidence TEXT);
             INSERT INTO analysis_runs VALUES (1, 60, 'success', 'x'), (2, 61, 'success', 'x');
             INSERT INTO run_results VALUES (1, 2, 's', 't', NULL, 'low'), (2, 1, 's', 't', 'c', 'low'), (3, 1, 's', 't', 'b', 'low')",
        );
    let run = fixture.run();
    assert_eq!(
        (run.scope.as_str(), run.state, run.metadata_json.as_deref()),
        ("*", State::Reviewed, Some(r#"{"command":"x","status":"success"}"#))
    );
    let all: Vec<_> = fixture.results().into_iter().map(|result| result.unwrap()).collect();
    assert_eq!(all.iter().map(|result| result.target_qname.as_str()).collect::<Vec<_>>(), ["s.t.b", "s.t.c"]);
    assert_eq!((&all[0].alternatives, &all[0].metadata_json), (&None, &None));
}

#[test]
fn columns_that_a_newer_amx_adds_are_kept() {
    let fixture = Fixture::with(
        "ALTER TABLE analysis_runs ADD COLUMN \"new \"\"one\" TEXT DEFAULT 'x'; ALTER TABLE analysis_runs ADD COLUMN b_json DEFAULT '[1]';",
    );
    let metadata = read(&fixture.run().metadata_json);
    assert_eq!((&metadata["new \"one"], &metadata["b_json"]), (&json!("x"), &json!([1])));
}

#[test]
fn results_can_be_read_from_within_the_visit_of_runs_and_twice() {
    let file = Fixture::real("history-amx-0.19.db").open();
    let mut count = 0;
    file.runs(&mut |run| {
        for _ in 0..2 {
            file.results(&run.key, &mut |_| {
                count += 1;
                Ok(())
            })?;
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(count, 2 * 210);
}

#[test]
fn one_read_of_the_file_gives_the_content_that_mapping_each_run_gives() {
    for name in ["history-amx-0.19.db", "history-amx-0.19-extreme.db"] {
        let file = Fixture::real(name).open();
        let contents = file.contents().unwrap();
        let all = runs(&file);
        let mapped = all.iter().map(|run| (run.key.local_id.unwrap(), content(&file, run))).collect();
        assert_eq!(contents, mapped, "{name}");
    }
}

#[test]
fn the_content_of_a_run_changes_with_any_value_of_its_rows_and_of_no_others() {
    let fixture = Fixture::real("history-amx-0.19.db");
    let contents = || fixture.open().contents().unwrap();
    let before = contents();
    for change in [
        "UPDATE run_results SET reasoning = 'other' WHERE id = (SELECT min(id) FROM run_results WHERE run_id = 2)",
        "UPDATE analysis_runs SET status = 'failed' WHERE id = 2",
        "DELETE FROM run_results WHERE id = (SELECT min(id) FROM run_results WHERE run_id = 2)",
    ] {
        let then = contents();
        fixture.write(change);
        let now = contents();
        assert_ne!(now[&2], then[&2], "{change}");
        assert!(before.iter().all(|(id, content)| *id == 2 || now[id] == *content), "{change}");
    }
}

#[test]
fn the_content_of_a_run_depends_on_who_stands_in_where_a_row_does_not_say() {
    let fixture = Fixture::real("history-amx-0.19.db");
    let other = Person { who: "other".into(), ..person() };
    assert_ne!(AmxCliFile::open(&fixture.path(), &other).unwrap().contents().unwrap(), fixture.open().contents().unwrap());
}

#[test]
fn an_error_of_the_visitor_ends_the_visit() {
    let file = Fixture::real("history-amx-0.19.db").open();
    let mut seen = 0;
    let stopped = file.runs(&mut |run| {
        seen += 1;
        file.results(&run.key, &mut |_| Err(Error::internal("stop"))).map(|_| ())
    });
    assert_eq!((stopped.unwrap_err(), seen), (Error::internal("stop"), 2));
}

#[test]
fn what_is_only_in_the_wal_counts_and_what_comes_later_does_not() {
    let fixture = Fixture::with("PRAGMA journal_mode = WAL");
    let writer = Connection::open(fixture.path()).unwrap();
    writer.execute_batch("INSERT INTO analysis_runs (started_at, status, command) VALUES (1, 'failed', 'x')").unwrap();
    let file = fixture.open();
    assert_eq!(file.count().unwrap(), 2);
    writer.execute_batch("INSERT INTO analysis_runs (started_at, status, command) VALUES (2, 'failed', 'x')").unwrap();
    assert_eq!(file.count().unwrap(), 2);
    assert_eq!(fixture.open().count().unwrap(), 3);
}

#[test]
fn a_file_that_lacks_a_table_or_column_is_no_history() {
    let runs = "CREATE TABLE analysis_runs (id INTEGER PRIMARY KEY, started_at REAL, status TEXT);";
    for (sql, missing) in [
        ("CREATE TABLE other (id)".to_owned(), "table analysis_runs"),
        ("CREATE TABLE analysis_runs (id, status)".to_owned(), "column analysis_runs.started_at"),
        (runs.to_owned(), "table run_results"),
        (format!("{runs} CREATE TABLE run_results (id, run_id)"), "column run_results.schema_name"),
    ] {
        let error = AmxCliFile::open(&Fixture::of(&sql).path(), &person()).unwrap_err();
        assert_eq!(error.code, Code::LocalStoreCorrupt);
        assert!(error.message.ends_with(missing), "{error}");
    }
}

#[test]
fn damage_in_the_middle_is_found_while_reading() {
    let fixture = Fixture::with(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
             INSERT INTO run_results (run_id, schema_name, table_name, reasoning) SELECT 1, 's', 't' || i, hex(randomblob(400)) FROM n",
    );
    let mut bytes = fs::read(fixture.path()).unwrap();
    let from = bytes.len() / 2;
    bytes[from..from + 40_000].fill(0x5a);
    fs::write(fixture.path(), bytes).unwrap();
    let file = fixture.open();
    let error = file.results(&RunKey { run_id: "r".into(), local_id: Some(1) }, &mut |_| Ok(())).unwrap_err();
    assert_eq!(error.code, Code::LocalStoreCorrupt, "{error}");
}

#[test]
fn the_file_is_not_touched() {
    let fixture = Fixture::real("history-amx-0.19.db");
    let before = fs::read(fixture.path()).unwrap();
    runs(&fixture.open());
    assert_eq!(fs::read(fixture.path()).unwrap(), before);
}
