//! The history file of amx-cli 0.12 to 0.19, read as runs to be shared.
//!
//! The file is only ever read, in place and as it was at one moment. Nothing of it is lost: what has no column of its own in the shared
//! store goes into `metadata_json`, and a row that cannot be stored is handed on as a [`BadRow`] and neither cut nor changed.
//!
//! Where the format's description is silent:
//! - A value that is mapped to a column has to be of the kind that amx-cli writes: a text where a number belongs makes a bad row. What goes
//!   into the metadata may be text or number, as it is. Bytes (a BLOB), text that is not UTF-8 and text with NUL are bad everywhere, also
//!   in a column that we do not know. An escaped NUL within JSON is plain ASCII and stays, until it becomes part of a column that holds
//!   text.
//! - `status` and `scope_json` say more than `state` and `scope` do and are kept in the metadata too; `asset_kind` is kept for columns,
//!   `db_applied_status` where it is not `applied`, `logprob_score` where no alternative holds it, and `alternatives_json` where
//!   `alternatives` does not hold all of it.
//! - Keys of `metadata_json` are in byte order, so that files whose columns were added in another order give the same text. A run's holds
//!   empty text, a result's does not. A time is a number of seconds there, as in the file.
//! - A `status` or `asset_kind` that amx-cli does not have is a bad row; an `asset_kind` that is null or empty is a table (the column's own
//!   default).
//! - An empty `column_name` is a column with an empty name; only null means the table itself.
//! - A null or empty `who` or `hostname` is the importing person's; null or empty provider, model and backend are `unknown`.
//! - Of an object's older rows only the texts are used, so only these can make one of them bad. A bad older row is reported, and the object
//!   is given without it; where the row that stands is bad the object is not given, for an older text would pass for the current one.

use super::amx_json::{alternatives, append_superseded, push_number, push_text, repair, scope};
use super::source::{Person, RunKey, Source, SourceRun};
use super::sqlite_file::{NOT_HISTORY, RESTORE, ReadOnly, fault};
use crate::error::{Code, Error, Result};
use crate::history::{Attribution, BadRow, CONFIDENCES, Run, RunResult, State, time_from_epoch};
use chrono::{DateTime, Utc};
use rusqlite::Row;
use rusqlite::types::{Type, ValueRef};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// The name space of origins that are derived from amx-cli files.
const ORIGINS: Uuid = Uuid::from_u128(0x6a1d_9c52_70b4_5e0f_8d3e_41c7_a25b_90f6);
/// What stands for a provider, model or backend that is not known.
const UNKNOWN: &str = "unknown";
/// The columns without which a table is not amx-cli's. All were there from the first version on.
const RUNS_NEED: [&str; 3] = ["id", "started_at", "status"];
const RESULTS_NEED: [&str; 6] = ["id", "run_id", "schema_name", "table_name", "column_name", "confidence"];

/// Names a list of columns, and each one's place in it.
macro_rules! places {
    ($($place:ident $name:literal),+ $(,)?) => {
        /// The columns, in the order in which they are read.
        pub(super) const COLUMNS: &[&str] = &[$($name),+];
        places!(@ 0; $($place)+);
    };
    (@ $n:expr; $place:ident $($rest:ident)*) => {
        pub(super) const $place: usize = $n;
        places!(@ $n + 1; $($rest)*);
    };
    (@ $n:expr;) => {};
}

/// What is read of a run, before what goes into its metadata.
mod run {
    places! {
        ID "id", STARTED_AT "started_at", ENDED_AT "ended_at", STATUS "status", SCOPE_JSON "scope_json", APPLIED_COUNT "applied_count",
        LLM_PROVIDER "llm_provider", LLM_MODEL "llm_model", DB_BACKEND "db_backend", CREATED_BY "created_by", HOSTNAME "hostname",
        CLIENT_VERSION "client_version",
    }
    /// What the metadata does not repeat, because the shared columns hold all of it.
    pub(super) const MAPPED: &[&str] = &[
        "id",
        "started_at",
        "ended_at",
        "llm_provider",
        "llm_model",
        "db_backend",
        "created_by",
        "hostname",
        "client_version",
        "shared_uuid",
    ];
}

/// What is read of a result, before what goes into its metadata.
mod result {
    places! {
        ID "id", SCHEMA "schema_name", TABLE "table_name", COLUMN "column_name", ASSET_KIND "asset_kind", CONFIDENCE "confidence",
        ALTERNATIVES "alternatives_json", CHOSEN "chosen_description", APPLIED_STATUS "db_applied_status", APPLIED_AT "applied_at",
        SUPERSEDED_AT "superseded_at", LOGPROB "logprob_score", CREATED_BY "created_by", HOSTNAME "hostname", CLIENT_VERSION "client_version",
    }
    /// What the metadata does not repeat, because the shared columns hold all of it.
    pub(super) const MAPPED: &[&str] = &[
        "id",
        "run_id",
        "schema_name",
        "table_name",
        "column_name",
        "confidence",
        "chosen_description",
        "applied_at",
        "created_by",
        "hostname",
        "client_version",
        "shared_uuid",
    ];
}

/// A column that goes into the metadata.
#[derive(Debug)]
struct Extra {
    name: String,
    /// The name as a JSON key with its colon.
    key: String,
    /// Its place in the row.
    place: usize,
    /// Whether it holds JSON, where it does.
    json: bool,
}

/// How a table is read.
#[derive(Debug)]
struct Reading {
    sql: String,
    extras: Vec<Extra>,
}

/// An amx-cli history file, open for reading. See the module for what is made of it.
#[derive(Debug)]
pub struct AmxCliFile {
    file: ReadOnly,
    path: PathBuf,
    person: Person,
    runs: Reading,
    /// Finds the rows of a run, in the order of the objects and then of the ids.
    order: String,
    /// Reads one row.
    results: Reading,
    /// Counts a run's applied results and finds when the newest was applied; none where the file is too old to say.
    applied: Option<String>,
    /// What holds for own runs alone.
    own: &'static str,
}

impl AmxCliFile {
    /// Opens the file for reading, with what its WAL holds, and holds on to the state that it has now until this is dropped.
    ///
    /// # Errors
    /// `usage` where there is no such file; `io` where it may not be read; `locked` where another process kept it locked for five seconds;
    /// `local_store_corrupt` where it is damaged, no SQLite file, or lacks a table or column that every amx-cli writes.
    pub fn open(path: &Path, person: &Person) -> Result<AmxCliFile> {
        let file = ReadOnly::open(path)?;
        let runs = columns(&file, path, "analysis_runs", &RUNS_NEED)?;
        let results = columns(&file, path, "run_results", &RESULTS_NEED)?;
        let (from, of_run) = results_of_a_run(&file, path)?;
        let not_pulled = |columns: &[String]| if has(columns, "shared_uuid") { " AND t.shared_uuid IS NULL" } else { "" };
        let own_results = not_pulled(&results);
        let applied = (has(&results, "db_applied_status") && has(&results, "applied_at")).then(|| {
            // The times that `time_from_epoch` takes; a result with another one is a bad row of its own.
            format!(
                "SELECT count(*), max(CASE WHEN typeof(t.applied_at) IN ('real', 'integer') \
                 AND t.applied_at BETWEEN -62135596800 AND 253402300799 THEN CAST(t.applied_at AS REAL) END) \
                 FROM {from} WHERE {of_run} AND t.db_applied_status = 'applied'{own_results}"
            )
        });
        let (list, extras) = select(&runs, run::COLUMNS, run::MAPPED);
        let own = not_pulled(&runs);
        let runs = Reading { sql: format!("SELECT {list} FROM analysis_runs t WHERE true{own} ORDER BY t.started_at, t.id"), extras };
        let (list, extras) = select(&results, result::COLUMNS, result::MAPPED);
        // Sorting the row numbers and then reading row by row takes a tenth less time than sorting wide rows, which copies each
        // twice, and a bounded cache instead of a sorter as large as the run.
        let order =
            format!("SELECT t.rowid FROM {from} WHERE {of_run}{own_results} ORDER BY t.schema_name, t.table_name, t.column_name, t.id");
        let results = Reading { sql: format!("SELECT {list} FROM run_results t WHERE t.rowid = ?1"), extras };
        Ok(AmxCliFile { file, path: path.to_owned(), person: person.clone(), runs, order, results, applied, own })
    }

