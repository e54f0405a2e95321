//! The declarative table model: what a store holds, said once in YAML for every backend.

use crate::error::{Code, Error, Result};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// The model that this build embeds: `migrations/model.yaml`.
const EMBEDDED: &str = include_str!("../migrations/model.yaml");

/// A set of tables under one name, with the versions that brought them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The model's name; its ledger is the table `<name>_ledger`.
    pub name: String,
    /// What people call the store, as in the first line of its script.
    pub title: String,
    /// The schema that the tables are in unless the user says otherwise.
    pub schema: String,
    /// The name of each version, from 1 without a gap.
    pub versions: BTreeMap<u32, String>,
    /// The tables, a referenced one before those that refer to it.
    pub tables: Vec<Table>,
    /// What versions do to rows that are there already.
    #[serde(default)]
    pub backfill: Vec<Backfill>,
}

/// One table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Its name, without the schema.
    pub name: String,
    /// What a row is, one line.
    pub comment: String,
    /// The version that brings it.
    #[serde(default = "first_version")]
    pub since: u32,
    /// The columns of its key, in order.
    pub primary_key: Vec<String>,
    /// Its foreign keys.
    #[serde(default)]
    pub references: Vec<Reference>,
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// Its indexes beside the key.
    #[serde(default)]
    pub indexes: Vec<Index>,
}

/// One column.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// For a key: the most UTF-16 code units.
    pub length: Option<u32>,
    /// For a key: the most bytes of UTF-8.
    pub bytes: Option<u32>,
    /// For [`Kind::Literal`]: the SQL type, as it is to be written.
    #[serde(rename = "type")]
    pub sql_type: Option<String>,
    /// An SQL default. Avoided: the writer gives every value (some engines need a table feature for it).
    pub default: Option<String>,
    /// Whether it may be null.
    #[serde(default = "yes")]
    pub null: bool,
    /// What it means, one line.
    pub comment: String,
    /// The version that brings it; its table's where none is given.
    pub since: Option<u32>,
}

/// What a column holds. Each dialect has its own SQL type for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Text that is part of a key: bounded, compared byte for byte.
    Key,
    /// Text of any length.
    Text,
    /// Text of any length that holds JSON.
    Json,
    /// An instant in UTC, to the microsecond.
    Timestamp,
    /// 64 bits, signed.
    Integer,
    /// True or false.
    Boolean,
    /// An SQL type taken as it is written, for models that bring their own DDL.
    Literal,
}

/// One index beside the key.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// Its columns, in order.
    pub columns: Vec<String>,
    /// The version that brings it; its table's where none is given.
    pub since: Option<u32>,
}

/// A foreign key to the primary key of another table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// The columns that refer.
    pub columns: Vec<String>,
    /// The table that they refer to.
    pub table: String,
}

/// A change to rows that were there before a version. Each can be run again without a further effect.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Backfill {
    /// Fills columns of the rows where one of them is null.
    Update {
        /// The version that it belongs to.
        since: u32,
        /// The table to fill.
        update: String,
        /// The column whose null marks a row that is not filled yet.
        where_null: String,
        /// The value of each column.
        set: BTreeMap<String, Fill>,
    },
    /// Adds one row where another table has rows of a certain kind and this one lacks it.
    Insert {
        /// The version that it belongs to.
        since: u32,
        /// The table to add to.
        insert: String,
        /// The value of each column.
        values: BTreeMap<String, Fill>,
        /// The rows that make it needed.
        where_any: Condition,
    },
}

/// A value that a backfill writes.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fill {
    /// What another column of the row holds.
    Column(String),
    /// This text.
    Text(String),
    /// This number.
    Integer(i64),
}

/// That a table has a row with this text in this column.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// The table.
    pub table: String,
    /// The column.
    pub column: String,
    /// The text.
    pub text: String,
}

fn first_version() -> u32 {
    1
}

fn yes() -> bool {
    true
}

impl Backfill {
    /// The version that it belongs to.
    pub fn since(&self) -> u32 {
        match self {
            Backfill::Update { since, .. } | Backfill::Insert { since, .. } => *since,
        }
    }

    /// The table that it writes.
    pub fn table(&self) -> &str {
        match self {
            Backfill::Update { update, .. } => update,
            Backfill::Insert { insert, .. } => insert,
        }
    }
}

impl Model {
    /// The model that this build embeds.
    pub fn embedded() -> Result<Model> {
        Model::from_yaml(EMBEDDED)
    }

    /// Reads a model and checks that it agrees with itself.
    ///
    /// # Errors
    /// `model_infeasible` where the YAML is not a model or names what it does not declare.
    pub fn from_yaml(yaml: &str) -> Result<Model> {
        let model: Model = serde_yaml::from_str(yaml).map_err(|error| infeasible(format!("the model cannot be read: {error}")))?;
        model.check()?;
        Ok(model)
    }

    /// The newest version.
    pub fn latest(&self) -> u32 {
        self.versions.keys().next_back().copied().unwrap_or(0)
    }

