//! Secrets: how `config.yml` refers to one, and how the reference is turned into the secret. Neither is ever printed in clear.

pub mod keyring;

use crate::error::{Code, Error, Result};
use secrecy::SecretString;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

/// No password or token is longer; a reference to a device or to the wrong file ends here instead of filling the memory.
const LONGEST: u64 = 64 * 1024;

/// A secret as a profile or a URL gives it: the secret itself, or where it is.
#[derive(Debug, Clone)]
pub enum SecretRef {
    /// Plain text: the secret itself.
    Plain(SecretString),
    /// `env://NAME`: an environment variable.
    Env(String),
    /// `file://PATH`: a file, with `~` for the user's home; a relative path is seen from the AMX home folder.
    File(String),
    /// `keyring://amx/<profile>/<field>` or AMX's own `keyring:db_profiles/<profile>/<field>`, as it was written.
    Keyring(String),
}

impl SecretRef {
    /// Reads a field's text. What is no reference is the secret itself.
    pub fn parse(text: &str) -> SecretRef {
        if let Some(name) = text.strip_prefix("env://") {
            SecretRef::Env(name.to_owned())
        } else if let Some(path) = text.strip_prefix("file://") {
            SecretRef::File(path.to_owned())
        } else if text.starts_with("keyring:") {
            SecretRef::Keyring(text.to_owned())
        } else {
            SecretRef::Plain(text.into())
        }
    }

    /// The field's text as it is written in `config.yml`; it is the secret itself where that is plain.
    pub(crate) fn written(&self) -> SecretString {
        match self {
            SecretRef::Plain(secret) => secret.clone(),
            reference => reference.to_string().into(),
        }
    }

    /// Where the secret is, in a word.
    pub fn place(&self) -> &'static str {
        match self {
            SecretRef::Plain(_) => "plain",
            SecretRef::Env(_) => "env",
            SecretRef::File(_) => "file",
            SecretRef::Keyring(_) => "keyring",
        }
    }
}

/// The reference as it was written; plain text as `***`.
impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretRef::Plain(_) => f.write_str("***"),
            SecretRef::Env(name) => write!(f, "env://{name}"),
            SecretRef::File(path) => write!(f, "file://{path}"),
            SecretRef::Keyring(reference) => f.write_str(reference),
        }
    }
}

/// The secret that a reference stands for; `home` is the AMX home folder.
///
/// # Errors
/// `secret_unavailable` where there is none, or where a keyring cannot be asked.
pub fn resolve(secret: &SecretRef, home: &Path) -> Result<SecretString> {
    match secret {
        SecretRef::Plain(text) => Ok(text.clone()),
        SecretRef::Env(name) => from_environment(name),
        SecretRef::File(path) => from_file(&expand(path, home)),
        SecretRef::Keyring(reference) => keyring::read(reference),
    }
}

/// A path that a user wrote: `~` is the user's home, and a relative path is seen from `base`.
pub(crate) fn expand(path: &str, base: &Path) -> PathBuf {
    match path.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => match std::env::home_dir() {
            Some(user_home) => user_home.join(rest.trim_start_matches('/')),
            None => base.join(path),
        },
        _ => base.join(path),
    }
}

fn from_environment(name: &str) -> Result<SecretString> {
    // `var` would call an impossible name merely unset.
    if name.is_empty() || name.contains(['=', '\0']) {
        return Err(unavailable("`env://` is not followed by a variable's name", "write env://NAME"));
    }
    match std::env::var(name) {
        Ok(text) if text.is_empty() => {
            Err(unavailable(format!("the environment variable `{name}` is empty"), format!("set {name} to the secret")))
        }
        Ok(text) => Ok(text.into()),
        Err(std::env::VarError::NotPresent) => {
            Err(unavailable(format!("the environment variable `{name}` is not set"), format!("set {name} to the secret")))
        }
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(unavailable(format!("the environment variable `{name}` is not UTF-8"), format!("set {name} to the secret as UTF-8 text")))
        }
    }
}

fn from_file(path: &Path) -> Result<SecretString> {
    let check = "check the path after file://, and that this user may read the file";
    let file = std::fs::File::open(path)
        .map_err(|error| unavailable(format!("the secret file {} cannot be read: {error}", path.display()), check))?;
    from_reader(file, &format!("the secret file {}", path.display()), check)
}