    /// How many results belong to a run that the file does not have. amx-cli never leaves any; they cannot be shared, and the caller may
    /// want to say so.
    ///
    /// # Errors
    /// As reading the file.
    pub fn orphans(&self) -> Result<u64> {
        self.number("SELECT count(*) FROM run_results WHERE run_id NOT IN (SELECT id FROM analysis_runs)")
    }

    fn number(&self, sql: &str) -> Result<u64> {
        let number = self.file.connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(|e| self.fault(&e))?;
        Ok(number.unsigned_abs())
    }

    fn fault(&self, error: &rusqlite::Error) -> Error {
        fault(&self.path, error)
    }

    /// How many of a run's results were applied, and when the newest was.
    fn applied(&self, id: i64) -> Result<(i64, Option<f64>)> {
        let Some(sql) = &self.applied else { return Ok((0, None)) };
        let mut statement = self.file.connection.prepare_cached(sql).map_err(|e| self.fault(&e))?;
        statement.query_row([id], |row| Ok((row.get(0)?, row.get(1)?))).map_err(|e| self.fault(&e))
    }

    fn run(&self, row: &Row<'_>, owner: &str) -> Result<SourceRun> {
        let mut problems = Vec::new();
        let local_id = whole_number(row, run::ID, "id", &mut problems);
        let started_at = time(row, run::STARTED_AT, "started_at", &mut problems);
        let run_id = run_id(started_at, local_id);
        if problems.is_empty() && started_at.is_none() {
            problems.push("started_at is null".into());
        }
        let (applied_rows, newest) = match local_id {
            Some(id) => self.applied(id)?,
            None => (0, None),
        };
        let something_applied =
            applied_rows > 0 || number(row, run::APPLIED_COUNT, "applied_count", &mut problems).is_some_and(|count| count > 0.0);
        let status = text(row, run::STATUS, "status", &mut problems);
        let state = state(status, something_applied);
        if state.is_none() && problems.is_empty() {
            problems.push(status.map_or("status is null".into(), |word| format!("status {} is none of amx-cli's", quoted(word))));
        }
        let attribution = self.attribution(
            local_id,
            text(row, run::CREATED_BY, "created_by", &mut problems),
            text(row, run::HOSTNAME, "hostname", &mut problems),
            text(row, run::CLIENT_VERSION, "client_version", &mut problems),
        );
        let who = attribution.created_by.clone().unwrap_or_default();
        let mut known = |place, name| text(row, place, name, &mut problems).filter(|text| !text.is_empty()).unwrap_or(UNKNOWN).to_owned();
        let (llm_provider, llm_model) = (known(run::LLM_PROVIDER, "llm_provider"), known(run::LLM_MODEL, "llm_model"));
        let db_backend = known(run::DB_BACKEND, "db_backend");
        // Scope, like every column of the metadata, is looked at there for what makes it bad.
        let scope = scope(text(row, run::SCOPE_JSON, "scope_json", &mut Vec::new()));
        let finished_at = time(row, run::ENDED_AT, "ended_at", &mut problems);
        let metadata_json = metadata(row, &self.runs.extras, &mut problems, |_, _| true);
        let bad = |reason: String| BadRow { run_id: run_id.clone(), target_qname: None, local_id, reason };
        let run = match (started_at, state) {
            (Some(started_at), Some(state)) => {
                let run = Run {
                    run_id: run_id.clone(),
                    applied_by: something_applied.then(|| who.clone()),
                    who,
                    started_at,
                    finished_at,
                    scope,
                    llm_provider,
                    llm_model,
                    db_backend,
                    state,
                    applied_at: newest.and_then(time_from_epoch),
                    metadata_json,
                    attribution,
                };
                match reason(problems, run.check()) {
                    Some(reason) => Err(bad(reason)),
                    None => Ok(run),
                }
            }
            _ => Err(bad(reason(problems, Ok(())).unwrap_or_else(|| "started_at or status cannot be read".into()))),
        };
        Ok(SourceRun { key: RunKey { run_id, local_id }, owner: owner.into(), run })
    }

    /// The owner of all its runs: a UUIDv5 over the id and start of the earliest own run, so the same wherever the file is, whoever reads it,
    /// and however it grows. `None` where the file has no own run.
    pub fn origin(&self) -> Result<Option<String>> {
        // A start that is not a number sorts after all numbers, null before; neither should name the file while there is a good one.
        let sql = format!(
            "SELECT t.id, t.started_at FROM analysis_runs t WHERE true{} ORDER BY typeof(t.started_at) NOT IN ('real', 'integer'), t.started_at, t.id LIMIT 1",
            self.own
        );
        let mut statement = self.file.connection.prepare_cached(&sql).map_err(|e| self.fault(&e))?;
        let mut rows = statement.query([]).map_err(|e| self.fault(&e))?;
        let Some(row) = rows.next().map_err(|e| self.fault(&e))? else { return Ok(None) };
        let id = whole_number(row, 0, "id", &mut Vec::new());
        let started_at = number(row, 1, "started_at", &mut Vec::new());
        Ok(Some(Uuid::new_v5(&ORIGINS, format!("{id:?} {started_at:?}").as_bytes()).to_string()))
    }

    /// Who wrote a row and where, with the importing person for what the row does not say.
    fn attribution(
        &self,
        local_id: Option<i64>,
        created_by: Option<&str>,
        hostname: Option<&str>,
        client_version: Option<&str>,
    ) -> Attribution {
        let or = |own: Option<&str>, else_: &str| Some(own.filter(|own| !own.is_empty()).unwrap_or(else_).to_owned());
        Attribution {
            created_by: or(created_by, &self.person.who),
            hostname: or(hostname, &self.person.hostname),
            client_version: client_version.filter(|version| !version.is_empty()).map(str::to_owned),
            local_id,
        }
    }

    fn draft(&self, row: &Row<'_>) -> Draft {
        let mut problems = Vec::new();
        let local_id = whole_number(row, result::ID, "id", &mut problems);
        let schema = name(row, result::SCHEMA, "schema_name", &mut problems);
        let table = name(row, result::TABLE, "table_name", &mut problems);
        let column = name(row, result::COLUMN, "column_name", &mut problems);
        for (part, column) in [(schema, "schema_name"), (table, "table_name")] {
            if part == Name::Null {
                problems.push(format!("{column} is null"));
            }
        }
        let asset_kind = text(row, result::ASSET_KIND, "asset_kind", &mut problems).filter(|kind| !kind.is_empty());
        let target_kind = match (column, asset_kind) {
            (Name::Null, Some("view")) => "VIEW".to_owned(),
            (Name::Null, Some("materialized_view")) => "MATERIALIZED_VIEW".to_owned(),
            (Name::Null, None | Some("table")) => "TABLE".to_owned(),
            (Name::Null, Some(kind)) => {
                let kind = kind.to_ascii_uppercase();
                if !crate::history::TARGET_KINDS.contains(&kind.as_str()) || kind == "COLUMN" {
                    problems.push(format!("asset_kind {} is none of amx-cli's", quoted(&kind)));
                }
                kind
            }
            _ => "COLUMN".to_owned(),
        };
        let target_qname = qname(schema, table, column);
        let found = problems.len();
        let mut confidence = text(row, result::CONFIDENCE, "confidence", &mut problems).map(str::to_ascii_lowercase);
        if problems.len() == found && !confidence.as_deref().is_some_and(|word| CONFIDENCES.contains(&word)) {
            let given = confidence.as_deref().map_or("null".to_owned(), quoted);
            problems.push(format!("confidence is {given}, not one of {}", CONFIDENCES.join(", ")));
        }
        // What stands in for a bad value is never seen: the row has its problem already.
        if problems.len() > found {
            confidence = None;
        }
        let logprob = number(row, result::LOGPROB, "logprob_score", &mut problems);

        let mut text_problems = Vec::new();
        let chosen = text(row, result::CHOSEN, "chosen_description", &mut text_problems);
        let given = text(row, result::ALTERNATIVES, "alternatives_json", &mut text_problems);
        // A log probability that is no JSON number stays in the metadata, as a string.
        let placeable = logprob.filter(|number| number.is_finite());
        let read = given.and_then(repair).and_then(|json| alternatives(&json, placeable));
        let whole = given.is_none() || read.as_ref().is_some_and(|read| read.whole);
        let (alternatives, first) = match read {
            Some(read) => (Some(read.json), read.first),
            None => (None, None),
        };
        let logprob_placed = placeable.is_some() && first.is_some();

        let applied = text(row, result::APPLIED_STATUS, "db_applied_status", &mut problems) == Some("applied");
        let applied_at = time(row, result::APPLIED_AT, "applied_at", &mut problems);
        let attribution = self.attribution(
            local_id,
            text(row, result::CREATED_BY, "created_by", &mut problems),
            text(row, result::HOSTNAME, "hostname", &mut problems),
            text(row, result::CLIENT_VERSION, "client_version", &mut problems),
        );
        let metadata_json = metadata(row, &self.results.extras, &mut problems, |extra, value| {
            value != ValueRef::Text(b"")
                && match extra.place {
                    result::ALTERNATIVES => !whole,
                    result::ASSET_KIND => column != Name::Null,
                    result::APPLIED_STATUS => !applied,
                    result::LOGPROB => !logprob_placed,
                    _ => true,
                }
        });
        Draft {
            result: RunResult {
                target_qname: target_qname.unwrap_or_default(),
                target_kind,
                description: chosen.map(str::to_owned).or(first),
                alternatives,
                confidence: confidence.unwrap_or_else(|| "low".to_owned()),
                applied,
                applied_at,
                metadata_json,
                attribution,
            },
            superseded: value(row, result::SUPERSEDED_AT) != ValueRef::Null,
            problems,
            text_problems,
        }
    }
}

