//! The user's keyring: the Secret Service of a Linux desktop, or the Keychain of macOS.
//!
//! Every entry has the service `amx`, and an account that follows from the reference. AMX takes all that follows `keyring:` for the
//! account (amx-cli 0.19, `storage/secrets.py`), and stores by python-keyring, whose entries have the attributes `service` and `username`
//! in a Secret Service, and service and account in the Keychain; so do those of keyring-core's stores. Each finds what the other wrote.

use super::{SecretRef, unavailable};
use crate::error::{Code, Error, Result};
use keyring_core::Error as Trouble;
use keyring_core::api::CredentialStoreApi;
use secrecy::{ExposeSecret, SecretString};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

const SERVICE: &str = "amx";

/// How long the keyring may take to answer at all.
const ANSWER: Duration = Duration::from_secs(5);

/// How long a person may take to unlock it.
const UNLOCK: Duration = Duration::from_secs(60);

const INSTEAD: &str = "unlock or start a keyring (a Secret Service such as GNOME Keyring or KWallet), or give the secret as env://NAME or file://PATH in config.yml";

/// The reference that this program writes for a field of a profile.
pub fn reference(profile: &str, field: &str) -> SecretRef {
    SecretRef::Keyring(format!("keyring://{SERVICE}/{profile}/{field}"))
}

/// The accounts under which a reference's secret may be; the first that is there counts.
fn accounts(reference: &str) -> Result<Vec<String>> {
    let account = reference.strip_prefix("keyring:").unwrap_or_default();
    let own = account.strip_prefix("//").map(|place| place.strip_prefix("amx/").unwrap_or_default());
    match own {
        // What this program writes and AMX asks for, then what a person may have stored by hand, then AMX's own entry.
        Some(place) if !place.is_empty() => Ok(vec![account.to_owned(), place.to_owned(), format!("db_profiles/{place}")]),
        None if !account.is_empty() => Ok(vec![account.to_owned()]),
        _ => Err(unavailable(
            format!("`{reference}` is no reference into a keyring"),
            "write keyring://amx/<profile>/<field> or keyring:db_profiles/<profile>/<field>",
        )),
    }
}

/// The secret that a reference stands for.
pub(super) fn read(reference: &str) -> Result<SecretString> {
    let accounts = accounts(reference)?;
    let found = in_time(move |keyring| {
        for account in &accounts {
            match keyring.get(account) {
                Err(Trouble::NoEntry) => {}
                found => return found.map(Some),
            }
        }
        Ok(None)
    })?;
    match found.map(|secret| text(&secret)) {
        Some(Some(secret)) => Ok(secret),
        Some(None) => Err(unavailable(
            format!("the keyring's entry for `{reference}` is empty or not UTF-8"),
            "store the secret there again, or give it as env://NAME or file://PATH in config.yml",
        )),
        None => Err(unavailable(
            format!("the keyring has no entry for `{reference}`"),
            "store it with `amx-schema profile to-keyring NAME --password-stdin`, or give the secret as env://NAME or file://PATH in config.yml",
        )),
    }
}

/// That the keyring has a secret.
#[derive(Debug)]
pub struct Stored {
    /// Where it is.
    pub reference: SecretRef,
    /// Whether it was not there before.
    pub is_new: bool,
}

/// Puts the secret of a profile's field into the keyring and reads it back; `replace` where the entry is known to be this profile's.
///
/// # Errors
/// `secret_unavailable` where no keyring takes it; `usage` where another secret is in its place, which is kept.
pub fn store(profile: &str, field: &str, secret: &SecretString, replace: bool) -> Result<Stored> {
    let reference = reference(profile, field);
    let account = account(&reference);
    let label = format!("AMX: {field} of profile {profile}");
    let (place, given) = (account.clone(), secret.clone());
    let stored = in_time(move |keyring| {
        let there = match keyring.get(&place) {
            Err(Trouble::NoEntry) => None,
            there => Some(there?),
        };
        let bytes = given.expose_secret().as_bytes();
        let is_new = there.is_none();
        match there {
            Some(there) if there == bytes => return Ok(Outcome::Stored { is_new }),
            Some(_) if !replace => return Ok(Outcome::Taken),
            _ => keyring.set(&place, &label, bytes)?,
        }
        Ok(if keyring.get(&place)? == bytes { Outcome::Stored { is_new } } else { Outcome::Otherwise })
    })?;
    match stored {
        Outcome::Stored { is_new } => Ok(Stored { reference, is_new }),
        Outcome::Taken => Err(Error::new(
            Code::Usage,
            format!("the keyring holds another secret for a profile `{profile}` already (service {SERVICE}, account {account})"),
            "give the profile another name; or, where no other home uses that entry, remove it with the keyring's own program",
        )),
        Outcome::Otherwise => Err(unavailable("the keyring gave back another secret than it was given", INSTEAD)),
    }
}

/// Removes the entry that [`store`] made for a profile's field. One that is not there is fine.
///
/// # Errors
/// `secret_unavailable` where no keyring answers.
pub fn remove(profile: &str, field: &str) -> Result<()> {
    let account = account(&reference(profile, field));
    in_time(move |keyring| keyring.remove(&account))
}

enum Outcome {
    Stored { is_new: bool },
    Taken,
    Otherwise,
}

fn account(reference: &SecretRef) -> String {
    reference.to_string().trim_start_matches("keyring:").to_owned()
}

