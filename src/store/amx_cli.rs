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
use super::source::{Content, Contents, Person, RunKey, Source, SourceRun};
use super::sqlite_file::{NOT_HISTORY, RESTORE, ReadOnly, fault};
use crate::error::{Code, Error, Result};
use crate::history::{Attribution, BadRow, CONFIDENCES, Run, RunResult, State, time_from_epoch};
use chrono::{DateTime, Utc};
use rusqlite::Row;
use rusqlite::types::{Type, ValueRef};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use uuid::Uuid;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// The name space of origins that are derived from amx-cli files.
const ORIGINS: Uuid = Uuid::from_u128(0x6a1d_9c52_70b4_5e0f_8d3e_41c7_a25b_90f6);
/// Goes up with each change of what is made of the same rows, so that they are mapped again.
const MAPPING: u32 = 1;
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
    /// How many columns of the answer the mapping looks at.
    width: usize,
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
    /// Reads all rows, in the file's own order.
    all: String,
    /// What the hashes of contents begin with: all that the mapping depends on beside the rows.
    seed: u64,
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
        let (list, extras, width) = select(&runs, run::COLUMNS, run::MAPPED);
        let own = not_pulled(&runs);
        let runs =
            Reading { sql: format!("SELECT {list} FROM analysis_runs t WHERE true{own} ORDER BY t.started_at, t.id"), extras, width };
        let (list, extras, width) = select(&results, result::COLUMNS, result::MAPPED);
        // Sorting the row numbers and then reading row by row takes a tenth less time than sorting wide rows, which copies each
        // twice, and a bounded cache instead of a sorter as large as the run.
        let order =
            format!("SELECT t.rowid FROM {from} WHERE {of_run}{own_results} ORDER BY t.schema_name, t.table_name, t.column_name, t.id");
        let all = format!("SELECT {list}, t.run_id FROM run_results t WHERE t.run_id IS NOT NULL{own_results}");
        let results = Reading { sql: format!("SELECT {list} FROM run_results t WHERE t.rowid = ?1"), extras, width };
        let seed = xxh3_64(format!("{MAPPING} {person:?} {} {all}", runs.sql).as_bytes());
        Ok(AmxCliFile { file, path: path.to_owned(), person: person.clone(), runs, order, results, all, seed, applied, own })
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

    fn run_key(row: &Row<'_>) -> RunKey {
        let local_id = whole_number(row, run::ID, "id", &mut Vec::new());
        RunKey { run_id: run_id(time(row, run::STARTED_AT, "started_at", &mut Vec::new()), local_id), local_id }
    }

    fn run(&self, row: &Row<'_>, key: RunKey, owner: &str) -> Result<SourceRun> {
        let mut problems = Vec::new();
        let local_id = whole_number(row, run::ID, "id", &mut problems);
        let started_at = time(row, run::STARTED_AT, "started_at", &mut problems);
        let run_id = &key.run_id;
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
        Ok(SourceRun { owner: owner.into(), run, content: Some(self.content(row, self.runs.width)), key })
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

    /// A hash of a row, whose first columns are those that the mapping looks at.
    fn content(&self, row: &Row<'_>, width: usize) -> u64 {
        let mut bytes = Vec::with_capacity(1024);
        (0..width).for_each(|place| push_value(&mut bytes, value(row, place)));
        xxh3_64_with_seed(&bytes, self.seed)
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

    fn wanted_runs(
        &self,
        wanted: &mut dyn FnMut(&str, &RunKey) -> Result<bool>,
        each: &mut dyn FnMut(SourceRun) -> Result<()>,
    ) -> Result<()> {
        let owner = self.origin()?.unwrap_or_default();
        let mut statement = self.file.connection.prepare_cached(&self.runs.sql).map_err(|e| self.fault(&e))?;
        let mut rows = statement.query([]).map_err(|e| self.fault(&e))?;
        while let Some(row) = rows.next().map_err(|e| self.fault(&e))? {
            let key = AmxCliFile::run_key(row);
            if wanted(&owner, &key)? {
                each(self.run(row, key, &owner)?)?;
            }
        }
        self.file.unchanged()
    }

    fn owners(&self) -> Result<Vec<String>> {
        Ok(self.origin()?.into_iter().collect())
    }

    fn contents(&self) -> Result<Contents> {
        let mut contents = Contents::new();
        let mut note = |id: i64, content: u64| {
            let sum = contents.entry(id).or_default();
            *sum = sum.wrapping_add(content);
        };
        for (sql, width, id) in [(&self.runs.sql, self.runs.width, run::ID), (&self.all, self.results.width, self.results.width)] {
            let mut statement = self.file.connection.prepare_cached(sql).map_err(|e| self.fault(&e))?;
            let mut rows = statement.query([]).map_err(|e| self.fault(&e))?;
            while let Some(row) = rows.next().map_err(|e| self.fault(&e))? {
                if let ValueRef::Integer(id) = value(row, id) {
                    note(id, self.content(row, width));
                }
            }
        }
        self.file.unchanged()?;
        Ok(contents)
    }

    /// A run without an id that can be read has no results to be found.
    fn results(&self, run: &RunKey, each: &mut dyn FnMut(Result<RunResult, BadRow>) -> Result<()>) -> Result<Content> {
        let Some(id) = run.local_id else { return Ok(None) };
        let mut order = self.file.connection.prepare_cached(&self.order).map_err(|e| self.fault(&e))?;
        let mut statement = self.file.connection.prepare_cached(&self.results.sql).map_err(|e| self.fault(&e))?;
        let mut order = order.query([id]).map_err(|e| self.fault(&e))?;
        // The rows of one object follow each other, oldest first, and are held until the next object begins.
        let mut object = Vec::new();
        let (mut key, mut next, mut content) = (Vec::new(), Vec::new(), 0_u64);
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
            content = content.wrapping_add(self.content(row, self.results.width));
            object.push(self.draft(row));
        }
        merge(&mut object, run, each)?;
        self.file.unchanged()?;
        Ok(Some(content))
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
pub(super) fn has(columns: &[String], name: &str) -> bool {
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

/// The select list for the named columns, null where the file has none, and then for the others; and how many columns that makes.
fn select(columns: &[String], named: &[&str], mapped: &[&str]) -> (String, Vec<Extra>, usize) {
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
    (list.join(", "), extras, list.len())
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

/// Appends a value so that no two lists of values give the same bytes.
fn push_value(out: &mut Vec<u8>, value: ValueRef<'_>) {
    let mut fixed = |kind: u8, bytes: [u8; 8]| {
        out.push(kind);
        out.extend_from_slice(&bytes);
    };
    match value {
        ValueRef::Null => out.push(0),
        ValueRef::Integer(number) => fixed(1, number.to_le_bytes()),
        ValueRef::Real(number) => fixed(2, number.to_bits().to_le_bytes()),
        ValueRef::Text(bytes) => {
            fixed(3, bytes.len().to_le_bytes());
            out.extend_from_slice(bytes);
        }
        ValueRef::Blob(bytes) => {
            fixed(4, bytes.len().to_le_bytes());
            out.extend_from_slice(bytes);
        }
    }
}

/// Writes what tells one object from another within a run, so that equal bytes mean the same object.
fn object_key(row: &Row<'_>, key: &mut Vec<u8>) {
    key.clear();
    for place in [result::SCHEMA, result::TABLE, result::COLUMN] {
        push_value(key, value(row, place));
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
mod tests;
