//! `history list`

use super::{Reading, run_unknown};
use crate::commands::Session;
use crate::error::{Code, Error, Result};
use crate::history::{Run, State, time_text};
use crate::printer::{ago, table};
use crate::store::own_runs::Counts;
use crate::store::shared::{RunFilter, SharedStore, StoredRun};
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::collections::BTreeMap;

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
    let listed: Vec<Listed> = match Reading::open(session).await? {
        Reading::Shared(mut shared) => {
            let listed = from_store(&mut shared.store(), args, filter).await?;
            shared.driver.close().await;
            listed
        }
        Reading::Local(local) => {
            let listed = local.list(&filter, args.after.as_deref(), args.limit)?;
            let listed = listed.ok_or_else(|| run_unknown(args.after.as_deref().unwrap_or_default()))?;
            listed.into_iter().map(|(run, counts)| Listed::new(&run, run.state.word(), counts)).collect()
        }
    };
    let now = Utc::now();
    session.printer.long_result(&listed, |listed| {
        let row = |run: &Listed| {
            let cells = [&run.run_id, &run.who, &ago(now, run.started), &run.scope, &run.ok.to_string(), &run.fail.to_string()];
            cells.map(|cell| shortened(cell)).to_vec()
        };
        table(&["run_id", "who", "when", "scope", "ok", "fail"], listed.iter().map(row))
    })
}

async fn from_store(store: &mut SharedStore<'_>, args: &Args, mut filter: RunFilter) -> Result<Vec<Listed>> {
    if let Some(run_id) = &args.after {
        let after = store.runs(&[run_id]).await?.remove(run_id).ok_or_else(|| run_unknown(run_id))?;
        filter.after = Some((after.run.started_at, after.run.run_id));
    }
    let runs = store.list(&filter, args.limit).await?;
    let ids: Vec<&str> = runs.iter().map(|stored| stored.run.run_id.as_str()).collect();
    let (all, described) = (store.count_results(&ids).await?, store.count_described(&ids).await?);
    let count = |of: &BTreeMap<String, i64>, run_id: &str| of.get(run_id).copied().unwrap_or(0) as u64;
    let listed = |stored: &StoredRun| {
        let (all, ok) = (count(&all, &stored.run.run_id), count(&described, &stored.run.run_id));
        Listed::new(&stored.run, &stored.state_word, Counts { ok, fail: all.saturating_sub(ok) })
    };
    Ok(runs.iter().map(listed).collect())
}

impl Listed {
    fn new(run: &Run, state: &str, counts: Counts) -> Listed {
        Listed {
            run_id: run.run_id.clone(),
            who: run.who.clone(),
            started_at: time_text(run.started_at),
            finished_at: run.finished_at.map(time_text),
            scope: run.scope.clone(),
            state: state.into(),
            ok: counts.ok,
            fail: counts.fail,
            hostname: run.attribution.hostname.clone(),
            client_version: run.attribution.client_version.clone(),
            pending: false,
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