/// What a keyring holds, as a secret.
fn text(secret: &[u8]) -> Option<SecretString> {
    std::str::from_utf8(secret).ok().filter(|text| !text.is_empty()).map(SecretString::from)
}

/// The platform's keyring, open.
struct Keyring {
    store: Arc<dyn CredentialStoreApi + Send + Sync>,
}

impl Keyring {
    #[cfg(all(unix, not(target_os = "macos")))]
    fn open() -> Result<Keyring, Trouble> {
        Ok(Keyring { store: zbus_secret_service_keyring_store::Store::new()? })
    }

    #[cfg(target_os = "macos")]
    fn open() -> Result<Keyring, Trouble> {
        Ok(Keyring { store: apple_native_keyring_store::keychain::Store::new()? })
    }

    #[cfg(not(unix))]
    fn open() -> Result<Keyring, Trouble> {
        Err(Trouble::NotSupportedByStore("this build knows no keyring of this system".to_owned()))
    }

    fn entry(&self, account: &str, label: Option<&str>) -> Result<keyring_core::Entry, Trouble> {
        // The Keychain has no label of ours.
        let label = label.filter(|_| !cfg!(target_os = "macos")).map(|label| HashMap::from([("label", label)]));
        self.store.build(SERVICE, account, label.as_ref())
    }

    // A Secret Service may have several entries that are called alike: python-keyring makes another one beside ours, and takes the first.

    fn get(&self, account: &str) -> Result<Vec<u8>, Trouble> {
        match self.entry(account, None)?.get_secret() {
            Err(Trouble::Ambiguous(entries)) => entries.first().ok_or(Trouble::NoEntry)?.get_secret(),
            got => got,
        }
    }

    fn set(&self, account: &str, label: &str, secret: &[u8]) -> Result<(), Trouble> {
        match self.entry(account, Some(label))?.set_secret(secret) {
            Err(Trouble::Ambiguous(entries)) => entries.first().ok_or(Trouble::NoEntry)?.set_secret(secret),
            set => set,
        }
    }

    fn remove(&self, account: &str) -> Result<(), Trouble> {
        match self.entry(account, None)?.delete_credential() {
            Err(Trouble::Ambiguous(entries)) => entries.iter().try_for_each(keyring_core::Entry::delete_credential),
            Err(Trouble::NoEntry) => Ok(()),
            removed => removed,
        }
    }
}

/// Does something with the keyring on a thread of its own, and gives up where no answer comes.
fn in_time<T: Send + 'static>(work: impl FnOnce(&Keyring) -> Result<T, Trouble> + Send + 'static) -> Result<T> {
    let (opened, is_open) = mpsc::channel();
    let (ended, has_ended) = mpsc::channel();
    let thread = std::thread::Builder::new().name("keyring".to_owned()).spawn(move || {
        // Whoever gave up waiting wants no answer any more.
        let outcome = Keyring::open().and_then(|keyring| {
            let _ = opened.send(());
            work(&keyring)
        });
        drop(opened);
        let _ = ended.send(outcome);
    });
    thread.map_err(|error| Error::io("starting a thread", &error))?;
    if is_open.recv_timeout(ANSWER) == Err(RecvTimeoutError::Timeout) {
        return Err(unavailable(format!("no keyring answered within {} seconds", ANSWER.as_secs()), INSTEAD));
    }
    match has_ended.recv_timeout(UNLOCK) {
        Ok(outcome) => outcome.map_err(|trouble| unavailable(said(&trouble), INSTEAD)),
        Err(_) => Err(unavailable(format!("the keyring was not unlocked within {} seconds", UNLOCK.as_secs()), INSTEAD)),
    }
}

/// What is wrong with the keyring, in one sentence. Errors that carry what was read are not repeated.
fn said(trouble: &Trouble) -> String {
    match trouble {
        Trouble::NoStorageAccess(_) => "the keyring is locked, and it was not unlocked".to_owned(),
        Trouble::PlatformFailure(why) => format!("no keyring can be reached: {why}"),
        Trouble::NotSupportedByStore(why) => format!("no keyring can be reached: {why}"),
        _ => "the keyring refused the request".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_the_colon_is_the_account_as_it_is_to_amx() {
        assert_eq!(accounts("keyring:db_profiles/prod-pg/password").unwrap(), ["db_profiles/prod-pg/password"]);
        assert_eq!(accounts("keyring://amx/prod-pg/password").unwrap()[0], account(&reference("prod-pg", "password")));
    }

    #[test]
    fn our_form_also_finds_what_a_person_or_amx_stored() {
        let [own, by_hand, of_amx] = <[String; 3]>::try_from(accounts("keyring://amx/a/b/password").unwrap()).unwrap();
        assert_eq!(own, "//amx/a/b/password");
        assert_eq!((by_hand.as_str(), of_amx.as_str()), ("a/b/password", "db_profiles/a/b/password"));
    }

    #[test]
    fn what_is_no_reference_is_unavailable() {
        for text in ["keyring:", "keyring://", "keyring://amx", "keyring://amx/", "keyring://other/prod-pg/password"] {
            let error = read(text).unwrap_err();
            assert_eq!(error.code, Code::SecretUnavailable, "{text}");
            assert!(error.hint.contains("keyring://amx/"), "{error}");
        }
    }

    #[test]
    fn an_error_that_holds_what_was_read_is_not_repeated() {
        assert!(!said(&Trouble::BadEncoding(b"hunter2".to_vec())).contains("hunter2"));
    }
}
