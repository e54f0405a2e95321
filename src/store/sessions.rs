//! Chat sessions: our own and those that amx-cli keeps, whose they are, and which one is current.
//!
//! A session belongs to the database profile that was in use when it was begun; under another one the conversation would speak of a
//! catalogue that is not there. So each profile has a current session of its own, and a session is resumed under its own profile alone.
//! Looking makes and writes no file; amx-cli's file is never written at all.

use super::amx_sessions::AmxSessions;
use super::local::{LocalFiles, LocalStore};
use super::own_sessions::OwnSessions;
use super::source::Person;
use super::sqlite_file::NOT_HISTORY;
use crate::error::{Code, Error, Result};
use chrono::{DateTime, Utc};
use std::cmp::Reverse;
use std::fmt;
use std::path::Path;

/// Which session: `3` is one of ours, `a3` one of amx-cli's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SessionId {
    /// A row of our local store.
    Own(i64),
    /// A row of amx-cli's file.
    AmxCli(i64),
}

impl SessionId {
    /// The id that such text means, if it is one.
    pub fn from_text(text: &str) -> Option<SessionId> {
        let (digits, of): (_, fn(i64) -> SessionId) = match text.strip_prefix('a') {
            Some(digits) => (digits, SessionId::AmxCli),
            None => (text, SessionId::Own),
        };
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok().map(of))?
    }

    /// Which program keeps the session.
    pub fn source(self) -> &'static str {
        match self {
            SessionId::Own(_) => "amx-schema",
            SessionId::AmxCli(_) => "amx-cli",
        }
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SessionId::Own(id) => write!(f, "{id}"),
            SessionId::AmxCli(id) => write!(f, "a{id}"),
        }
    }
}

/// A session without its turns. What a file does not say, or not in a form that can be read, is absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatSession {
    /// Its id.
    pub id: SessionId,
    /// The database profile that it belongs to.
    pub profile: Option<String>,
    /// What it is about, where someone said so.
    pub title: Option<String>,
    /// The profile of the language model; ours have none.
    pub llm_profile: Option<String>,
    /// Who began it; amx-cli does not say.
    pub created_by: Option<String>,
    /// The machine that it was begun on; amx-cli does not say.
    pub hostname: Option<String>,
    /// When it was begun.
    pub started_at: Option<DateTime<Utc>>,
    /// When it was last gone on with.
    pub last_active_at: Option<DateTime<Utc>>,
    /// When it was ended, if it was.
    pub ended_at: Option<DateTime<Utc>>,
    /// How many turns it has.
    pub turns: u64,
}

/// One question or answer of a session. What a file does not say, or not in a form that can be read, is absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Its place in the session.
    pub turn_index: Option<i64>,
    /// Who speaks: `user` or `assistant`.
    pub role: Option<String>,
    /// What was asked.
    pub question: Option<String>,
    /// What was answered, as far as it was kept.
    pub answer_summary: Option<String>,
    /// When it was said.
    pub created_at: Option<DateTime<Utc>>,
}

/// The sessions of a home folder, open for looking, as they were at one moment.
#[derive(Debug)]
pub struct Sessions {
    own: Option<OwnSessions>,
    amx_cli: Option<AmxSessions>,
}

impl Sessions {
    /// Opens what is there of the two files.
    ///
    /// # Errors
    /// `local_store_corrupt` where one is damaged or something else, `io` where it may not be read, `locked`.
    pub fn open(home: &Path) -> Result<Sessions> {
        let open = || {
            let files = LocalFiles::locate(home)?;
            let own = if files.own.exists() { OwnSessions::open(&files.own)? } else { None };
            let amx_cli = files.amx_cli.map(|path| AmxSessions::open(&path)).transpose()?;
            Ok(Sessions { own, amx_cli })
        };
        open().map_err(of_this_home)
    }

    /// Every session, the last active one first.
    pub fn list(&self) -> Result<Vec<ChatSession>> {
        let mut sessions = match &self.own {
            Some(own) => own.sessions(None)?,
            None => vec![],
        };
        if let Some(amx_cli) = &self.amx_cli {
            sessions.extend(amx_cli.sessions(None)?);
        }
        sessions.sort_by_key(|session| Reverse((session.last_active_at, session.started_at, session.id)));
        Ok(sessions)
    }

