//! The shared store: the few queries that it takes, over any driver. Their SQL is in `dialects/*/queries/`.

use super::hashing::Line;
use super::local::hash;
use crate::dialect::{Dialect, SchemaName};
use crate::driver::{Driver, DriverError, ErrorKind, Row, Value};
use crate::error::{Code, Error, Result};
use crate::history::{Attribution, Run, RunResult, State};
use crate::model::{Kind, Model};
pub use crate::render::Privilege;
use crate::render::Renderer;
use chrono::{DateTime, Utc};
use minijinja::context;
use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;

/// The table of runs.
pub const RUNS: &str = "amx_history_runs";
/// The table of results.
pub const RESULTS: &str = "amx_history_results";
/// The table with facts about the store itself; its only row so far is the id that the program mints.
pub const STORE: &str = "amx_history_store";
/// How many keys one query asks for.
const KEYS_PER_QUERY: usize = 500;
/// How many counts are read at once.
const COUNTS_PER_PAGE: usize = 100_000;
/// How often the store's id is tried to be given where others try at the same time.
const MINT_TRIES: u32 = 20;

/// The columns of a run, in the order in which rows of it are read and loaded.
pub(super) const RUN_COLUMNS: [(&str, Kind); 19] = [
    ("run_id", Kind::Key),
    ("who", Kind::Text),
    ("started_at", Kind::Timestamp),
    ("finished_at", Kind::Timestamp),
    ("scope", Kind::Text),
    ("llm_provider", Kind::Text),
    ("llm_model", Kind::Text),
    ("db_backend", Kind::Text),
    ("state", Kind::Text),
    ("applied_at", Kind::Timestamp),
    ("applied_by", Kind::Text),
    ("metadata_json", Kind::Json),
    ("created_by", Kind::Text),
    ("hostname", Kind::Text),
    ("client_version", Kind::Text),
    ("local_id", Kind::Integer),
    ("origin", Kind::Key),
    ("writer", Kind::Key),
    ("landing", Kind::Integer),
];

/// The columns of a result, likewise.
pub(super) const RESULT_COLUMNS: [(&str, Kind); 16] = [
    ("run_id", Kind::Key),
    ("target_qname", Kind::Key),
    ("target_kind", Kind::Text),
    ("description", Kind::Text),
    ("alternatives", Kind::Json),
    ("confidence", Kind::Text),
    ("applied", Kind::Boolean),
    ("applied_at", Kind::Timestamp),
    ("metadata_json", Kind::Json),
    ("created_by", Kind::Text),
    ("hostname", Kind::Text),
    ("client_version", Kind::Text),
    ("local_id", Kind::Integer),
    ("origin", Kind::Key),
    ("writer", Kind::Key),
    ("landing", Kind::Integer),
];

/// The columns that the hash of a run's results is over, with the key that their order is by.
const HASHED_COLUMNS: [(&str, Kind); 5] = [
    ("run_id", Kind::Key),
    ("target_qname", Kind::Key),
    ("target_kind", Kind::Text),
    ("description", Kind::Text),
    ("confidence", Kind::Text),
];

/// Whose a row is and which write changed it last (DESIGN, decision 7).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stamp {
    /// The installation that first wrote it: its owner.
    pub origin: Option<String>,
    /// The installation that changed it last.
    pub writer: Option<String>,
    /// The number of that change, counted per writer.
    pub landing: Option<i64>,
}

/// A run as the store holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRun {
    /// The run.
    pub run: Run,
    /// The word in its state column; a client that we do not know may have written another.
    pub state_word: String,
    /// Whose it is.
    pub stamp: Stamp,
}

/// A result as the store holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredResult {
    /// The result.
    pub result: RunResult,
    /// Whose it is.
    pub stamp: Stamp,
}

/// How far an installation's writes have landed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landed {
    /// The number of its last write.
    pub number: i64,
    /// Changes where the count was set back.
    pub epoch: String,
}

/// What a store says of itself before anything of it is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// The newest migration that it has.
    pub version: u32,
    /// Its id, once somebody has written to it.
    pub store_id: Option<String>,
    /// How far each installation's writes have landed.
    pub origins: BTreeMap<String, Landed>,
    /// How many runs it has, where that was asked for.
    pub runs: i64,
}

