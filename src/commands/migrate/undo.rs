//! `migrate undo`

use super::print_steps;
use crate::commands::Session;
use crate::driver::Access;
use crate::error::Result;
use crate::migration::{Engine, MigrationSet, Pending, Undone};
use crate::progress::Progress;
use crate::store::shared::STORE;
use serde::Serialize;

/// Take the newest version back where that loses nothing; say why not elsewhere.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Take nothing back; write the statements that would run.
    #[arg(long)]
    dry_run: bool,
    /// Wait this long for another process that is migrating, such as 30s or 2m.
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    lock_timeout: humantime::Duration,
}

/// The store's id is minted by the program, and again when the table is there again.
const OWN: [&str; 1] = [STORE];

#[derive(Serialize)]
struct Outcome {
    backend: &'static str,
    schema: String,
    from_version: u32,
    to_version: u32,
    undone: Pending,
}

pub(super) async fn run(session: &Session, args: &Args) -> Result<()> {
    let target = session.target()?;
    let set = MigrationSet::embedded(target.profile.backend)?;
    let progress = Progress::new(session.printer);
    let mut driver = session.connect(&target, Access::Write).await?;
    let mut engine = Engine { driver: driver.as_mut(), set: &set, schema: &target.schema, reporter: &progress };
    if args.dry_run {
        print_steps(session, &set, &engine.undo_dry_run(&OWN).await?)?;
    } else {
        let Undone { from_version, to_version, undone } = engine.undo(&OWN, &session.lock_options(args.lock_timeout.into())).await?;
        let (backend, schema) = (target.profile.backend.word(), target.schema.given.clone());
        session.printer.result(&Outcome { backend, schema, from_version, to_version, undone }, |outcome| {
            format!("✓ {} is back from V{} at V{} on {}.", outcome.schema, outcome.from_version, outcome.to_version, outcome.backend)
        })?;
    }
    driver.close().await;
    Ok(())
}
