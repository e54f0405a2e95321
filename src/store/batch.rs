//! A batch of rows on its way into the shared store: with the number that its writer gives it, all of it or nothing that anybody relies on.
//!
//! Where several statements can be one transaction, a batch is one. Elsewhere its rows go first, by statements that can be sent again, and the
//! number is published last: a batch that ends in between has not landed, and what it left is completed or overwritten by the next.

use super::lease::{Hint, Lease, Leases, fence_context};
use super::shared::{RESULT_COLUMNS, RESULTS, RUN_COLUMNS, RUNS, SharedStore};
use super::source::Person;
use crate::dialect::Dialect;
use crate::driver::{ErrorKind, Failure, Load, Op, Row, Staging, Value};
use crate::error::{Error, Result};
use crate::model::Kind;
use futures_util::{StreamExt, stream};
use minijinja::context;
use std::time::Duration;

/// How many rows one statement changes.
const ROWS_PER_UPDATE: usize = 200;
/// How many rows one statement brings that has them in one bound text.
const ROWS_PER_MERGE: usize = 10_000;
/// How many bytes that text has at most, well below what the services take as one request: BigQuery 10 MB
/// (<https://cloud.google.com/bigquery/quotas#query_jobs>), Databricks 16 MiB
/// (<https://docs.databricks.com/api/workspace/statementexecution/executestatement>).
const BYTES_PER_MERGE: usize = 4 * 1024 * 1024;

/// How many rows, and about how many bytes of them, are brought at once into a table of their own where the engine does that. They are in memory
/// three times meanwhile.
const STAGED: (usize, usize) = (50_000, 16 * 1024 * 1024);

/// How many rows, and about how many bytes of them, are well brought at once where a batch is no transaction.
pub fn bulk(dialect: &Dialect) -> (usize, usize) {
    match dialect.staging {
        true => STAGED,
        false => (ROWS_PER_MERGE, BYTES_PER_MERGE * 3 / 2),
    }
}

/// A change of one row.
#[derive(Debug, Clone)]
pub struct Change {
    /// The columns that are set, with their values.
    pub set: Vec<(&'static str, Value)>,
    /// The columns that tell the row, likewise; the change fails where no row has them.
    pub key: Vec<(&'static str, Value)>,
}

/// Rows that are made when they are sent.
pub type Rows<'r> = Box<dyn Iterator<Item = Row> + Send + 'r>;

/// A table to load rows into.
#[derive(Debug, Clone)]
pub struct Loader {
    table: String,
    columns: Vec<String>,
    per_statement: usize,
}

impl Loader {
    /// A part of a transaction that adds so many rows.
    pub fn load<'r>(&self, count: usize, rows: Rows<'r>) -> Op<'r> {
        let Loader { table, columns, per_statement } = self.clone();
        Op::Load(Load { table, columns, count, per_statement, rows })
    }
}

/// What a batch brings to one table.
pub enum Part<'r> {
    /// So many runs, as [`run_row`](super::shared::run_row) makes them, that the store does not have.
    Runs(usize, Rows<'r>),
    /// So many results, as [`result_row`](super::shared::result_row) makes them, that the store does not have.
    Results(usize, Rows<'r>),
    /// Changes of runs that it has.
    ChangedRuns(Vec<Change>),
    /// Changes of results that it has.
    ChangedResults(Vec<Change>),
}

/// What lands under one number.
pub struct Batch<'r> {
    /// Who writes.
    pub installation: String,
    /// The number of its last batch.
    pub from: i64,
    /// The number of this one.
    pub number: i64,
    /// What it brings: runs before their results.
    pub parts: Vec<Part<'r>>,
}

/// Why a batch did not land, or may not have.
#[derive(Debug)]
pub struct NotLanded {
    /// What happened.
    pub failure: Failure,
    /// Whether it may have landed all the same, which the store has to be asked for.
    pub in_doubt: bool,
}

impl NotLanded {
    /// A batch that surely has not landed.
    fn surely(failure: impl Into<Failure>) -> NotLanded {
        NotLanded { failure: failure.into(), in_doubt: false }
    }

    /// A batch whose last word got this answer.
    fn at_the_end(failure: Failure) -> NotLanded {
        let in_doubt = matches!(&failure, Failure::Database(error) if error.kind == ErrorKind::Unreachable);
        NotLanded { failure, in_doubt }
    }
}

