//! Model × dialect → statements. Pure: no connection, no file, no clock.
//!
//! sea-query writes the tables of PostgreSQL, MySQL and SQLite; the dialect's templates write everything else.

use crate::dialect::{Backend, Comments, Dialect, LiteralStyle, SchemaName};
use crate::error::{Error, Result};
use crate::model::{Backfill, Column, Fill, Index, Model, Table};
use minijinja::{Value, context};
use sea_query::{
    Alias, ColumnDef, ForeignKeyCreateStatement, IntoTableRef, MysqlQueryBuilder, PostgresQueryBuilder, SqliteQueryBuilder,
    TableCreateStatement, TableRef,
};
use std::collections::BTreeMap;
use std::fmt;

/// What a statement brings about, so that the catalog can be asked whether it is there already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The schema exists.
    Schema,
    /// The table exists with these columns and, where they were made with it, these indexes.
    Table {
        /// The table.
        table: String,
        /// Its columns.
        columns: Vec<String>,
        /// Indexes made in the same statement.
        indexes: Vec<String>,
    },
    /// The table has these columns too.
    Columns {
        /// The table.
        table: String,
        /// The columns that are added.
        columns: Vec<String>,
    },
    /// The index exists.
    Index {
        /// The table.
        table: String,
        /// The index.
        index: String,
    },
    /// A comment reads as it should. Not asked for: writing it again does no harm.
    Comment {
        /// The table that it, or its column, belongs to.
        table: String,
    },
    /// Rows were filled. Not asked for: filling again changes nothing.
    Backfill {
        /// The table whose rows they are.
        table: String,
    },
    /// The ledger has the row of a version.
    Ledger {
        /// The version.
        version: u32,
    },
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Effect::Schema => write!(f, "create schema"),
            Effect::Table { table, columns, indexes } if indexes.is_empty() => write!(f, "create table {table} ({})", columns.join(", ")),
            Effect::Table { table, columns, indexes } => {
                write!(f, "create table {table} ({}) with {}", columns.join(", "), indexes.join(", "))
            }
            Effect::Columns { table, columns } => write!(f, "add columns {table} ({})", columns.join(", ")),
            Effect::Index { table, index } => write!(f, "create index {index} on {table}"),
            Effect::Comment { table } => write!(f, "comment on {table}"),
            Effect::Backfill { table } => write!(f, "backfill {table}"),
            Effect::Ledger { version } => write!(f, "record version {version}"),
        }
    }
}

impl Effect {
    /// What it is in a few words, for people.
    pub fn brief(&self) -> String {
        match self {
            Effect::Table { table, .. } => format!("create table {table}"),
            Effect::Columns { table, columns } => format!("add columns to {table} ({})", columns.join(", ")),
            other => other.to_string(),
        }
    }

    /// Whether the catalog can be asked for it.
    pub fn in_catalog(&self) -> bool {
        matches!(self, Effect::Table { .. } | Effect::Columns { .. } | Effect::Index { .. })
    }

    /// Reads back what [`Effect`]'s `Display` writes, as it stands in a migration file.
    pub fn from_text(text: &str) -> Option<Effect> {
        let names = |list: &str| list.split(", ").map(str::to_string).collect::<Vec<_>>();
        let listed = |text: &str| text.split_once(" (").map(|(table, rest)| (table.to_string(), rest.to_string()));
        if text == "create schema" {
            return Some(Effect::Schema);
        }
        if let Some((table, rest)) = text.strip_prefix("create table ").and_then(listed) {
            let (columns, indexes) = rest.split_once(')')?;
            let indexes = indexes.strip_prefix(" with ").map(names).unwrap_or_default();
            return Some(Effect::Table { table, columns: names(columns), indexes });
        }
        if let Some((table, rest)) = text.strip_prefix("add columns ").and_then(listed) {
            return Some(Effect::Columns { table, columns: names(rest.strip_suffix(')')?) });
        }
        if let Some((index, table)) = text.strip_prefix("create index ").and_then(|rest| rest.split_once(" on ")) {
            return Some(Effect::Index { table: table.into(), index: index.into() });
        }
        if let Some(table) = text.strip_prefix("comment on ") {
            return Some(Effect::Comment { table: table.into() });
        }
        if let Some(version) = text.strip_prefix("record version ") {
            return version.parse().ok().map(|version| Effect::Ledger { version });
        }
        text.strip_prefix("backfill ").map(|table| Effect::Backfill { table: table.into() })
    }
}

