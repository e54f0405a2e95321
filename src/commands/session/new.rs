//! `session new`

use super::{Listed, profile_in_use, refuse_url, require_known};
use crate::commands::Session;
use crate::error::{Code, Error, Result};
use crate::store::sessions;

/// Begin a session of the profile in use, and make it the current one.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What it is about.
    #[arg(long, value_name = "T")]
    title: Option<String>,
}

pub(super) fn run(session: &Session, args: &Args) -> Result<()> {
    refuse_url(session)?;
    let profile = profile_in_use(session)?.ok_or_else(no_profile)?;
    require_known(&session.config()?, &profile)?;
    let title = args.title.as_deref().filter(|title| !title.trim().is_empty());
    let begun = sessions::begin(&session.home, &profile, title, &crate::identity::person())?;
    session.printer.result(&Listed::new(&begun, true), |begun| {
        format!("✓ Session {} of the profile {profile} begun; it is the current one.", begun.id)
    })
}

fn no_profile() -> Error {
    Error::new(
        Code::Usage,
        "a session belongs to the profile that is in use, and none is",
        "give --profile NAME, or set `active_db_profile: NAME` in config.yml; `amx-schema profile list` shows the names",
    )
}