/// The secret that a file or a pipe holds, less one trailing line feed; `name` is what it is called and `check` what to check where it fails.
///
/// # Errors
/// `secret_unavailable` where it cannot be read, is empty, is not UTF-8, or is no secret by its length.
pub fn from_reader(reader: impl Read, name: &str, check: &str) -> Result<SecretString> {
    let mut text = String::new();
    match reader.take(LONGEST + 1).read_to_string(&mut text) {
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            return Err(unavailable(format!("{name} is not UTF-8"), "give it as UTF-8 text"));
        }
        Err(error) => return Err(unavailable(format!("{name} cannot be read: {error}"), check)),
        Ok(length) if length as u64 > LONGEST => return Err(unavailable(format!("{name} is longer than {LONGEST} bytes"), check)),
        Ok(_) => {}
    }
    if text.ends_with('\n') {
        text.pop();
    }
    if text.is_empty() {
        return Err(unavailable(format!("{name} is empty"), "write the secret into it"));
    }
    Ok(text.into())
}

fn unavailable(message: impl Into<String>, hint: impl Into<String>) -> Error {
    Error::new(Code::SecretUnavailable, message, hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    fn resolved(text: &str, home: &Path) -> Result<String> {
        resolve(&SecretRef::parse(text), home).map(|secret| secret.expose_secret().to_owned())
    }

    fn message(text: &str, home: &Path) -> String {
        let error = resolved(text, home).unwrap_err();
        assert_eq!(error.code, Code::SecretUnavailable);
        error.message
    }

    #[test]
    fn plain_text_is_the_secret() {
        for text in ["hunter2", "a:b/c@d", "envy", "file:x", ""] {
            assert_eq!(resolved(text, Path::new("/")).unwrap(), text);
        }
    }

    #[test]
    fn an_environment_variable_is_read() {
        assert_eq!(resolved("env://CARGO_PKG_NAME", Path::new("/")).unwrap(), env!("CARGO_PKG_NAME"));
    }

    #[test]
    fn an_unset_or_unnamed_variable_is_unavailable() {
        assert!(message("env://AMX_NOT_SET_ANYWHERE", Path::new("/")).contains("AMX_NOT_SET_ANYWHERE"));
        assert!(message("env://", Path::new("/")).contains("name"));
        assert!(message("env://A=B", Path::new("/")).contains("name"));
    }

    #[test]
    fn a_file_loses_one_trailing_line_feed_and_no_more() {
        let home = tempfile::tempdir().unwrap();
        for (bytes, secret) in [("s3cret\n", "s3cret"), ("s3cret", "s3cret"), ("s3cret\n\n", "s3cret\n"), (" a b \r\n", " a b \r")] {
            std::fs::write(home.path().join("pw"), bytes).unwrap();
            assert_eq!(resolved("file://pw", home.path()).unwrap(), secret);
            assert_eq!(resolved(&format!("file://{}/pw", home.path().display()), Path::new("/nowhere")).unwrap(), secret);
        }
    }

    #[test]
    fn a_file_that_is_no_secret_is_unavailable() {
        let home = tempfile::tempdir().unwrap();
        assert!(message("file://absent", home.path()).contains("absent"));
        assert!(message("file://", home.path()).contains("cannot be read"));
        std::fs::write(home.path().join("pw"), "\n").unwrap();
        assert!(message("file://pw", home.path()).contains("empty"));
        std::fs::write(home.path().join("pw"), [0xff, 0xfe]).unwrap();
        assert!(message("file://pw", home.path()).contains("UTF-8"));
        std::fs::write(home.path().join("pw"), vec![b'x'; 70_000]).unwrap();
        assert!(message("file://pw", home.path()).contains("longer"));
    }

    #[test]
    fn neither_debug_nor_display_shows_plain_text() {
        let secret = SecretRef::parse("hunter2");
        assert!(!format!("{secret:?}{secret}").contains("hunter2"));
        assert_eq!(SecretRef::parse("env://PW").to_string(), "env://PW");
    }
}
