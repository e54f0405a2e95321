//! Our own sessions: those of a local store that is only looked at, and beginning and resuming them.

use super::local::LocalStore;
use super::sessions::{ChatSession, SessionId, unknown};
use super::source::Person;
use super::sqlite_file::{ReadOnly, fault};
use crate::error::Result;
use crate::history::{time_from_text, time_text};
use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, Row, Transaction, TransactionBehavior, params};
use std::path::{Path, PathBuf};

/// The sessions of a local store, open for reading.
#[derive(Debug)]
pub(super) struct OwnSessions {
    file: ReadOnly,
    path: PathBuf,
}

impl OwnSessions {
    /// Opens the file; nothing where it is older than sessions are.
    pub(super) fn open(path: &Path) -> Result<Option<OwnSessions>> {
        let own = OwnSessions { file: ReadOnly::open(path)?, path: path.into() };
        let sql = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN ('local_sessions', 'local_current_sessions')";
        let tables: i64 = own.done(own.file.connection.query_row(sql, [], |row| row.get(0)))?;
        Ok((tables == 2).then_some(own))
    }

    /// All sessions, or the one with that id.
    pub(super) fn sessions(&self, id: Option<i64>) -> Result<Vec<ChatSession>> {
        let sql = "SELECT id, profile, title, created_by, hostname, created_at, last_active_at FROM local_sessions
            WHERE ?1 IS NULL OR id = ?1";
        let mut statement = self.done(self.file.connection.prepare(sql))?;
        let sessions = statement.query_map([id], session).and_then(Iterator::collect);
        let sessions = self.done(sessions)?;
        self.file.unchanged()?;
        Ok(sessions)
    }

    /// The current session of a profile.
    pub(super) fn current(&self, profile: &str) -> Result<Option<SessionId>> {
        let sql = "SELECT session FROM local_current_sessions WHERE profile = ?1";
        let found = self.file.connection.query_row(sql, [profile], |row| row.get::<_, String>(0)).optional();
        Ok(self.done(found)?.and_then(|id| SessionId::from_text(&id)))
    }

    fn done<T>(&self, result: rusqlite::Result<T>) -> Result<T> {
        result.map_err(|error| fault(&self.path, &error))
    }
}

impl LocalStore {
    /// Begins a session of a profile and makes it the profile's current one.
    ///
    /// # Errors
    /// `locked`, `io`, `local_store_corrupt`.
    pub fn begin_session(&mut self, profile: &str, title: Option<&str>, person: &Person) -> Result<ChatSession> {
        self.in_session_transaction(|transaction| {
            let begin = "INSERT INTO local_sessions (profile, title, created_by, hostname, created_at, last_active_at)
                VALUES (?1, ?2, ?3, ?4, ?5, ?5) RETURNING id, profile, title, created_by, hostname, created_at, last_active_at";
            let values = params![profile, title, person.who, person.hostname, time_text(Utc::now())];
            let session = transaction.query_row(begin, values, session)?;
            make_current(transaction, session.id, profile)?;
            Ok(session)
        })
    }

    /// Makes a session its profile's current one and gives the time of that. Whether it is that profile's is the caller's to know; see
    /// [`super::sessions::resume`].
    ///
    /// # Errors
    /// `session_unknown` where one of ours is not there, and as [`LocalStore::begin_session`].
    pub fn resume_session(&mut self, id: SessionId, profile: &str) -> Result<DateTime<Utc>> {
        let resumed = self.in_session_transaction(|transaction| {
            let at = make_current(transaction, id, profile)?;
            let found = match id {
                SessionId::AmxCli(_) => true,
                SessionId::Own(id) => {
                    let touch = "UPDATE local_sessions SET last_active_at = ?2 WHERE id = ?1";
                    transaction.execute(touch, params![id, time_text(at)])? > 0
                }
            };
            Ok(found.then_some(at))
        })?;
        resumed.ok_or_else(|| unknown(&id.to_string()))
    }

    fn in_session_transaction<T>(&mut self, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T> {
        // Immediate: two processes wait for each other at the start, where SQLite waits, and not in the middle, where it gives up.
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let done = transaction.and_then(|transaction| {
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        });
        done.map_err(|error| fault(&self.path, &error))
    }
}

fn make_current(transaction: &Transaction<'_>, id: SessionId, profile: &str) -> rusqlite::Result<DateTime<Utc>> {
    let now = Utc::now();
    let sql = "INSERT OR REPLACE INTO local_current_sessions (profile, session, since) VALUES (?1, ?2, ?3)";
    transaction.execute(sql, params![profile, id.to_string(), time_text(now)])?;
    Ok(now)
}

fn session(row: &Row<'_>) -> rusqlite::Result<ChatSession> {
    let time = |column: &str| row.get::<_, String>(column).map(|text| time_from_text(&text));
    Ok(ChatSession {
        id: SessionId::Own(row.get("id")?),
        profile: row.get("profile")?,
        title: row.get("title")?,
        llm_profile: None,
        created_by: row.get("created_by")?,
        hostname: row.get("hostname")?,
        started_at: time("created_at")?,
        last_active_at: time("last_active_at")?,
        ended_at: None,
        turns: 0,
    })
}