impl Source for AmxCliFile {
    fn count(&self) -> Result<u64> {
        self.number(&format!("SELECT count(*) FROM analysis_runs t WHERE true{}", self.own))
    }

    fn runs(&self, each: &mut dyn FnMut(SourceRun) -> Result<()>) -> Result<()> {
        let owner = self.origin()?.unwrap_or_default();
        let mut statement = self.file.connection.prepare_cached(&self.runs.sql).map_err(|e| self.fault(&e))?;
        let mut rows = statement.query([]).map_err(|e| self.fault(&e))?;
        while let Some(row) = rows.next().map_err(|e| self.fault(&e))? {
            each(self.run(row, &owner)?)?;
        }
        self.file.unchanged()
    }

    /// A run without an id that can be read has no results to be found.
    fn results(&self, run: &RunKey, each: &mut dyn FnMut(Result<RunResult, BadRow>) -> Result<()>) -> Result<()> {
        let Some(id) = run.local_id else { return Ok(()) };
        let mut order = self.file.connection.prepare_cached(&self.order).map_err(|e| self.fault(&e))?;
        let mut statement = self.file.connection.prepare_cached(&self.results.sql).map_err(|e| self.fault(&e))?;
        let mut order = order.query([id]).map_err(|e| self.fault(&e))?;
        // The rows of one object follow each other, oldest first, and are held until the next object begins.
        let mut object = Vec::new();
        let (mut key, mut next) = (Vec::new(), Vec::new());
        while let Some(place) = order.next().map_err(|e| self.fault(&e))? {
            let mut rows = statement.query([place.get::<_, i64>(0).map_err(|e| self.fault(&e))?]).map_err(|e| self.fault(&e))?;
            // The index may name a row that the table lacks only where the file is damaged.
            let missing = || {
                Error::new(
                    Code::LocalStoreCorrupt,
                    format!("{} is damaged: an index names a row that is not there", self.path.display()),
                    RESTORE,
                )
            };
            let row = rows.next().map_err(|e| self.fault(&e))?.ok_or_else(missing)?;
            object_key(row, &mut next);
            if next != key {
                merge(&mut object, run, each)?;
                std::mem::swap(&mut key, &mut next);
            }
            object.push(self.draft(row));
        }
        merge(&mut object, run, each)?;
        self.file.unchanged()
    }
}

/// One row of `run_results`, mapped as far as it goes.
#[derive(Debug)]
struct Draft {
    /// With something harmless in place of what is bad; an empty `target_qname` where the names cannot be read.
    result: RunResult,
    superseded: bool,
    /// What is bad, but for the texts.
    problems: Vec<String>,
    /// What is bad about the texts, which is all that is used of an older row.
    text_problems: Vec<String>,
}

impl Draft {
    fn bad(&self, run: &RunKey, reason: String) -> BadRow {
        let qname = &self.result.target_qname;
        BadRow {
            run_id: run.run_id.clone(),
            target_qname: (!qname.is_empty()).then(|| qname.clone()),
            local_id: self.result.attribution.local_id,
            reason,
        }
    }
}

/// Makes one result of an object's rows, oldest first, and empties the list.
///
/// The newest row that is not superseded stands, or the newest where all are; the texts of the others follow its alternatives.
fn merge(object: &mut Vec<Draft>, run: &RunKey, each: &mut dyn FnMut(Result<RunResult, BadRow>) -> Result<()>) -> Result<()> {
    if object.is_empty() {
        return Ok(());
    }
    let standing = object.iter().rposition(|row| !row.superseded).unwrap_or(object.len() - 1);
    let mut row = object.remove(standing);
    for older in object.iter_mut() {
        if let Some(reason) = reason(std::mem::take(&mut older.text_problems), Ok(())) {
            each(Err(older.bad(run, reason)))?;
            // Only the texts that could be read are left in it, and half a row is not what the file says.
            (older.result.description, older.result.alternatives) = (None, None);
        }
    }
    let older = object.iter().map(|row| (row.result.description.as_deref(), row.result.alternatives.as_deref()));
    row.result.alternatives = append_superseded(row.result.alternatives.take(), older);
    object.clear();
    let mut problems = std::mem::take(&mut row.problems);
    problems.append(&mut row.text_problems);
    // Without a readable name there is nothing more to say of the rest.
    let check = if row.result.target_qname.is_empty() { Ok(()) } else { row.result.check() };
    match reason(problems, check) {
        Some(reason) => each(Err(row.bad(run, reason))),
        None => each(Ok(row.result)),
    }
}

/// All that is wrong with a row, in one line. Each problem begins with its column, and of one column the first is enough.
fn reason(mut problems: Vec<String>, check: Result<(), String>) -> Option<String> {
    problems.extend(check.err());
    let mut told = HashSet::new();
    problems.retain(|problem| told.insert(problem.split(' ').next().unwrap_or_default().to_owned()));
    (!problems.is_empty()).then(|| problems.join("; "))
}

/// `run_2026-06-23_14-20-001`: the minute of the start and the id, so that the same row is always the same run. A `?` stands for what
/// cannot be read; it is no character of a run id, so such a name never meets a real one.
fn run_id(started_at: Option<DateTime<Utc>>, id: Option<i64>) -> String {
    let minute = started_at.map_or("?".into(), |time| time.format("%Y-%m-%d_%H-%M").to_string());
    id.map_or_else(|| format!("run_{minute}-?"), |id| format!("run_{minute}-{id:03}"))
}

/// The state that a status stands for; `None` where amx-cli has no such status.
fn state(status: Option<&str>, something_applied: bool) -> Option<State> {
    Some(match status? {
        "running" | "queued" => State::Running,
        "ready_for_review" | "completed" => State::Reviewed,
        "success" if something_applied => State::Applied,
        "success" => State::Reviewed,
        "applied_partial" => State::Applied,
        "failed" | "cancelled" => State::Failed,
        _ => return None,
    })
}

/// A part of an object's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name<'a> {
    Null,
    /// Not text, or not UTF-8; the problem has been told.
    Unreadable,
    Is(&'a str),
}

/// `schema.table` or `schema.table.column`; `None` where a part cannot be read.
fn qname(schema: Name<'_>, table: Name<'_>, column: Name<'_>) -> Option<String> {
    let (Name::Is(schema), Name::Is(table)) = (schema, table) else { return None };
    let mut out = String::with_capacity(64);
    push_part(&mut out, schema);
    out.push('.');
    push_part(&mut out, table);
    match column {
        Name::Null => {}
        Name::Unreadable => return None,
        Name::Is(column) => {
            out.push('.');
            push_part(&mut out, column);
        }
    }
    Some(out)
}

