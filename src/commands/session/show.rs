//! `session show`

use super::{Transcript, given_id, profile_in_use};
use crate::commands::Session;
use crate::error::Result;
use crate::store::sessions::Sessions;

/// Show a session and its turns, whatever profile it belongs to. Nothing is changed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The session: 3 is one of amx-schema's, a3 one of AMX's own.
    #[arg(long, value_name = "N")]
    id: String,
}

pub(super) fn run(session: &Session, args: &Args) -> Result<()> {
    let id = given_id(&args.id)?;
    let profile = profile_in_use(session)?;
    let sessions = Sessions::open(&session.home)?;
    let found = sessions.show(id)?;
    let current = match &profile {
        Some(name) => found.0.profile == profile && sessions.current(name)? == Some(id),
        None => false,
    };
    session.printer.result(&Transcript::new(found, current), Transcript::shown)
}