impl From<Error> for NotLanded {
    fn from(error: Error) -> NotLanded {
        NotLanded::surely(error)
    }
}

impl SharedStore<'_> {
    fn leases(&mut self) -> Leases<'_> {
        Leases { driver: self.driver, dialect: self.dialect, schema: self.schema }
    }

    /// Takes the store's lease before a batch is planned, so that nobody else writes in between; nothing where the engine enforces keys.
    ///
    /// # Errors
    /// `locked` where another writer has it for longer than `wait`; what the driver says.
    pub async fn lease(&mut self, person: &Person, hint: Option<Hint>, wait: Duration) -> Result<Option<Lease>> {
        match self.dialect.keys_enforced {
            true => Ok(None),
            false => self.leases().take(person, hint, wait).await.map(Some),
        }
    }

    /// Gives the lease back.
    pub async fn give_back(&mut self, lease: Option<Lease>) -> Option<Hint> {
        self.leases().give_back(lease?).await
    }

    /// Lands a batch.
    ///
    /// # Errors
    /// What stopped it, and whether the store has to be asked whether it landed.
    pub async fn land(&mut self, batch: Batch<'_>, lease: Option<&Lease>) -> Result<(), NotLanded> {
        match self.dialect.transactions {
            true => {
                let ops = self.ops(batch, lease)?;
                self.driver.atomic(stream::iter(ops.into_iter().map(Ok)).boxed()).await.map_err(NotLanded::at_the_end)
            }
            false => self.land_by_statements(batch, lease).await,
        }
    }

    /// The first parts of a transaction: that the lease is had, and the number, which nobody took since `from` was read.
    pub fn head(&mut self, installation: &str, (from, number): (i64, i64), lease: Option<&Lease>) -> Result<Vec<Op<'static>>> {
        let mut ops = vec![];
        if let Some(lease) = lease {
            ops.push(Op::Execute { sql: self.leases().proof(lease)?, params: vec![], expect: Some(1) });
        }
        let sql = self.sql("queries/land.sql", context! { fence => None::<i64> })?;
        ops.push(Op::Execute { sql, params: vec![number.into(), installation.into(), from.into()], expect: Some(1) });
        Ok(ops)
    }

    /// Where runs are loaded within a transaction.
    pub fn runs_loader(&self) -> Loader {
        self.loader(RUNS, &RUN_COLUMNS)
    }

    /// Where results are loaded within a transaction.
    pub fn results_loader(&self) -> Loader {
        self.loader(RESULTS, &RESULT_COLUMNS)
    }

    fn loader(&self, table: &str, columns: &[(&str, Kind)]) -> Loader {
        let columns = columns.iter().map(|(name, _)| self.dialect.ident(name)).collect();
        Loader { table: self.dialect.table(self.schema, table), columns, per_statement: self.rows_per_statement() }
    }

    /// How many rows one statement brings.
    fn rows_per_statement(&self) -> usize {
        match self.dialect.transactions {
            true => self.dialect.limits.rows.unwrap_or(usize::MAX),
            false => ROWS_PER_MERGE,
        }
    }

    /// About how many statements it takes to land a batch, with what begins and ends it. Rows with long texts take more.
    pub fn statements_for(&self, batch: &Batch<'_>) -> u64 {
        let of_rows = |count: usize| match self.dialect.staging && count > ROWS_PER_MERGE {
            // A load and what takes the rows from where it brought them.
            true => 2 * count.div_ceil(STAGED.0),
            false => count.div_ceil(self.rows_per_statement()),
        };
        let changed = |changes: &[Change]| match self.dialect.transactions {
            true => self.updates_of(changes).count(),
            false => changes.chunk_by(alike).count(),
        };
        let parts = batch.parts.iter().map(|part| match part {
            Part::Runs(count, _) | Part::Results(count, _) => of_rows(*count),
            Part::ChangedRuns(changes) | Part::ChangedResults(changes) => changed(changes),
        });
        // The number; BEGIN and COMMIT, or asking for the last number; to take the lease, to prove that it is had, and to give it back.
        let around = match (self.dialect.keys_enforced, self.dialect.transactions) {
            (true, _) => 3,
            (false, true) => 6,
            (false, false) => 4,
        };
        (parts.sum::<usize>() + around) as u64
    }

    fn ops<'r>(&mut self, batch: Batch<'r>, lease: Option<&Lease>) -> Result<Vec<Op<'r>>> {
        let mut ops: Vec<Op<'r>> = self.head(&batch.installation, (batch.from, batch.number), lease)?;
        for part in batch.parts {
            match part {
                Part::Runs(0, _) | Part::Results(0, _) => {}
                Part::Runs(count, rows) => ops.push(self.runs_loader().load(count, rows)),
                Part::Results(count, rows) => ops.push(self.results_loader().load(count, rows)),
                Part::ChangedRuns(changes) => self.updates(RUNS, changes, &mut ops)?,
                Part::ChangedResults(changes) => self.updates(RESULTS, changes, &mut ops)?,
            }
        }
        Ok(ops)
    }

    /// Changes of rows, as they go together in a statement: many where the engine takes that, since each statement is a trip of its own.
    fn updates_of<'c>(&self, changes: &'c [Change]) -> impl Iterator<Item = &'c [Change]> {
        let most = |change: &Change| match self.dialect.update_from_values {
            true => (self.dialect.limits.binds / (change.set.len() + change.key.len())).clamp(1, ROWS_PER_UPDATE),
            false => 1,
        };
        changes.chunk_by(alike).flat_map(move |alike| alike.chunks(alike.first().map_or(1, most)))
    }

    fn updates(&self, table: &str, changes: Vec<Change>, ops: &mut Vec<Op<'_>>) -> Result<()> {
        for alike in self.updates_of(&changes) {
            let [first, others @ ..] = alike else { continue };
            let texts: Vec<&str> = first.key.iter().filter(|(_, value)| matches!(value, Value::Text(_))).map(|(name, _)| *name).collect();
            let context = context! {
                table_name => table, set => names(&first.set), where => names(&first.key), count => alike.len(), texts
            };
            let template = if others.is_empty() { "queries/update.sql" } else { "queries/update_many.sql" };
            let values = alike.iter().flat_map(|change| change.set.iter().chain(&change.key).map(|(_, value)| value.clone()));
            ops.push(Op::Execute { sql: self.sql(template, context)?, params: values.collect(), expect: Some(alike.len() as u64) });
        }
        Ok(())
    }

    async fn land_by_statements(&mut self, batch: Batch<'_>, lease: Option<&Lease>) -> Result<(), NotLanded> {
        for part in batch.parts {
            match part {
                Part::Runs(_, rows) => self.add_rows(RUNS, &RUN_COLUMNS, &["run_id"], rows, lease).await?,
                Part::Results(_, rows) => self.add_rows(RESULTS, &RESULT_COLUMNS, &["run_id", "target_qname"], rows, lease).await?,
                Part::ChangedRuns(changes) => self.change_rows(RUNS, &RUN_COLUMNS, changes, lease).await?,
                Part::ChangedResults(changes) => self.change_rows(RESULTS, &RESULT_COLUMNS, changes, lease).await?,
            }
        }
        self.publish(&batch.installation, (batch.from, batch.number), lease).await
    }

    /// Publishes a number whose rows are there.
    pub(super) async fn publish(&mut self, writer: &str, (from, number): (i64, i64), lease: Option<&Lease>) -> Result<(), NotLanded> {
        let sql = self.sql("queries/land.sql", fence_context(lease)?)?;
        match self.under(lease, &sql, &[number.into(), writer.into(), from.into()]).await {
            Ok(1..) => Ok(()),
            Ok(0) => Err(NotLanded::surely(Failure::Overtaken)),
            Err(failure) => Err(NotLanded::at_the_end(failure)),
        }
    }

    /// Runs a statement that tests the lease's number. Gives how many rows it touched.
    async fn under(&mut self, lease: Option<&Lease>, sql: &str, params: &[Value]) -> Result<u64, Failure> {
        if let Some(lease) = lease
            && !self.leases().is_fresh(lease).await?
        {
            return Err(Failure::Overtaken);
        }
        Ok(self.driver.execute(sql, params).await?)
    }

    /// Adds rows of which none is there that has the same in the columns of `key`.
    pub(super) async fn add_rows(
        &mut self,
        table: &str,
        columns: &[(&str, Kind)],
        key: &[&'static str],
        rows: Rows<'_>,
        lease: Option<&Lease>,
    ) -> Result<(), NotLanded> {
        let context = || context! { table_name => table, key => key.to_vec() };
        if !self.dialect.staging {
            return self.by_rows("queries/add_rows.sql", context(), columns, rows, lease).await;
        }
        let mut rows = rows.peekable();
        while rows.peek().is_some() {
            let many = at_once(&mut rows);
            let is_bulk = many.len() > ROWS_PER_MERGE || many.iter().map(size).sum::<usize>() > BYTES_PER_MERGE;
            if !(is_bulk && self.add_staged(context(), columns, &many, lease).await?) {
                self.by_rows("queries/add_rows.sql", context(), columns, Box::new(many.into_iter()), lease).await?;
            }
        }
        Ok(())
    }

    /// Adds rows by way of a table of their own. False where there can be none.
    async fn add_staged(
        &mut self,
        context: minijinja::Value,
        columns: &[(&str, Kind)],
        rows: &[Row],
        lease: Option<&Lease>,
    ) -> Result<bool, NotLanded> {
        let table = format!("amx_staging_{}", uuid::Uuid::new_v4().simple());
        let described: Vec<_> = columns.iter().map(|(name, kind)| described(name, *kind)).collect();
        let of_table = context! { staged => &table, columns => described, ..context };
        let sql = self.sql("queries/add_rows.sql", context! { ..fence_context(lease)?, ..of_table })?;
        let staging = Staging { schema: &self.schema.folded, table: &table, columns, rows };
        let added = match self.driver.stage(&staging).await {
            Ok(false) => return Ok(false),
            Ok(true) => self.under(lease, &sql, &[]).await,
            Err(error) => Err(error.into()),
        };
        self.driver.unstage(&self.schema.folded, &table).await;
        added.map(|_| true).map_err(NotLanded::surely)
    }

    /// Runs a statement under the lease as often as it takes to bring it all rows, each time with many of them.
    pub(super) async fn by_rows(
        &mut self,
        template: &str,
        context: minijinja::Value,
        columns: &[(&str, Kind)],
        rows: Rows<'_>,
        lease: Option<&Lease>,
    ) -> Result<(), NotLanded> {
        let described: Vec<_> = columns.iter().map(|(name, kind)| described(name, *kind)).collect();
        let sql = self.sql(template, context! { columns => described, ..context! { ..fence_context(lease)?, ..context } })?;
        let mut rows = rows.peekable();
        while rows.peek().is_some() {
            let (text, _) = text_of(&mut rows)?;
            self.under(lease, &sql, &[text.into()]).await.map_err(NotLanded::surely)?;
        }
        Ok(())
    }

    async fn change_rows(
        &mut self,
        table: &str,
        columns: &[(&str, Kind)],
        mut changes: Vec<Change>,
        lease: Option<&Lease>,
    ) -> Result<(), NotLanded> {
        let kind = |name: &str| columns.iter().find(|(known, _)| *known == name).map_or(Kind::Text, |(_, kind)| *kind);
        changes.sort_by(|one, other| (names(&one.set), names(&one.key)).cmp(&(names(&other.set), names(&other.key))));
        for alike in changes.chunk_by(alike) {
            let Some(first) = alike.first() else { continue };
            let set = first.set.iter().map(|(name, _)| described(name, kind(name)));
            let key = first.key.iter().map(|(name, _)| described(&format!("key_{name}"), kind(name)));
            let columns: Vec<_> = set.chain(key).collect();
            let context =
                context! { table_name => table, columns, set => names(&first.set), key => names(&first.key), ..fence_context(lease)? };
            let sql = self.sql("queries/change_rows.sql", context)?;
            let row = |change: &Change| change.set.iter().chain(&change.key).map(|(_, value)| value.clone()).collect::<Row>();
            let mut rows = alike.iter().map(row).peekable();
            while rows.peek().is_some() {
                let (text, count) = text_of(&mut rows)?;
                if self.under(lease, &sql, &[text.into()]).await.map_err(NotLanded::surely)? != count {
                    return Err(NotLanded::surely(Failure::Overtaken));
                }
            }
        }
        Ok(())
    }

    /// Whether a batch is one transaction here.
    pub fn has_transactions(&self) -> bool {
        self.dialect.transactions
    }

    /// The highest number that rows of an installation bear, published or not.
    pub async fn newest_written(&mut self, installation: &str) -> Result<i64> {
        let params = [installation.into(), installation.into()];
        let rows = self.query("queries/newest_written.sql", context! {}, &params, &[Kind::Integer]).await?;
        Ok(rows.into_iter().flatten().next().and_then(|value| value.as_integer()).unwrap_or(0))
    }

    /// Publishes what an installation wrote above `landed` and did not come to publish. Gives the number of its last batch then.
    pub async fn publish_written(&mut self, installation: &str, landed: i64, lease: Option<&Lease>) -> Result<i64> {
        let newest = self.newest_written(installation).await?;
        if newest <= landed {
            return Ok(landed);
        }
        let sql = self.sql("queries/land.sql", fence_context(lease)?)?;
        match self.under(lease, &sql, &[newest.into(), installation.into(), landed.into()]).await {
            Err(Failure::Database(error)) => return Err(self.refused(error)),
            published => published?,
        };
        Ok(self.landed(installation).await?.map_or(landed, |landed| landed.number))
    }
}