/// Appends a part of a name, in double quotes where it could not be told apart without.
fn push_part(out: &mut String, part: &str) {
    if !part.is_empty() && !part.contains(|c: char| c == '.' || c == '"' || c.is_whitespace()) {
        out.push_str(part);
        return;
    }
    out.push('"');
    for c in part.chars() {
        if c == '"' {
            out.push('"');
        }
        out.push(c);
    }
    out.push('"');
}

/// Whether a table has a column. SQLite takes names in either case.
fn has(columns: &[String], name: &str) -> bool {
    columns.iter().any(|column| column.eq_ignore_ascii_case(name))
}

/// The columns of a table that the file must have, in byte order.
fn columns(file: &ReadOnly, path: &Path, table: &str, needed: &[&str]) -> Result<Vec<String>> {
    let read = || {
        let mut statement = file.connection.prepare("SELECT name FROM pragma_table_info(?1)")?;
        statement.query_map([table], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()
    };
    let mut columns = read().map_err(|e| fault(path, &e))?;
    columns.sort_unstable();
    let lacks = |what: String| {
        Err(Error::new(Code::LocalStoreCorrupt, format!("{} is no AMX history: it has no {what}", path.display()), NOT_HISTORY))
    };
    if columns.is_empty() {
        return lacks(format!("table {table}"));
    }
    match needed.iter().find(|name| !has(&columns, name)) {
        Some(name) => lacks(format!("column {table}.{name}")),
        None => Ok(columns),
    }
}

/// What to read a run's results `FROM`, and `WHERE`: by the index on `run_id`, or, in a file that has none, by a temporary one of ours;
/// else each run would take a walk over the whole table.
fn results_of_a_run(file: &ReadOnly, path: &Path) -> Result<(&'static str, &'static str)> {
    let indexed = "SELECT EXISTS (SELECT 1 FROM pragma_index_list('run_results') l, pragma_index_info(l.name) i \
                   WHERE l.partial = 0 AND i.seqno = 0 AND i.name = 'run_id' COLLATE NOCASE)";
    let by_run = "CREATE TEMP TABLE amx_schema_rows (run_id, at INTEGER, PRIMARY KEY (run_id, at)) WITHOUT ROWID; \
                  INSERT INTO temp.amx_schema_rows SELECT run_id, rowid FROM main.run_results WHERE run_id IS NOT NULL";
    let has_index = file.connection.query_row(indexed, [], |row| row.get::<_, bool>(0)).map_err(|e| fault(path, &e))?;
    if has_index {
        return Ok(("main.run_results t", "t.run_id = ?1"));
    }
    file.connection.execute_batch(by_run).map_err(|e| fault(path, &e))?;
    Ok(("temp.amx_schema_rows r CROSS JOIN main.run_results t ON t.rowid = r.at", "r.run_id = ?1"))
}

/// The select list for the named columns, null where the file has none, and then for the others.
fn select(columns: &[String], named: &[&str], mapped: &[&str]) -> (String, Vec<Extra>) {
    let quote = |name: &str| format!("t.\"{}\"", name.replace('"', "\"\""));
    let mut list: Vec<String> = named.iter().map(|name| if has(columns, name) { quote(name) } else { "NULL".into() }).collect();
    let mut extras = Vec::new();
    for name in columns.iter().filter(|name| !mapped.iter().any(|mapped| name.eq_ignore_ascii_case(mapped))) {
        let mut key = String::new();
        push_text(&mut key, name);
        key.push(':');
        // A column that is named already is not read twice.
        let place = named.iter().position(|named| name.eq_ignore_ascii_case(named)).unwrap_or_else(|| {
            list.push(quote(name));
            list.len() - 1
        });
        extras.push(Extra { name: name.to_ascii_lowercase(), key, place, json: name.to_ascii_lowercase().ends_with("_json") });
    }
    (list.join(", "), extras)
}

/// A value of a row. The place is always one of the statement's own, so there is none to miss.
fn value<'r>(row: &'r Row<'_>, place: usize) -> ValueRef<'r> {
    row.get_ref(place).unwrap_or(ValueRef::Null)
}

/// Says what stands where a number or a text should.
fn wrong_kind(column: &str, value: ValueRef<'_>, wanted: &str) -> String {
    let found = match value.data_type() {
        Type::Blob => "bytes",
        Type::Text => "text",
        Type::Null => "null",
        Type::Integer | Type::Real => "a number",
    };
    format!("{column} holds {found} where {wanted} belongs")
}

fn whole_number(row: &Row<'_>, place: usize, column: &str, problems: &mut Vec<String>) -> Option<i64> {
    match value(row, place) {
        ValueRef::Integer(number) => Some(number),
        other => {
            problems.push(wrong_kind(column, other, "a whole number"));
            None
        }
    }
}

/// A number that may be null.
fn number(row: &Row<'_>, place: usize, column: &str, problems: &mut Vec<String>) -> Option<f64> {
    match value(row, place) {
        ValueRef::Null => None,
        ValueRef::Real(number) => Some(number),
        ValueRef::Integer(number) => Some(number as f64),
        other => {
            problems.push(wrong_kind(column, other, "a number"));
            None
        }
    }
}

/// A time that may be null, from seconds since 1970.
fn time(row: &Row<'_>, place: usize, column: &str, problems: &mut Vec<String>) -> Option<DateTime<Utc>> {
    let seconds = number(row, place, column, problems)?;
    let time = time_from_epoch(seconds);
    if time.is_none() {
        problems.push(format!("{column} is {seconds:e} seconds, a time outside the years 1 to 9999"));
    }
    time
}

/// Text that may be null.
fn text<'r>(row: &'r Row<'_>, place: usize, column: &str, problems: &mut Vec<String>) -> Option<&'r str> {
    match value(row, place) {
        ValueRef::Null => None,
        ValueRef::Text(bytes) => utf8(bytes, column, problems).filter(|text| {
            let good = !text.contains('\0');
            if !good {
                problems.push(format!("{column} holds a NUL character"));
            }
            good
        }),
        other => {
            problems.push(wrong_kind(column, other, "text"));
            None
        }
    }
}

fn utf8<'r>(bytes: &'r [u8], column: &str, problems: &mut Vec<String>) -> Option<&'r str> {
    let text = std::str::from_utf8(bytes);
    if let Err(error) = text {
        problems.push(format!("{column} is not UTF-8 at byte {}", error.valid_up_to()));
    }
    text.ok()
}

/// A part of an object's name. One with NUL is read, so that the object can be named where it is reported; the check of the whole finds it.
fn name<'r>(row: &'r Row<'_>, place: usize, column: &str, problems: &mut Vec<String>) -> Name<'r> {
    match value(row, place) {
        ValueRef::Null => Name::Null,
        ValueRef::Text(bytes) => utf8(bytes, column, problems).map_or(Name::Unreadable, Name::Is),
        other => {
            problems.push(wrong_kind(column, other, "text"));
            Name::Unreadable
        }
    }
}

/// Writes what tells one object from another within a run, so that equal bytes mean the same object.
fn object_key(row: &Row<'_>, key: &mut Vec<u8>) {
    key.clear();
    for place in [result::SCHEMA, result::TABLE, result::COLUMN] {
        let value = value(row, place);
        key.push(match value.data_type() {
            Type::Null => 0,
            Type::Text => 1,
            Type::Blob => 2,
            Type::Integer => 3,
            Type::Real => 4,
        });
        match value {
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
                key.extend_from_slice(&bytes.len().to_le_bytes());
                key.extend_from_slice(bytes);
            }
            ValueRef::Integer(number) => key.extend_from_slice(&number.to_le_bytes()),
            ValueRef::Real(number) => key.extend_from_slice(&number.to_bits().to_le_bytes()),
            ValueRef::Null => {}
        }
    }
}

