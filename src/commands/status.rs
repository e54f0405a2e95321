//! `status`

use super::{Session, StoreTarget, store_name};
use crate::driver::Access;
use crate::error::{Code, Error, Result};
use crate::history::time_from_text;
use crate::migration::{Engine, MigrationSet};
use crate::printer::{ago, one_line};
use crate::report::Silent;
use crate::store::outbox::outbox_state;
use crate::store::shared::SharedStore;
use chrono::Utc;
use serde::Serialize;

/// Show which store is in use and how it stands. Changes nothing.
#[derive(Debug, Default, clap::Args)]
pub struct Args {
    /// Exit 5 where the shared store cannot be reached.
    #[arg(long)]
    check: bool,
}

#[derive(Serialize, Default)]
struct Status {
    active_store: &'static str,
    profile: Option<String>,
    backend: Option<&'static str>,
    schema: Option<String>,
    reachable: Option<bool>,
    store_id: Option<String>,
    schema_version: Option<u32>,
    pending_migrations: Option<usize>,
    outbox_depth: u64,
    outbox_quarantined: u64,
    outbox_last_attempt: Option<String>,
    outbox_oldest: Option<String>,
    outbox_last_error: Option<String>,
    local_runs: u64,
    shared_runs: Option<i64>,
    stale_statistics: Vec<String>,
    home: String,
    #[serde(skip)]
    store: Option<String>,
    #[serde(skip)]
    place: Option<String>,
    #[serde(skip)]
    remark: Option<String>,
}

pub(crate) async fn run(session: &Session, args: &Args) -> Result<()> {
    let config = session.config()?;
    let enabled = config.history_store_enabled()?;
    let outbox = outbox_state(&session.home)?;
    let mut status = Status {
        active_store: if enabled { "shared" } else { "file" },
        outbox_depth: outbox.depth,
        outbox_quarantined: outbox.quarantined,
        outbox_last_attempt: outbox.last_attempt,
        outbox_oldest: outbox.oldest,
        outbox_last_error: outbox.last_error,
        home: session.home.display().to_string(),
        ..Status::default()
    };
    for file in super::migrate_from_local::sources(session, None)? {
        status.local_runs += file.found;
    }
    let named = session.global.profile.is_some() || session.global.url.is_some();
    let mut failed = None;
    if enabled || named {
        let target = session.target_in(&config)?;
        status.profile = target.profile.name.clone();
        status.backend = Some(target.profile.backend.word());
        status.schema = Some(target.schema.given.clone());
        status.store = Some(store_name(&target.schema, target.profile.backend)?);
        status.place = Some(target.profile.summary());
        if let Err(error) = ask(session, &target, &mut status).await {
            let unreachable = matches!(error.code, Code::Unreachable | Code::AuthFailed | Code::TlsFailed);
            status.reachable = Some(!unreachable);
            status.remark = Some(error.message.clone());
            session.printer.warn(&error.message);
            failed = Some(error);
        }
    }
    session.printer.result(&status, shown)?;
    match failed {
        Some(error) if args.check => Err(error),
        _ => Ok(()),
    }
}

/// Asks the shared store, and notes each answer as it comes.
async fn ask(session: &Session, target: &StoreTarget, status: &mut Status) -> Result<()> {
    let set = MigrationSet::embedded(target.profile.backend)?;
    let mut driver = session.connect(target, Access::Read).await?;
    status.reachable = Some(true);
    let mut store = SharedStore::new(driver.as_mut(), set.dialect, &target.schema);
    let asked = store.status(&set.model.ledger().name).await;
    if let Ok(standing) = &asked
        && standing.version == set.latest()
    {
        status.schema_version = Some(standing.version);
        status.pending_migrations = Some(0);
        status.store_id.clone_from(&standing.store_id);
        status.shared_runs = Some(standing.runs);
        status.stale_statistics = store.stale_statistics().await?;
        driver.close().await;
        return Ok(());
    }
    // What is wrong with the store is said in full.
    let state = Engine { driver: driver.as_mut(), set: &set, schema: &target.schema, reporter: &Silent }.state().await?;
    status.schema_version = Some(state.version);
    status.pending_migrations = Some(state.pending.len());
    if !state.exists {
        return Err(Error::new(
            Code::StoreMissing,
            format!("there is no shared store in {} yet", target.schema.given),
            "run `amx-schema enable` to create it",
        ));
    }
    driver.close().await;
    match state.pending.is_empty() {
        true => asked.map(|_| ()),
        false => Ok(()),
    }
}

fn shown(status: &Status) -> String {
    let mut lines = vec![match (&status.store, status.active_store) {
        (Some(store), "shared") => {
            let profile = status.profile.as_deref().unwrap_or("(url)");
            format!("History store: shared, {store} in {} (profile {profile})", status.place.as_deref().unwrap_or_default())
        }
        (Some(store), _) => format!("History store: local file; looked at {store} in {}", status.place.as_deref().unwrap_or_default()),
        (None, _) => format!("History store: disabled (per-user local file in {})", status.home),
    }];
    if let Some(reachable) = status.reachable {
        let version = match (reachable, status.schema_version, status.pending_migrations) {
            (false, ..) => "not reachable".to_string(),
            (true, Some(0), _) => "reachable, no store there yet".to_string(),
            (true, Some(version), Some(0)) => format!("reachable, schema version {version}, up to date"),
            (true, Some(version), Some(pending)) => format!("reachable, schema version {version}, {pending} migrations pending"),
            (true, ..) => "reachable".to_string(),
        };
        lines.push(format!("Database:      {version}"));
    }
    if let Some(runs) = status.shared_runs {
        lines.push(format!("Shared runs:   {runs}"));
    }
    lines.push(format!("Local runs:    {}", status.local_runs));
    let quarantined = match status.outbox_quarantined {
        0 => String::new(),
        count => format!(", {count} in quarantine"),
    };
    let age = |time: &Option<String>| time.as_deref().and_then(time_from_text).map(|then| ago(Utc::now(), then));
    let oldest = age(&status.outbox_oldest).map(|age| format!(", the oldest {age}")).unwrap_or_default();
    let last = age(&status.outbox_last_attempt).map(|age| format!(", last tried {age}")).unwrap_or_default();
    lines.push(format!("Outbox:        {} queued{quarantined}{oldest}{last}", status.outbox_depth));
    if let Some(error) = &status.outbox_last_error {
        lines.push(format!("Last failure:  {}", one_line(error)));
    }
    if status.outbox_depth > 0 {
        lines.push("               `amx-schema flush-pending` sends what is queued once the database is healthy".into());
    }
    if !status.stale_statistics.is_empty() {
        let analyze: Vec<String> = status.stale_statistics.iter().map(|table| format!("ANALYZE {table};")).collect();
        lines.push(format!("Statistics:    stale, which makes lists slow: run {}", analyze.join(" ")));
    }
    lines.join("\n")
}
