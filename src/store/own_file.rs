//! Our own local store as a source of runs, in this home or copied from another machine.

use super::source::{Content, Contents, RunKey, Source, SourceRun};
use super::sqlite_file::{ReadOnly, fault};
use crate::error::Result;
use crate::history::{Attribution, BadRow, Run, RunResult, State, time_from_text};
use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, Row};
use std::path::{Path, PathBuf};

/// The runs of an own store that are its own: those of any id that its installation ever had.
const OWN: &str = "origin IN (SELECT id FROM local_installations)";

/// An own local store, open for reading.
#[derive(Debug)]
pub struct OwnFile {
    file: ReadOnly,
    path: PathBuf,
    /// Whether it says which runs changed; one of an earlier build does not.
    marks: bool,
}

impl OwnFile {
    /// Opens the file.
    ///
    /// # Errors
    /// As [`ReadOnly::open`].
    pub fn open(path: &Path) -> Result<OwnFile> {
        let file = ReadOnly::open(path)?;
        let marks = file.connection.table_exists(None, "local_marks").map_err(|error| fault(path, &error))?;
        Ok(OwnFile { file, path: path.into(), marks })
    }

    /// The mark of one run.
    fn mark(&self, run_id: &str) -> Result<Content> {
        if !self.marks {
            return Ok(None);
        }
        let mut statement = self.done(self.file.connection.prepare_cached("SELECT mark FROM local_marks WHERE run_id = ?1"))?;
        let mark = statement.query_row([run_id], |row| row.get::<_, i64>(0)).optional();
        Ok(self.done(mark)?.map(i64::cast_unsigned))
    }

    fn done<T>(&self, result: rusqlite::Result<T>) -> Result<T> {
        result.map_err(|error| fault(&self.path, &error))
    }
}

impl Source for OwnFile {
    fn count(&self) -> Result<u64> {
        let sql = format!("SELECT count(*) FROM amx_history_runs WHERE {OWN}");
        self.done(self.file.connection.query_row(&sql, [], |row| row.get::<_, i64>(0))).map(|count| count as u64)
    }

    fn owners(&self) -> Result<Vec<String>> {
        let mut statement = self.done(self.file.connection.prepare("SELECT id FROM local_installations"))?;
        let owners = statement.query_map([], |row| row.get(0));
        self.done(owners.and_then(Iterator::collect))
    }

    fn wanted_runs(
        &self,
        wanted: &mut dyn FnMut(&str, &RunKey) -> Result<bool>,
        each: &mut dyn FnMut(SourceRun) -> Result<()>,
    ) -> Result<()> {
        let sql = format!(
            "SELECT run_id, origin, rowid, who, started_at, finished_at, scope, llm_provider, llm_model, db_backend, state, applied_at, applied_by,
                metadata_json, created_by, hostname, client_version, local_id
             FROM amx_history_runs WHERE {OWN} ORDER BY started_at, run_id"
        );
        let mut statement = self.done(self.file.connection.prepare(&sql))?;
        let mut rows = self.done(statement.query([]))?;
        while let Some(row) = self.done(rows.next())? {
            let run_id: String = self.done(row.get(0))?;
            let owner: String = self.done(row.get(1))?;
            let key = RunKey { run_id, local_id: Some(self.done(row.get(2))?) };
            if !wanted(&owner, &key)? {
                continue;
            }
            let local_id = row.get("local_id").unwrap_or_default();
            let bad = |reason: String| BadRow { run_id: key.run_id.clone(), target_qname: None, local_id, reason };
            let run = run(row).map_err(|error| error.to_string()).and_then(|run| run.check().map(|()| run)).map_err(bad);
            let content = self.mark(&key.run_id)?;
            each(SourceRun { key, owner, run, content })?;
        }
        self.file.unchanged()
    }

    fn contents(&self) -> Result<Contents> {
        if !self.marks {
            return Ok(Contents::new());
        }
        let sql = "SELECT run.rowid, mark FROM local_marks JOIN amx_history_runs run USING (run_id)";
        let mut statement = self.done(self.file.connection.prepare(sql))?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())));
        self.done(rows.and_then(Iterator::collect))
    }

    fn results(&self, run: &RunKey, each: &mut dyn FnMut(Result<RunResult, BadRow>) -> Result<()>) -> Result<Content> {
        let sql = "SELECT target_qname, target_kind, description, alternatives, confidence, applied, applied_at, metadata_json,
                created_by, hostname, client_version, local_id
             FROM amx_history_results WHERE run_id = ?1 ORDER BY target_qname";
        let mut statement = self.done(self.file.connection.prepare_cached(sql))?;
        let mut rows = self.done(statement.query([&run.run_id]))?;
        while let Some(row) = self.done(rows.next())? {
            let qname: Option<String> = row.get(0).ok();
            let local_id = row.get("local_id").unwrap_or_default();
            let bad = |reason: String| BadRow { run_id: run.run_id.clone(), target_qname: qname.clone(), local_id, reason };
            each(result(row).map_err(|error| error.to_string()).and_then(|result| result.check().map(|()| result)).map_err(bad))?;
        }
        // The mark of the run is for its results too.
        Ok(Some(0))
    }
}

fn run(row: &Row<'_>) -> rusqlite::Result<Run> {
    let state: String = row.get("state")?;
    Ok(Run {
        run_id: row.get("run_id")?,
        who: row.get("who")?,
        started_at: time(row, "started_at")?.unwrap_or_default(),
        finished_at: time(row, "finished_at")?,
        scope: row.get("scope")?,
        llm_provider: row.get("llm_provider")?,
        llm_model: row.get("llm_model")?,
        db_backend: row.get("db_backend")?,
        state: State::from_word(&state).ok_or_else(|| unreadable("state", &state))?,
        applied_at: time(row, "applied_at")?,
        applied_by: row.get("applied_by")?,
        metadata_json: row.get("metadata_json")?,
        attribution: attribution(row)?,
    })
}

fn result(row: &Row<'_>) -> rusqlite::Result<RunResult> {
    Ok(RunResult {
        target_qname: row.get("target_qname")?,
        target_kind: row.get("target_kind")?,
        description: row.get("description")?,
        alternatives: row.get("alternatives")?,
        confidence: row.get("confidence")?,
        applied: row.get("applied")?,
        applied_at: time(row, "applied_at")?,
        metadata_json: row.get("metadata_json")?,
        attribution: attribution(row)?,
    })
}

fn attribution(row: &Row<'_>) -> rusqlite::Result<Attribution> {
    Ok(Attribution {
        created_by: row.get("created_by")?,
        hostname: row.get("hostname")?,
        client_version: row.get("client_version")?,
        local_id: row.get("local_id")?,
    })
}

fn time(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<DateTime<Utc>>> {
    match row.get::<_, Option<String>>(column)? {
        None => Ok(None),
        Some(text) => time_from_text(&text).map(Some).ok_or_else(|| unreadable(column, &text)),
    }
}

fn unreadable(column: &str, text: &str) -> rusqlite::Error {
    rusqlite::Error::InvalidColumnName(format!("{column} is '{text}'"))
}
