//! The operations that `record` takes, one JSON object a line, and what they mean as writes. Pure.

use crate::error::{Code, Error};
use crate::history::{Attribution, Run, RunResult, State, check_run_id, time_from_text};
use crate::store::source::Person;
use crate::store::write::{Write, WrittenResult};
use chrono::{DateTime, SubsecRound, Utc};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// What stands in where the client does not say its version: the row was written by this program.
const THIS_CLIENT: &str = concat!("amx-schema ", env!("CARGO_PKG_VERSION"));
/// What to do about a line that is no operation.
const HINT: &str = "correct the line and give it again; the other lines were taken";

/// One operation.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// A run begins.
    Run(Box<NewRun>),
    /// Results of a run, inserted or replaced.
    Results(Changes),
    /// Anything else of a run.
    Update(Changes),
}

/// A run that begins.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRun {
    /// Its id, where the client gives one; else it is minted.
    pub run_id: Option<String>,
    /// When it began, where the client says so.
    pub started_at: Option<DateTime<Utc>>,
    /// Its row, whose id and start are still to be set.
    pub run: Run,
}

/// Changes of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Changes {
    /// The run.
    pub run_id: String,
    /// Results to insert or to replace.
    pub results: Vec<RunResult>,
    /// How far it has come.
    pub state: Option<State>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// What else is known of it.
    pub metadata_json: Option<String>,
    /// Objects whose description was written to the catalog.
    pub applied: Vec<String>,
}

impl Operation {
    /// The word that names it.
    pub fn word(&self) -> &'static str {
        match self {
            Operation::Run(_) => "run",
            Operation::Results(_) => "results",
            Operation::Update(_) => "update",
        }
    }

    /// Reads one line.
    ///
    /// # Errors
    /// `bad_record`, with the reason in one clause.
    pub fn parse(line: &[u8], person: &Person) -> Result<Operation, Error> {
        #[derive(Deserialize)]
        struct Head {
            op: String,
        }
        let line = std::str::from_utf8(line).map_err(|_| bad("the line is not UTF-8"))?;
        // An array would be taken for the fields in their order.
        if line.trim_start().starts_with('[') {
            return Err(bad("the line is not a JSON object"));
        }
        let head: Head = serde_json::from_str(line).map_err(|error| bad(in_clause(&error)))?;
        match head.op.as_str() {
            "run" => from_json::<RunLine>(line)?.operation(person),
            "results" => from_json::<ResultsLine>(line)?.operation(person),
            "update" => from_json::<UpdateLine>(line)?.operation(person),
            other => Err(bad(format!("'{other}' is not an operation; it is run, results or update"))),
        }
    }
}

impl Changes {
    /// What they write of a run, at a moment, by a person.
    pub fn write(&self, owner: &str, started_at: DateTime<Utc>, now: DateTime<Utc>, person: &Person) -> Write {
        let applied = !self.applied.is_empty() || self.state == Some(State::Applied);
        Write {
            results: self.results.iter().map(|result| WrittenResult { result: result.clone(), origin: None }).collect(),
            state: self.state,
            finished_at: self.finished_at,
            metadata_json: self.metadata_json.clone(),
            applied: self.applied.clone(),
            applied_at: applied.then_some(now),
            applied_by: applied.then(|| person.who.clone()),
            ..Write::of(&self.run_id, owner, started_at)
        }
    }
}

/// The error of a line that is no operation.
pub fn bad(reason: impl Into<String>) -> Error {
    Error::new(Code::BadRecord, reason, HINT)
}

fn from_json<'l, T: Deserialize<'l>>(line: &'l str) -> Result<T, Error> {
    serde_json::from_str(line).map_err(|error| bad(in_clause(&error)))
}

/// serde_json's words, without the place: a line is one operation, and its number is told beside.
fn in_clause(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((what, place)) => match place.rsplit_once("column ") {
            Some((_, column)) => format!("{what} (column {column})"),
            None => what.into(),
        },
        None => text,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RunLine<'l> {
    #[serde(rename = "op")]
    _op: IgnoredAny,
    run_id: Option<String>,
    scope: Option<String>,
    llm_provider: Option<String>,
    llm_model: Option<String>,
    db_backend: Option<String>,
    who: Option<String>,
    started_at: Option<Time>,
    #[serde(borrow, default)]
    metadata: Option<&'l RawValue>,
    client_version: Option<String>,
    local_id: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResultsLine<'l> {
    #[serde(rename = "op")]
    _op: IgnoredAny,
    run_id: String,
    #[serde(borrow)]
    results: Vec<ResultLine<'l>>,
    client_version: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UpdateLine<'l> {
    #[serde(rename = "op")]
    _op: IgnoredAny,
    run_id: String,
    state: Option<String>,
    finished_at: Option<Time>,
    #[serde(borrow, default)]
    metadata: Option<&'l RawValue>,
    #[serde(default)]
    applied: Option<Vec<String>>,
    #[serde(borrow, default)]
    results: Option<Vec<ResultLine<'l>>>,
    client_version: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResultLine<'l> {
    target_qname: String,
    target_kind: String,
    description: Option<String>,
    #[serde(borrow, default)]
    alternatives: Option<&'l RawValue>,
    confidence: String,
    #[serde(borrow, default)]
    metadata: Option<&'l RawValue>,
    local_id: Option<i64>,
}

