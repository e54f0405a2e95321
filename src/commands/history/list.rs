//! `history list`

use crate::commands::Session;
use crate::error::{Code, Error, Result};
use crate::history::{State, time_text};
use crate::printer::{ago, table};
use crate::store::reading::ListedRun;
use crate::store::shared::RunFilter;
use chrono::{DateTime, Utc};
use serde::Serialize;

/// List runs, newest first.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// At most this many.
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
    /// Go on after this run of an earlier list.
    #[arg(long, value_name = "RUN")]
    after: Option<String>,
    /// Only this person's.
    #[arg(long, value_name = "WHO")]
    who: Option<String>,
    /// Only those that cover this name or something below it, such as sales.customer.
    #[arg(long, value_name = "SCOPE")]
    scope: Option<String>,
    /// Only those in this state: running, reviewed, applied or failed.
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
}

#[derive(Serialize)]
struct Listed {
    run_id: String,
    who: String,
    started_at: String,
    finished_at: Option<String>,
    scope: String,
    state: String,
    ok: u64,
    fail: u64,
    hostname: Option<String>,
    client_version: Option<String>,
    pending: bool,
    #[serde(skip)]
    started: DateTime<Utc>,
}

pub(super) async fn run(session: &Session, args: &Args) -> Result<()> {
    if let Some(word) = args.state.as_deref().filter(|word| State::from_word(word).is_none()) {
        return Err(Error::new(Code::Usage, format!("'{word}' is not a state"), "use running, reviewed, applied or failed"));
    }
    let filter = RunFilter { who: args.who.clone(), scope: args.scope.clone(), state: args.state.clone(), after: None };
    let mut reading = super::open(session).await?;
    let listed: Vec<Listed> = reading.list(&filter, args.after.as_deref(), args.limit).await?.iter().map(Listed::new).collect();
    reading.close().await;
    let now = Utc::now();
    session.printer.long_result(&listed, |listed| {
        let row = |run: &Listed| {
            let run_id = if run.pending { format!("{} (pending)", run.run_id) } else { run.run_id.clone() };
            let cells = [&run_id, &run.who, &ago(now, run.started), &run.scope, &run.ok.to_string(), &run.fail.to_string()];
            cells.map(|cell| shortened(cell)).to_vec()
        };
        table(&["run_id", "who", "when", "scope", "ok", "fail"], listed.iter().map(row))
    })
}

impl Listed {
    fn new(listed: &ListedRun) -> Listed {
        let run = &listed.stored.run;
        Listed {
            run_id: run.run_id.clone(),
            who: run.who.clone(),
            started_at: time_text(run.started_at),
            finished_at: run.finished_at.map(time_text),
            scope: run.scope.clone(),
            state: listed.stored.state_word.clone(),
            ok: listed.counts.ok,
            fail: listed.counts.fail,
            hostname: run.attribution.hostname.clone(),
            client_version: run.attribution.client_version.clone(),
            pending: listed.pending,
            started: run.started_at,
        }
    }
}

/// A cell that leaves room for the others.
pub(crate) fn shortened(cell: &str) -> String {
    const WIDEST: usize = 64;
    match cell.chars().count() > WIDEST {
        true => cell.chars().take(WIDEST - 1).chain(['…']).collect(),
        false => cell.into(),
    }
}