/// One JSON object of the extra columns that are not null and that `keep` keeps; `None` where there are none.
///
/// A column of JSON is embedded as it is, but for [`repair`]; where it is not JSON, as the text that it is. The JSON `null` counts as null.
fn metadata(row: &Row<'_>, extras: &[Extra], problems: &mut Vec<String>, keep: impl Fn(&Extra, ValueRef<'_>) -> bool) -> Option<String> {
    let mut out = String::with_capacity(512);
    for extra in extras {
        let value = value(row, extra.place);
        if value == ValueRef::Null || !keep(extra, value) {
            // What is not kept here is read elsewhere, and found bad there.
            continue;
        }
        let readable = match value {
            ValueRef::Text(bytes) => {
                let told = problems.len();
                let text = utf8(bytes, &extra.name, problems);
                if text.is_some_and(|text| text.contains('\0')) {
                    problems.push(format!("{} holds a NUL character", extra.name));
                }
                text.filter(|_| problems.len() == told)
            }
            ValueRef::Blob(_) => {
                problems.push(wrong_kind(&extra.name, value, "text or a number"));
                continue;
            }
            _ => Some(""),
        };
        let Some(text) = readable else { continue };
        let json = if extra.json { repair(text) } else { None };
        if json.as_deref() == Some("null") {
            continue;
        }
        out.push(if out.is_empty() { '{' } else { ',' });
        out.push_str(&extra.key);
        match (value, json) {
            (ValueRef::Integer(number), _) => out.push_str(&number.to_string()),
            (ValueRef::Real(number), _) => push_number(&mut out, number),
            (_, Some(json)) => out.push_str(&json),
            (_, None) => push_text(&mut out, text),
        }
    }
    if out.is_empty() {
        return None;
    }
    out.push('}');
    Some(out)
}

