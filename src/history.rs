//! What a history holds: runs and their results, the limits that keep a row good on every backend, and the checks for them.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How far a run has come. States go forward only: see [`State::may_become`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Still being drafted.
    Running,
    /// Drafted, and waiting for or through review.
    Reviewed,
    /// Some of it was written to the catalogue.
    Applied,
    /// It ended without a result.
    Failed,
}

impl State {
    /// Every state, in the order in which a run passes them.
    pub const ALL: [State; 4] = [State::Running, State::Reviewed, State::Applied, State::Failed];

    /// The word that is stored.
    pub fn word(self) -> &'static str {
        match self {
            State::Running => "running",
            State::Reviewed => "reviewed",
            State::Applied => "applied",
            State::Failed => "failed",
        }
    }

    /// The state that a stored word means, if it is one.
    pub fn from_word(word: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.word() == word)
    }

    /// Whether a run in this state may go on to `next`: forward, with steps left out, and never out of an end.
    pub fn may_become(self, next: State) -> bool {
        match self {
            State::Running => next != State::Running,
            State::Reviewed => matches!(next, State::Applied | State::Failed),
            State::Applied | State::Failed => false,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Who wrote a row and where: kept beside every row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribution {
    /// The login name of the writer.
    pub created_by: Option<String>,
    /// The machine that the row came from.
    pub hostname: Option<String>,
    /// The version of AMX that wrote the row.
    pub client_version: Option<String>,
    /// The integer id of the row on that machine.
    pub local_id: Option<i64>,
}

/// One AMX run, as `amx_history_runs` holds it but for what sync adds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The key: 1 to 64 of `A-Z a-z 0-9 _ . : -`.
    pub run_id: String,
    /// Who ran it.
    pub who: String,
    /// When it began, in UTC to the microsecond.
    pub started_at: DateTime<Utc>,
    /// When it ended, if it has.
    pub finished_at: Option<DateTime<Utc>>,
    /// What it covered: dotted names joined by `, `, or `*`.
    pub scope: String,
    /// The provider of the language model.
    pub llm_provider: String,
    /// The language model.
    pub llm_model: String,
    /// The kind of database that was described.
    pub db_backend: String,
    /// How far it has come.
    pub state: State,
    /// When its newest result was applied.
    pub applied_at: Option<DateTime<Utc>>,
    /// Who applied it.
    pub applied_by: Option<String>,
    /// A JSON object with all else that is known of it.
    pub metadata_json: Option<String>,
    /// Who wrote the row and where.
    #[serde(flatten)]
    pub attribution: Attribution,
}

/// One described object within a run, as `amx_history_results` holds it but for `run_id` and what sync adds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// The object: `schema.table` or `schema.table.column`, unique within its run.
    pub target_qname: String,
    /// `TABLE`, `COLUMN`, `VIEW` or `MATERIALIZED_VIEW`.
    pub target_kind: String,
    /// The chosen description; empty is not the same as none.
    pub description: Option<String>,
    /// A JSON array of `{text, logprob}`.
    pub alternatives: Option<String>,
    /// `high`, `medium` or `low`.
    pub confidence: String,
    /// Whether it was written to the catalogue.
    pub applied: bool,
    /// When it was written to the catalogue.
    pub applied_at: Option<DateTime<Utc>>,
    /// A JSON object with all else that is known of it.
    pub metadata_json: Option<String>,
    /// Who wrote the row and where.
    #[serde(flatten)]
    pub attribution: Attribution,
}

/// A row that the store cannot hold. It is reported, never cut or changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BadRow {
    /// The run that the row is in.
    pub run_id: String,
    /// The object, where the row is a result.
    pub target_qname: Option<String>,
    /// The row's integer id in the file it came from.
    pub local_id: Option<i64>,
    /// Why it cannot be stored, in one clause.
    pub reason: String,
}

/// The longest `run_id`, in bytes; it is ASCII.
pub const RUN_ID_MAX: usize = 64;
/// The longest `target_qname` in UTF-16 code units: SQL Server's 1,700-byte key less `run_id`.
pub const QNAME_MAX_UTF16: usize = 700;
/// The longest `target_qname` in bytes of UTF-8: PostgreSQL's B-tree row less `run_id`.
pub const QNAME_MAX_BYTES: usize = 2_400;
/// The words that `confidence` may be.
pub const CONFIDENCES: [&str; 3] = ["high", "medium", "low"];
/// The words that `target_kind` may be.
pub const TARGET_KINDS: [&str; 4] = ["TABLE", "COLUMN", "VIEW", "MATERIALIZED_VIEW"];

