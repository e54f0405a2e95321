//! `profile add`

use super::secret::{SecretArgs, into_keyring, without_secret};
use crate::commands::Session;
use crate::config;
use crate::dialect::Backend;
use crate::error::{Code, Error, Result};
use crate::profile::{Profile, Scalar};
use crate::secret::SecretRef;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

/// Add a profile. On a terminal it asks for each field where none is given.
///
/// A password that is in no argument is asked for on a terminal.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name of the profile.
    name: Option<String>,
    /// Backend, such as postgresql.
    #[arg(long, value_name = "BACKEND", conflicts_with = "from_url")]
    backend: Option<String>,
    /// Take everything from a URL.
    #[arg(long, value_name = "URL")]
    from_url: Option<SecretString>,
    /// A field, such as host=db.example.com or password=env://AMX_DB_PASSWORD.
    #[arg(long = "set", value_name = "FIELD=VALUE", conflicts_with = "from_url")]
    set: Vec<SecretString>,
    /// Keep the password (or the access token) in the keyring, and only a reference to it in config.yml.
    #[arg(long)]
    keyring: bool,
    #[command(flatten)]
    secret: SecretArgs,
}

#[derive(Serialize)]
struct Added<'a> {
    name: &'a str,
    backend: &'static str,
    secret: Option<&'static str>,
    added: bool,
}

impl Args {
    /// Whether it was given nothing but a name.
    pub(super) fn is_bare(&self) -> bool {
        self.backend.is_none() && self.from_url.is_none() && self.set.is_empty() && !self.keyring && !self.secret.is_given()
    }

    /// The name that was given.
    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

pub(crate) fn run(session: &Session, args: &Args) -> Result<()> {
    let (Some(name), true) = (args.name.as_deref(), args.backend.is_some() || args.from_url.is_some()) else {
        return Err(Error::new(
            Code::Usage,
            "a new profile takes its NAME and --backend or --from-url",
            "see `amx-schema profile add --help`",
        ));
    };
    let (backend, fields) = given(args)?;
    let profile = Profile::from_fields(Some(name), backend, &fields, &session.home)?;
    config::can_add_profile(&session.home, name)?;
    let secret = secret(session, args, name, &profile)?;
    let add = |fields: &[(String, Scalar)]| config::add_profile(&session.home, name, backend, fields);
    let profile = match (secret, profile.secret_field()) {
        (Some(secret), Some(field)) if args.keyring => {
            into_keyring(session, (name, field), &secret, false, |reference| add(&with(fields, field, &reference.to_string())))?
        }
        (Some(secret), Some(field)) => add(&with(fields, field, secret.expose_secret()))?,
        _ => add(&fields)?,
    };
    session.warn_of_plain_secret(&profile);
    let place = profile.secret.as_ref().map(SecretRef::place);
    let added = Added { name, backend: profile.backend.word(), secret: place, added: true };
    session.printer.result(&added, |_| match place {
        Some("keyring") if args.keyring => format!("✓ Profile {profile} added, its secret in the keyring."),
        _ => format!("✓ Profile {profile} added."),
    })
}

/// The backend and the fields that the arguments give.
fn given(args: &Args) -> Result<(Backend, Vec<(String, Scalar)>)> {
    if let Some(url) = &args.from_url {
        let profile = Profile::from_url(url.expose_secret())?;
        return Ok((profile.backend, profile.to_fields()));
    }
    let field = |pair: &SecretString| {
        let (name, value) = pair.expose_secret().split_once('=').ok_or_else(|| {
            Error::new(Code::Usage, "a --set without a =", "give each field as FIELD=VALUE, such as --set host=db.example.com")
        })?;
        Ok((name.to_string(), Scalar::from(value)))
    };
    let backend = Backend::from_word(args.backend.as_deref().unwrap_or_default())?;
    Ok((backend, args.set.iter().map(field).collect::<Result<Vec<_>>>()?))
}

/// The fields with another value of one.
fn with(mut fields: Vec<(String, Scalar)>, field: &str, text: &str) -> Vec<(String, Scalar)> {
    match fields.iter_mut().find(|(name, _)| name == field) {
        Some((_, value)) => *value = text.into(),
        None => fields.push((field.to_owned(), text.into())),
    }
    fields
}

/// The secret itself, wherever it comes from; none where there is none, or where the fields hold a reference to it.
fn secret(session: &Session, args: &Args, name: &str, profile: &Profile) -> Result<Option<SecretString>> {
    let wrong = |what: &str, hint: &str| Error::new(Code::Usage, what, hint);
    let Some(field) = profile.secret_field() else {
        return match args.keyring || args.secret.given()?.is_some() {
            true => Err(without_secret(profile.backend)),
            false => Ok(None),
        };
    };
    let found = match (&profile.secret, args.secret.given()?) {
        (Some(_), Some(_)) => return Err(wrong("the password is given twice", "leave out --password-stdin, or the password")),
        (None, Some(secret)) => Some(secret),
        (Some(SecretRef::Plain(secret)), None) => Some(secret.clone()),
        (Some(_), None) if args.keyring => {
            return Err(wrong("the password is a reference already, which --keyring cannot store", "leave --keyring out"));
        }
        (Some(_), None) => None,
        // A key file stands for a password.
        (None, None) if profile.field("private_key_path").is_some() => None,
        (None, None) => SecretArgs::typed(session, &format!("{field} of {} (Enter for none)", name))?,
    };
    match found {
        None if args.keyring => Err(wrong("--keyring has no password to store", "give it with --password-stdin")),
        found => Ok(found),
    }
}
