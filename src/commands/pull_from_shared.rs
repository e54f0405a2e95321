//! `pull-from-shared`

use super::{Session, StoreTarget};
use crate::driver::Access;
use crate::error::Result;
use crate::migration::{Engine, MigrationSet};
use crate::printer::{counted, one_line};
use crate::progress::Progress;
use crate::report::Silent;
use crate::store::local::LocalStore;
use crate::store::shared::SharedStore;
use crate::sync::pull::{Puller, Report};

/// Bring teammates' runs into the local cache, and what they changed of yours. Nothing is written to the shared store.
///
/// Run it again at any time: it costs what has changed since.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Read everything again, and forget what the shared store no longer has.
    #[arg(long)]
    all: bool,
}

pub(crate) async fn run(session: &Session, args: &Args) -> Result<()> {
    let target = session.shared()?;
    let mut local = LocalStore::open(&session.home)?;
    let report = pull(session, &target, &mut local, args.all).await?;
    session.printer.result(&report, shown)
}

/// Pulls, telling each run as it comes.
pub(crate) async fn pull(session: &Session, target: &StoreTarget, local: &mut LocalStore, all: bool) -> Result<Report> {
    let set = MigrationSet::embedded(target.profile.backend)?;
    let mut driver = session.connect(target, Access::Read).await?;
    let standing = SharedStore::new(driver.as_mut(), set.dialect, &target.schema).standing(&set.model.ledger().name).await;
    let standing = match standing {
        Ok(standing) if standing.version == set.latest() => standing,
        other => {
            // What is wrong with the store is said in full; where nothing is, the query's own failure.
            let state = Engine { driver: driver.as_mut(), set: &set, schema: &target.schema, reporter: &Silent }.state().await?;
            state.require_current(&target.schema)?;
            other?
        }
    };
    match local.newest_run()? {
        _ if all => session.printer.talk("Pulling all shared rows…"),
        Some(newest) => {
            let newest = one_line(newest.strip_prefix("run_").unwrap_or(&newest));
            session.printer.talk(&format!("Pulling shared rows newer than {newest} (your last local row)…"));
        }
        None => session.printer.talk("Pulling all shared rows…"),
    }
    let progress = Progress::new(session.printer);
    let puller = Puller {
        driver: driver.as_mut(),
        dialect: set.dialect,
        schema: &target.schema,
        place: &target.place(),
        local,
        reporter: &progress,
    };
    let report = puller.run(&standing, all).await?;
    driver.close().await;
    let quarantined = local.quarantined_runs()?;
    if !quarantined.is_empty() {
        let named = quarantined.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
        let more = if quarantined.len() > 5 { ", …" } else { "" };
        session.printer.warn(&format!(
            "{} runs of yours are in quarantine and not shared: {named}{more}; `amx-schema flush-pending` says why",
            quarantined.len()
        ));
    }
    Ok(report)
}

pub(crate) fn shown(report: &Report) -> String {
    let updated = match report.runs_updated {
        0 => String::new(),
        count => format!(", {count} updated"),
    };
    match (report.runs_added, report.runs_updated) {
        (0, 0) => "✓ pull-from-shared finished. The local cache is up to date.".into(),
        (added, _) => format!("✓ pull-from-shared finished. {} added to local cache{updated}.", counted(added, "row")),
    }
}