/// Says why a run id cannot be a key, or nothing where it can.
pub fn check_run_id(run_id: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-');
    if run_id.is_empty() || run_id.len() > RUN_ID_MAX || !run_id.chars().all(allowed) {
        return Err(format!("run_id must be 1 to {RUN_ID_MAX} of A-Z a-z 0-9 _ . : -"));
    }
    Ok(())
}

/// Says why text cannot be stored, or nothing where it can. `column` names it in the reason.
pub fn check_text(column: &str, text: Option<&str>) -> Result<(), String> {
    match text {
        Some(text) if text.contains('\0') => Err(format!("{column} holds a NUL character")),
        _ => Ok(()),
    }
}

impl Run {
    /// Says why this run cannot be stored on some backend, or nothing where it can be on all.
    pub fn check(&self) -> Result<(), String> {
        check_run_id(&self.run_id)?;
        let texts = [
            ("who", Some(&self.who)),
            ("scope", Some(&self.scope)),
            ("llm_provider", Some(&self.llm_provider)),
            ("llm_model", Some(&self.llm_model)),
            ("db_backend", Some(&self.db_backend)),
            ("applied_by", self.applied_by.as_ref()),
            ("metadata_json", self.metadata_json.as_ref()),
        ];
        for (column, text) in texts {
            check_text(column, text.map(String::as_str))?;
        }
        self.attribution.check()
    }

    /// Whether two runs have the same content: all that is known of them but who ran them and how far they have come.
    pub fn same_content(&self, other: &Run) -> bool {
        self.scope == other.scope
            && self.llm_provider == other.llm_provider
            && self.llm_model == other.llm_model
            && self.db_backend == other.db_backend
            && self.started_at == other.started_at
            && self.metadata_json == other.metadata_json
    }
}

impl RunResult {
    /// Says why this result cannot be stored on some backend, or nothing where it can be on all.
    pub fn check(&self) -> Result<(), String> {
        let qname = &self.target_qname;
        check_text("target_qname", Some(qname))?;
        if qname.is_empty() {
            return Err("target_qname is empty".into());
        }
        if qname.trim() != qname {
            return Err("target_qname begins or ends with a blank".into());
        }
        let (units, bytes) = (qname.encode_utf16().count(), qname.len());
        if units > QNAME_MAX_UTF16 || bytes > QNAME_MAX_BYTES {
            return Err(format!(
                "target_qname is too long: {units} UTF-16 units and {bytes} bytes, at most {QNAME_MAX_UTF16} and {QNAME_MAX_BYTES}"
            ));
        }
        if !TARGET_KINDS.contains(&self.target_kind.as_str()) {
            return Err(format!("target_kind must be one of {}", TARGET_KINDS.join(", ")));
        }
        if !CONFIDENCES.contains(&self.confidence.as_str()) {
            return Err(format!("confidence must be one of {}", CONFIDENCES.join(", ")));
        }
        check_text("description", self.description.as_deref())?;
        check_text("alternatives", self.alternatives.as_deref())?;
        check_text("metadata_json", self.metadata_json.as_deref())?;
        self.attribution.check()
    }
}

impl Attribution {
    fn check(&self) -> Result<(), String> {
        check_text("created_by", self.created_by.as_deref())?;
        check_text("hostname", self.hostname.as_deref())?;
        check_text("client_version", self.client_version.as_deref())
    }
}

/// A time as the local store and all output write it: ISO 8601 with microseconds and `Z`.
pub fn time_text(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// The time that such text means.
pub fn time_from_text(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc())
}

/// A time from seconds since the epoch with a fraction, as amx-cli stores them, to the nearest microsecond.
pub fn time_from_epoch(seconds: f64) -> Option<DateTime<Utc>> {
    let micros = (seconds * 1e6).round();
    // Beyond these a four-digit year is not enough, and most engines' types end.
    let (first, last) = (-62_135_596_800e6, 253_402_300_799e6);
    (micros >= first && micros <= last).then(|| DateTime::from_timestamp_micros(micros as i64))?
}
