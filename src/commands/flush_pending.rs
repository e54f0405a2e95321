//! `flush-pending`

use super::{Session, StoreTarget, ToStore};
use crate::error::{Code, Error, Result};
use crate::history::time_from_text;
use crate::identity::person;
use crate::migration::MigrationSet;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::report::Reporter;
use crate::store::local::LocalStore;
use crate::store::outbox::{Quarantine, busy};
use crate::sync::flush::{Drained, Link};
use crate::sync::renamed;
use chrono::Utc;
use serde::Serialize;
use std::time::Duration;

/// How long another process of this machine that drains is waited for.
const DRAINER_WAIT: Duration = Duration::from_secs(60);

/// Send the writes that are queued because the shared store could not take them.
///
/// Run it again at any time: what has landed is recognised and not written twice.
#[derive(Debug, Default, clap::Args)]
pub struct Args {
    /// Send runs whose id is another run's as <run_id>-<your installation>.
    #[arg(long)]
    rename: bool,
    /// Throw the queued writes away instead. Asks first.
    #[arg(long, conflicts_with = "rename")]
    drop: bool,
}

/// What a flush did.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    depth_before: u64,
    flushed: u64,
    failed: u64,
    dropped: u64,
    depth_after: u64,
    failures: Vec<Failure>,
    #[serde(skip)]
    conflicts: bool,
    #[serde(skip)]
    stopped: Option<Error>,
}

#[derive(Debug, Serialize)]
struct Failure {
    item: String,
    reason: String,
}

pub(crate) async fn run(session: &Session, args: &Args) -> Result<()> {
    let mut local = LocalStore::open(&session.home)?;
    if args.drop {
        return drop_queued(session, &mut local).await;
    }
    let report = match session.shared_in(&session.config()?)? {
        Some(target) => flush(session, &target, &mut local, args.rename).await?,
        None if local.outbox_state()?.depth + local.outbox_state()?.quarantined == 0 => Report::default(),
        None => return session.shared().map(|_| ()),
    };
    session.printer.result(&report, shown)?;
    outcome(session.printer, report)
}

/// Drains the outbox, telling each item as it lands.
pub(crate) async fn flush(session: &Session, target: &StoreTarget, local: &mut LocalStore, rename: bool) -> Result<Report> {
    let Some(_drainer) = local.drainer(DRAINER_WAIT).await? else { return Err(busy()) };
    let state = local.outbox_state()?;
    let depth_before = state.depth + state.quarantined;
    if depth_before == 0 {
        return Ok(Report::default());
    }
    let last = state.last_attempt.as_deref().and_then(time_from_text);
    let last = last.map(|at| format!(" (last attempt {} ago)", short((Utc::now() - at).num_seconds().max(0)))).unwrap_or_default();
    session.printer.talk(&format!("Outbox depth: {depth_before} rows queued for shared write{last}."));
    let set = MigrationSet::embedded(target.profile.backend)?;
    let person = person();
    let to_store = ToStore { session, target, set: &set };
    let mut link = Link::new(&to_store, set.dialect, &target.schema, target.place(), &person);
    let mut drained = match link.open(local).await {
        Err(error) if error.code == Code::LocalStoreCorrupt => return Err(error),
        Err(error) => {
            local.note_failed(&target.place(), &error.message)?;
            Drained { stopped: Some(error), ..Drained::default() }
        }
        Ok(()) => {
            let destination = local.destination(&target.place())?;
            let store_id = destination.store_id.as_deref().unwrap_or_default();
            if rename {
                local.rename(store_id, renamed)?;
            }
            // Whoever flushes by hand may have put right what was wrong.
            local.release(store_id)?;
            let progress = Progress::new(session.printer);
            progress.begin(local.depth(store_id)?);
            let drained = link.drain(local, &progress).await;
            progress.end();
            link.close().await;
            drained?
        }
    };
    let state = local.outbox_state()?;
    let mut failures: Vec<Failure> = vec![];
    let mut conflicts = true;
    for (entry, quarantine) in local.quarantined()? {
        conflicts &= quarantine == Quarantine::Conflict;
        failures.push(Failure { item: entry.name, reason: entry.last_error.unwrap_or_default() });
    }
    for (entry, is_for_it) in local.waiting(&local.destination(&target.place())?)? {
        conflicts = false;
        let reason = match (&drained.stopped, entry.last_error) {
            _ if !is_for_it => "it is for another store".into(),
            (Some(error), _) => error.message.clone(),
            (None, reason) => reason.unwrap_or_else(|| "it was queued meanwhile".into()),
        };
        failures.push(Failure { item: entry.name, reason });
    }
    let depth_after = state.depth + state.quarantined;
    let failed = failures.len() as u64;
    let stopped = drained.stopped.take();
    Ok(Report { depth_before, flushed: drained.landed, failed, dropped: 0, depth_after, failures, conflicts, stopped })
}

async fn drop_queued(session: &Session, local: &mut LocalStore) -> Result<()> {
    let state = local.outbox_state()?;
    let depth_before = state.depth + state.quarantined;
    let question = format!("Drop {depth_before} queued writes? The shared store will never have them.");
    if depth_before > 0 && !session.printer.confirm(&question)? {
        session.printer.talk("Nothing was dropped.");
        return Ok(());
    }
    // Not while another process is sending them.
    let Some(_drainer) = local.drainer(DRAINER_WAIT).await? else { return Err(busy()) };
    let dropped = local.drop_outbox()?;
    let report = Report { depth_before, dropped, ..Report::default() };
    session.printer.result(&report, |report| format!("✓ flush-pending finished. {} queued writes were dropped.", report.dropped))
}

pub(crate) fn shown(report: &Report) -> String {
    match (report.depth_before, report.depth_after) {
        (0, _) => "✓ flush-pending finished. Outbox is empty; there was nothing to send.".into(),
        (_, 0) => "✓ flush-pending finished. Outbox is empty.".into(),
        (_, after) => format!("flush-pending: {} rows sent, {after} still queued.", report.flushed),
    }
}

pub(crate) fn outcome(printer: Printer, report: Report) -> Result<()> {
    if !printer.json {
        // One that stands for all where the same keeps all of them waiting.
        let told = if report.stopped.is_some() { 0 } else { report.failures.len() };
        for failure in report.failures.iter().take(told) {
            printer.warn(&format!("{}: {}", failure.item, failure.reason));
        }
    }
    if let Some(stopped) = report.stopped {
        return Err(stopped);
    }
    if report.failures.is_empty() {
        return Ok(());
    }
    let count = report.failures.len();
    Err(match report.conflicts {
        true => Error::new(
            Code::Conflict,
            format!("{count} queued writes are of runs whose id is another run's in the store; they are kept"),
            "run `amx-schema flush-pending --rename` to send them under another id, or --drop to throw them away",
        ),
        false => Error::new(
            Code::FlushIncomplete,
            format!("{count} queued writes are still queued"),
            "each is named with its reason; put that right and run `amx-schema flush-pending` again, or --drop to throw them away",
        ),
    })
}

/// A time span as `12m`.
fn short(seconds: i64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}
