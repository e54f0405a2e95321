//! What a store holds, to be compared: with another moment of the same store, with another engine's, and with the file it came from.

use super::{Home, Store};
use amx_schema::history::{Attribution, time_text};
use amx_schema::store::amx_cli::AmxCliFile;
use amx_schema::store::source::{Person, Source};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

const RUN: &str = "run_id, who, started_at, finished_at, scope, llm_provider, llm_model, db_backend, state, applied_at, applied_by,
    metadata_json, created_by, hostname, client_version, local_id, origin";
const RESULT: &str = "run_id, target_qname, target_kind, description, alternatives, confidence, applied, applied_at, metadata_json,
    created_by, hostname, client_version, local_id, origin";

impl Store {
    /// Every row of both tables in the order of its key, without what counts the writes.
    pub fn rows(&self) -> String {
        // PostgreSQL's collation of the keys is "C", the others compare bytes anyway.
        self.sql(&format!(
            "SELECT {RUN} FROM amx_history_runs ORDER BY run_id; SELECT {RESULT} FROM amx_history_results ORDER BY run_id, target_qname;"
        ))
    }

    /// One number.
    #[track_caller]
    pub fn number(&self, sql: &str) -> i64 {
        let answer = self.sql(sql);
        answer.trim().parse().unwrap_or_else(|_| panic!("{sql}: {answer}"))
    }

    /// How many runs and results there are.
    pub fn counts(&self) -> (i64, i64) {
        (self.number("SELECT count(*) FROM amx_history_runs"), self.number("SELECT count(*) FROM amx_history_results"))
    }

    /// Makes it a store that was just migrated.
    pub fn empty(&self) {
        self.sql("DELETE FROM amx_history_results; DELETE FROM amx_history_runs; DELETE FROM amx_history_origins;");
    }
}

/// Every run with its results as `history show --json` gives them, by run, without what counts the writes.
pub fn shown(home: &Home, store: &Store) -> BTreeMap<String, Value> {
    let listed = home.on(store, &["history", "list", "--limit", "100000", "--json"]).json();
    let ids = listed.as_array().unwrap().iter().map(|run| run["run_id"].as_str().unwrap().to_string());
    ids.map(|id| {
        let mut shown = home.on(store, &["history", "show", &id, "--json"]).json();
        bare(&mut shown["run"]);
        shown["results"].as_array_mut().unwrap().iter_mut().for_each(bare);
        (id, shown)
    })
    .collect()
}

fn bare(row: &mut Value) {
    let row = row.as_object_mut().unwrap();
    for name in ["writer", "landing"] {
        assert!(row.shift_remove(name).is_some());
    }
}

/// What an amx-cli file is to become, in the form of [`shown`]; what cannot be stored is left out.
pub fn mapped(path: &Path) -> BTreeMap<String, Value> {
    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim().to_string();
    let file = AmxCliFile::open(path, &Person { who: "tester".into(), hostname }).unwrap();
    let mut runs = BTreeMap::new();
    file.runs(&mut |found| {
        let Ok(run) = found.run else { return Ok(()) };
        let mut results = vec![];
        file.results(&found.key, &mut |result| {
            if let Ok(result) = result {
                let row = json!({
                    "target_qname": result.target_qname, "target_kind": result.target_kind, "description": result.description,
                    "alternatives": result.alternatives, "confidence": result.confidence, "applied": result.applied,
                    "applied_at": result.applied_at.map(time_text), "metadata_json": result.metadata_json,
                });
                results.push(attributed(row, &result.attribution, &found.owner));
            }
            Ok(())
        })?;
        results.sort_by(|left, right| left["target_qname"].as_str().cmp(&right["target_qname"].as_str()));
        let row = json!({
            "run_id": run.run_id, "who": run.who, "started_at": time_text(run.started_at),
            "finished_at": run.finished_at.map(time_text), "scope": run.scope, "llm_provider": run.llm_provider,
            "llm_model": run.llm_model, "db_backend": run.db_backend, "state": run.state.word(),
            "applied_at": run.applied_at.map(time_text), "applied_by": run.applied_by, "metadata_json": run.metadata_json,
        });
        let run_id = run.run_id.clone();
        runs.insert(run_id, json!({ "run": attributed(row, &run.attribution, &found.owner), "results": results }));
        Ok(())
    })
    .unwrap();
    runs
}

fn attributed(mut row: Value, attribution: &Attribution, owner: &str) -> Value {
    row["created_by"] = json!(attribution.created_by);
    row["hostname"] = json!(attribution.hostname);
    row["client_version"] = json!(attribution.client_version);
    row["local_id"] = json!(attribution.local_id);
    row["origin"] = json!(owner);
    row
}
