//! What a live schema holds, as far as steps have to know.

use crate::dialect::{Dialect, SchemaName};
use crate::driver::{Driver, ErrorKind, Value};
use crate::error::{Code, Error, Result};
use crate::model::{Kind, Model};
use crate::render::{Effect, Renderer, Step};
use minijinja::context;
use std::collections::{BTreeMap, BTreeSet};

/// The tables, columns and indexes of a schema. Names are compared without case, since engines fold them each in its own way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalog {
    columns: BTreeMap<String, BTreeSet<String>>,
    indexes: BTreeSet<(String, String)>,
    has_indexes: bool,
    one_index_of_a_name: bool,
}

impl Catalog {
    /// Reads the catalog of a schema. A schema that is not there has an empty one.
    pub async fn read(driver: &mut dyn Driver, dialect: &Dialect, schema: &SchemaName) -> Result<Catalog> {
        let mut catalog =
            Catalog { has_indexes: dialect.indexes, one_index_of_a_name: dialect.index_names_per_schema, ..Catalog::default() };
        for (table, column) in pairs(driver, dialect, schema, "catalog_columns.sql").await? {
            catalog.columns.entry(table).or_default().insert(column);
        }
        if dialect.indexes {
            catalog.indexes.extend(pairs(driver, dialect, schema, "catalog_indexes.sql").await?);
        }
        Ok(catalog)
    }

    /// Whether there is a table of that name.
    pub fn has_table(&self, table: &str) -> bool {
        self.columns.contains_key(&table.to_lowercase())
    }

    /// Whether what a step brings about is there already. What cannot be asked for is not.
    pub fn holds(&self, effect: &Effect) -> bool {
        match effect {
            Effect::Table { table, columns, indexes } => {
                self.has_table(table) && self.lacking(table, columns).is_none() && indexes.iter().all(|index| self.has_index(table, index))
            }
            Effect::Columns { table, columns } => self.has_table(table) && self.lacking(table, columns).is_none(),
            Effect::Index { table, index } => self.has_index(table, index),
            Effect::RenameColumn { table, from, to } => self.has_column(table, to) && !self.has_column(table, from),
            Effect::DropColumn { table, column } => !self.has_column(table, column),
            Effect::DropTable { table } => !self.has_table(table),
            Effect::DropIndex { table, index } => !self.has_indexes || !self.has_index(table, index),
            Effect::Schema
            | Effect::Comment { .. }
            | Effect::Backfill { .. }
            | Effect::Widen { .. }
            | Effect::AllowNull { .. }
            | Effect::Rebuild { .. }
            | Effect::Default { .. }
            | Effect::MapColumns { .. }
            | Effect::Nothing
            | Effect::Ledger { .. } => false,
        }
    }

    /// Whether a step is done: what the catalog can be asked for is looked up, and all else goes by whether the store has noted it.
    pub(super) fn shows(&self, effect: &Effect, noted: bool) -> bool {
        match effect.in_catalog() {
            // What was taken away and noted may have been made again by a later step.
            true => self.holds(effect) || (noted && effect.takes_away()),
            false => noted,
        }
    }

    /// Takes what a step brings about as done, so that the next is judged by what it will find: an index that one step drops and the next makes
    /// anew is there before both.
    pub fn note(&mut self, effect: &Effect) {
        let key = |table: &str, name: &str| (table.to_lowercase(), name.to_lowercase());
        match effect {
            Effect::Table { table, columns, indexes } => {
                self.columns.entry(table.to_lowercase()).or_default().extend(columns.iter().map(|column| column.to_lowercase()));
                self.indexes.extend(indexes.iter().map(|index| key(table, index)));
            }
            Effect::Columns { table, columns } => {
                self.columns.entry(table.to_lowercase()).or_default().extend(columns.iter().map(|column| column.to_lowercase()));
            }
            Effect::Index { table, index } => {
                self.indexes.insert(key(table, index));
            }
            Effect::RenameColumn { table, from, to } => {
                let columns = self.columns.entry(table.to_lowercase()).or_default();
                columns.remove(&from.to_lowercase());
                columns.insert(to.to_lowercase());
            }
            Effect::DropColumn { table, column } => {
                self.columns.entry(table.to_lowercase()).or_default().remove(&column.to_lowercase());
            }
            Effect::DropTable { table } => {
                self.columns.remove(&table.to_lowercase());
                self.indexes.retain(|(of, _)| *of != table.to_lowercase());
            }
            Effect::DropIndex { table, index } => {
                self.indexes.remove(&key(table, index));
            }
            _ => {}
        }
    }

