//! Rows that are there twice, where the engine enforces no key: how they are found, and how of copies that are the same one is left.
//!
//! Such copies cannot be told apart. So one more is added that can be, by its stamp; once it is there and its number is published, the rows of its
//! key that do not have that stamp are deleted. Wherever that is cut off, a row is there that every reader finds.

use super::batch::NotLanded;
use super::lease::Lease;
use super::shared::{RESULT_COLUMNS, RESULTS, RUN_COLUMNS, RUNS, SharedStore, kinds, selected};
use crate::driver::{Failure, Op, Row, Value};
use crate::error::Result;
use crate::model::Kind;
use futures_util::{StreamExt, stream};
use minijinja::context;
use serde::Serialize;
use std::collections::BTreeMap;

/// The columns of a stamp, which are the last of each table's.
const STAMP: [&str; 2] = ["writer", "landing"];

/// A key that several rows have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Duplicate {
    /// The run.
    pub run_id: String,
    /// The object, where the rows are results.
    pub target_qname: Option<String>,
    /// How many rows have it.
    pub copies: u64,
    /// Whether they are the same but for their stamps.
    pub exact: bool,
}

/// A table with a key that the engine may not enforce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keyed {
    /// The runs.
    Runs,
    /// The results.
    Results,
}

/// The values of a key's columns.
pub type Key = Vec<String>;

impl Keyed {
    /// Every such table.
    pub const ALL: [Keyed; 2] = [Keyed::Runs, Keyed::Results];

    fn table(self) -> &'static str {
        match self {
            Keyed::Runs => RUNS,
            Keyed::Results => RESULTS,
        }
    }

    fn columns(self) -> &'static [(&'static str, Kind)] {
        match self {
            Keyed::Runs => &RUN_COLUMNS,
            Keyed::Results => &RESULT_COLUMNS,
        }
    }

    /// The columns of the key, which are the first of the table's.
    fn key(self) -> Vec<&'static str> {
        match self {
            Keyed::Runs => vec!["run_id"],
            Keyed::Results => vec!["run_id", "target_qname"],
        }
    }

    /// The key of a duplicate, where it is one of this table's.
    pub fn key_of(self, duplicate: &Duplicate) -> Option<Key> {
        match (self, &duplicate.target_qname) {
            (Keyed::Runs, None) => Some(vec![duplicate.run_id.clone()]),
            (Keyed::Results, Some(qname)) => Some(vec![duplicate.run_id.clone(), qname.clone()]),
            _ => None,
        }
    }
}

/// Who leaves one copy of each: a writer of its own, so that no import takes the rows for its installation's and sets their texts back.
#[derive(Debug, Clone)]
pub struct Repairer {
    /// Its id.
    pub writer: String,
    /// The number of its last batch.
    pub landed: i64,
}

