//! `migrate lock`

use crate::commands::Session;
use crate::dialect::LockKind;
use crate::driver::Access;
use crate::error::Result;
use crate::migration::{Engine, LockState, MigrationSet};
use crate::progress::Progress;

/// Show the lock that a migration holds, or free it.
///
/// It is never needed in a run that went well or was killed: a lock of the database's own ends with its holder, and a lease runs out. It is for a
/// holder that hangs.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Action {
    /// Say whether the lock is held, and by whom.
    Status,
    /// Take the lock from whoever holds it: what that process writes to the ledger next is refused.
    Release,
}

pub(super) async fn run(session: &Session, action: &Action) -> Result<()> {
    let target = session.target()?;
    let set = MigrationSet::embedded(target.profile.backend)?;
    let progress = Progress::new(session.printer);
    let mut driver = session.connect(&target, Access::Write).await?;
    let mut engine = Engine { driver: driver.as_mut(), set: &set, schema: &target.schema, reporter: &progress };
    let state = match action {
        Action::Status => engine.lock_state().await?,
        Action::Release => {
            let (before, after) = engine.release_lock().await?;
            if after.held && after.kind == LockKind::Engine {
                let holder = before.holder.map_or(String::new(), |holder| format!(" ({holder})"));
                session.printer.warn(&format!(
                    "its holder{holder} can write no more to the ledger; the database frees the lock when that session ends: end it there, or stop the process"
                ));
            }
            after
        }
    };
    session.printer.result(&state, |state| shown(state, &target.schema.given))?;
    driver.close().await;
    Ok(())
}

fn shown(state: &LockState, schema: &str) -> String {
    match (&state.holder, state.held) {
        (Some(holder), true) => format!("The lock of {schema} is held by {holder}."),
        (None, true) => format!("The lock of {schema} is held; the database does not tell by whom."),
        (_, false) => format!("The lock of {schema} is free."),
    }
}
