//! `profile remove`

use super::NameArgs;
use crate::commands::Session;
use crate::config::{self, Key};
use crate::error::{Code, Error, Result};
use crate::profile::Profile;
use crate::secret::{SecretRef, keyring};
use serde::Serialize;

#[derive(Serialize)]
struct Removed<'a> {
    name: &'a str,
    removed: bool,
}

pub(crate) fn run(session: &Session, args: &NameArgs) -> Result<()> {
    let config = session.config()?;
    if config.history_store_enabled()? && config.history_store_profile()?.as_ref() == Some(&args.name) {
        return Err(Error::new(
            Code::Usage,
            format!("the shared store is reached by the profile {}", args.name),
            "run `amx-schema disable` first",
        ));
    }
    let active = config.active_db_profile()?.as_ref() == Some(&args.name);
    let profile = config.profile(&args.name);
    config::remove_profile(&session.home, &args.name)?;
    if active {
        // AMX does not start with an active profile that is not there.
        config::edit(&session.home, &[(Key::ActiveDbProfile, None)])?;
    }
    if let Ok(profile) = &profile {
        forget(session, &args.name, profile)?;
    }
    session.printer.result(&Removed { name: &args.name, removed: true }, |removed| format!("✓ Profile {} removed.", removed.name))
}

/// Removes the keyring's entry that was made for the profile, now that nothing names it any more. AMX's own entries are left to AMX.
fn forget(session: &Session, name: &str, profile: &Profile) -> Result<()> {
    let Some(field) = profile.secret_field() else { return Ok(()) };
    let reference = keyring::reference(name, field).to_string();
    let names = |profile: &Profile| matches!(&profile.secret, Some(SecretRef::Keyring(named)) if *named == reference);
    let elsewhere = session.config()?.profiles().iter().any(|(_, other)| other.as_ref().is_ok_and(names));
    if names(profile)
        && !elsewhere
        && let Err(error) = keyring::remove(name, field)
    {
        session.printer.warn(&format!("the secret of the profile is left in the keyring as {reference}: {}", error.message));
    }
    Ok(())
}
