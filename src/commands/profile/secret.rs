//! How `profile` takes a secret that shall not be in its arguments, and how it puts one into the keyring.

use crate::commands::Session;
use crate::error::{Code, Error, Result};
use crate::secret::{self, SecretRef, keyring};
use secrecy::SecretString;

/// How a secret is given other than by an argument, which every user of the machine may see.
#[derive(Debug, clap::Args)]
pub struct SecretArgs {
    /// Read the password (or the access token) from stdin; one trailing line feed is dropped.
    #[arg(long)]
    password_stdin: bool,
}

impl SecretArgs {
    /// Whether a secret is given this way.
    pub fn is_given(&self) -> bool {
        self.password_stdin
    }

    /// The secret that stdin gives, where it was asked to.
    pub fn given(&self) -> Result<Option<SecretString>> {
        if !self.password_stdin {
            return Ok(None);
        }
        let check = "write the password to stdin, such as with `amx-schema … --password-stdin < FILE`";
        let read = secret::from_reader(std::io::stdin().lock(), "the password on stdin", check);
        read.map(Some).map_err(|error| Error { code: Code::Usage, hint: check.to_owned(), ..error })
    }

    /// The secret that a person types; none where nobody can be asked, or where there is none.
    pub fn typed(session: &Session, question: &str) -> Result<Option<SecretString>> {
        if session.printer.yes || !session.printer.can_ask() {
            return Ok(None);
        }
        session.printer.ask_secret(question)
    }
}

/// Puts a secret into the keyring, and the reference where `write` puts it. Where that fails the entry is taken back.
pub fn into_keyring<T>(
    session: &Session,
    (profile, field): (&str, &str),
    secret: &SecretString,
    replace: bool,
    write: impl FnOnce(&SecretRef) -> Result<T>,
) -> Result<T> {
    let stored = keyring::store(profile, field, secret, replace)?;
    write(&stored.reference).inspect_err(|_| {
        if stored.is_new
            && let Err(error) = keyring::remove(profile, field)
        {
            session.printer.warn(&format!("the secret is left in the keyring as {}: {}", stored.reference, error.message));
        }
    })
}

/// That a backend's profile has no secret.
pub fn without_secret(backend: crate::dialect::Backend) -> Error {
    Error::new(Code::Usage, format!("a {} profile has no password", backend.word()), "leave the password out")
}