/// One statement and what it brings about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What it brings about.
    pub effect: Effect,
    /// The statement, without what a shell wants after it.
    pub sql: String,
}

/// A model on a dialect in a schema: what all rendering is done with.
#[derive(Debug, Clone, Copy)]
pub struct Renderer<'a> {
    /// The dialect to write in.
    pub dialect: &'a Dialect,
    /// The schema to put before tables.
    pub schema: &'a SchemaName,
}

impl Renderer<'_> {
    /// The statement that makes the schema; none where the engine has no schemas. `location` is BigQuery's.
    pub fn schema_step(&self, location: Option<&str>) -> Result<Option<Step>> {
        if !self.dialect.schemas {
            return Ok(None);
        }
        let sql = self.dialect.render("create_schema.sql", self.schema, context! { location })?;
        Ok(Some(Step { effect: Effect::Schema, sql }))
    }

    /// The statement that makes the ledger.
    pub fn ledger_step(&self, model: &Model) -> Result<Step> {
        self.create_table(model, &model.ledger())
    }

    /// The statement that makes a table beside the model's, as the lock's.
    pub fn table_step(&self, model: &Model, table: &Table) -> Result<Step> {
        self.create_table(model, table)
    }

    /// What a version adds to the one before it: model(n) less model(n−1).
    pub fn version_steps(&self, model: &Model, version: u32) -> Result<Vec<Step>> {
        let (before, after) = (model.at(version.saturating_sub(1)), model.at(version));
        let mut steps = vec![];
        for table in &after.tables {
            match before.table(&table.name) {
                None => self.new_table(&after, table, &mut steps)?,
                Some(old) => self.grown_table(old, table, &mut steps)?,
            }
        }
        for backfill in after.backfill.iter().filter(|backfill| backfill.since() == version) {
            steps.push(self.backfill(&after, backfill)?);
        }
        Ok(steps)
    }

    /// The whole model in one go, for an empty schema. The backfills are for one that is not: a migration that was killed may have left it with all
    /// its columns and with rows that are not filled, and the ledger is told by the catalog alone.
    pub fn squashed_steps(&self, model: &Model) -> Result<Vec<Step>> {
        let mut steps = vec![];
        for table in &model.tables {
            self.new_table(model, table, &mut steps)?;
        }
        for backfill in &model.backfill {
            steps.push(self.backfill(model, backfill)?);
        }
        Ok(steps)
    }

    /// The ledger row of a version, written only where it is missing and the catalog shows all that the version brings.
    pub fn ledger_row(&self, model: &Model, version: u32, checksum: &str) -> Result<Step> {
        let (before, after) = (model.at(version.saturating_sub(1)), model.at(version));
        let mut columns = vec![];
        let mut indexes = vec![];
        for table in &after.tables {
            let old = before.table(&table.name);
            let names: Vec<_> = table
                .columns
                .iter()
                .map(|column| column.name.clone())
                .filter(|name| old.is_none_or(|old| old.column(name).is_none()))
                .collect();
            let new = |index: &&Index| old.is_none_or(|old| old.indexes.iter().all(|known| known.name != index.name));
            indexes.extend(table.indexes.iter().filter(new).map(|index| index.name.clone()));
            if !names.is_empty() {
                columns.push(context! { table => table.name.as_str(), names });
            }
        }
        let count: usize = columns.iter().filter_map(|brought| brought.get_attr("names").ok()?.len()).sum();
        let context = context! {
            ledger => model.ledger().name, version, name => model.versions.get(&version).map(String::as_str), checksum, columns, columns_count => count, indexes,
        };
        Ok(Step { effect: Effect::Ledger { version }, sql: self.dialect.render("ledger_row.sql", self.schema, context)? })
    }

    /// The statement that makes an index of a table that is there already.
    ///
    /// # Errors
    /// `internal` where the model has no such index.
    pub fn index_step(&self, model: &Model, table: &str, index: &str) -> Result<Step> {
        let table = referenced(model, table)?;
        let index = table.indexes.iter().find(|known| known.name == index);
        self.create_index(table, index.ok_or_else(|| Error::internal(format!("{} has no such index", table.name)))?)
    }

    /// The privileges that a member and a reader need, one statement a line, for a person to fill in and run.
    pub fn grants(&self, model: &Model) -> Result<Vec<String>> {
        let tables: Vec<_> = model.tables.iter().map(|table| table.name.clone()).collect();
        let text = self.dialect.render("grants.sql", self.schema, context! { tables, ledger => model.ledger().name })?;
        Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_string).collect())
    }

    fn new_table(&self, model: &Model, table: &Table, steps: &mut Vec<Step>) -> Result<()> {
        steps.push(self.create_table(model, table)?);
        if self.dialect.indexes && !self.indexes_inline() {
            for index in &table.indexes {
                steps.push(self.create_index(table, index)?);
            }
        }
        if self.dialect.comments == Comments::Statement {
            let context = context! { table_name => table.name.as_str(), comment => table.comment.as_str() };
            steps.push(self.comment(table, "comment_table.sql", context)?);
            self.comment_columns(table, table.columns.iter(), steps)?;
        }
        Ok(())
    }

    fn grown_table(&self, old: &Table, new: &Table, steps: &mut Vec<Step>) -> Result<()> {
        let added: Vec<_> = new.columns.iter().filter(|column| old.column(&column.name).is_none()).collect();
        let groups: Vec<&[&Column]> = match self.dialect.add_columns_at_once {
            _ if added.is_empty() => vec![],
            true => vec![&added],
            false => added.chunks(1).collect(),
        };
        for group in groups {
            steps.push(self.add_columns(new, group)?);
        }
        if self.dialect.indexes {
            for index in new.indexes.iter().filter(|index| old.indexes.iter().all(|known| known.name != index.name)) {
                steps.push(self.create_index(new, index)?);
            }
        }
        if self.dialect.comments == Comments::Statement {
            self.comment_columns(new, added.into_iter(), steps)?;
        }
        Ok(())
    }

    fn comment_columns<'c>(&self, table: &Table, columns: impl Iterator<Item = &'c Column>, steps: &mut Vec<Step>) -> Result<()> {
        for column in columns {
            let context =
                context! { table_name => table.name.as_str(), column => column.name.as_str(), comment => column.comment.as_str() };
            steps.push(self.comment(table, "comment_column.sql", context)?);
        }
        Ok(())
    }

    fn comment(&self, table: &Table, template: &str, context: Value) -> Result<Step> {
        let sql = self.dialect.render(template, self.schema, context)?;
        Ok(Step { effect: Effect::Comment { table: table.name.clone() }, sql })
    }

    fn create_index(&self, table: &Table, index: &Index) -> Result<Step> {
        let index_context = context! { name => index.name.as_str(), columns => index.columns.clone() };
        let sql =
            self.dialect.render("create_index.sql", self.schema, context! { table_name => table.name.as_str(), index => index_context })?;
        Ok(Step { effect: Effect::Index { table: table.name.clone(), index: index.name.clone() }, sql })
    }

    /// MySQL has no CREATE INDEX IF NOT EXISTS, so a new table brings its indexes with it and the script can be run twice.
    fn indexes_inline(&self) -> bool {
        self.dialect.backend == Backend::MySql
    }

    fn create_table(&self, model: &Model, table: &Table) -> Result<Step> {
        let names = |columns: &[Column]| columns.iter().map(|column| column.name.clone()).collect();
        let indexes = match self.indexes_inline() {
            true => table.indexes.iter().map(|index| index.name.clone()).collect(),
            false => vec![],
        };
        let effect = Effect::Table { table: table.name.clone(), columns: names(&table.columns), indexes };
        let sql = match self.dialect.backend {
            Backend::PostgreSql => self.sea_table(model, table)?.to_string(PostgresQueryBuilder),
            Backend::Sqlite => self.sea_table(model, table)?.to_string(SqliteQueryBuilder),
            Backend::MySql => self.sea_table(model, table)?.to_string(MysqlQueryBuilder),
            _ => self.dialect.render("create_table.sql", self.schema, self.table_context(model, table)?)?,
        };
        Ok(Step { effect, sql: self.laid_out(&sql) })
    }

    fn add_columns(&self, table: &Table, columns: &[&Column]) -> Result<Step> {
        let effect = Effect::Columns { table: table.name.clone(), columns: columns.iter().map(|column| column.name.clone()).collect() };
        let mut alter = sea_query::Table::alter();
        alter.table(self.table_ref(&table.name));
        for column in columns {
            match self.dialect.backend {
                Backend::Sqlite => alter.add_column(self.column_def(column)),
                _ => alter.add_column_if_not_exists(self.column_def(column)),
            };
        }
        let sql = match self.dialect.backend {
            Backend::PostgreSql => alter.to_string(PostgresQueryBuilder),
            Backend::Sqlite => alter.to_string(SqliteQueryBuilder),
            // MariaDB takes the guard, MySQL does not and passes over MariaDB's comment: https://mariadb.com/kb/en/comment-syntax/
            Backend::MySql => {
                alter.to_string(MysqlQueryBuilder).replace("ADD COLUMN IF NOT EXISTS ", "ADD COLUMN /*M!100002 IF NOT EXISTS */ ")
            }
            _ => {
                let columns: Vec<_> = columns.iter().map(|column| self.column_context(column)).collect();
                self.dialect.render("add_columns.sql", self.schema, context! { table_name => table.name.as_str(), columns })?
            }
        };
        Ok(Step { effect, sql: self.laid_out(&sql) })
    }

    fn table_ref(&self, table: &str) -> TableRef {
        let table = Alias::new(self.dialect.fold(table));
        match self.dialect.schemas {
            true => (Alias::new(self.schema.folded.clone()), table).into_table_ref(),
            false => table.into_table_ref(),
        }
    }

    fn column_def(&self, column: &Column) -> ColumnDef {
        let mut def = ColumnDef::new(Alias::new(self.dialect.fold(&column.name)));
        def.custom(Alias::new(self.dialect.sql_type(column)));
        if !column.null {
            def.not_null();
        }
        if let Some(default) = &column.default {
            def.default(sea_query::Expr::cust(default.clone()));
        }
        if self.dialect.comments == Comments::Inline {
            def.comment(column.comment.clone());
        }
        def
    }

    fn sea_table(&self, model: &Model, table: &Table) -> Result<TableCreateStatement> {
        let fold = |name: &str| Alias::new(self.dialect.fold(name));
        let mut create = sea_query::Table::create();
        create.table(self.table_ref(&table.name)).if_not_exists();
        for column in &table.columns {
            create.col(self.column_def(column));
        }
        let mut key = sea_query::Index::create();
        for name in &table.primary_key {
            key.col(fold(name));
        }
        create.primary_key(&mut key);
        for reference in &table.references {
            let target = referenced(model, &reference.table)?;
            let mut foreign = ForeignKeyCreateStatement::new();
            // sea-query refuses a schema here for MySQL, where a table alone means the child's database:
            // https://dev.mysql.com/doc/refman/8.0/en/create-table-foreign-keys.html
            let table_ref = |name: &str| match self.dialect.backend {
                Backend::MySql => fold(name).into_table_ref(),
                _ => self.table_ref(name),
            };
            foreign
                .name(self.doubled(&foreign_key_name(table, &reference.columns)))
                .from_tbl(table_ref(&table.name))
                .to_tbl(table_ref(&target.name));
            for (from, to) in reference.columns.iter().zip(&target.primary_key) {
                foreign.from_col(fold(from)).to_col(fold(to));
            }
            create.foreign_key(&mut foreign);
        }
        if self.indexes_inline() {
            for index in &table.indexes {
                let mut key = sea_query::Index::create();
                key.name(self.doubled(&index.name));
                for name in &index.columns {
                    key.col(fold(name));
                }
                create.index(&mut key);
            }
        }
        if self.dialect.comments == Comments::Inline {
            create.comment(table.comment.clone());
        }
        if let Some(options) = &self.dialect.table_options {
            create.extra(options.clone());
        }
        Ok(create)
    }

    /// A name whose quotes sea-query does not double: that of a key or an index.
    fn doubled(&self, name: &str) -> String {
        let [_, close] = self.dialect.quotes;
        name.replace(close, &format!("{close}{close}"))
    }

    fn table_context(&self, model: &Model, table: &Table) -> Result<Value> {
        let columns: Vec<_> = table.columns.iter().map(|column| self.column_context(column)).collect();
        let mut references = vec![];
        for reference in &table.references {
            let target = referenced(model, &reference.table)?;
            references.push(context! {
                name => foreign_key_name(table, &reference.columns), columns => reference.columns.clone(),
                table => target.name.as_str(), key => target.primary_key.clone(),
            });
        }
        Ok(context! {
            table_name => table.name.as_str(), comment => table.comment.as_str(), columns, primary_key => table.primary_key.clone(), references,
            indexes => table.indexes.iter().map(|index| index.columns.clone()).collect::<Vec<_>>(),
        })
    }

    fn column_context(&self, column: &Column) -> Value {
        context! {
            name => column.name.as_str(), type => self.dialect.sql_type(column), null => column.null,
            default => column.default.as_deref(), comment => column.comment.as_str(),
        }
    }

    fn backfill(&self, model: &Model, backfill: &Backfill) -> Result<Step> {
        let items = |fills: &BTreeMap<String, Fill>| fills.iter().map(|(column, fill)| fill_context(column, fill)).collect::<Vec<_>>();
        let sql = match backfill {
            Backfill::Update { update, where_null, set, .. } => {
                let context = context! { table_name => update.as_str(), where_null => where_null.as_str(), set => items(set) };
                self.dialect.render("backfill_update.sql", self.schema, context)?
            }
            Backfill::Insert { insert, values, where_any, .. } => {
                let key = referenced(model, insert)?.primary_key.first();
                let key = key.and_then(|name| values.get(name).map(|fill| fill_context(name, fill)));
                let context = context! {
                    table_name => insert.as_str(), set => items(values), key,
                    where_table => where_any.table.as_str(), where_column => where_any.column.as_str(), where_text => where_any.text.as_str(),
                };
                self.dialect.render("backfill_insert.sql", self.schema, context)?
            }
        };
        Ok(Step { effect: Effect::Backfill { table: backfill.table().to_string() }, sql })
    }

    /// sea-query writes one line; people read one column a line.
    fn laid_out(&self, sql: &str) -> String {
        if sql.contains('\n') {
            return sql.to_string();
        }
        let [open, _] = self.dialect.quotes;
        let sql = match sql.starts_with("ALTER TABLE") {
            true => sql.replacen(" ADD COLUMN ", "\n  ADD COLUMN ", 1),
            false => sql.to_string(),
        };
        let mut text = String::with_capacity(sql.len() + 64);
        let (mut depth, mut quote, mut escaped) = (0u32, None, false);
        let backslash = self.dialect.literal != LiteralStyle::Doubled;
        let mut rest = sql.chars().peekable();
        while let Some(c) = rest.next() {
            match quote {
                Some(_) if escaped => escaped = false,
                Some('\'') if backslash && c == '\\' => escaped = true,
                Some(end) if c == end => quote = None,
                Some(_) => {}
                None if c == '\'' || c == open => quote = Some(c),
                None if c == '(' => depth += 1,
                None if c == ')' => depth = depth.saturating_sub(1),
                None => {}
            }
            let table_level = quote.is_none() && sql.starts_with("CREATE TABLE");
            match c {
                ')' if table_level && depth == 0 => {
                    text.truncate(text.trim_end().len());
                    text.push_str("\n)");
                }
                _ => text.push(c),
            }
            let opens = c == '(' && depth == 1 && table_level;
            let next_item = c == ',' && quote.is_none() && depth == u32::from(table_level);
            if opens || next_item {
                text.push_str("\n  ");
                while rest.peek() == Some(&' ') {
                    rest.next();
                }
            }
        }
        text
    }
}

fn referenced<'m>(model: &'m Model, table: &str) -> Result<&'m Table> {
    model.table(table).ok_or_else(|| Error::internal(format!("the model has no table {table}, though its check passed")))
}

/// The name of a foreign key.
pub(crate) fn foreign_key_name(table: &Table, columns: &[String]) -> String {
    format!("fk_{}_{}", table.name, columns.join("_"))
}

fn fill_context(column: &str, fill: &Fill) -> Value {
    match fill {
        Fill::Column(from) => context! { column, from => from.as_str() },
        Fill::Text(text) => context! { column, text => text.as_str() },
        Fill::Integer(integer) => context! { column, integer => *integer },
    }
}
