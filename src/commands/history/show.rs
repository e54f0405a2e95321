//! `history show`

use super::open;
use crate::commands::Session;
use crate::error::Result;
use crate::history::time_text;
use crate::printer::{one_line, table};
use crate::store::hashing::{Hashing, Line};
use crate::store::reading::Reading;
use crate::store::shared::{Stamp, StoredResult, StoredRun};
use serde_json::{Map, Value, json};

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
    let mut reading = open(session).await?;
    if args.hash {
        let hash = hash(&mut reading, &args.run_id).await?;
        reading.close().await;
        session.printer.data(&format!("{hash}\n"));
        return Ok(());
    }
    let mut results = vec![];
    let run = reading.read(&args.run_id, &mut |page| results.extend(page)).await?;
    reading.close().await;
    let document = json!({ "run": run_json(&run), "results": results.iter().map(result_json).collect::<Vec<_>>() });
    session.printer.long_result(&document, |_| shown(&run, &results))
}

async fn hash(reading: &mut Reading, run_id: &str) -> Result<String> {
    let mut hashing = Hashing::default();
    reading.read(run_id, &mut |page| page.iter().for_each(|stored| hashing.add(Line::of(&stored.result)))).await?;
    if let Some(hashed) = hashing.end() {
        return Ok(hashed.hash);
    }
    let mut lines = vec![];
    reading.read(run_id, &mut |page| lines.extend(page.iter().map(|stored| Line::of(&stored.result)))).await?;
    Ok(Hashing::sorted(lines).hash)
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
    let applied = run.applied_at.map(|at| {
        let by = run.applied_by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
        format!("{}{by}", time_text(at))
    });
    let machine = run.attribution.hostname.as_deref().map(|name| format!(" on {name}")).unwrap_or_default();
    let head = [
        ("who", Some(format!("{}{machine}", run.who))),
        ("when", Some(times)),
        ("scope", Some(run.scope.clone())),
        ("model", Some(format!("{} {}", run.llm_provider, run.llm_model))),
        ("database", Some(run.db_backend.clone())),
        ("state", Some(stored.state_word.to_string())),
        ("applied", applied),
    ];
    let mut text = format!("{}\n", one_line(&run.run_id));
    for (name, value) in head {
        text.extend(value.map(|value| format!("{name:<9} {}\n", one_line(&value))));
    }
    text.push('\n');
    let row = |stored: &StoredResult| {
        let result = &stored.result;
        let description = result.description.clone().unwrap_or_else(|| "(no description)".into());
        let applied = if result.applied { "applied" } else { "" };
        vec![result.target_qname.clone(), result.confidence.clone(), applied.into(), description]
    };
    text + &table(&["object", "confidence", "", "description"], results.iter().map(row))
}