impl SharedStore<'_> {
    /// The keys that several rows have; none where the engine sees to it.
    pub async fn duplicates(&mut self) -> Result<Vec<Duplicate>> {
        let mut found = vec![];
        if self.dialect.keys_enforced {
            return Ok(found);
        }
        for table in Keyed::ALL {
            let width = table.key().len();
            let kinds = [vec![Kind::Key; width], vec![Kind::Integer]].concat();
            let context = context! { table_name => table.table(), key => table.key() };
            let rows = self.query("queries/duplicates.sql", context, &[], &kinds).await?;
            let keys: Vec<Key> = rows.iter().map(|row| key_of(row, width)).collect();
            for keys in keys.chunks(self.keys_at_once(table)) {
                found.extend(self.copies(table, keys).await?.iter().filter(|(_, rows)| rows.len() > 1).map(|(key, rows)| Duplicate {
                    run_id: key.first().cloned().unwrap_or_default(),
                    target_qname: key.get(1).cloned(),
                    copies: rows.len() as u64,
                    exact: are_the_same(rows),
                }));
            }
        }
        Ok(found)
    }

    /// How many keys of a table one statement takes.
    pub fn keys_at_once(&self, table: Keyed) -> usize {
        (self.keys_per_query().saturating_sub(STAMP.len()) / table.key().len()).max(1)
    }

    /// The rows of those keys, just as they are.
    async fn copies(&mut self, table: Keyed, keys: &[Key]) -> Result<BTreeMap<Key, Vec<Row>>> {
        let context = context! { table_name => table.table(), key => table.key(), count => keys.len(), ..selected(table.columns()) };
        let rows = self.query("queries/copies.sql", context, &bound(keys), &kinds(table.columns())).await?;
        let mut found: BTreeMap<Key, Vec<Row>> = BTreeMap::new();
        for row in rows {
            found.entry(key_of(&row, table.key().len())).or_default().push(row);
        }
        Ok(found)
    }

    /// Leaves one row of each of those keys, of which the copies are the same, and says of how many keys. Keys of which they are not, or are not
    /// any more, stay as they are.
    ///
    /// # Errors
    /// What stopped it. The same again ends it, wherever that was.
    pub async fn leave_one(&mut self, table: Keyed, keys: &[Key], repairer: &mut Repairer, lease: Option<&Lease>) -> Result<u64, Failure> {
        let mut copies = self.copies(table, keys).await?;
        copies.retain(|_, rows| rows.len() > 1 && are_the_same(rows));
        if copies.is_empty() {
            return Ok(0);
        }
        let numbers = (repairer.landed, repairer.landed + 1);
        let stamp: [Value; 2] = [repairer.writer.as_str().into(), numbers.1.into()];
        let surplus: usize = copies.values().map(Vec::len).sum();
        let keys: Vec<Key> = copies.keys().cloned().collect();
        let rows = copies.into_values().filter_map(|rows| rows.into_iter().next());
        let kept: Vec<Row> = rows.map(|row| content(&row).iter().cloned().chain(stamp.clone()).collect()).collect();
        let count = kept.len();
        match self.dialect.transactions {
            true => {
                let mut ops = self.head(&repairer.writer, numbers, lease)?;
                let loader = match table {
                    Keyed::Runs => self.runs_loader(),
                    Keyed::Results => self.results_loader(),
                };
                ops.push(loader.load(count, Box::new(kept.into_iter())));
                let context = context! { table_name => table.table(), key => table.key(), count };
                let sql = self.sql("queries/delete_copies.sql", context)?;
                let params = bound(&keys).into_iter().chain(stamp).collect();
                ops.push(Op::Execute { sql, params, expect: Some(surplus as u64) });
                self.driver.atomic(stream::iter(ops.into_iter().map(Ok)).boxed()).await?;
            }
            false => {
                let told: Vec<Row> =
                    keys.iter().map(|key| bound(std::slice::from_ref(key)).into_iter().chain(stamp.clone()).collect()).collect();
                let named: Vec<&'static str> = table.key().into_iter().chain(STAMP).collect();
                let failure = |not_landed: NotLanded| not_landed.failure;
                self.add_rows(table.table(), table.columns(), &named, Box::new(kept.into_iter()), lease).await.map_err(failure)?;
                self.publish(&repairer.writer, numbers, lease).await.map_err(failure)?;
                let columns: Vec<(&str, Kind)> = table.columns().iter().filter(|(name, _)| named.contains(name)).copied().collect();
                let context = context! { table_name => table.table(), key => table.key() };
                self.by_rows("queries/remove_rows.sql", context, &columns, Box::new(told.into_iter()), lease).await.map_err(failure)?;
            }
        }
        repairer.landed = numbers.1;
        Ok(count as u64)
    }
}

/// A row but for its stamp.
fn content(row: &[Value]) -> &[Value] {
    row.split_at_checked(row.len().saturating_sub(STAMP.len())).map_or(row, |(content, _)| content)
}

fn are_the_same(rows: &[Row]) -> bool {
    rows.windows(2).all(|pair| matches!(pair, [one, other] if content(one) == content(other)))
}

fn key_of(row: &[Value], columns: usize) -> Key {
    row.iter().take(columns).map(|value| value.clone().into_text().unwrap_or_default()).collect()
}

fn bound(keys: &[Key]) -> Vec<Value> {
    keys.iter().flatten().map(|part| part.as_str().into()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(text: &str, origin: &str, writer: Option<&str>, landing: i64) -> Row {
        vec!["run_1".into(), text.into(), origin.into(), Value::Text(writer.map(str::to_string)), landing.into()]
    }

    #[test]
    fn copies_are_the_same_whatever_their_stamps() {
        assert!(are_the_same(&[row("a", "ann", Some("ann"), 1), row("a", "ann", None, 2), row("a", "ann", Some("bob"), 1)]));
        assert!(!are_the_same(&[row("a", "ann", Some("ann"), 1), row("a ", "ann", Some("ann"), 1)]));
        assert!(!are_the_same(&[row("a", "ann", Some("ann"), 1), row("a", "bob", Some("ann"), 1)]));
    }

    #[test]
    fn every_table_begins_with_its_key_and_ends_with_its_stamp() {
        for table in Keyed::ALL {
            let names: Vec<&str> = table.columns().iter().map(|(name, _)| *name).collect();
            assert!(names.starts_with(&table.key()) && names.ends_with(&STAMP));
        }
    }
}
