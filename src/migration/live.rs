//! A live store as its engine's catalog describes it, in the terms of the model. `dialects/<backend>/live_*.sql` read it.

use crate::dialect::{Dialect, SchemaName};
use crate::driver::{Driver, ErrorKind, Value};
use crate::error::Result;
use crate::model::{Kind, Model};
use minijinja::context;
use std::collections::BTreeMap;

/// The tables of a schema whose names begin as the model's do. Names are as the engine has them; where it does not mind case, in small letters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Live {
    /// Each table by its name.
    pub tables: BTreeMap<String, LiveTable>,
}

/// A table as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LiveTable {
    /// `table`, or what it is instead, such as `view`.
    pub kind: String,
    /// Its comment.
    pub comment: Option<String>,
    /// Its columns, in order.
    pub columns: Vec<LiveColumn>,
    /// The columns of its primary key, in order; empty where it has none.
    pub primary_key: Vec<String>,
    /// Its foreign keys.
    pub foreign_keys: Vec<LiveForeignKey>,
    /// Its indexes beside the key.
    pub indexes: Vec<LiveIndex>,
}

/// A column as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LiveColumn {
    /// Its name.
    pub name: String,
    /// Its SQL type in the catalog's words.
    pub sql_type: String,
    /// Whether it may be null.
    pub null: bool,
    /// What the engine writes where nothing is given.
    pub default: Option<String>,
    /// Its collation, where it has one and the catalog tells.
    pub collation: Option<String>,
    /// Its comment.
    pub comment: Option<String>,
}

/// A foreign key as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LiveForeignKey {
    /// Its name; a number where the engine keeps none.
    pub name: String,
    /// The columns that refer.
    pub columns: Vec<String>,
    /// The table that they refer to; with its schema where that is another one.
    pub table: String,
    /// The columns that they refer to; empty where that is the other table's primary key without a word.
    pub key: Vec<String>,
}

/// An index as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LiveIndex {
    /// Its name.
    pub name: String,
    /// Its columns, in order, each with what makes it other than plain, such as ` desc`.
    pub columns: Vec<String>,
    /// Whether it lets each value in only once.
    pub unique: bool,
    /// Why it does not serve as an index of these columns does, such as `invalid`.
    pub flaw: Option<String>,
}

impl Live {
    /// Reads the catalog of a schema. A schema that is not there has no tables.
    pub async fn read(driver: &mut dyn Driver, dialect: &Dialect, schema: &SchemaName, model: &Model) -> Result<Live> {
        let mut reader = Reader { driver, dialect, schema, prefix: format!("{}_", model.name) };
        let mut live = Live::default();
        for [table, kind, comment] in reader.rows("live_tables.sql").await? {
            let comment = comment.filter(|comment| !comment.is_empty());
            live.tables.insert(text(table), LiveTable { kind: text(kind), comment, ..LiveTable::default() });
        }
        for [table, name, sql_type, null, default, collation, comment] in reader.rows("live_columns.sql").await? {
            let comment = comment.filter(|comment| !comment.is_empty());
            let column = LiveColumn { name: text(name), sql_type: text(sql_type), null: yes(null), default, collation, comment };
            live.table(table, |table| table.columns.push(column));
        }
        for [kind, table, name, column, ref_table, ref_column] in reader.rows("live_keys.sql").await? {
            let (name, column) = (text(name), text(column));
            live.table(table, |table| match kind.as_deref() {
                Some("primary") => table.primary_key.push(column),
                _ => table.refer(name, column, text(ref_table), ref_column),
            });
        }
        for [table, name, column, unique, flaw] in reader.rows("live_indexes.sql").await? {
            let (name, column) = (text(name), text(column));
            live.table(table, |table| table.index(name, column, yes(unique), flaw));
        }
        Ok(live)
    }

    /// Whether there is any of those tables.
    pub fn has_any<'t>(&self, dialect: &Dialect, mut tables: impl Iterator<Item = &'t str>) -> bool {
        tables.any(|table| self.tables.contains_key(&dialect.fold(table)))
    }

    /// What is said of a table that went away between two queries is passed over.
    fn table(&mut self, name: Option<String>, change: impl FnOnce(&mut LiveTable)) {
        if let Some(table) = name.and_then(|name| self.tables.get_mut(&name)) {
            change(table);
        }
    }
}

impl LiveTable {
    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&LiveColumn> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Adds a column to the foreign key of that name. The rows of one come one after the other.
    fn refer(&mut self, name: String, column: String, table: String, key: Option<String>) {
        if self.foreign_keys.last().is_none_or(|last| last.name != name) {
            self.foreign_keys.push(LiveForeignKey { name, table, ..LiveForeignKey::default() });
        }
        if let Some(last) = self.foreign_keys.last_mut() {
            last.columns.push(column);
            last.key.extend(key);
        }
    }

    /// Adds a column to the index of that name. The rows of one come one after the other.
    fn index(&mut self, name: String, column: String, unique: bool, flaw: Option<String>) {
        if self.indexes.last().is_none_or(|last| last.name != name) {
            self.indexes.push(LiveIndex { name, unique, flaw, ..LiveIndex::default() });
        }
        if let Some(last) = self.indexes.last_mut() {
            last.columns.push(column);
        }
    }
}

struct Reader<'a> {
    driver: &'a mut dyn Driver,
    dialect: &'a Dialect,
    schema: &'a SchemaName,
    prefix: String,
}

impl Reader<'_> {
    /// The answer to a template's query, whose columns are all text.
    async fn rows<const N: usize>(&mut self, template: &str) -> Result<Vec<[Option<String>; N]>> {
        let sql = self.dialect.render(template, self.schema, context! { prefix => self.prefix.as_str() })?;
        let rows = match self.driver.query(&sql, &[], &[Kind::Text; N]).await {
            // Where each schema has a catalog of its own, that of an absent one cannot be asked.
            Err(error) if error.kind == ErrorKind::Missing => vec![],
            rows => rows?,
        };
        let row = |row: Vec<Value>| {
            let mut values = row.into_iter().map(Value::into_text);
            std::array::from_fn(|_| values.next().flatten())
        };
        Ok(rows.into_iter().map(row).collect())
    }
}

fn text(value: Option<String>) -> String {
    value.unwrap_or_default()
}

fn yes(value: Option<String>) -> bool {
    value.as_deref() == Some("yes")
}