/// Text as a reason shows it: quoted, and not for ever.
fn quoted(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((at, _)) => format!("{:?}…", text.get(..at).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::time_text;
    use rusqlite::Connection;
    use serde_json::{Value, json};
    use std::fs;
    use tempfile::TempDir;

    /// The two tables as amx-cli 0.19 makes them.
    const TABLES: &str = "
        CREATE TABLE analysis_runs (id INTEGER PRIMARY KEY AUTOINCREMENT, started_at REAL NOT NULL, ended_at REAL, duration_sec REAL, status TEXT NOT NULL,
            command TEXT NOT NULL, mode TEXT, db_backend TEXT, db_profile TEXT, llm_provider TEXT, llm_model TEXT, scope_json TEXT, metrics_json TEXT,
            tokens_json TEXT, results_json TEXT, error_text TEXT, selected_count INTEGER NOT NULL DEFAULT 0, planned_count INTEGER NOT NULL DEFAULT 0,
            processed_count INTEGER NOT NULL DEFAULT 0, applied_count INTEGER NOT NULL DEFAULT 0, review_strategy TEXT, llm_profile TEXT, doc_profile TEXT,
            code_profile TEXT, settings_json TEXT, created_by TEXT, hostname TEXT, client_version TEXT, shared_uuid TEXT, triggered_by_schedule_id INTEGER,
            last_heartbeat_at REAL, current_step_label TEXT);
        CREATE TABLE run_results (id INTEGER PRIMARY KEY AUTOINCREMENT, run_id INTEGER NOT NULL, saved_at REAL NOT NULL DEFAULT 5.5,
            schema_name TEXT NOT NULL, table_name TEXT NOT NULL, column_name TEXT, asset_kind TEXT NOT NULL DEFAULT 'table',
            source TEXT NOT NULL DEFAULT 'rag', confidence TEXT NOT NULL DEFAULT 'high', logprob_score REAL, raw_logprob REAL, token_count INTEGER,
            model_version TEXT NOT NULL DEFAULT '', reasoning TEXT, alternatives_json TEXT NOT NULL DEFAULT '[]', evaluated_at REAL, applied_at REAL,
            chosen_description TEXT, evaluation TEXT, catalog_status TEXT NOT NULL DEFAULT '', catalog_indexed_at REAL,
            db_applied_status TEXT NOT NULL DEFAULT '', effective_source_kind TEXT NOT NULL DEFAULT '', superseded_at REAL,
            rejection_reason TEXT NOT NULL DEFAULT '', alternatives_mode TEXT, seed_alternative_id TEXT, seed_alternative_text TEXT,
            parent_run_id INTEGER, model TEXT, provider TEXT, production_warning TEXT, created_by TEXT, hostname TEXT, shared_uuid TEXT,
            parent_result_id INTEGER, rerun_seq INTEGER NOT NULL DEFAULT 0, user_instructions TEXT, citations_json TEXT);
        CREATE INDEX idx_run_results_run_id ON run_results(run_id);";
    /// One run, 1: 2026-06-23 14:20 UTC and a bit.
    const RUN: &str =
        "INSERT INTO analysis_runs (id, started_at, status, command) VALUES (1, 1782224408.1278677, 'success', 'analyze.run');";

    fn person() -> Person {
        Person { who: "alice".into(), hostname: "laptop".into() }
    }

    struct Fixture {
        dir: TempDir,
    }

    impl Fixture {
        fn of(sql: &str) -> Fixture {
            let dir = TempDir::new().unwrap();
            let fixture = Fixture { dir };
            fixture.write(sql);
            fixture
        }

        /// amx-cli's tables, one run, and what the statements add.
        fn with(sql: &str) -> Fixture {
            Fixture::of(&format!("{TABLES}{RUN}{sql}"))
        }

        fn real(name: &str) -> Fixture {
            let dir = TempDir::new().unwrap();
            fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name), dir.path().join("history.db")).unwrap();
            Fixture { dir }
        }

        fn path(&self) -> PathBuf {
            self.dir.path().join("history.db")
        }

        fn write(&self, sql: &str) {
            Connection::open(self.path()).unwrap().execute_batch(sql).unwrap();
        }

        fn open(&self) -> AmxCliFile {
            AmxCliFile::open(&self.path(), &person()).unwrap()
        }

        fn runs(&self) -> Vec<SourceRun> {
            runs(&self.open())
        }

        fn run(&self) -> Run {
            self.runs().remove(0).run.unwrap()
        }

        fn results(&self) -> Vec<Result<RunResult, BadRow>> {
            let file = self.open();
            let key = runs(&file).remove(0).key;
            results(&file, &key)
        }

        fn result(&self) -> RunResult {
            let mut all = self.results();
            assert_eq!(all.len(), 1, "{all:?}");
            all.remove(0).unwrap()
        }

        fn bad(&self) -> BadRow {
            let mut all = self.results();
            assert_eq!(all.len(), 1, "{all:?}");
            all.remove(0).unwrap_err()
        }
    }

    fn runs(file: &AmxCliFile) -> Vec<SourceRun> {
        let mut all = Vec::new();
        file.runs(&mut |run| {
            all.push(run);
            Ok(())
        })
        .unwrap();
        all
    }

    fn results(file: &AmxCliFile, key: &RunKey) -> Vec<Result<RunResult, BadRow>> {
        let mut all = Vec::new();
        file.results(key, &mut |result| {
            all.push(result);
            Ok(())
        })
        .unwrap();
        all
    }

    fn read(json: &Option<String>) -> Value {
        serde_json::from_str(json.as_deref().unwrap()).unwrap()
    }

    #[test]
    fn a_real_file_gives_every_run_and_result() {
        let file = Fixture::real("history-amx-0.19.db").open();
        let all = runs(&file);
        assert_eq!((file.count().unwrap(), all.len(), file.orphans().unwrap()), (15, 15, 0));
        let mut count = 0;
        for run in &all {
            assert!(run.run.is_ok(), "{run:?}");
            for result in results(&file, &run.key) {
                let result = result.unwrap();
                read(&result.alternatives);
                read(&result.metadata_json);
                count += 1;
            }
        }
        // 215 rows, of which five are re-runs of an object.
        assert_eq!(count, 210);
        let first = all[0].run.as_ref().unwrap();
        assert_eq!((first.run_id.as_str(), first.state), ("run_2026-06-23_14-20-001", State::Reviewed));
        assert_eq!(first.scope, "satış.fact_sales, satış.müşteri, satış.dim_date");
        assert_eq!(all[1].run.as_ref().unwrap().state, State::Applied);
        assert_eq!(all[14].run.as_ref().unwrap().scope, "*");
    }

    #[test]
    fn the_extreme_file_gives_one_bad_row_with_all_its_reasons() {
        let file = Fixture::real("history-amx-0.19-extreme.db").open();
        let mut bad = Vec::new();
        let mut good = 0;
        for run in runs(&file) {
            assert!(run.run.is_ok());
            for result in results(&file, &run.key) {
                match result {
                    Ok(_) => good += 1,
                    Err(row) => bad.push(row),
                }
            }
        }
        assert_eq!((good, bad.len()), (58, 1));
        assert_eq!((bad[0].run_id.as_str(), bad[0].local_id), ("run_2026-11-21_14-28-008", Some(59)));
        assert_eq!(bad[0].target_qname.as_deref().map(str::len), Some(902));
        assert_eq!(
            bad[0].reason,
            "confidence is \"very-high-confidence-indeed\", not one of high, medium, low; reasoning holds a NUL character; \
             target_qname is too long: 902 UTF-16 units and 902 bytes, at most 700 and 2400"
        );
    }

    #[test]
    fn the_extreme_runs_keep_nan_as_a_string_and_an_escaped_nul() {
        let last = Fixture::real("history-amx-0.19-extreme.db").runs().pop().unwrap().run.unwrap();
        let metadata = last.metadata_json.as_deref().unwrap();
        assert!(metadata.contains(r#""metrics_json":{"nan": "NaN"}"#), "{metadata}");
        assert!(metadata.contains(r#""results_json":{"nul": "a\u0000b"}"#), "{metadata}");
    }

    #[test]
    fn a_run_maps_to_every_column() {
        let run = Fixture::of(&format!(
            "{TABLES} INSERT INTO analysis_runs (id, started_at, ended_at, status, command, db_backend, llm_provider, llm_model, scope_json, tokens_json,
             created_by, hostname, client_version, mode, error_text) VALUES (7, 1782224408.1278677, 1782224500.5, 'ready_for_review', 'rerun', 'mysql', 'openai',
             'gpt-4o', '{{\"sales\": []}}', 'null', 'bob', 'desk', '0.18.1', '', 'not json: [')"
        ))
        .run();
        assert_eq!((run.run_id.as_str(), run.who.as_str(), run.scope.as_str()), ("run_2026-06-23_14-20-007", "bob", "sales"));
        assert_eq!(time_text(run.started_at), "2026-06-23T14:20:08.127868Z");
        assert_eq!(run.finished_at.map(time_text).unwrap(), "2026-06-23T14:21:40.500000Z");
        assert_eq!((run.llm_provider.as_str(), run.llm_model.as_str(), run.db_backend.as_str()), ("openai", "gpt-4o", "mysql"));
        assert_eq!((run.state, run.applied_at, run.applied_by), (State::Reviewed, None, None));
        let expected =
            r#"{"applied_count":0,"command":"rerun","error_text":"not json: [","mode":"","planned_count":0,"processed_count":0,"#;
        assert!(run.metadata_json.as_deref().unwrap().starts_with(expected), "{:?}", run.metadata_json);
        assert!(!run.metadata_json.as_deref().unwrap().contains("tokens_json"));
        let attribution = Attribution {
            created_by: Some("bob".into()),
            hostname: Some("desk".into()),
            client_version: Some("0.18.1".into()),
            local_id: Some(7),
        };
        assert_eq!(run.attribution, attribution);
    }

    #[test]
    fn what_a_run_does_not_say_is_the_persons_or_unknown() {
        let run = Fixture::with("").run();
        assert_eq!(
            (run.who.as_str(), run.attribution.hostname.as_deref(), run.attribution.client_version),
            ("alice", Some("laptop"), None)
        );
        assert_eq!((run.llm_provider.as_str(), run.llm_model.as_str(), run.db_backend.as_str()), (UNKNOWN, UNKNOWN, UNKNOWN));
    }

    #[test]
    fn success_is_applied_only_where_something_was() {
        assert_eq!(Fixture::with("").run().state, State::Reviewed);
        let counted = Fixture::with("UPDATE analysis_runs SET applied_count = 1").run();
        assert_eq!((counted.state, counted.applied_at, counted.applied_by.as_deref()), (State::Applied, None, Some("alice")));
        let seen = Fixture::with(
            "INSERT INTO run_results (run_id, schema_name, table_name, db_applied_status, applied_at) VALUES
             (1, 's', 'a', 'applied', 100.5), (1, 's', 'b', 'applied', 200.25), (1, 's', 'c', 'failed', 300), (1, 's', 'd', 'applied', 'soon')",
        )
        .run();
        assert_eq!((seen.state, seen.applied_at.map(time_text).unwrap().as_str()), (State::Applied, "1970-01-01T00:03:20.250000Z"));
    }

    #[test]
    fn every_status_has_its_state() {
        let expected = [
            ("running", State::Running),
            ("queued", State::Running),
            ("ready_for_review", State::Reviewed),
            ("completed", State::Reviewed),
            ("applied_partial", State::Applied),
            ("failed", State::Failed),
            ("cancelled", State::Failed),
        ];
        for (word, state_) in expected {
            assert_eq!(Fixture::with(&format!("UPDATE analysis_runs SET status = '{word}'")).run().state, state_);
        }
    }

    #[test]
    fn bad_values_fail_the_run_and_name_the_column() {
        let cases = [
            ("status = 'paused'", "run_2026-06-23_14-20-001", "status \"paused\" is none of amx-cli's"),
            ("started_at = 'noon'", "run_?-001", "started_at holds text where a number belongs"),
            ("started_at = x'00'", "run_?-001", "started_at holds bytes where a number belongs"),
            ("started_at = 9e999", "run_?-001", "started_at is inf seconds, a time outside the years 1 to 9999"),
            ("ended_at = 1e15", "run_2026-06-23_14-20-001", "ended_at is 1e15 seconds, a time outside the years 1 to 9999"),
            ("command = CAST(x'41ff' AS TEXT)", "run_2026-06-23_14-20-001", "command is not UTF-8 at byte 1"),
            ("error_text = 'a' || char(0)", "run_2026-06-23_14-20-001", "error_text holds a NUL character"),
            ("mode = x'00'", "run_2026-06-23_14-20-001", "mode holds bytes where text or a number belongs"),
            ("status = CAST(x'ff' AS TEXT)", "run_2026-06-23_14-20-001", "status is not UTF-8 at byte 0"),
            (
                "created_by = x'41', llm_model = 'a' || char(0)",
                "run_2026-06-23_14-20-001",
                "created_by holds bytes where text belongs; llm_model holds a NUL character",
            ),
            ("scope_json = '{\"a\\u0000\": []}'", "run_2026-06-23_14-20-001", "scope holds a NUL character"),
        ];
        for (set, run_id, reason) in cases {
            let run = Fixture::with(&format!("UPDATE analysis_runs SET {set}")).runs().remove(0);
            let bad = run.run.unwrap_err();
            assert_eq!(
                (bad.run_id.as_str(), bad.reason.as_str(), bad.local_id, bad.target_qname),
                (run_id, reason, Some(1), None),
                "{set}"
            );
            assert_eq!(run.key, RunKey { run_id: run_id.into(), local_id: Some(1) });
        }
    }

    #[test]
    fn runs_come_oldest_first_and_without_teammates() {
        let fixture = Fixture::with(
            "INSERT INTO analysis_runs (id, started_at, status, command, shared_uuid) VALUES
             (2, 5, 'failed', 'x', NULL), (3, 4, 'failed', 'x', 'u'), (4, 1782224408.1278677, 'failed', 'x', NULL), (5, 'z', 'failed', 'x', NULL)",
        );
        let ids: Vec<_> = fixture.runs().iter().map(|run| run.key.local_id.unwrap()).collect();
        assert_eq!((ids, fixture.open().count().unwrap()), (vec![2, 1, 4, 5], 4));
    }

    #[test]
    fn the_origin_stays_while_the_file_grows_and_differs_between_files() {
        let fixture = Fixture::with("");
        let origin = fixture.open().origin().unwrap().unwrap();
        assert_eq!(origin.len(), 36);
        fixture.write(
            "INSERT INTO analysis_runs (started_at, status, command, shared_uuid) VALUES (1e10, 'failed', 'x', NULL), (1, 'failed', 'x', 'u'),
             (x'00', 'failed', 'x', NULL); UPDATE analysis_runs SET status = 'failed'",
        );
        assert_eq!(fixture.open().origin().unwrap().unwrap(), origin);
        fixture.write("UPDATE analysis_runs SET started_at = 1782224408.1278700 WHERE id = 1");
        assert_ne!(fixture.open().origin().unwrap().unwrap(), origin);
        fixture.write("UPDATE analysis_runs SET shared_uuid = 'u'");
        assert_eq!(fixture.open().origin().unwrap(), None);
    }

    #[test]
    fn a_result_maps_to_every_column() {
        let result = Fixture::with(
            "INSERT INTO run_results (id, run_id, schema_name, table_name, column_name, asset_kind, confidence, logprob_score, alternatives_json, applied_at,
             chosen_description, evaluation, db_applied_status, reasoning, token_count, citations_json, created_by, hostname)
             VALUES (9, 1, 'sales', 'customer', 'name', 'view', 'HIGH', -0.5, '[\"a\", \"b\"]', 100.25, '', 'custom', 'applied', '', 3,
             '[{\"x\": NaN}]', 'bob', 'desk')",
        )
        .result();
        assert_eq!((result.target_qname.as_str(), result.target_kind.as_str()), ("sales.customer.name", "COLUMN"));
        assert_eq!((result.description.as_deref(), result.confidence.as_str(), result.applied), (Some(""), "high", true));
        assert_eq!(result.applied_at.map(time_text).unwrap(), "1970-01-01T00:01:40.250000Z");
        assert_eq!(result.alternatives.as_deref(), Some(r#"[{"text":"a","logprob":-0.5},{"text":"b","logprob":null}]"#));
        assert_eq!(
            result.metadata_json.as_deref(),
            Some(
                r#"{"asset_kind":"view","citations_json":[{"x": "NaN"}],"evaluation":"custom","rerun_seq":0,"saved_at":5.5,"source":"rag","token_count":3}"#
            )
        );
        assert_eq!((result.attribution.created_by.as_deref(), result.attribution.hostname.as_deref()), (Some("bob"), Some("desk")));
        assert_eq!((result.attribution.client_version, result.attribution.local_id), (None, Some(9)));
    }

    #[test]
    fn without_a_choice_the_first_alternative_describes() {
        let fixture = Fixture::with(
            "INSERT INTO run_results (run_id, schema_name, table_name, alternatives_json) VALUES (1, 's', 't', '[\"a\", \"b\"]')",
        );
        assert_eq!(fixture.result().description.as_deref(), Some("a"));
        fixture.write("UPDATE run_results SET alternatives_json = '[]'");
        assert_eq!(fixture.result().description, None);
    }

    #[test]
    fn a_row_without_a_column_is_its_asset() {
        for (kind, expected) in [("table", "TABLE"), ("view", "VIEW"), ("materialized_view", "MATERIALIZED_VIEW"), ("", "TABLE")] {
            let fixture = Fixture::with(&format!(
                "INSERT INTO run_results (run_id, schema_name, table_name, asset_kind) VALUES (1, 's', 't', '{kind}')"
            ));
            assert_eq!(fixture.result().target_kind, expected);
        }
        let bad =
            Fixture::with("INSERT INTO run_results (run_id, schema_name, table_name, asset_kind) VALUES (1, 's', 't', 'column')").bad();
        assert_eq!(bad.reason, "asset_kind \"COLUMN\" is none of amx-cli's");
    }

    #[test]
    fn parts_of_a_name_are_quoted_where_they_must_be() {
        let fixture = Fixture::with(
            "INSERT INTO run_results (run_id, schema_name, table_name, column_name) VALUES
             (1, '', 'Order Lines', NULL), (1, 'a.b', 'c', ''), (1, 'a', 'b.c', 'q\"q'), (1, 'a', 'b', char(0xa0) || 'x'), (1, 'ı', 'İ', 'é')",
        );
        let names: Vec<_> = fixture.results().into_iter().map(|result| result.unwrap().target_qname).collect();
        assert_eq!(names, ["\"\".\"Order Lines\"", "a.b.\"\u{a0}x\"", "a.\"b.c\".\"q\"\"q\"", "\"a.b\".c.\"\"", "ı.İ.é"]);
    }

    #[test]
    fn alternatives_that_are_not_json_stay_in_the_metadata_as_text() {
        for (raw, kept) in [("oops [", json!("oops [")), ("{\"a\": 1}", json!({"a": 1})), ("[\"\\ud800\"]", json!("[\"\\ud800\"]"))] {
            let result = Fixture::with(&format!(
                "INSERT INTO run_results (run_id, schema_name, table_name, alternatives_json) VALUES (1, 's', 't', '{raw}')"
            ))
            .result();
            assert_eq!((result.alternatives, result.description), (None, None));
            assert_eq!(read(&result.metadata_json)["alternatives_json"], kept);
        }
        let null =
            Fixture::with("INSERT INTO run_results (run_id, schema_name, table_name, alternatives_json) VALUES (1, 's', 't', 'null')")
                .result();
        assert_eq!((null.alternatives, read(&null.metadata_json).get("alternatives_json")), (None, None));
    }

    #[test]
    fn a_log_probability_without_a_place_stays_in_the_metadata() {
        for (score, alternatives, kept) in [("-0.5", "[]", json!(-0.5)), ("-9e999", "[\"a\"]", json!("-Infinity"))] {
            let result = Fixture::with(&format!(
                "INSERT INTO run_results (run_id, schema_name, table_name, alternatives_json, logprob_score) VALUES (1, 's', 't', '{alternatives}', {score})"
            ))
            .result();
            assert_eq!(read(&result.metadata_json)["logprob_score"], kept);
        }
    }

    #[test]
    fn bad_values_fail_the_result_and_name_the_column() {
        let cases = [
            ("confidence = 'sure'", Some("s.t"), "confidence is \"sure\", not one of high, medium, low"),
            ("confidence = x'00'", Some("s.t"), "confidence holds bytes where text belongs"),
            ("schema_name = CAST(x'ff' AS TEXT)", None, "schema_name is not UTF-8 at byte 0"),
            ("table_name = x'41'", None, "table_name holds bytes where text belongs"),
            ("column_name = 'a' || char(0)", Some("s.t.a\0"), "target_qname holds a NUL character"),
            ("chosen_description = CAST(x'c328' AS TEXT)", Some("s.t"), "chosen_description is not UTF-8 at byte 0"),
            ("chosen_description = char(0)", Some("s.t"), "chosen_description holds a NUL character"),
            ("alternatives_json = '[\"a\\u0000\"]'", Some("s.t"), "description holds a NUL character"),
            ("alternatives_json = x'5b5d'", Some("s.t"), "alternatives_json holds bytes where text belongs"),
            ("applied_at = 'soon'", Some("s.t"), "applied_at holds text where a number belongs"),
            ("logprob_score = 'low'", Some("s.t"), "logprob_score holds text where a number belongs"),
            ("reasoning = 'a' || char(0) || 'b'", Some("s.t"), "reasoning holds a NUL character"),
            ("user_instructions = x'00'", Some("s.t"), "user_instructions holds bytes where text or a number belongs"),
            ("asset_kind = x'00'", Some("s.t"), "asset_kind holds bytes where text belongs"),
        ];
        for (set, target_qname, reason) in cases {
            let bad = Fixture::with(&format!(
                "INSERT INTO run_results (run_id, schema_name, table_name) VALUES (1, 's', 't'); UPDATE run_results SET {set}"
            ))
            .bad();
            assert_eq!((bad.target_qname.as_deref(), bad.reason.as_str(), bad.local_id), (target_qname, reason, Some(1)), "{set}");
            assert_eq!(bad.run_id, "run_2026-06-23_14-20-001");
        }
    }

    #[test]
    fn a_name_at_the_limit_is_stored_and_one_longer_is_bad() {
        let fixture =
            Fixture::with(&format!("INSERT INTO run_results (run_id, schema_name, table_name) VALUES (1, 's', '{}')", "t".repeat(698)));
        assert_eq!(fixture.result().target_qname.len(), 700);
        fixture.write("UPDATE run_results SET table_name = table_name || 't'");
        assert!(fixture.bad().reason.starts_with("target_qname is too long: 701"));
    }

    #[test]
    fn the_newest_row_that_is_not_superseded_stands() {
        let result = Fixture::with(
            "INSERT INTO run_results (id, run_id, schema_name, table_name, alternatives_json, chosen_description, superseded_at, logprob_score) VALUES
             (1, 1, 's', 't', '[\"old\", \"older\"]', 'mine', NULL, -1.5), (2, 1, 's', 't', '[\"now\"]', NULL, NULL, NULL),
             (3, 1, 's', 't', '[{\"text\": \"gone\", \"band\": \"low\"}]', NULL, 9.0, NULL)",
        )
        .result();
        assert_eq!((result.attribution.local_id, result.description.as_deref()), (Some(2), Some("now")));
        assert_eq!(
            read(&result.alternatives),
            json!([
                {"text": "now", "logprob": null},
                {"text": "mine", "logprob": null, "superseded": true},
                {"text": "old", "logprob": -1.5, "superseded": true},
                {"text": "older", "logprob": null, "superseded": true},
                {"text": "gone", "logprob": null, "band": "low", "superseded": true},
            ])
        );
    }

    #[test]
    fn where_all_rows_are_superseded_the_newest_stands() {
        let result = Fixture::with(
            "INSERT INTO run_results (id, run_id, schema_name, table_name, chosen_description, superseded_at) VALUES (1, 1, 's', 't', 'a', 9), (2, 1, 's', 't', 'b', 8)",
        )
        .result();
        assert_eq!(result.description.as_deref(), Some("b"));
        assert_eq!(read(&result.metadata_json)["superseded_at"], json!(8.0));
    }

    #[test]
    fn a_bad_older_row_is_told_and_the_object_given_without_it() {
        let all = Fixture::with(
            "INSERT INTO run_results (id, run_id, schema_name, table_name, chosen_description) VALUES (1, 1, 's', 't', char(0)), (2, 1, 's', 't', 'b')",
        )
        .results();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].as_ref().unwrap_err().local_id, Some(1));
        assert_eq!(all[1].as_ref().unwrap().alternatives.as_deref(), Some("[]"));
    }

    #[test]
    fn a_bad_standing_row_is_not_replaced_by_an_older_one() {
        let bad = Fixture::with(
            "INSERT INTO run_results (id, run_id, schema_name, table_name, confidence) VALUES (1, 1, 's', 't', 'low'), (2, 1, 's', 't', 'sure')",
        )
        .bad();
        assert_eq!(bad.local_id, Some(2));
    }

    #[test]
    fn the_table_and_a_column_without_a_name_are_two_objects() {
        let all = Fixture::with(
            "INSERT INTO run_results (run_id, schema_name, table_name, column_name) VALUES (1, 's', 't', NULL), (1, 's', 't', '')",
        )
        .results();
        let names: Vec<_> = all.into_iter().map(|result| result.unwrap().target_qname).collect();
        assert_eq!(names, ["s.t", "s.t.\"\""]);
    }

    #[test]
    fn results_that_were_pulled_and_those_without_a_run_are_left_out() {
        let fixture = Fixture::with(
            "INSERT INTO run_results (run_id, schema_name, table_name, shared_uuid) VALUES (1, 's', 't', 'u'), (1, 's', 'own', NULL), (99, 's', 't', NULL)",
        );
        assert_eq!(fixture.result().target_qname, "s.own");
        assert_eq!(fixture.open().orphans().unwrap(), 1);
    }

    #[test]
    fn an_old_file_without_later_columns_and_without_an_index_is_read() {
        let fixture = Fixture::of(
            "CREATE TABLE analysis_runs (id INTEGER PRIMARY KEY, started_at REAL NOT NULL, status TEXT NOT NULL, command TEXT NOT NULL);
             CREATE TABLE run_results (id INTEGER PRIMARY KEY, run_id INTEGER NOT NULL, schema_name TEXT, table_name TEXT, column_name TEXT, confidence TEXT);
             INSERT INTO analysis_runs VALUES (1, 60, 'success', 'x'), (2, 61, 'success', 'x');
             INSERT INTO run_results VALUES (1, 2, 's', 't', NULL, 'low'), (2, 1, 's', 't', 'c', 'low'), (3, 1, 's', 't', 'b', 'low')",
        );
        let run = fixture.run();
        assert_eq!(
            (run.scope.as_str(), run.state, run.metadata_json.as_deref()),
            ("*", State::Reviewed, Some(r#"{"command":"x","status":"success"}"#))
        );
        let all: Vec<_> = fixture.results().into_iter().map(|result| result.unwrap()).collect();
        assert_eq!(all.iter().map(|result| result.target_qname.as_str()).collect::<Vec<_>>(), ["s.t.b", "s.t.c"]);
        assert_eq!((&all[0].alternatives, &all[0].metadata_json), (&None, &None));
    }

    #[test]
    fn columns_that_a_newer_amx_adds_are_kept() {
        let fixture = Fixture::with(
            "ALTER TABLE analysis_runs ADD COLUMN \"new \"\"one\" TEXT DEFAULT 'x'; ALTER TABLE analysis_runs ADD COLUMN b_json DEFAULT '[1]';",
        );
        let metadata = read(&fixture.run().metadata_json);
        assert_eq!((&metadata["new \"one"], &metadata["b_json"]), (&json!("x"), &json!([1])));
    }

    #[test]
    fn results_can_be_read_from_within_the_visit_of_runs_and_twice() {
        let file = Fixture::real("history-amx-0.19.db").open();
        let mut count = 0;
        file.runs(&mut |run| {
            for _ in 0..2 {
                file.results(&run.key, &mut |_| {
                    count += 1;
                    Ok(())
                })?;
            }
            Ok(())
        })
        .unwrap();
        assert_eq!(count, 2 * 210);
    }

    #[test]
    fn an_error_of_the_visitor_ends_the_visit() {
        let file = Fixture::real("history-amx-0.19.db").open();
        let mut seen = 0;
        let stopped = file.runs(&mut |run| {
            seen += 1;
            file.results(&run.key, &mut |_| Err(Error::internal("stop")))
        });
        assert_eq!((stopped.unwrap_err(), seen), (Error::internal("stop"), 2));
    }

    #[test]
    fn what_is_only_in_the_wal_counts_and_what_comes_later_does_not() {
        let fixture = Fixture::with("PRAGMA journal_mode = WAL");
        let writer = Connection::open(fixture.path()).unwrap();
        writer.execute_batch("INSERT INTO analysis_runs (started_at, status, command) VALUES (1, 'failed', 'x')").unwrap();
        let file = fixture.open();
        assert_eq!(file.count().unwrap(), 2);
        writer.execute_batch("INSERT INTO analysis_runs (started_at, status, command) VALUES (2, 'failed', 'x')").unwrap();
        assert_eq!(file.count().unwrap(), 2);
        assert_eq!(fixture.open().count().unwrap(), 3);
    }

    #[test]
    fn a_file_that_lacks_a_table_or_column_is_no_history() {
        let runs = "CREATE TABLE analysis_runs (id INTEGER PRIMARY KEY, started_at REAL, status TEXT);";
        for (sql, missing) in [
            ("CREATE TABLE other (id)".to_owned(), "table analysis_runs"),
            ("CREATE TABLE analysis_runs (id, status)".to_owned(), "column analysis_runs.started_at"),
            (runs.to_owned(), "table run_results"),
            (format!("{runs} CREATE TABLE run_results (id, run_id)"), "column run_results.schema_name"),
        ] {
            let error = AmxCliFile::open(&Fixture::of(&sql).path(), &person()).unwrap_err();
            assert_eq!(error.code, Code::LocalStoreCorrupt);
            assert!(error.message.ends_with(missing), "{error}");
        }
    }

    #[test]
    fn damage_in_the_middle_is_found_while_reading() {
        let fixture = Fixture::with(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
             INSERT INTO run_results (run_id, schema_name, table_name, reasoning) SELECT 1, 's', 't' || i, hex(randomblob(400)) FROM n",
        );
        let mut bytes = fs::read(fixture.path()).unwrap();
        let from = bytes.len() / 2;
        bytes[from..from + 40_000].fill(0x5a);
        fs::write(fixture.path(), bytes).unwrap();
        let file = fixture.open();
        let error = file.results(&RunKey { run_id: "r".into(), local_id: Some(1) }, &mut |_| Ok(())).unwrap_err();
        assert_eq!(error.code, Code::LocalStoreCorrupt, "{error}");
    }

    #[test]
    fn the_file_is_not_touched() {
        let fixture = Fixture::real("history-amx-0.19.db");
        let before = fs::read(fixture.path()).unwrap();
        runs(&fixture.open());
        assert_eq!(fs::read(fixture.path()).unwrap(), before);
    }
}