    /// What of a step is still to be done, by the model of its version. Where a table is there that brings its indexes with it, and one of them is
    /// not, that index is; and of columns those that are missing.
    pub fn left_of(&self, step: Step, renderer: &Renderer<'_>, model: &Model) -> Result<Vec<Step>> {
        match &step.effect {
            effect if self.holds(effect) => Ok(vec![]),
            Effect::Table { table, indexes, .. } if self.has_table(table) => {
                let missing = indexes.iter().filter(|index| !self.has_index(table, index));
                missing.map(|index| renderer.index_step(model, table, index)).collect()
            }
            Effect::Columns { table, columns } if columns.iter().any(|column| self.has_column(table, column)) => {
                let missing: Vec<&str> = columns.iter().filter(|column| !self.has_column(table, column)).map(String::as_str).collect();
                Ok(vec![renderer.columns_step(model, table, &missing)?])
            }
            _ => Ok(vec![step]),
        }
    }

    /// Refuses a table that has the name of one of ours and not its columns, and an index of our name on another table where that is one index:
    /// creating ours would pass over it in silence.
    ///
    /// # Errors
    /// `drift`, naming the table and a column, or the index.
    pub fn admits(&self, effect: &Effect) -> Result<()> {
        if let Effect::Index { table, index } = effect {
            let (table, index) = (table.to_lowercase(), index.to_lowercase());
            let taken = self.indexes.iter().find(|(other, name)| *name == index && *other != table);
            return match taken.filter(|_| self.one_index_of_a_name) {
                None => Ok(()),
                Some((other, _)) => Err(Error::new(
                    Code::Drift,
                    format!("the name of the index {index} is taken by one on {other}"),
                    "rename or drop that index, or choose another --schema",
                )),
            };
        }
        let Effect::Table { table, columns, .. } = effect else { return Ok(()) };
        match self.lacking(table, columns) {
            Some(column) if self.has_table(table) => Err(Error::new(
                Code::Drift,
                format!("the schema has a table {table} of another shape: it lacks the column {column}"),
                "rename or drop that table, or choose another --schema",
            )),
            _ => Ok(()),
        }
    }

    /// [`Catalog::admits`] for steps that run one after the other: each is judged by what those before it bring about.
    pub fn admits_all(&self, steps: &[Step]) -> Result<()> {
        let mut ahead = self.clone();
        steps.iter().try_for_each(|step| {
            ahead.admits(&step.effect)?;
            ahead.note(&step.effect);
            Ok(())
        })
    }

    fn lacking<'c>(&self, table: &str, columns: &'c [String]) -> Option<&'c String> {
        let present = self.columns.get(&table.to_lowercase());
        columns.iter().find(|column| present.is_none_or(|present| !present.contains(&column.to_lowercase())))
    }

    fn has_column(&self, table: &str, column: &str) -> bool {
        self.columns.get(&table.to_lowercase()).is_some_and(|columns| columns.contains(&column.to_lowercase()))
    }

    fn has_index(&self, table: &str, index: &str) -> bool {
        !self.has_indexes || self.indexes.contains(&(table.to_lowercase(), index.to_lowercase()))
    }
}

async fn pairs(driver: &mut dyn Driver, dialect: &Dialect, schema: &SchemaName, template: &str) -> Result<Vec<(String, String)>> {
    let sql = dialect.render(template, schema, context! {})?;
    let rows = match driver.query(&sql, &[], &[Kind::Text, Kind::Text]).await {
        // Where each schema has a catalog of its own, that of an absent one cannot be asked.
        Err(error) if error.kind == ErrorKind::Missing => vec![],
        rows => rows?,
    };
    let lower = |value: Option<Value>| value.and_then(Value::into_text).unwrap_or_default().to_lowercase();
    let pair = |row: Vec<Value>| {
        let mut values = row.into_iter();
        (lower(values.next()), lower(values.next()))
    };
    Ok(rows.into_iter().map(pair).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_index_on(table: &str) -> Catalog {
        let indexes = [(table.to_string(), "ix_moved".to_string())].into();
        Catalog { indexes, has_indexes: true, one_index_of_a_name: true, ..Catalog::default() }
    }

    fn step(effect: Effect) -> Step {
        Step { effect, sql: String::new() }
    }

    fn create() -> Step {
        step(Effect::Index { table: "b".into(), index: "ix_moved".into() })
    }

    #[test]
    fn an_index_whose_name_another_table_has_is_refused() {
        assert_eq!(with_index_on("a").admits_all(&[create()]).unwrap_err().code, Code::Drift);
        assert!(with_index_on("b").admits_all(&[create()]).is_ok());
    }

    #[test]
    fn an_index_may_move_to_another_table_within_one_version() {
        let moved = [step(Effect::DropIndex { table: "a".into(), index: "ix_moved".into() }), create()];
        assert!(with_index_on("a").admits_all(&moved).is_ok());
    }
}
