//! `history sync`

use crate::commands::{Session, flush_pending, pull_from_shared};
use crate::error::Result;
use crate::store::local::LocalStore;
use serde::Serialize;

/// Send what is queued, then bring what is new: flush-pending and pull-from-shared in one.
#[derive(Debug, clap::Args)]
pub struct Args {}

#[derive(Serialize)]
struct Report {
    flushed: flush_pending::Report,
    pulled: crate::sync::pull::Report,
}

pub(super) async fn run(session: &Session, _args: &Args) -> Result<()> {
    let target = session.shared()?;
    let mut local = LocalStore::open(&session.home)?;
    let flushed = flush_pending::flush(session, &target, &mut local, false).await?;
    let pulled = pull_from_shared::pull(session, &target, &mut local, false).await?;
    let mut report = Report { flushed, pulled };
    session
        .printer
        .result(&report, |report| format!("{}\n{}", flush_pending::shown(&report.flushed), pull_from_shared::shown(&report.pulled)))?;
    flush_pending::outcome(session.printer, std::mem::take(&mut report.flushed))
}
