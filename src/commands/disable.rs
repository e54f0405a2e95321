//! `disable`

use super::migrate_from_local::shown_path;
use super::{Session, store_name};
use crate::config::{self, Key};
use crate::dialect::Backend;
use crate::error::Result;
use crate::store::outbox::outbox_state;
use serde::Serialize;

/// Go back to the local file. No row of the shared store is touched.
#[derive(Debug, clap::Args)]
pub struct Args {}

#[derive(Serialize)]
struct Outcome {
    active_store: &'static str,
    outbox_depth: u64,
}

pub(crate) fn run(session: &Session, _args: &Args) -> Result<()> {
    let config = session.config()?;
    let local = shown_path(&session.home.join("history.db"));
    if config.history_store_enabled()? {
        let backend = match config.history_store_profile()? {
            Some(name) => config.profile(&name).map(|profile| profile.backend).unwrap_or(Backend::PostgreSql),
            None => Backend::PostgreSql,
        };
        let store = store_name(&session.schema_in(&config, backend)?, backend)?;
        if session.printer.can_ask() {
            session.printer.talk(&format!(
                "About to switch back to per-user local file ({local}). Existing rows in\n{store} will NOT be deleted; they're just no longer the active store."
            ));
            if !session.printer.confirm("Proceed?")? {
                session.printer.talk("Nothing was changed.");
                return Ok(());
            }
        }
        config::edit(&session.home, &[(Key::HistoryStoreEnabled, Some(false.into()))])?;
    }
    let outbox = outbox_state(&session.home)?;
    session.printer.result(&Outcome { active_store: "file", outbox_depth: outbox.depth }, |outcome| {
        let mut text = format!("✓ History store disabled. /history now reads {local}.\n");
        if outcome.outbox_depth > 0 {
            text.push_str(&format!("  {} writes are still queued for the shared store; they are kept.\n", outcome.outbox_depth));
        }
        text
    })
}
