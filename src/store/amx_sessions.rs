//! The chat sessions of an amx-cli file, read to be looked at.
//!
//! A session is shown, never copied, so that nothing in it can be bad: a column that an older file lacks, and a value that is not of the
//! kind that amx-cli writes, is absent, and text that is not UTF-8 is shown as far as it is. A file from before sessions has none.

use super::amx_cli::has;
use super::sessions::{ChatSession, SessionId, Turn};
use super::sqlite_file::{ReadOnly, fault};
use crate::error::Result;
use crate::history::time_from_epoch;
use chrono::{DateTime, Utc};
use rusqlite::Row;
use rusqlite::types::ValueRef;
use std::path::{Path, PathBuf};

/// An amx-cli file, open for reading its sessions.
#[derive(Debug)]
pub(super) struct AmxSessions {
    file: ReadOnly,
    path: PathBuf,
    /// Reads the sessions; absent where the file has none.
    sessions: Option<String>,
    /// Reads the turns of one.
    turns: Option<String>,
}

impl AmxSessions {
    /// Opens the file and looks at what it has.
    pub(super) fn open(path: &Path) -> Result<AmxSessions> {
        let file = ReadOnly::open(path)?;
        let columns = |table| columns(&file, table).map_err(|error| fault(path, &error));
        let (sessions, turns) = (columns("chat_sessions")?, columns("chat_turns")?);
        let with_turns = has(&turns, "session_id");
        let count = match with_turns {
            true => "(SELECT count(*) FROM chat_turns t WHERE t.session_id = s.id)",
            false => "0",
        };
        let list = select(&sessions, "s", &["db_profile", "title", "llm_profile", "started_at", "last_active_at", "ended_at"]);
        let sessions = has(&sessions, "id")
            .then(|| format!("SELECT s.id AS id, {list}, {count} AS turns FROM chat_sessions s WHERE ?1 IS NULL OR s.id = ?1"));
        let list = select(&turns, "t", &["turn_index", "role", "question", "answer_summary", "created_at"]);
        let turns = with_turns.then(|| format!("SELECT {list} FROM chat_turns t WHERE t.session_id = ?1 ORDER BY turn_index, t.rowid"));
        Ok(AmxSessions { file, path: path.into(), sessions, turns })
    }

    /// All sessions, or the one with that id.
    pub(super) fn sessions(&self, id: Option<i64>) -> Result<Vec<ChatSession>> {
        self.read(self.sessions.as_deref(), id, |row| {
            Ok(ChatSession {
                id: SessionId::AmxCli(row.get("id")?),
                profile: text(row, "db_profile"),
                title: text(row, "title"),
                llm_profile: text(row, "llm_profile"),
                created_by: None,
                hostname: None,
                started_at: time(row, "started_at"),
                last_active_at: time(row, "last_active_at"),
                ended_at: time(row, "ended_at"),
                turns: row.get::<_, i64>("turns")? as u64,
            })
        })
    }

    /// The turns of a session, in order.
    pub(super) fn turns(&self, session: i64) -> Result<Vec<Turn>> {
        self.read(self.turns.as_deref(), Some(session), |row| {
            Ok(Turn {
                turn_index: row.get("turn_index").ok(),
                role: text(row, "role"),
                question: text(row, "question"),
                answer_summary: text(row, "answer_summary"),
                created_at: time(row, "created_at"),
            })
        })
    }

    fn read<T>(&self, sql: Option<&str>, id: Option<i64>, each: impl FnMut(&Row<'_>) -> rusqlite::Result<T>) -> Result<Vec<T>> {
        let Some(sql) = sql else { return Ok(vec![]) };
        let read = || self.file.connection.prepare(sql)?.query_map([id], each)?.collect::<rusqlite::Result<Vec<T>>>();
        let rows = read().map_err(|error| fault(&self.path, &error))?;
        self.file.unchanged()?;
        Ok(rows)
    }
}

/// The columns of a table; none where there is no such table.
fn columns(file: &ReadOnly, table: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = file.connection.prepare("SELECT name FROM pragma_table_info(?1)")?;
    statement.query_map([table], |row| row.get(0))?.collect()
}

/// A select list of the wanted columns, null for those that the table lacks.
fn select(columns: &[String], table: &str, wanted: &[&str]) -> String {
    let column = |name: &&str| if has(columns, name) { format!("{table}.{name} AS {name}") } else { format!("NULL AS {name}") };
    wanted.iter().map(column).collect::<Vec<_>>().join(", ")
}

fn text(row: &Row<'_>, column: &str) -> Option<String> {
    match row.get_ref(column) {
        Ok(ValueRef::Text(bytes)) => Some(String::from_utf8_lossy(bytes).into_owned()),
        _ => None,
    }
}

fn time(row: &Row<'_>, column: &str) -> Option<DateTime<Utc>> {
    match row.get_ref(column) {
        Ok(ValueRef::Real(seconds)) => time_from_epoch(seconds),
        Ok(ValueRef::Integer(seconds)) => time_from_epoch(seconds as f64),
        _ => None,
    }
}