/// A time, to the microsecond that every backend keeps.
struct Time(DateTime<Utc>);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time = time_from_text(&text).map(|time| time.round_subsecs(6));
        let kept = time.filter(|time| time.timestamp() >= -62_135_596_800 && time.timestamp() <= 253_402_300_799);
        kept.map(Time).ok_or_else(|| serde::de::Error::custom(format!("'{text}' is not a time such as 2026-05-03T15:44:02.123456Z")))
    }
}

impl RunLine<'_> {
    fn operation(self, person: &Person) -> Result<Operation, Error> {
        if let Some(run_id) = &self.run_id {
            check_run_id(run_id).map_err(bad)?;
        }
        let or = |text: Option<String>, instead: &str| text.filter(|text| !text.is_empty()).unwrap_or_else(|| instead.into());
        let run = Run {
            run_id: self.run_id.clone().unwrap_or_else(|| "minted".into()),
            who: or(self.who, &person.who),
            started_at: DateTime::UNIX_EPOCH,
            finished_at: None,
            scope: or(self.scope, "*"),
            llm_provider: or(self.llm_provider, "unknown"),
            llm_model: or(self.llm_model, "unknown"),
            db_backend: or(self.db_backend, "unknown"),
            state: State::Running,
            applied_at: None,
            applied_by: None,
            metadata_json: object(self.metadata)?,
            attribution: attribution(person, self.client_version, self.local_id),
        };
        run.check().map_err(bad)?;
        Ok(Operation::Run(Box::new(NewRun { run_id: self.run_id, started_at: self.started_at.map(|time| time.0), run })))
    }
}

impl ResultsLine<'_> {
    fn operation(self, person: &Person) -> Result<Operation, Error> {
        check_run_id(&self.run_id).map_err(bad)?;
        let results = results(self.results, person, self.client_version.as_deref())?;
        let none = Changes { run_id: self.run_id, results, state: None, finished_at: None, metadata_json: None, applied: vec![] };
        Ok(Operation::Results(none))
    }
}

impl UpdateLine<'_> {
    fn operation(self, person: &Person) -> Result<Operation, Error> {
        check_run_id(&self.run_id).map_err(bad)?;
        let state = match &self.state {
            None => None,
            Some(word) => Some(
                State::from_word(word)
                    .ok_or_else(|| bad(format!("'{word}' is not a state; it is running, reviewed, applied or failed")))?,
            ),
        };
        Ok(Operation::Update(Changes {
            run_id: self.run_id,
            results: results(self.results.unwrap_or_default(), person, self.client_version.as_deref())?,
            state,
            finished_at: self.finished_at.map(|time| time.0),
            metadata_json: object(self.metadata)?,
            applied: self.applied.unwrap_or_default(),
        }))
    }
}

fn results(lines: Vec<ResultLine<'_>>, person: &Person, client: Option<&str>) -> Result<Vec<RunResult>, Error> {
    let result = |line: ResultLine<'_>| {
        let qname = line.target_qname.clone();
        let of = |error: Error| bad(format!("{}: {}", crop(&qname), error.message));
        let result = RunResult {
            target_qname: line.target_qname,
            target_kind: line.target_kind,
            description: line.description,
            alternatives: alternatives(line.alternatives).map_err(of)?,
            confidence: line.confidence,
            applied: false,
            applied_at: None,
            metadata_json: object(line.metadata).map_err(of)?,
            attribution: attribution(person, client.map(str::to_string), line.local_id),
        };
        result.check().map_err(|reason| of(bad(reason)))?;
        Ok(result)
    };
    lines.into_iter().map(result).collect()
}

/// As much of a name as fits into a message.
fn crop(name: &str) -> String {
    match name.chars().count() > 80 {
        true => name.chars().take(79).chain(['…']).collect(),
        false => name.into(),
    }
}

fn attribution(person: &Person, client_version: Option<String>, local_id: Option<i64>) -> Attribution {
    Attribution {
        created_by: Some(person.who.clone()),
        hostname: Some(person.hostname.clone()),
        client_version: Some(client_version.filter(|version| !version.is_empty()).unwrap_or_else(|| THIS_CLIENT.into())),
        local_id,
    }
}

