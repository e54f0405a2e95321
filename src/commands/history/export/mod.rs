//! `history export`

mod forms;
mod markdown;

use super::open;
use crate::commands::{Session, output};
use crate::error::{Code, Error, Result};
use crate::history::{Run, RunResult, time_text};
use crate::store::shared::StoredResult;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Write the accepted descriptions of runs, for another catalog.
///
/// Accepted is what was applied, and what its reviewer accepted or wrote. Of an object that several of the runs describe, the newest run's
/// description is written, in whatever order the runs are given.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The runs.
    #[arg(required = true, value_name = "RUN")]
    run_ids: Vec<String>,
    /// Write in this form [default: md; with --json: json].
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// Write every description, accepted or not.
    #[arg(long)]
    all: bool,
    /// Write to this file instead of stdout.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// A heading for each table, and a table of its columns.
    Md,
    /// One array.
    Json,
    /// With a header; what a spreadsheet would take for a formula begins with an apostrophe.
    Csv,
}

/// An object with its description.
#[derive(Debug, Serialize)]
struct Described {
    target_qname: String,
    target_kind: String,
    description: String,
    confidence: String,
    run_id: String,
    who: String,
    applied_at: Option<String>,
}

pub(super) async fn run(session: &Session, args: &Args) -> Result<()> {
    let format = match (args.format, session.printer.json) {
        (None, false) => Format::Md,
        (None | Some(Format::Json), true) => Format::Json,
        (Some(format), false) => format,
        (Some(_), true) => {
            return Err(Error::new(Code::Usage, "--json writes JSON, and --format asks for another form", "leave one of the two out"));
        }
    };
    let described = described(session, args).await?;
    let text = match format {
        Format::Md => markdown::text(&described),
        Format::Json => forms::json(&described)?,
        Format::Csv => forms::csv(&described)?,
    };
    let count = described.len();
    if described.is_empty() && !args.all {
        session.printer.talk("nothing there is applied or accepted; --all exports every description");
    }
    let Some(path) = &args.output else {
        session.printer.data(&text);
        return Ok(());
    };
    output::write(path, &text)?;
    match session.printer.json {
        true => {
            session.printer.result(&serde_json::json!({ "file": path.display().to_string(), "descriptions": count }), |_| String::new())?
        }
        false => session.printer.talk(&format!("✓ {count} descriptions are in {}.", path.display())),
    }
    Ok(())
}

/// The newest description of each object, in byte order of the objects.
async fn described(session: &Session, args: &Args) -> Result<Vec<Described>> {
    let mut runs: Vec<(Run, Vec<RunResult>)> = vec![];
    let mut reading = open(session).await?;
    for run_id in &args.run_ids {
        let mut results = vec![];
        let mut take = |page: Vec<StoredResult>| {
            results.extend(page.into_iter().map(|stored| stored.result).filter(|result| is_wanted(result, args.all)));
        };
        let stored = reading.read(run_id, &mut take).await?;
        runs.push((stored.run, results));
    }
    reading.close().await;
    runs.sort_by(|(left, _), (right, _)| (left.started_at, &left.run_id).cmp(&(right.started_at, &right.run_id)));
    let mut newest = BTreeMap::new();
    for (run, results) in &mut runs {
        newest.extend(results.drain(..).filter_map(|result| Some((result.target_qname.clone(), Described::new(run, result)?))));
    }
    Ok(newest.into_values().collect())
}

impl Described {
    fn new(run: &Run, result: RunResult) -> Option<Described> {
        Some(Described {
            description: result.description?,
            target_qname: result.target_qname,
            target_kind: result.target_kind,
            confidence: result.confidence,
            run_id: run.run_id.clone(),
            who: run.who.clone(),
            applied_at: result.applied_at.map(time_text),
        })
    }
}

/// Whether a result has a description that is to be written. An empty one tells another catalog nothing.
fn is_wanted(result: &RunResult, all: bool) -> bool {
    result.description.as_ref().is_some_and(|text| !text.is_empty()) && (all || result.applied || is_accepted(result))
}

/// Whether its reviewer took it as it was, or wrote it. Other clients may have written anything there.
fn is_accepted(result: &RunResult) -> bool {
    let metadata = result.metadata_json.as_deref().and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
    metadata.is_some_and(|metadata| matches!(metadata["evaluation"].as_str(), Some("accepted" | "custom")))
}