    /// The table of that name.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.name == name)
    }

    /// The model as it was at a version: later tables, columns and indexes left out.
    pub fn at(&self, version: u32) -> Model {
        let mut model = self.clone();
        model.versions.retain(|&number, _| number <= version);
        model.tables.retain(|table| table.since <= version);
        for table in &mut model.tables {
            let since = table.since;
            table.columns.retain(|column| column.since.unwrap_or(since) <= version);
            table.indexes.retain(|index| index.since.unwrap_or(since) <= version);
        }
        model.backfill.retain(|backfill| backfill.since() <= version);
        model
    }

    /// The table that records which migrations a store has. It is created before any version.
    pub fn ledger(&self) -> Table {
        let column = |name: &str, kind, length, comment: &str| Column {
            name: name.into(),
            kind,
            length,
            bytes: length,
            sql_type: None,
            default: None,
            null: false,
            comment: comment.into(),
            since: None,
        };
        Table {
            name: format!("{}_ledger", self.name),
            comment: "The migrations that this store has.".into(),
            since: 1,
            primary_key: vec!["version".into()],
            references: vec![],
            columns: vec![
                column("version", Kind::Integer, None, "Number of the migration."),
                column("name", Kind::Key, Some(255), "Name of the migration."),
                column("applied_on", Kind::Key, Some(64), "When it was applied, as RFC 3339 text."),
                column("checksum", Kind::Key, Some(64), "Checksum of its statements."),
            ],
            indexes: vec![],
        }
    }

    fn check(&self) -> Result<()> {
        if !self.versions.keys().copied().eq(1..=self.latest()) || self.versions.is_empty() {
            return Err(infeasible("the model's versions must run from 1 without a gap"));
        }
        let mut seen = BTreeSet::new();
        for table in &self.tables {
            table.check(self.latest())?;
            for reference in &table.references {
                let target = seen.contains(reference.table.as_str()).then(|| self.table(&reference.table)).flatten();
                if target.is_none_or(|target| target.primary_key.len() != reference.columns.len() || target.since > table.since) {
                    return Err(infeasible(format!(
                        "{} refers to {}, which must come before it with as many key columns",
                        table.name, reference.table
                    )));
                }
            }
            if !seen.insert(table.name.as_str()) {
                return Err(infeasible(format!("the model has {} twice", table.name)));
            }
        }
        let mut indexes = BTreeSet::new();
        for index in self.tables.iter().flat_map(|table| &table.indexes) {
            if !indexes.insert(&index.name) {
                return Err(infeasible(format!("the model has the index {} twice", index.name)));
            }
        }
        for backfill in &self.backfill {
            self.check_backfill(backfill)?;
            if !seen.contains(backfill.table()) {
                return Err(infeasible(format!("a backfill writes {}, which the model does not have", backfill.table())));
            }
        }
        Ok(())
    }
}

impl Model {
    fn check_backfill(&self, backfill: &Backfill) -> Result<()> {
        let Some(table) = self.table(backfill.table()) else { return Ok(()) };
        let (set, also) = match backfill {
            Backfill::Update { set, where_null, .. } => (set, Some(where_null)),
            Backfill::Insert { values, .. } => (values, None),
        };
        if let Some(unknown) = set.keys().chain(also).find(|name| table.column(name).is_none()) {
            return Err(infeasible(format!("a backfill writes {}.{unknown}, which the model does not have", table.name)));
        }
        let needed = |column: &&Column| !column.null && column.default.is_none();
        if let (Backfill::Insert { values, .. }, names) = (backfill, table.columns.iter().filter(needed))
            && let Some(left_out) = names.map(|column| &column.name).find(|name| !values.contains_key(*name))
        {
            return Err(infeasible(format!("a backfill adds to {} without a value for {left_out}", table.name)));
        }
        Ok(())
    }
}

impl Table {
    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    fn check(&self, latest: u32) -> Result<()> {
        let mut seen = BTreeSet::new();
        for column in &self.columns {
            let at = format!("{}.{}", self.name, column.name);
            if !seen.insert(column.name.as_str()) {
                return Err(infeasible(format!("the model has {at} twice")));
            }
            if (column.kind == Kind::Key) != (column.length.is_some() && column.bytes.is_some()) {
                return Err(infeasible(format!("{at}: length and bytes go with kind key, and only there")));
            }
            if (column.kind == Kind::Literal) != column.sql_type.is_some() {
                return Err(infeasible(format!("{at}: type goes with kind literal, and only there")));
            }
            if column.since.unwrap_or(self.since) < self.since || column.since.unwrap_or(self.since) > latest {
                return Err(infeasible(format!("{at}: no such version as its since")));
            }
            if column.since.is_some_and(|since| since > self.since) && !column.null && column.default.is_none() {
                return Err(infeasible(format!("{at}: a column that is added later must be nullable or have a default")));
            }
        }
        if self.primary_key.is_empty() {
            return Err(infeasible(format!("{} has no primary key", self.name)));
        }
        if let Some(nullable) = self.primary_key.iter().find(|name| self.column(name).is_some_and(|column| column.null)) {
            return Err(infeasible(format!("{}.{nullable} is in the key and may be null", self.name)));
        }
        for index in &self.indexes {
            let since = index.since.unwrap_or(self.since);
            let newest = index.columns.iter().filter_map(|name| self.column(name)).map(|column| column.since.unwrap_or(self.since)).max();
            if since > latest || newest.is_some_and(|newest| newest > since) {
                return Err(infeasible(format!("{}: its since is of no version, or before that of a column of it", index.name)));
            }
        }
        let named = self.primary_key.iter().chain(self.indexes.iter().flat_map(|index| &index.columns));
        for name in named.chain(self.references.iter().flat_map(|reference| &reference.columns)) {
            if !seen.contains(name.as_str()) {
                return Err(infeasible(format!("{} has no column {name}, which a key or an index names", self.name)));
            }
        }
        let comments = self.columns.iter().map(|column| &column.comment).chain([&self.comment]);
        for comment in comments {
            if comment.trim().is_empty() || comment.chars().any(char::is_control) {
                return Err(infeasible(format!("{}: every table and column has a comment of one line", self.name)));
            }
        }
        Ok(())
    }
}

fn infeasible(message: impl Into<String>) -> Error {
    Error::new(Code::ModelInfeasible, message, "correct the model and render it again")
}
