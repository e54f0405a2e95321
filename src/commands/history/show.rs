//! `history show`

use super::open;
use crate::commands::Session;
use crate::error::Result;
use crate::history::{RunResult, time_text};
use crate::printer::{neutral, table};
use crate::store::shared::{Stamp, StoredResult, StoredRun};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// Show a run and its results.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run.
    run_id: String,
    /// Write only a hash over the results: the same on every machine and every backend.
    #[arg(long)]
    hash: bool,
}

pub(super) async fn run(session: &Session, args: &Args) -> Result<()> {
    let (mut results, mut hash) = (vec![], Sha256::new());
    let mut take = |page: Vec<StoredResult>| match args.hash {
        true => page.iter().for_each(|stored| hash.update(hashed_line(&stored.result))),
        false => results.extend(page),
    };
    let mut reading = open(session).await?;
    let run = reading.read(&args.run_id, &mut take).await?;
    reading.close().await;
    if args.hash {
        let digits: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        session.printer.data(&format!("{digits}\n"));
        return Ok(());
    }
    let document = json!({ "run": run_json(&run), "results": results.iter().map(result_json).collect::<Vec<_>>() });
    session.printer.long_result(&document, |_| shown(&run, &results))
}

/// What the hash is taken over: one compact JSON array a result, as RFC 8785 writes it, and a line feed.
fn hashed_line(result: &RunResult) -> String {
    // serde_json writes arrays of strings and null as RFC 8785 does.
    json!([result.target_qname, result.target_kind, result.description, result.confidence]).to_string() + "\n"
}

fn run_json(stored: &StoredRun) -> Value {
    let run = &stored.run;
    let mut fields = Map::new();
    let mut set = |name: &str, value: Value| fields.insert(name.into(), value);
    set("run_id", json!(run.run_id));
    set("who", json!(run.who));
    set("started_at", json!(time_text(run.started_at)));
    set("finished_at", json!(run.finished_at.map(time_text)));
    set("scope", json!(run.scope));
    set("llm_provider", json!(run.llm_provider));
    set("llm_model", json!(run.llm_model));
    set("db_backend", json!(run.db_backend));
    set("state", json!(stored.state_word));
    set("applied_at", json!(run.applied_at.map(time_text)));
    set("applied_by", json!(run.applied_by));
    set("metadata_json", json!(run.metadata_json));
    provenance(&mut fields, json!(run.attribution), &stored.stamp);
    Value::Object(fields)
}

fn result_json(stored: &StoredResult) -> Value {
    let result = &stored.result;
    let mut fields = Map::new();
    let mut set = |name: &str, value: Value| fields.insert(name.into(), value);
    set("target_qname", json!(result.target_qname));
    set("target_kind", json!(result.target_kind));
    set("description", json!(result.description));
    set("alternatives", json!(result.alternatives));
    set("confidence", json!(result.confidence));
    set("applied", json!(result.applied));
    set("applied_at", json!(result.applied_at.map(time_text)));
    set("metadata_json", json!(result.metadata_json));
    provenance(&mut fields, json!(result.attribution), &stored.stamp);
    Value::Object(fields)
}

fn provenance(fields: &mut Map<String, Value>, attribution: Value, stamp: &Stamp) {
    if let Value::Object(attribution) = attribution {
        fields.extend(attribution);
    }
    fields.insert("origin".into(), json!(stamp.origin));
    fields.insert("writer".into(), json!(stamp.writer));
    fields.insert("landing".into(), json!(stamp.landing));
}

fn shown(stored: &StoredRun, results: &[StoredResult]) -> String {
    let run = &stored.run;
    let times = match run.finished_at {
        Some(finished) => format!("{} to {}", time_text(run.started_at), time_text(finished)),
        None => time_text(run.started_at),
    };
    let applied = match (&run.applied_at, &run.applied_by) {
        (Some(at), Some(by)) => format!("applied   {} by {by}\n", time_text(*at)),
        (Some(at), None) => format!("applied   {}\n", time_text(*at)),
        _ => String::new(),
    };
    let machine = run.attribution.hostname.as_deref().map(|name| format!(" on {name}")).unwrap_or_default();
    let head = format!(
        "{}\nwho       {}{machine}\nwhen      {times}\nscope     {}\nmodel     {} {}\ndatabase  {}\nstate     {}\n{applied}\n",
        run.run_id, run.who, run.scope, run.llm_provider, run.llm_model, run.db_backend, stored.state_word
    );
    let row = |stored: &StoredResult| {
        let result = &stored.result;
        let description = result.description.clone().map_or_else(|| "(no description)".into(), |text| text.replace(['\n', '\t'], " "));
        let applied = if result.applied { "applied" } else { "" };
        vec![result.target_qname.clone(), result.confidence.clone(), applied.into(), description]
    };
    neutral(&head) + &table(&["object", "confidence", "", "description"], results.iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Attribution;

    #[test]
    fn the_hash_is_over_a_compact_json_array_a_line() {
        let result = RunResult {
            target_qname: "sales.\"a b\"".into(),
            target_kind: "TABLE".into(),
            description: Some("two\nlines, ı and \u{1}".into()),
            alternatives: None,
            confidence: "high".into(),
            applied: true,
            applied_at: None,
            metadata_json: None,
            attribution: Attribution::default(),
        };
        assert_eq!(hashed_line(&result), "[\"sales.\\\"a b\\\"\",\"TABLE\",\"two\\nlines, ı and \\u0001\",\"high\"]\n");
        let without = RunResult { description: None, ..result };
        assert_eq!(hashed_line(&without), "[\"sales.\\\"a b\\\"\",\"TABLE\",null,\"high\"]\n");
    }
}
