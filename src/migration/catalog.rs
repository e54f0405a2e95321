//! What a live schema holds, as far as steps have to know.

use crate::dialect::{Dialect, SchemaName};
use crate::driver::{Driver, Value};
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
}

impl Catalog {
    /// Reads the catalog of a schema. A schema that is not there has an empty one.
    pub async fn read(driver: &mut dyn Driver, dialect: &Dialect, schema: &SchemaName) -> Result<Catalog> {
        let mut catalog = Catalog { has_indexes: dialect.indexes, ..Catalog::default() };
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
            Effect::Schema | Effect::Comment { .. } | Effect::Backfill { .. } | Effect::Ledger { .. } => false,
        }
    }

    /// What of a version's steps is still to be done. Where a table is there that brings its indexes with it, and one of them is not, that index is.
    pub fn left_to_do(&self, steps: Vec<Step>, renderer: &Renderer<'_>, model: &Model) -> Result<Vec<Step>> {
        let mut left = vec![];
        for step in steps {
            match &step.effect {
                effect if self.holds(effect) => {}
                Effect::Table { table, indexes, .. } if self.has_table(table) => {
                    for index in indexes.iter().filter(|index| !self.has_index(table, index)) {
                        left.push(renderer.index_step(model, table, index)?);
                    }
                }
                _ => left.push(step),
            }
        }
        Ok(left)
    }

    /// Refuses a table that has the name of one of ours and not its columns: creating it would pass over it in silence.
    ///
    /// # Errors
    /// `drift`, naming the table and a column.
    pub fn admits(&self, effect: &Effect) -> Result<()> {
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

    fn lacking<'c>(&self, table: &str, columns: &'c [String]) -> Option<&'c String> {
        let present = self.columns.get(&table.to_lowercase());
        columns.iter().find(|column| present.is_none_or(|present| !present.contains(&column.to_lowercase())))
    }

    fn has_index(&self, table: &str, index: &str) -> bool {
        !self.has_indexes || self.indexes.contains(&(table.to_lowercase(), index.to_lowercase()))
    }
}

async fn pairs(driver: &mut dyn Driver, dialect: &Dialect, schema: &SchemaName, template: &str) -> Result<Vec<(String, String)>> {
    let sql = dialect.render(template, schema, context! {})?;
    let rows = driver.query(&sql, &[], &[Kind::Text, Kind::Text]).await?;
    let lower = |value: Option<Value>| value.and_then(Value::into_text).unwrap_or_default().to_lowercase();
    let pair = |row: Vec<Value>| {
        let mut values = row.into_iter();
        (lower(values.next()), lower(values.next()))
    };
    Ok(rows.into_iter().map(pair).collect())
}