/// A column as `dialects/*/queries/rows.sql` wants it.
fn described(name: &str, kind: Kind) -> minijinja::Value {
    context! { name, kind => kind.word() }
}

/// As many rows as are staged at once.
fn at_once(rows: &mut std::iter::Peekable<Rows<'_>>) -> Vec<Row> {
    let (mut many, mut bytes) = (vec![], 0);
    while many.len() < STAGED.0 && bytes < STAGED.1 {
        let Some(row) = rows.next() else { break };
        bytes += size(&row);
        many.push(row);
    }
    many
}

fn size(row: &Row) -> usize {
    row.iter().map(Value::size).sum()
}

fn names(pairs: &[(&'static str, Value)]) -> Vec<&'static str> {
    pairs.iter().map(|(name, _)| *name).collect()
}

fn alike(one: &Change, other: &Change) -> bool {
    names(&one.set) == names(&other.set) && names(&one.key) == names(&other.key)
}

/// As many rows as one statement takes, as the JSON that `dialects/*/queries/rows.sql` reads, and how many they are: `[{"c1": …}, …]`, times as
/// microseconds since 1970, nulls left out.
fn text_of(rows: &mut std::iter::Peekable<impl Iterator<Item = Row>>) -> Result<(String, u64)> {
    let (mut text, mut count) = (String::from("["), 0);
    while count < ROWS_PER_MERGE as u64 {
        let before = text.len();
        let Some(row) = rows.peek() else { break };
        text.push_str(if count == 0 { "{" } else { ",{" });
        let mut first = true;
        for (at, value) in row.iter().enumerate() {
            let value = match value {
                Value::Text(Some(value)) => {
                    serde_json::to_string(value).map_err(|error| Error::internal(format!("a text has no JSON form: {error}")))?
                }
                Value::Integer(Some(value)) => value.to_string(),
                Value::Boolean(Some(value)) => value.to_string(),
                Value::Time(Some(value)) => value.timestamp_micros().to_string(),
                Value::Text(None) | Value::Integer(None) | Value::Boolean(None) | Value::Time(None) => continue,
            };
            text.push_str(&format!("{}\"c{}\":{value}", if first { "" } else { "," }, at + 1));
            first = false;
        }
        text.push('}');
        if text.len() > BYTES_PER_MERGE && count > 0 {
            text.truncate(before);
            break;
        }
        rows.next();
        count += 1;
    }
    text.push(']');
    Ok((text, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_one_json_text_without_nulls() {
        let time = chrono::DateTime::from_timestamp_micros(1_780_000_000_000_001).unwrap();
        let row: Row = vec!["a\"\u{1}\n".into(), Value::Text(None), 7_i64.into(), true.into(), time.into(), "".into()];
        let (text, count) = text_of(&mut vec![row.clone(), vec![Value::Integer(None)]].into_iter().peekable()).unwrap();
        assert_eq!(text, r#"[{"c1":"a\"\u0001\n","c3":7,"c4":true,"c5":1780000000000001,"c6":""},{}]"#);
        assert_eq!(count, 2);
    }

    #[test]
    fn a_text_ends_before_it_is_too_large_and_loses_no_row() {
        let row: Row = vec!["x".repeat(BYTES_PER_MERGE / 2).into()];
        let mut rows = vec![row; 3].into_iter().peekable();
        let counts = [(); 3].map(|()| text_of(&mut rows).unwrap().1);
        assert_eq!((counts, rows.next()), ([1, 1, 1], None));
    }
}