    /// A session and its turns in order.
    ///
    /// # Errors
    /// `session_unknown`, and as [`Sessions::open`].
    pub fn show(&self, id: SessionId) -> Result<(ChatSession, Vec<Turn>)> {
        let (mut found, turns) = match (id, &self.own, &self.amx_cli) {
            (SessionId::Own(id), Some(own), _) => (own.sessions(Some(id))?, vec![]),
            (SessionId::AmxCli(id), _, Some(amx_cli)) => (amx_cli.sessions(Some(id))?, amx_cli.turns(id)?),
            _ => (vec![], vec![]),
        };
        found.pop().map(|session| (session, turns)).ok_or_else(|| unknown(&id.to_string()))
    }

    /// The session that was last begun or resumed under a profile.
    pub fn current(&self, profile: &str) -> Result<Option<SessionId>> {
        match &self.own {
            Some(own) => own.current(profile),
            None => Ok(None),
        }
    }
}

/// Begins a session of a profile and makes it the profile's current one.
///
/// # Errors
/// As [`LocalStore::open`].
pub fn begin(home: &Path, profile: &str, title: Option<&str>, person: &Person) -> Result<ChatSession> {
    LocalStore::open(home).and_then(|mut store| store.begin_session(profile, title, person)).map_err(of_this_home)
}

/// Makes a session the current one of the profile in use. Of amx-cli's sessions that is noted in our store alone.
///
/// # Errors
/// `session_unknown`; `session_profile_mismatch` where the session belongs to another profile, and nothing is written then; as
/// [`LocalStore::open`].
pub fn resume(home: &Path, id: SessionId, in_use: Option<&str>) -> Result<(ChatSession, Vec<Turn>)> {
    let (mut session, turns) = Sessions::open(home)?.show(id)?;
    let profile = guard(&session, in_use)?;
    let at = LocalStore::open(home).and_then(|mut store| store.resume_session(id, profile)).map_err(of_this_home)?;
    if matches!(id, SessionId::Own(_)) {
        session.last_active_at = Some(at);
    }
    Ok((session, turns))
}

/// The profile in use, where the session belongs to it.
fn guard<'p>(session: &ChatSession, in_use: Option<&'p str>) -> Result<&'p str> {
    let id = session.id;
    let message = match (session.profile.as_deref(), in_use) {
        (Some(own), Some(in_use)) if own == in_use => return Ok(in_use),
        (Some(own), Some(in_use)) => format!("session {id} belongs to the profile {own}, and the profile in use is {in_use}"),
        (Some(own), None) => format!("session {id} belongs to the profile {own}, and no profile is in use"),
        (None, in_use) => {
            let in_use = in_use.map_or_else(|| "no profile is in use".into(), |name| format!("the profile in use is {name}"));
            format!("session {id} names no profile that it belongs to, and {in_use}")
        }
    };
    let look = format!("`amx-schema session show --id {id}` shows it without resuming it");
    let hint = match &session.profile {
        Some(own) => format!("{look}; to resume it, switch to its profile: --profile {own}, or `active_db_profile: {own}` in config.yml"),
        None => look,
    };
    Err(Error::new(Code::SessionProfileMismatch, message, hint))
}

/// There is no session with such an id.
pub fn unknown(id: &str) -> Error {
    Error::new(Code::SessionUnknown, format!("there is no session {id}"), "see `amx-schema session list`")
}

/// The user named no file here, so that naming another one is no way out.
fn of_this_home(error: Error) -> Error {
    match error.hint == NOT_HISTORY {
        true => error.hint("restore it from a backup, or move it away to begin a new one; it was not touched"),
        false => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_digits_with_an_a_before_those_of_amx_cli() {
        assert_eq!(SessionId::from_text("3"), Some(SessionId::Own(3)));
        assert_eq!(SessionId::from_text("a12"), Some(SessionId::AmxCli(12)));
        for text in ["", "a", "-3", "+3", "a-3", "A3", "3a", "aa3", " 3", "99999999999999999999", "٣"] {
            assert_eq!(SessionId::from_text(text), None, "{text}");
        }
    }

    #[test]
    fn an_id_is_shown_as_it_is_read() {
        for id in [SessionId::Own(7), SessionId::AmxCli(7)] {
            assert_eq!(SessionId::from_text(&id.to_string()), Some(id));
        }
    }
}
