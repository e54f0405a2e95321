//! `profile to-keyring`

use super::secret::{SecretArgs, into_keyring, without_secret};
use crate::commands::Session;
use crate::config;
use crate::error::{Code, Error, Result};
use crate::secret::{self, SecretRef, keyring};
use secrecy::SecretString;
use serde::Serialize;

/// Move a profile's password from config.yml into the keyring.
///
/// The keyring has it, and gives it back, before config.yml loses it. With --password-stdin the keyring gets a new one.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name of the profile.
    name: String,
    #[command(flatten)]
    secret: SecretArgs,
}

#[derive(Serialize)]
struct Moved<'a> {
    name: &'a str,
    reference: String,
    moved: bool,
}

/// Where the secret is before.
enum Source {
    Given(SecretString),
    /// In the keyring already, by this reference.
    Keyring(String),
}

pub(crate) fn run(session: &Session, args: &Args) -> Result<()> {
    let profile = session.config()?.profile(&args.name)?;
    let field = profile.secret_field().ok_or_else(|| without_secret(profile.backend))?;
    let source = match (args.secret.given()?, &profile.secret) {
        (Some(secret), _) => Source::Given(secret),
        (None, Some(SecretRef::Plain(secret))) => Source::Given(secret.clone()),
        (None, Some(reference @ SecretRef::Keyring(_))) => {
            secret::resolve(reference, &session.home)?;
            Source::Keyring(reference.to_string())
        }
        (None, Some(reference)) => {
            return Err(Error::new(
                Code::Usage,
                format!("the {field} of profile {} is not in config.yml, but at {reference}", args.name),
                "give it with --password-stdin to put it into the keyring",
            ));
        }
        (None, None) => Source::Given(typed(session, &args.name, field)?),
    };
    let (reference, moved) = match source {
        Source::Keyring(reference) => (reference, false),
        Source::Given(secret) => {
            let own = keyring::reference(&args.name, field).to_string();
            let replace = profile.secret.as_ref().is_some_and(|now| now.to_string() == own);
            into_keyring(session, (&args.name, field), &secret, replace, |reference| {
                config::set_secret(&session.home, &profile, reference)
            })?;
            warn_of_copies(session, &secret)?;
            (own, true)
        }
    };
    session.printer.result(&Moved { name: &args.name, reference, moved }, |done| match done.moved {
        true => format!("✓ The {field} of {} is in the keyring; config.yml says {}.", done.name, done.reference),
        false => format!("✓ The {field} of {} is in the keyring already, as {}.", done.name, done.reference),
    })
}

fn typed(session: &Session, name: &str, field: &str) -> Result<SecretString> {
    SecretArgs::typed(session, &format!("{field} of {name}"))?
        .ok_or_else(|| Error::new(Code::Usage, format!("profile {name} has no {field} to move"), "give it with --password-stdin"))
}

fn warn_of_copies(session: &Session, secret: &SecretString) -> Result<()> {
    let places = session.config()?.places_of(secret);
    if !places.is_empty() {
        session.printer.warn(&format!("the same secret is still in plain text in config.yml under {}", places.join(", ")));
    }
    Ok(())
}
