//! Operations for `record`.

use std::fmt::Write as _;

/// Results that one operation brings.
const AT_ONCE: u64 = 10;

/// Runs with so many results each, ten in an operation.
pub fn of_runs(runs: u64, results: u64) -> String {
    let mut lines = String::new();
    for run in 0..runs {
        writeln!(lines, r#"{{"op":"run","run_id":"run_{run}","started_at":"2026-05-03T15:44:02Z","scope":"sales","llm_provider":"openai","llm_model":"gpt-4o","db_backend":"postgresql"}}"#).unwrap();
        for first in (0..results).step_by(AT_ONCE as usize) {
            let result = |at| {
                format!(
                    r#"{{"target_qname":"sales.fact_orders.attribute_{at}","target_kind":"COLUMN","description":"what {at} of {run} is","confidence":"high"}}"#
                )
            };
            let brought: Vec<String> = (first..results.min(first + AT_ONCE)).map(result).collect();
            writeln!(lines, r#"{{"op":"results","run_id":"run_{run}","results":[{}]}}"#, brought.join(",")).unwrap();
        }
    }
    lines
}
