//! Model × dialect → statements. Pure: no connection, no file, no clock.
//!
//! sea-query writes the tables of PostgreSQL, MySQL and SQLite; the dialect's templates write everything else.

use crate::change::{self, Change};
use crate::dialect::{AlterStyle, Backend, Comments, Dialect, LiteralStyle, LockKind, SchemaName};
use crate::error::{Error, Result};
use crate::model::{Backfill, Column, Fill, Index, Model, Table};
use minijinja::{Value, context};
use sea_query::{
    Alias, ColumnDef, ForeignKeyCreateStatement, IntoTableRef, MysqlQueryBuilder, PostgresQueryBuilder, SqliteQueryBuilder,
    TableCreateStatement, TableRef,
};
use std::collections::BTreeMap;
use std::fmt;

/// What a statement on the store takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privilege {
    /// What a reader has: SELECT.
    Read,
    /// What a member has: SELECT, INSERT and UPDATE.
    Write,
    /// What a repair takes besides: DELETE from the tables of runs and results.
    Delete,
}

/// The rights of a member on the store's tables.
const MEMBER: &str = "SELECT, INSERT, UPDATE";

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
    /// The column has its new name and not the old one.
    RenameColumn {
        /// The table.
        table: String,
        /// The old name.
        from: String,
        /// The new name.
        to: String,
    },
    /// The column is not there.
    DropColumn {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// The table is not there.
    DropTable {
        /// The table.
        table: String,
    },
    /// The index is not there.
    DropIndex {
        /// The table.
        table: String,
        /// The index.
        index: String,
    },
    /// The column takes longer text. Not asked for: widening again does no harm.
    Widen {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// The column may be null. Not asked for: allowing it again does no harm.
    AllowNull {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// One of the statements by which a copy takes a column's place. Not asked for: they run in one transaction, all or none.
    Rebuild {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// The column has its default. Not asked for: setting it again does no harm.
    Default {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// The table maps its columns, so that they can be renamed and dropped. Not asked for: saying so again does no harm.
    MapColumns {
        /// The table.
        table: String,
    },
    /// Nothing: the version has no statement for this engine.
    Nothing,
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
            Effect::RenameColumn { table, from, to } => write!(f, "rename column {table} ({from}) to ({to})"),
            Effect::DropColumn { table, column } => write!(f, "drop column {table} ({column})"),
            Effect::DropTable { table } => write!(f, "drop table {table}"),
            Effect::DropIndex { table, index } => write!(f, "drop index {index} on {table}"),
            Effect::Widen { table, column } => write!(f, "widen column {table} ({column})"),
            Effect::AllowNull { table, column } => write!(f, "allow null {table} ({column})"),
            Effect::Rebuild { table, column } => write!(f, "rebuild column {table} ({column})"),
            Effect::Default { table, column } => write!(f, "set default {table} ({column})"),
            Effect::MapColumns { table } => write!(f, "map columns of {table}"),
            Effect::Nothing => write!(f, "nothing to do"),
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
        self.takes_away() || matches!(self, Effect::Table { .. } | Effect::Columns { .. } | Effect::Index { .. })
    }

    /// Whether it is that something is not there, or not under its old name.
    pub fn takes_away(&self) -> bool {
        matches!(self, Effect::RenameColumn { .. } | Effect::DropColumn { .. } | Effect::DropTable { .. } | Effect::DropIndex { .. })
    }

    /// Reads back what [`Effect`]'s `Display` writes, as it stands in a migration file.
    pub fn from_text(text: &str) -> Option<Effect> {
        let names = |list: &str| list.split(", ").map(str::to_string).collect::<Vec<_>>();
        let listed = |text: &str| text.split_once(" (").map(|(table, rest)| (table.to_string(), rest.to_string()));
        let column = |rest: &str| rest.strip_suffix(')').and_then(listed);
        match text {
            "create schema" => return Some(Effect::Schema),
            "nothing to do" => return Some(Effect::Nothing),
            _ => {}
        }
        if let Some((table, rest)) = text.strip_prefix("rename column ").and_then(column) {
            let (from, to) = rest.split_once(") to (")?;
            return Some(Effect::RenameColumn { table, from: from.into(), to: to.into() });
        }
        if let Some((table, column)) = text.strip_prefix("drop column ").and_then(column) {
            return Some(Effect::DropColumn { table, column });
        }
        if let Some((table, column)) = text.strip_prefix("widen column ").and_then(column) {
            return Some(Effect::Widen { table, column });
        }
        if let Some((table, column)) = text.strip_prefix("allow null ").and_then(column) {
            return Some(Effect::AllowNull { table, column });
        }
        if let Some((table, column)) = text.strip_prefix("rebuild column ").and_then(column) {
            return Some(Effect::Rebuild { table, column });
        }
        if let Some((table, column)) = text.strip_prefix("set default ").and_then(column) {
            return Some(Effect::Default { table, column });
        }
        if let Some(table) = text.strip_prefix("drop table ") {
            return Some(Effect::DropTable { table: table.into() });
        }
        if let Some((index, table)) = text.strip_prefix("drop index ").and_then(|rest| rest.split_once(" on ")) {
            return Some(Effect::DropIndex { table: table.into(), index: index.into() });
        }
        if let Some(table) = text.strip_prefix("map columns of ") {
            return Some(Effect::MapColumns { table: table.into() });
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

    /// What is lost by it, in one clause; nothing where nothing is.
    pub fn loses(&self) -> Option<String> {
        match self {
            Effect::DropColumn { table, column } => Some(format!("{table}.{column} goes with all that it holds")),
            Effect::DropTable { table } => Some(format!("{table} goes with all its rows")),
            _ => None,
        }
    }
}

/// What the lock's table has a row for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// One migration at a time.
    Migrate,
    /// One writer of rows at a time, where the engine enforces no keys.
    Write,
}

impl Turn {
    /// The word in the row's key.
    pub fn word(self) -> &'static str {
        match self {
            Turn::Migrate => "migrate",
            Turn::Write => "write",
        }
    }

    /// Whether it is taken on an engine.
    pub fn is_taken_on(self, dialect: &Dialect) -> bool {
        self == Turn::Migrate || !dialect.keys_enforced
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

/// How a script makes a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// In one go: what is there already is passed over.
    Squashed,
    /// Version by version.
    Versioned,
}

/// What a row needs beside what the catalog shows: what the ledger must hold where the catalog alone does not tell the version, or the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beside {
    /// No version before it: the store is one that the script has just made.
    Nothing,
    /// The version before it.
    Former,
    /// Nothing more, but the lock must have this fence.
    Fence(i64),
}

/// The names that a version brings, by which the catalog tells it.
struct Brought {
    columns: Vec<(String, Vec<String>)>,
    indexes: Vec<String>,
}

/// The names that a model has and the one before it has not.
fn brought(before: &Model, after: &Model) -> Brought {
    let mut brought = Brought { columns: vec![], indexes: vec![] };
    for table in &after.tables {
        let old = before.table(&table.name);
        let is_new = |name: &String| old.is_none_or(|old| old.column(name).is_none());
        let names: Vec<_> = table.columns.iter().map(|column| column.name.clone()).filter(is_new).collect();
        let new = |index: &&Index| old.is_none_or(|old| old.indexes.iter().all(|known| known.name != index.name));
        brought.indexes.extend(table.indexes.iter().filter(new).map(|index| index.name.clone()));
        if !names.is_empty() {
            brought.columns.push((table.name.clone(), names));
        }
    }
    brought
}

impl Brought {
    /// The same by the names that they have after further versions, without what those dropped.
    fn followed(self, versions: &[Model], now: &Model) -> Brought {
        let follow = |(table, names): (String, Vec<String>)| {
            let mut names = names;
            for pair in versions.windows(2) {
                let (Some(before), Some(after)) = (pair[0].table(&table), pair[1].table(&table)) else { return None };
                names = names.iter().filter_map(|name| change::renamed(before, after, name)).map(str::to_string).collect();
            }
            (!names.is_empty()).then_some((table, names))
        };
        let columns = self.columns.into_iter().filter_map(follow).collect();
        let there = |name: &String| now.tables.iter().flat_map(|table| &table.indexes).any(|index| index.name == *name);
        Brought { columns, indexes: self.indexes.into_iter().filter(there).collect() }
    }
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

    /// The statements that make the lock's table with its rows: one for migrations and, where writers take turns, one for them. Where nothing keeps
    /// a row from being there twice it is one statement, so that of two that come first only one makes it.
    pub fn lock_steps(&self, model: &Model) -> Result<Vec<Step>> {
        match self.dialect.lock {
            LockKind::Lease => self.lock_at_once(model),
            LockKind::Engine => self.lock_step_by_step(model),
        }
    }

    /// The same for a script that is run again.
    pub fn lock_steps_again(&self, model: &Model) -> Result<Vec<Step>> {
        match self.dialect.transactional_ddl {
            // Where DDL is transactional, a table that is filled as it is made cannot be passed over where it is there.
            true => self.lock_step_by_step(model),
            false => self.lock_steps(model),
        }
    }

    fn lock_at_once(&self, model: &Model) -> Result<Vec<Step>> {
        let table = model.lock_table();
        let columns: Vec<_> = table.columns.iter().map(|column| self.column_context(column)).collect();
        let context = context! { lock => table.name.as_str(), columns, items => self.turns() };
        let sql = self.dialect.render("lock_create.sql", self.schema, context)?;
        Ok(vec![Step { effect: Effect::Table { table: table.name, columns: vec![], indexes: vec![] }, sql }])
    }

    fn turns(&self) -> Vec<&'static str> {
        [Turn::Migrate, Turn::Write].into_iter().filter(|turn| turn.is_taken_on(self.dialect)).map(Turn::word).collect()
    }

    fn lock_step_by_step(&self, model: &Model) -> Result<Vec<Step>> {
        let table = model.lock_table();
        let mut steps = vec![self.create_table(model, &table)?];
        for item in self.turns() {
            let sql = self.dialect.render("lock_seed.sql", self.schema, context! { lock => table.name.as_str(), item })?;
            steps.push(Step { effect: Effect::Backfill { table: table.name.clone() }, sql });
        }
        Ok(steps)
    }

    /// The statement that makes a table beside the model's, as that of the steps.
    pub fn table_step(&self, model: &Model, table: &Table) -> Result<Step> {
        self.create_table(model, table)
    }

    /// What a version adds to the one before it: model(n) less model(n−1).
    pub fn version_steps(&self, model: &Model, version: u32) -> Result<Vec<Step>> {
        self.steps_between(&model.at(version.saturating_sub(1)), &model.at(version))
    }

    /// The statements that lead from one model to the next.
    ///
    /// # Errors
    /// `model_infeasible` where none do.
    pub fn steps_between(&self, old: &Model, new: &Model) -> Result<Vec<Step>> {
        let changes = change::changes(old, new)?;
        let mut steps = vec![];
        for change in &changes {
            match change {
                Change::DropIndex { table, index } if self.dialect.indexes => steps.push(self.drop_index(table, index)?),
                Change::DropTable { table } => steps.push(self.drop_table(table)?),
                _ => {}
            }
        }
        for table in &new.tables {
            match old.table(&table.name) {
                None => self.new_table(new, table, &mut steps)?,
                Some(before) => {
                    let own: Vec<_> = changes.iter().filter(|change| change.table() == table.name).collect();
                    Alteration { renderer: self, before, after: table, changes: &own, steps: &mut steps }.all()?;
                }
            }
        }
        for backfill in new.backfill.iter().filter(|backfill| backfill.since() > old.latest()) {
            steps.push(self.backfill(new, backfill)?);
        }
        if steps.is_empty() {
            let context = context! { ledger => new.ledger().name, version => new.latest() };
            steps.push(Step { effect: Effect::Nothing, sql: self.dialect.render("nothing.sql", self.schema, context)? });
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

    /// The ledger row of a version, written only where it is missing and the catalog shows all that the version brings. It stands right after the
    /// version's own statements.
    pub fn ledger_row(&self, model: &Model, version: u32, checksum: &str) -> Result<Step> {
        self.ledger_row_if(model, version, checksum, &brought(&model.at(version.saturating_sub(1)), &model.at(version)), None)
    }

    /// The same, where the lock has this fence too. It touches one row then, else none.
    pub fn fenced_ledger_row(&self, model: &Model, version: u32, checksum: &str, fence: i64) -> Result<Step> {
        self.ledger_row_if(
            model,
            version,
            checksum,
            &brought(&model.at(version.saturating_sub(1)), &model.at(version)),
            Some(Beside::Fence(fence)),
        )
    }

    /// The ledger rows of all versions, at the end of a script: what a version brought may have been renamed or dropped since.
    pub fn ledger_rows(&self, model: &Model, checksums: &[String], way: Way) -> Result<Vec<Step>> {
        let models: Vec<_> = (0..=model.latest()).map(|version| model.at(version)).collect();
        let (mut silent, mut others) = (vec![], vec![]);
        for ((&version, checksum), pair) in model.versions.keys().zip(checksums).zip(models.windows(2)) {
            let [before, after] = pair else { continue };
            let left = brought(before, after).followed(&models[version as usize..], model);
            // The script alone does not bring a new column to a table of an older store; all else it may bring, or pass over in silence.
            let told = left.columns.iter().any(|(table, _)| before.table(table).is_some());
            let whole_tables = || before.tables.iter().all(|table| after.table(&table.name) == Some(table)) && !left.columns.is_empty();
            match way {
                _ if version == 1 || told => others.push(self.ledger_row_if(model, version, checksum, &left, None)?),
                Way::Squashed if !whole_tables() => {
                    silent.push(self.ledger_row_if(model, version, checksum, &left, Some(Beside::Nothing))?);
                }
                _ => others.push(self.ledger_row_if(model, version, checksum, &left, Some(Beside::Former))?),
            }
        }
        // Those that want an empty ledger come first, the newest of them before the rest.
        silent.reverse();
        silent.append(&mut others);
        Ok(silent)
    }

    fn ledger_row_if(&self, model: &Model, version: u32, checksum: &str, brought: &Brought, beside: Option<Beside>) -> Result<Step> {
        let fence = match beside {
            Some(Beside::Fence(fence)) => Some(fence),
            _ => None,
        };
        let columns: Vec<_> =
            brought.columns.iter().map(|(table, names)| context! { table => table.as_str(), names => names.clone() }).collect();
        let count: usize = brought.columns.iter().map(|(_, names)| names.len()).sum();
        let context = context! {
            ledger => model.ledger().name, version, name => model.versions.get(&version).map(String::as_str), checksum, columns,
            columns_count => count, indexes => brought.indexes.clone(),
            fence, lock => model.lock_table().name,
            none_before => matches!(beside, Some(Beside::Nothing)), one_before => matches!(beside, Some(Beside::Former)),
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

    /// The statement that adds columns of the model to a table.
    ///
    /// # Errors
    /// `internal` where the model has no such table.
    pub fn columns_step(&self, model: &Model, table: &str, columns: &[&str]) -> Result<Step> {
        let table = referenced(model, table)?;
        let columns: Vec<_> = columns.iter().filter_map(|name| table.column(name)).collect();
        self.add_columns(table, &columns)
    }

    /// The privileges that a member and a reader need, one statement a line, for a person to fill in and run.
    pub fn grants(&self, model: &Model) -> Result<Vec<String>> {
        let mut tables: Vec<_> = model.tables.iter().map(|table| table.name.clone()).collect();
        if Turn::Write.is_taken_on(self.dialect) {
            tables.push(model.lock_table().name);
        }
        self.grants_on(model, tables, MEMBER)
    }

    /// The grants on those tables, where a member has those rights.
    fn grants_on(&self, model: &Model, tables: Vec<String>, member: &str) -> Result<Vec<String>> {
        let text = self.dialect.render("grants.sql", self.schema, context! { tables, member, ledger => model.ledger().name })?;
        Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_string).collect())
    }

    /// Those of [`Renderer::grants`] that a user needs for something, on one line with `<user>` for the name; nothing where the engine has no users.
    ///
    /// # Errors
    /// Those of [`Renderer::grants`].
    pub fn granting(&self, model: &Model, privilege: Privilege) -> Result<Option<String>> {
        let (grantee, grants) = match privilege {
            Privilege::Read => ("<reader>", self.grants(model)?),
            Privilege::Write => ("<member>", self.grants(model)?),
            Privilege::Delete => {
                let stamped = model.tables.iter().filter(|table| table.column("landing").is_some());
                ("<member>", self.grants_on(model, stamped.map(|table| table.name.clone()).collect(), "DELETE")?)
            }
        };
        let named = grants.iter().filter(|line| line.contains(grantee)).map(|line| line.replace(grantee, "<user>"));
        let line = named.collect::<Vec<_>>().join("; ");
        Ok((!line.is_empty()).then(|| line + ";"))
    }

    fn new_table(&self, model: &Model, table: &Table, steps: &mut Vec<Step>) -> Result<()> {
        steps.push(self.create_table(model, table)?);
        if self.dialect.indexes && !self.indexes_inline() {
            for index in &table.indexes {
                steps.push(self.create_index(table, index)?);
            }
        }
        if self.dialect.comments == Comments::Statement {
            steps.push(self.comment_table(table)?);
            self.comment_columns(table, table.columns.iter(), steps)?;
        }
        Ok(())
    }

    fn drop_index(&self, table: &str, index: &str) -> Result<Step> {
        let sql = self.dialect.render("drop_index.sql", self.schema, context! { table_name => table, index })?;
        Ok(Step { effect: Effect::DropIndex { table: table.into(), index: index.into() }, sql })
    }

    fn drop_table(&self, table: &str) -> Result<Step> {
        let sql = self.dialect.render("drop_table.sql", self.schema, context! { table_name => table })?;
        Ok(Step { effect: Effect::DropTable { table: table.into() }, sql })
    }

    fn comment_columns<'c>(&self, table: &Table, columns: impl Iterator<Item = &'c Column>, steps: &mut Vec<Step>) -> Result<()> {
        for column in columns {
            let context =
                context! { table_name => table.name.as_str(), column => column.name.as_str(), comment => column.comment.as_str() };
            steps.push(self.comment(table, "comment_column.sql", context)?);
        }
        Ok(())
    }

    fn comment_table(&self, table: &Table) -> Result<Step> {
        let context = context! { table_name => table.name.as_str(), comment => table.comment.as_str() };
        self.comment(table, "comment_table.sql", context)
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

/// A table that is there, and what changes of it.
struct Alteration<'a> {
    renderer: &'a Renderer<'a>,
    before: &'a Table,
    after: &'a Table,
    changes: &'a [&'a Change],
    steps: &'a mut Vec<Step>,
}

impl Alteration<'_> {
    fn all(mut self) -> Result<()> {
        self.names()?;
        self.columns()?;
        self.additions()?;
        self.comments()
    }

    /// Renders one of the templates that alter a column; `was` is a name that it has not, for those that want two.
    fn push(&mut self, effect: Effect, template: &str, column: &Column, was: &str) -> Result<()> {
        let Renderer { dialect, schema } = *self.renderer;
        let column = context! { was, ..self.renderer.column_context(column) };
        let sql = dialect.render(template, schema, context! { table_name => self.after.name.as_str(), column })?;
        self.steps.push(Step { effect, sql });
        Ok(())
    }

    fn names(&mut self) -> Result<()> {
        let table = || self.after.name.clone();
        let moves = |change: &&&Change| matches!(change, Change::RenameColumn { .. } | Change::DropColumn { .. });
        if self.renderer.dialect.alter.maps_columns && self.changes.iter().any(|change| moves(&change)) {
            let sql = self.renderer.dialect.render("map_columns.sql", self.renderer.schema, context! { table_name => table() })?;
            self.steps.push(Step { effect: Effect::MapColumns { table: table() }, sql });
        }
        for change in self.changes {
            match change {
                Change::RenameColumn { from, to, .. } => {
                    let Some(column) = self.before.column(from) else { continue };
                    let renamed = Column { name: to.clone(), ..column.clone() };
                    let effect = Effect::RenameColumn { table: self.after.name.clone(), from: from.clone(), to: to.clone() };
                    self.push(effect, "rename_column.sql", &renamed, from)?;
                }
                Change::DropColumn { column, .. } => {
                    let Some(dropped) = self.before.column(column) else { continue };
                    let effect = Effect::DropColumn { table: self.after.name.clone(), column: column.clone() };
                    self.push(effect, "drop_column.sql", dropped, column)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Types, nulls, and the comments that can only be written with a whole definition.
    fn columns(&mut self) -> Result<()> {
        let dialect = self.renderer.dialect;
        let by_definition = dialect.alter.style == AlterStyle::Definition && dialect.comments == Comments::Inline;
        let mut altered = vec![];
        for column in &self.after.columns {
            let Some(was) = change::source(self.before, self.after, &column.name) else { continue };
            let widened = dialect.sql_type(was) != dialect.sql_type(column);
            let nullable = column.null && !was.null;
            if widened || nullable || (by_definition && was.comment != column.comment) {
                altered.push((column, widened, nullable));
            }
        }
        // A longer type alone is no trouble to an index, but to one over a column that a copy replaces.
        let replaced = |nullable: bool| nullable || dialect.alter.style == AlterStyle::Copy;
        let touched =
            |index: &Index| altered.iter().any(|(column, _, nullable)| replaced(*nullable) && index.columns.contains(&column.name));
        let in_the_way: Vec<_> = match dialect.alter.without_indexes && dialect.indexes {
            true => self.after.indexes.iter().filter(|index| is_old(self.changes, index) && touched(index)).collect(),
            false => vec![],
        };
        for index in &in_the_way {
            self.steps.push(self.renderer.drop_index(&self.after.name, &index.name)?);
        }
        for (column, widened, nullable) in altered {
            let at = || (self.after.name.clone(), column.name.clone());
            let effect = match (at(), nullable, widened) {
                ((table, column), true, _) => Effect::AllowNull { table, column },
                ((table, column), _, true) => Effect::Widen { table, column },
                ((table, _), ..) => Effect::Comment { table },
            };
            match dialect.alter.style {
                AlterStyle::Definition => self.push(effect, "modify_column.sql", column, &column.name)?,
                AlterStyle::Copy => self.copy(column)?,
                AlterStyle::Clause => {
                    if widened {
                        let (table, name) = at();
                        self.push(Effect::Widen { table, column: name }, "alter_type.sql", column, &column.name)?;
                    }
                    if nullable {
                        self.push(effect, "drop_not_null.sql", column, &column.name)?;
                    }
                }
            }
        }
        for index in in_the_way {
            self.steps.push(self.renderer.create_index(self.after, index)?);
        }
        Ok(())
    }

    /// A copy takes the place of a column.
    fn copy(&mut self, column: &Column) -> Result<()> {
        let effect = || Effect::Rebuild { table: self.after.name.clone(), column: column.name.clone() };
        let mut copy = Column { name: format!("{}__new", column.name), ..column.clone() };
        while [self.before, self.after].iter().any(|table| table.column(&copy.name).is_some()) {
            copy.name.push('_');
        }
        let added = self.renderer.add_columns(self.after, &[&copy])?;
        let effects = [effect(), effect(), effect(), effect()];
        let [added_effect, filled, dropped, renamed] = effects;
        self.steps.push(Step { effect: added_effect, ..added });
        self.push(filled, "copy_column.sql", &copy, &column.name)?;
        self.push(dropped, "drop_column.sql", column, &column.name)?;
        self.push(renamed, "rename_column.sql", column, &copy.name)?;
        if self.renderer.dialect.comments == Comments::Statement {
            self.renderer.comment_columns(self.after, [column].into_iter(), self.steps)?;
        }
        Ok(())
    }

    fn additions(&mut self) -> Result<()> {
        let renderer = self.renderer;
        let dialect = renderer.dialect;
        let is_new = |column: &&Column| change::source(self.before, self.after, &column.name).is_none();
        let added: Vec<Column> = self.after.columns.iter().filter(is_new).cloned().collect();
        // Where a default comes in a statement of its own, the column comes without.
        let apart = |column: &Column| match dialect.alter.default_apart {
            true => Column { default: None, ..column.clone() },
            false => column.clone(),
        };
        let bare: Vec<Column> = added.iter().map(apart).collect();
        let bare: Vec<&Column> = bare.iter().collect();
        let groups: Vec<&[&Column]> = match dialect.add_columns_at_once {
            _ if bare.is_empty() => vec![],
            true => vec![&bare],
            false => bare.chunks(1).collect(),
        };
        for group in groups {
            self.steps.push(renderer.add_columns(self.after, group)?);
        }
        for column in added.iter().filter(|column| dialect.alter.default_apart && column.default.is_some()) {
            let effect = Effect::Default { table: self.after.name.clone(), column: column.name.clone() };
            self.push(effect, "set_default.sql", column, &column.name)?;
        }
        let changes = self.changes;
        for index in self.after.indexes.iter().filter(|index| dialect.indexes && !is_old(changes, index)) {
            self.steps.push(renderer.create_index(self.after, index)?);
        }
        if dialect.comments == Comments::Statement {
            renderer.comment_columns(self.after, added.iter(), self.steps)?;
        }
        Ok(())
    }

    fn comments(&mut self) -> Result<()> {
        let renderer = self.renderer;
        let with_definition = renderer.dialect.alter.style == AlterStyle::Definition && renderer.dialect.comments == Comments::Inline;
        if renderer.dialect.comments == Comments::Unsupported {
            return Ok(());
        }
        for change in self.changes {
            match change {
                Change::CommentTable { .. } => self.steps.push(renderer.comment_table(self.after)?),
                Change::CommentColumn { column, .. } if !with_definition => {
                    let mut said = vec![];
                    renderer.comment_columns(self.after, self.after.column(column).into_iter(), &mut said)?;
                    // A copy was given its comment when it was made.
                    said.retain(|step| !self.steps.contains(step));
                    self.steps.append(&mut said);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Whether an index was there before, with the same columns.
fn is_old(changes: &[&Change], index: &Index) -> bool {
    !changes.iter().any(|change| matches!(change, Change::AddIndex { index: added, .. } if *added == index.name))
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