/// A JSON object, kept as it was written: no number of it is rounded.
fn object(raw: Option<&RawValue>) -> Result<Option<String>, Error> {
    match raw.map(RawValue::get) {
        None | Some("null") => Ok(None),
        Some(text) if text.starts_with('{') => Ok(Some(text.into())),
        Some(_) => Err(bad("metadata is not a JSON object")),
    }
}

/// A JSON array of `{text, logprob}`, kept as it was written.
fn alternatives(raw: Option<&RawValue>) -> Result<Option<String>, Error> {
    #[derive(Deserialize)]
    struct Alternative {
        #[serde(rename = "text")]
        _text: String,
        #[serde(rename = "logprob", default)]
        _logprob: Option<f64>,
    }
    match raw.map(RawValue::get) {
        None | Some("null") => Ok(None),
        Some(text) => match serde_json::from_str::<Vec<Alternative>>(text) {
            Ok(_) => Ok(Some(text.into())),
            Err(error) => Err(bad(format!("alternatives is not an array of {{text, logprob}}: {}", in_clause(&error)))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person() -> Person {
        Person { who: "ann".into(), hostname: "laptop".into() }
    }

    fn parsed(line: &str) -> Result<Operation, String> {
        Operation::parse(line.as_bytes(), &person()).map_err(|error| error.message)
    }

    fn reason(line: &str) -> String {
        parsed(line).unwrap_err()
    }

    #[test]
    fn a_run_is_attributed_and_its_gaps_are_filled() {
        let Ok(Operation::Run(new)) = parsed(r#"{"op":"run","scope":"","llm_provider":"p","llm_model":"","db_backend":"postgresql"}"#)
        else {
            panic!()
        };
        let run = new.run;
        assert_eq!((run.who.as_str(), run.scope.as_str(), run.llm_model.as_str()), ("ann", "*", "unknown"));
        assert_eq!((run.attribution.hostname.as_deref(), run.attribution.client_version.as_deref()), (Some("laptop"), Some(THIS_CLIENT)));
    }

    #[test]
    fn a_time_is_kept_to_the_microsecond_in_utc() {
        let line = r#"{"op":"run","started_at":"2026-05-03T17:44:02.1234567+02:00"}"#;
        let Ok(Operation::Run(new)) = parsed(line) else { panic!() };
        assert_eq!(crate::history::time_text(new.started_at.unwrap()), "2026-05-03T15:44:02.123457Z");
    }

    #[test]
    fn json_within_a_line_is_kept_as_it_was_written() {
        let line = r#"{"op":"results","run_id":"r","results":[{"target_qname":"a.b","target_kind":"TABLE","description":"","confidence":"low",
            "alternatives":[{"text":"x","logprob":-0.10,"band":1e400}],"metadata":{"big":12345678901234567890123}}]}"#;
        let Ok(Operation::Results(changes)) = parsed(&line.replace("1e400", "2")) else { panic!("{:?}", parsed(line)) };
        assert_eq!(changes.results[0].alternatives.as_deref(), Some(r#"[{"text":"x","logprob":-0.10,"band":2}]"#));
        assert_eq!(changes.results[0].metadata_json.as_deref(), Some(r#"{"big":12345678901234567890123}"#));
        assert_eq!(changes.results[0].description.as_deref(), Some(""));
    }

    #[test]
    fn what_is_no_operation_is_refused_with_the_reason() {
        for (line, wanted) in [
            ("", "EOF"),
            ("[\"run\"]", "not a JSON object"),
            ("{\"op\":\"drop\"}", "'drop' is not an operation"),
            (r#"{"op":"run","scoope":"sales"}"#, "unknown field `scoope`"),
            (r#"{"op":"run","run_id":"a b"}"#, "run_id must be"),
            (r#"{"op":"run","scope":"a\u0000"}"#, "scope holds a NUL"),
            (r#"{"op":"run","started_at":"yesterday"}"#, "is not a time"),
            (r#"{"op":"run","metadata":[1]}"#, "metadata is not a JSON object"),
            (r#"{"op":"update"}"#, "missing field `run_id`"),
            (r#"{"op":"update","run_id":"r","state":"done"}"#, "'done' is not a state"),
            (r#"{"op":"update","run_id":"r","run_id":"s"}"#, "duplicate field `run_id`"),
            (
                r#"{"op":"results","run_id":"r","results":[{"target_qname":"a","target_kind":"TABLE","confidence":"sure"}]}"#,
                "a: confidence must be",
            ),
            (
                r#"{"op":"results","run_id":"r","results":[{"target_qname":"a","target_kind":"TABLE","confidence":"low","alternatives":["x"]}]}"#,
                "a: alternatives is not an array",
            ),
            ("{\"op\":\"run\"} {}", "trailing characters"),
        ] {
            assert!(reason(line).contains(wanted), "{line}: {}", reason(line));
        }
        assert!(Operation::parse(b"{\"op\":\"\xff\"}", &person()).unwrap_err().message.contains("not UTF-8"));
    }
}