/// A place among the results that a writer changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Position {
    /// The number of the write.
    pub landing: i64,
    /// The run.
    pub run_id: String,
    /// The object.
    pub target_qname: String,
}

/// A teammate's share of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Teammate {
    /// Who.
    pub who: String,
    /// How many runs.
    pub runs: i64,
    /// When the newest of them began.
    pub newest: Option<DateTime<Utc>>,
}

/// Which runs a list holds.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// Only runs of this person.
    pub who: Option<String>,
    /// Only runs whose scope has this name or one below it.
    pub scope: Option<String>,
    /// Only runs in this state.
    pub state: Option<String>,
    /// Only runs after this one in the list: its `started_at` and `run_id`.
    pub after: Option<(DateTime<Utc>, String)>,
}

/// The store in one schema, over one connection.
pub struct SharedStore<'a> {
    pub(super) driver: &'a mut dyn Driver,
    pub(super) dialect: &'a Dialect,
    pub(super) schema: &'a SchemaName,
}

impl<'a> SharedStore<'a> {
    /// The store in that schema.
    pub fn new(driver: &'a mut dyn Driver, dialect: &'a Dialect, schema: &'a SchemaName) -> SharedStore<'a> {
        SharedStore { driver, dialect, schema }
    }

    /// The connection beneath.
    pub fn driver(&mut self) -> &mut dyn Driver {
        self.driver
    }

    /// The id that the store was given when it was first written to.
    pub async fn store_id(&mut self) -> Result<Option<String>> {
        let rows = self.query("queries/store_id.sql", context! {}, &[], &[Kind::Text]).await?;
        Ok(rows.into_iter().flatten().next().and_then(Value::into_text))
    }

    /// The store's id, which is given now where it has none. Of several who try at once, one succeeds and all learn its id.
    pub async fn mint_store_id(&mut self) -> Result<String> {
        if let Some(id) = self.store_id().await? {
            return Ok(id);
        }
        let sql = self.sql("queries/mint_store_id.sql", context! {})?;
        for tried in 1.. {
            match self.driver.execute(&sql, &[uuid::Uuid::new_v4().to_string().into()]).await {
                // InnoDB ends one of two that look for the same missing row, to break their deadlock.
                Err(error) if error.kind == ErrorKind::Serialisation && tried < MINT_TRIES => {}
                Err(error) if error.kind != ErrorKind::Duplicate => return Err(self.refused(error)),
                _ => break,
            }
        }
        self.store_id().await?.ok_or_else(|| Error::internal("the store id that was just written cannot be read"))
    }

    /// How far an installation's writes have landed; nothing where it never wrote.
    pub async fn landed(&mut self, origin: &str) -> Result<Option<Landed>> {
        let rows = self.query("queries/origin.sql", context! {}, &[origin.into()], &[Kind::Integer, Kind::Text]).await?;
        Ok(rows.into_iter().next().map(|row| {
            let mut row = row.into_iter();
            let number = row.next().and_then(|value| value.as_integer()).unwrap_or(0);
            Landed { number, epoch: row.next().and_then(Value::into_text).unwrap_or_default() }
        }))
    }

    /// Enters an installation that has not written before.
    pub async fn add_origin(&mut self, origin: &str, epoch: &str, hostname: &str, created_by: &str) -> Result<()> {
        let sql = self.sql("queries/add_origin.sql", context! {})?;
        match self.driver.execute(&sql, &[origin.into(), epoch.into(), hostname.into(), created_by.into()]).await {
            // Another process of this machine was faster.
            Err(error) if error.kind != ErrorKind::Duplicate => Err(self.refused(error)),
            _ => Ok(()),
        }
    }

    /// Marks that an installation's count was set back.
    pub async fn renew_epoch(&mut self, origin: &str, from: &str, to: &str) -> Result<()> {
        let sql = self.sql("queries/renew_epoch.sql", context! {})?;
        let renewed = self.driver.execute(&sql, &[to.into(), origin.into(), from.into()]).await;
        renewed.map(|_| ()).map_err(|error| self.refused(error))
    }

    /// All that a reader has to know before it reads, by one small query.
    ///
    /// # Errors
    /// `store_missing` where a table of it is not there; what the driver says.
    pub async fn standing(&mut self, ledger: &str) -> Result<Standing> {
        self.standing_by("queries/standing.sql", ledger).await
    }

    /// The same with the number of runs, still by one query: some engines bill by query.
    ///
    /// # Errors
    /// As [`SharedStore::standing`].
    pub async fn status(&mut self, ledger: &str) -> Result<Standing> {
        self.standing_by("queries/status.sql", ledger).await
    }

    async fn standing_by(&mut self, template: &str, ledger: &str) -> Result<Standing> {
        let kinds = [Kind::Text, Kind::Text, Kind::Text, Kind::Integer];
        let rows = self.query(template, context! { ledger }, &[], &kinds).await?;
        let mut standing = Standing::default();
        for row in rows {
            let mut row = Reader(row.into_iter());
            let (what, name, epoch, number) = (row.needed(), row.needed(), row.needed(), row.integer().unwrap_or(0));
            match what.as_str() {
                "ledger" => standing.version = u32::try_from(number).unwrap_or(0),
                "store" => standing.store_id = Some(name),
                "runs" => standing.runs = number,
                _ => {
                    standing.origins.insert(name, Landed { number, epoch });
                }
            }
        }
        Ok(standing)
    }

    /// The runs that a writer changed, by their own row or by a result, with numbers in a range.
    pub async fn changed_runs(&mut self, writer: &str, numbers: &RangeInclusive<i64>) -> Result<Vec<String>> {
        let params = [writer.into(), (*numbers.start()).into(), (*numbers.end()).into()];
        let params = [params.clone(), params].concat();
        let rows = self.query("queries/changed_runs.sql", context! {}, &params, &[Kind::Text]).await?;
        Ok(rows.into_iter().flatten().filter_map(Value::into_text).collect())
    }

    /// How many runs a writer changed, as [`SharedStore::changed_runs`] names them.
    pub async fn count_changed(&mut self, writer: &str, numbers: &RangeInclusive<i64>) -> Result<u64> {
        let params = [writer.into(), (*numbers.start()).into(), (*numbers.end()).into()];
        let params = [params.clone(), params].concat();
        let rows = self.query("queries/changed_count.sql", context! {}, &params, &[Kind::Integer]).await?;
        Ok(rows.into_iter().flatten().next().and_then(|value| value.as_integer()).unwrap_or(0) as u64)
    }

    /// Results that a writer changed with numbers in a range, by number, run and object, after one of them.
    pub async fn changed_results(
        &mut self,
        writer: &str,
        numbers: &RangeInclusive<i64>,
        after: &Position,
        limit: usize,
    ) -> Result<Vec<(String, StoredResult)>> {
        let context = context! { limit, ..selected(&RESULT_COLUMNS) };
        let (landing, run_id, qname) = (after.landing.max(*numbers.start() - 1), &after.run_id, &after.target_qname);
        let params: Vec<Value> = vec![
            writer.into(),
            // What lies before the place is not looked at again for each page.
            landing.max(*numbers.start()).into(),
            (*numbers.end()).into(),
            landing.into(),
            landing.into(),
            run_id.as_str().into(),
            landing.into(),
            run_id.as_str().into(),
            qname.as_str().into(),
        ];
        let rows = self.query("queries/changed_results.sql", context, &params, &kinds(&RESULT_COLUMNS)).await?;
        let keyed = |row: Row| (row.first().cloned().and_then(Value::into_text).unwrap_or_default(), result_from(row));
        Ok(rows.into_iter().map(keyed).collect())
    }

    /// The results of several runs for those objects that are there, by run and object.
    pub async fn results_of(&mut self, wanted: &[(&str, &str)]) -> Result<BTreeMap<(String, String), StoredResult>> {
        let mut found = BTreeMap::new();
        // Each may bring its run with it.
        for wanted in wanted.chunks(self.keys_per_query() / 2) {
            let mut runs: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
            for (run_id, qname) in wanted {
                runs.entry(run_id).or_default().push(qname);
            }
            let counts: Vec<usize> = runs.values().map(Vec::len).collect();
            let params = runs.iter().flat_map(|(run_id, qnames)| std::iter::once(*run_id).chain(qnames.iter().copied()));
            let params: Vec<Value> = params.map(Value::from).collect();
            let context = context! { counts, ..selected(&RESULT_COLUMNS) };
            for row in self.query("queries/results_of.sql", context, &params, &kinds(&RESULT_COLUMNS)).await? {
                let run_id = row.first().cloned().and_then(Value::into_text).unwrap_or_default();
                let result = result_from(row);
                found.insert((run_id, result.result.target_qname.clone()), result);
            }
        }
        Ok(found)
    }

    /// The runs of those ids that are there.
    pub async fn runs(&mut self, ids: &[&str]) -> Result<BTreeMap<String, StoredRun>> {
        let mut found = BTreeMap::new();
        for ids in ids.chunks(self.keys_per_query()) {
            let context = context! { count => ids.len(), ..selected(&RUN_COLUMNS) };
            let params: Vec<Value> = ids.iter().map(|&id| id.into()).collect();
            for row in self.query("queries/runs_by_id.sql", context, &params, &kinds(&RUN_COLUMNS)).await? {
                let run = run_from(row);
                found.insert(run.run.run_id.clone(), run);
            }
        }
        Ok(found)
    }

    /// How many results each of those runs has; a run without any is left out.
    pub async fn count_results(&mut self, ids: &[&str]) -> Result<BTreeMap<String, i64>> {
        self.counts("queries/count_results.sql", ids).await
    }

    /// How many results each run of an owner has, by the hash of the run's id.
    pub async fn result_counts(&mut self, owner: &str) -> Result<HashMap<u64, u64>> {
        let mut counts = HashMap::new();
        let mut after: Option<String> = None;
        loop {
            let params: Vec<Value> = std::iter::once(owner).chain(after.as_deref()).map(Value::from).collect();
            let context = context! { after => after.is_some(), limit => COUNTS_PER_PAGE };
            let rows = self.query("queries/result_counts.sql", context, &params, &[Kind::Key, Kind::Integer]).await?;
            let full = rows.len() == COUNTS_PER_PAGE;
            for row in rows {
                let mut row = Reader(row.into_iter());
                let run_id = row.needed();
                counts.insert(hash(run_id.as_bytes()), row.integer().unwrap_or(0) as u64);
                after = Some(run_id);
            }
            if !full {
                return Ok(counts);
            }
        }
    }

    /// How many results with a description that is neither null nor empty each of those runs has.
    pub async fn count_described(&mut self, ids: &[&str]) -> Result<BTreeMap<String, i64>> {
        self.counts("queries/count_described.sql", ids).await
    }

    async fn counts(&mut self, template: &str, ids: &[&str]) -> Result<BTreeMap<String, i64>> {
        let mut counts = BTreeMap::new();
        for ids in ids.chunks(self.keys_per_query()) {
            let params: Vec<Value> = ids.iter().map(|&id| id.into()).collect();
            let rows = self.query(template, context! { count => ids.len() }, &params, &[Kind::Text, Kind::Integer]).await?;
            for row in rows {
                let mut row = row.into_iter();
                if let (Some(id), Some(count)) = (row.next().and_then(Value::into_text), row.next().and_then(|value| value.as_integer())) {
                    counts.insert(id, count);
                }
            }
        }
        Ok(counts)
    }

    /// The results of one run for those objects that are there, by object.
    pub async fn results(&mut self, run_id: &str, qnames: &[&str]) -> Result<BTreeMap<String, StoredResult>> {
        let mut found = BTreeMap::new();
        for qnames in qnames.chunks(self.keys_per_query() - 1) {
            let context = context! { count => qnames.len(), ..selected(&RESULT_COLUMNS) };
            let params: Vec<Value> = std::iter::once(run_id).chain(qnames.iter().copied()).map(Value::from).collect();
            for row in self.query("queries/results_by_key.sql", context, &params, &kinds(&RESULT_COLUMNS)).await? {
                let result = result_from(row);
                found.insert(result.result.target_qname.clone(), result);
            }
        }
        Ok(found)
    }

    /// Results of a run in the engine's order of their objects, after one of them.
    pub async fn results_after(&mut self, run_id: &str, after: &str, limit: usize) -> Result<Vec<StoredResult>> {
        let context = context! { limit, ..selected(&RESULT_COLUMNS) };
        let rows = self.query("queries/results_page.sql", context, &[run_id.into(), after.into()], &kinds(&RESULT_COLUMNS)).await?;
        Ok(rows.into_iter().map(result_from).collect())
    }

    /// Ids of runs in the engine's order, after one of them.
    pub async fn run_ids(&mut self, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
        let params: Vec<Value> = after.into_iter().map(Value::from).collect();
        let context = context! { after => after.is_some(), limit };
        let rows = self.query("queries/run_ids.sql", context, &params, &[Kind::Key]).await?;
        Ok(rows.into_iter().flatten().filter_map(Value::into_text).collect())
    }

    /// What is hashed of the results of all runs, in the engine's order of runs and objects, after one of them: the run, the object and the line.
    pub async fn hashed_results(&mut self, after: Option<&(String, String)>, limit: usize) -> Result<Vec<(String, String, Line)>> {
        let params: Vec<Value> = match after {
            Some((run_id, qname)) => [run_id, run_id, qname].map(|key| key.as_str().into()).into(),
            None => vec![],
        };
        let context = context! { after => after.is_some(), limit, ..selected(&HASHED_COLUMNS) };
        let rows = self.query("queries/hashed_results.sql", context, &params, &kinds(&HASHED_COLUMNS)).await?;
        let hashed = |row: Row| {
            let mut row = Reader(row.into_iter());
            let (run_id, qname, kind) = (row.needed(), row.needed(), row.needed());
            let line = Line::new(&qname, &kind, row.text().as_deref(), &row.needed());
            (run_id, qname, line)
        };
        Ok(rows.into_iter().map(hashed).collect())
    }

    /// Runs, newest first.
    pub async fn list(&mut self, filter: &RunFilter, limit: usize) -> Result<Vec<StoredRun>> {
        let (mut conditions, mut params): (Vec<&str>, Vec<Value>) = (vec![], vec![]);
        if let Some(who) = &filter.who {
            conditions.push("who");
            params.push(who.as_str().into());
        }
        if let Some(state) = &filter.state {
            conditions.push("state");
            params.push(state.as_str().into());
        }
        if let Some(scope) = &filter.scope {
            conditions.push("scope");
            params.push(format!(", {scope}, ").into());
            params.push(format!(", {scope}.").into());
        }
        if let Some((started_at, run_id)) = &filter.after {
            conditions.push("after");
            params.extend([(*started_at).into(), (*started_at).into(), run_id.as_str().into()]);
        }
        let conditions: Vec<String> = conditions.into_iter().map(str::to_string).collect();
        let context = context! { conditions, limit, ..selected(&RUN_COLUMNS) };
        let rows = self.query("queries/list_runs.sql", context, &params, &kinds(&RUN_COLUMNS)).await?;
        Ok(rows.into_iter().map(run_from).collect())
    }

    /// The tables whose statistics the engine has not kept up with, so that it may choose slow plans; none where it keeps them by itself.
    pub async fn stale_statistics(&mut self) -> Result<Vec<String>> {
        if self.sql("queries/stale_statistics.sql", context! {})?.is_empty() {
            return Ok(vec![]);
        }
        let rows = self.query("queries/stale_statistics.sql", context! {}, &[], &[Kind::Text]).await?;
        Ok(rows.into_iter().flatten().filter_map(Value::into_text).map(|name| self.dialect.table(self.schema, &name)).collect())
    }

    /// Who else has written runs, the most first.
    pub async fn teammates(&mut self, writer: &str) -> Result<Vec<Teammate>> {
        let kinds = [Kind::Text, Kind::Integer, Kind::Timestamp];
        let rows = self.query("queries/teammates.sql", context! {}, &[writer.into()], &kinds).await?;
        let teammate = |row: Row| {
            let mut row = row.into_iter();
            Some(Teammate { who: row.next()?.into_text()?, runs: row.next()?.as_integer()?, newest: row.next()?.as_time() })
        };
        Ok(rows.into_iter().filter_map(teammate).collect())
    }

    pub(super) fn sql(&self, template: &str, context: minijinja::Value) -> Result<String> {
        self.dialect.render(template, self.schema, context)
    }

    /// How many keys one query asks for here.
    pub(super) fn keys_per_query(&self) -> usize {
        KEYS_PER_QUERY.min(self.dialect.limits.binds)
    }

    pub(super) async fn query(&mut self, template: &str, context: minijinja::Value, params: &[Value], kinds: &[Kind]) -> Result<Vec<Row>> {
        // Where the engine cannot tell an empty text from a null, the query tells which of its columns, counted from 1, are empty.
        let is_text = |(_, kind): &(usize, &Kind)| matches!(kind, Kind::Text | Kind::Json);
        let texts: Vec<usize> = kinds.iter().enumerate().filter(is_text).map(|(at, _)| at + 1).collect();
        let sql = self.sql(template, context! { texts, ..context })?;
        self.driver.query(&sql, params, kinds).await.map_err(|error| refused(error, self.dialect, self.schema, Privilege::Read))
    }

    /// What the store says to a write, with the privilege that it takes.
    pub(super) fn refused(&self, error: DriverError) -> Error {
        refused(error, self.dialect, self.schema, Privilege::Write)
    }
}

/// A driver's error; where a privilege is missing, with the statements that grant it.
pub fn refused(error: DriverError, dialect: &Dialect, schema: &SchemaName, privilege: Privilege) -> Error {
    if error.kind != ErrorKind::Denied {
        return error.into();
    }
    let may_not = match privilege {
        Privilege::Read => "read",
        Privilege::Write => "write to",
        Privilege::Delete => "delete from",
    };
    let message = format!("the database user may not {may_not} the store: {}", error.message);
    let granting = Model::embedded().and_then(|model| Renderer { dialect, schema }.granting(&model, privilege)).ok().flatten();
    let hint = match granting {
        None => "check the owner and the mode of the file and of its folder".into(),
        Some(granting) => format!("have the DBA run: {granting}"),
    };
    Error::new(Code::PermissionDenied, message, hint)
}

/// The columns that a template selects, each with the kind that it is read as.
pub(super) fn selected(columns: &[(&str, Kind)]) -> minijinja::Value {
    let kinds: Vec<_> = columns.iter().map(|(_, kind)| kind.word()).collect();
    context! { columns => names(columns), kinds }
}

pub(super) fn names(columns: &[(&str, Kind)]) -> Vec<String> {
    columns.iter().map(|(name, _)| name.to_string()).collect()
}

pub(super) fn kinds(columns: &[(&str, Kind)]) -> Vec<Kind> {
    columns.iter().map(|(_, kind)| *kind).collect()
}

/// A run as a row to be loaded under an id.
pub fn run_row(run: &Run, run_id: &str, stamp: &Stamp) -> Row {
    let mut row = vec![
        run_id.into(),
        run.who.as_str().into(),
        run.started_at.into(),
        run.finished_at.into(),
        run.scope.as_str().into(),
        run.llm_provider.as_str().into(),
        run.llm_model.as_str().into(),
        run.db_backend.as_str().into(),
        run.state.word().into(),
        run.applied_at.into(),
        run.applied_by.clone().into(),
        run.metadata_json.clone().into(),
    ];
    push_provenance(&mut row, &run.attribution, stamp);
    row
}

/// A result as a row to be loaded.
pub fn result_row(run_id: &str, result: &RunResult, stamp: &Stamp) -> Row {
    let mut row = vec![
        run_id.into(),
        result.target_qname.as_str().into(),
        result.target_kind.as_str().into(),
        result.description.clone().into(),
        result.alternatives.clone().into(),
        result.confidence.as_str().into(),
        result.applied.into(),
        result.applied_at.into(),
        result.metadata_json.clone().into(),
    ];
    push_provenance(&mut row, &result.attribution, stamp);
    row
}

/// The columns of a run that a later write may change, with its values, and the stamp.
pub fn run_changes(stored: &StoredRun) -> Vec<(&'static str, Value)> {
    let run = &stored.run;
    vec![
        ("finished_at", run.finished_at.into()),
        ("scope", run.scope.as_str().into()),
        ("llm_provider", run.llm_provider.as_str().into()),
        ("llm_model", run.llm_model.as_str().into()),
        ("db_backend", run.db_backend.as_str().into()),
        ("state", stored.state_word.as_str().into()),
        ("applied_at", run.applied_at.into()),
        ("applied_by", run.applied_by.clone().into()),
        ("metadata_json", run.metadata_json.clone().into()),
        ("writer", stored.stamp.writer.clone().into()),
        ("landing", stored.stamp.landing.into()),
    ]
}

/// The columns of a result that a later write may change, likewise.
pub fn result_changes(stored: &StoredResult) -> Vec<(&'static str, Value)> {
    let result = &stored.result;
    vec![
        ("target_kind", result.target_kind.as_str().into()),
        ("description", result.description.clone().into()),
        ("alternatives", result.alternatives.clone().into()),
        ("confidence", result.confidence.as_str().into()),
        ("applied", result.applied.into()),
        ("applied_at", result.applied_at.into()),
        ("metadata_json", result.metadata_json.clone().into()),
        ("writer", stored.stamp.writer.clone().into()),
        ("landing", stored.stamp.landing.into()),
    ]
}

fn push_provenance(row: &mut Row, attribution: &Attribution, stamp: &Stamp) {
    row.extend([
        attribution.created_by.clone().into(),
        attribution.hostname.clone().into(),
        attribution.client_version.clone().into(),
        attribution.local_id.into(),
        stamp.origin.clone().into(),
        stamp.writer.clone().into(),
        stamp.landing.into(),
    ]);
}

/// Takes the values of a row one after the other.
struct Reader(std::vec::IntoIter<Value>);

impl Reader {
    fn text(&mut self) -> Option<String> {
        self.0.next().and_then(Value::into_text)
    }

