//! `session resume`

use super::{Transcript, given_id, profile_in_use, refuse_url};
use crate::commands::Session;
use crate::error::Result;
use crate::store::sessions::{self, SessionId};

/// Show a session of the profile in use and make it the current one.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The session: 3 is one of amx-schema's, a3 one of AMX's own.
    id: String,
}

pub(super) fn run(session: &Session, args: &Args) -> Result<()> {
    refuse_url(session)?;
    let id = given_id(&args.id)?;
    let resumed = sessions::resume(&session.home, id, profile_in_use(session)?.as_deref())?;
    if let SessionId::AmxCli(number) = id {
        session.printer.talk(&format!(
            "{id} is AMX's own session: it is shown here and goes on in AMX, with `/session resume {number}`. AMX's file was only read."
        ));
    }
    session.printer.result(&Transcript::new(resumed, true), Transcript::shown)
}