    fn needed(&mut self) -> String {
        self.text().unwrap_or_default()
    }

    fn time(&mut self) -> Option<DateTime<Utc>> {
        self.0.next().and_then(|value| value.as_time())
    }

    fn integer(&mut self) -> Option<i64> {
        self.0.next().and_then(|value| value.as_integer())
    }

    fn boolean(&mut self) -> bool {
        self.0.next().and_then(|value| value.as_boolean()).unwrap_or(false)
    }

    fn provenance(&mut self) -> (Attribution, Stamp) {
        let attribution =
            Attribution { created_by: self.text(), hostname: self.text(), client_version: self.text(), local_id: self.integer() };
        (attribution, Stamp { origin: self.text(), writer: self.text(), landing: self.integer() })
    }
}

pub(super) fn run_from(row: Row) -> StoredRun {
    let mut row = Reader(row.into_iter());
    let (run_id, who) = (row.needed(), row.needed());
    let (started_at, finished_at) = (row.time().unwrap_or_default(), row.time());
    let (scope, llm_provider, llm_model, db_backend) = (row.needed(), row.needed(), row.needed(), row.needed());
    let state_word = row.needed();
    let (applied_at, applied_by, metadata_json) = (row.time(), row.text(), row.text());
    let (attribution, stamp) = row.provenance();
    let state = State::from_word(&state_word).unwrap_or(State::Running);
    let run = Run {
        run_id,
        who,
        started_at,
        finished_at,
        scope,
        llm_provider,
        llm_model,
        db_backend,
        state,
        applied_at,
        applied_by,
        metadata_json,
        attribution,
    };
    StoredRun { run, state_word, stamp }
}

pub(super) fn result_from(row: Row) -> StoredResult {
    let mut row = Reader(row.into_iter());
    let _run_id = row.needed();
    let (target_qname, target_kind) = (row.needed(), row.needed());
    let (description, alternatives, confidence) = (row.text(), row.text(), row.needed());
    let (applied, applied_at, metadata_json) = (row.boolean(), row.time(), row.text());
    let (attribution, stamp) = row.provenance();
    let result =
        RunResult { target_qname, target_kind, description, alternatives, confidence, applied, applied_at, metadata_json, attribution };
    StoredResult { result, stamp }
}
