//! The declarative table model: what a store holds, said once in YAML for every backend.

use crate::error::{Code, Error, Result};
use rust_embed::RustEmbed;
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

/// The model that this build embeds: `migrations/model.yaml`.
const EMBEDDED: &str = include_str!("../migrations/model.yaml");

/// The models as they were at each version: `migrations/models/V<n>.yaml`.
#[derive(RustEmbed)]
#[folder = "migrations/models/"]
struct EmbeddedRecords;

/// A set of tables under one name, with the versions that brought them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backfill: Vec<Backfill>,
    /// The model as it was at each version, from 1, as far as that is recorded. `since` tells of the versions after those.
    #[serde(skip)]
    pub recorded: Vec<Model>,
}

/// One table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Its name, without the schema.
    pub name: String,
    /// What a row is, one line.
    pub comment: String,
    /// The version that brings it.
    #[serde(default = "first_version", skip_serializing_if = "is_first_version")]
    pub since: u32,
    /// The columns of its key, in order.
    pub primary_key: Vec<String>,
    /// Its foreign keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Reference>,
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// Its indexes beside the key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<Index>,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// The name that it had before this version, where it is renamed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
    /// For a key: the most UTF-16 code units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<u32>,
    /// For a key: the most bytes of UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u32>,
    /// For [`Kind::Literal`]: the SQL type, as it is to be written.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub sql_type: Option<String>,
    /// An SQL default. Avoided: the writer gives every value (some engines need a table feature for it).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// Whether it may be null.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub null: bool,
    /// What it means, one line.
    pub comment: String,
    /// The version that brings it; its table's where none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<u32>,
}

/// What a column holds. Each dialect has its own SQL type for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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

impl Kind {
    /// The word for it in the model's YAML.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Key => "key",
            Kind::Text => "text",
            Kind::Json => "json",
            Kind::Timestamp => "timestamp",
            Kind::Integer => "integer",
            Kind::Boolean => "boolean",
            Kind::Literal => "literal",
        }
    }
}

/// One index beside the key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// Its columns, in order.
    pub columns: Vec<String>,
    /// The version that brings it; its table's where none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<u32>,
}

/// A foreign key to the primary key of another table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// The columns that refer.
    pub columns: Vec<String>,
    /// The table that they refer to.
    pub table: String,
}

/// A change to rows that were there before a version. Each can be run again without a further effect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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

fn is_first_version(version: &u32) -> bool {
    *version == first_version()
}

fn yes() -> bool {
    true
}

fn is_yes(null: &bool) -> bool {
    *null
}

impl Serialize for Fill {
    /// As a map of one entry. What serde derives would be a YAML tag, which the untagged [`Backfill`] does not read back.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        match self {
            Fill::Column(column) => map.serialize_entry("column", column)?,
            Fill::Text(text) => map.serialize_entry("text", text)?,
            Fill::Integer(integer) => map.serialize_entry("integer", integer)?,
        }
        map.end()
    }
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
    /// The model that this build embeds, with its recorded versions.
    pub fn embedded() -> Result<Model> {
        static PARSED: OnceLock<Model> = OnceLock::new();
        if let Some(model) = PARSED.get() {
            return Ok(model.clone());
        }
        let mut model = Model::from_yaml(EMBEDDED)?;
        while let Some(file) = EmbeddedRecords::get(&Model::record_name(model.recorded.len() as u32 + 1)) {
            model.recorded.push(Model::from_yaml(&String::from_utf8_lossy(&file.data))?);
        }
        Ok(PARSED.get_or_init(|| model).clone())
    }

    /// The file in `migrations/models` that records a version.
    pub fn record_name(version: u32) -> String {
        format!("V{version}.yaml")
    }

    /// The model as the file of its version records it.
    ///
    /// # Errors
    /// `internal`, which a test rules out.
    pub fn to_yaml(&self) -> Result<String> {
        serde_yaml::to_string(self).map_err(|error| Error::internal(format!("the model cannot be written: {error}")))
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

    /// The model as it was at a version: as it is recorded, else with later tables, columns and indexes left out.
    pub fn at(&self, version: u32) -> Model {
        if let Some(recorded) = version.checked_sub(1).and_then(|index| self.recorded.get(index as usize)) {
            return recorded.clone();
        }
        let mut model = Model { recorded: vec![], ..self.clone() };
        model.versions.retain(|&number, _| number <= version);
        model.tables.retain(|table| self.brought_by(table) <= version);
        for table in &mut model.tables {
            let brought = table.clone();
            table.columns.retain(|column| column.since.unwrap_or(brought.since) <= version);
            table.indexes.retain(|index| brought.index_brought_by(index) <= version);
        }
        model.backfill.retain(|backfill| backfill.since() <= version);
        model
    }

    /// The version that brings a table: the one that it says, or that of a table that it refers to where that is later.
    fn brought_by(&self, table: &Table) -> u32 {
        let targets = table.references.iter().filter_map(|reference| self.table(&reference.table));
        targets.filter(|target| target.name != table.name).map(|target| self.brought_by(target)).fold(table.since, u32::max)
    }

    /// The table that records which migrations a store has. It is created before any version.
    pub fn ledger(&self) -> Table {
        let columns = vec![
            required("version", Kind::Integer, None, "Number of the migration."),
            required("name", Kind::Key, Some(255), "Name of the migration."),
            required("applied_on", Kind::Key, Some(64), "When it was applied, as RFC 3339 text."),
            required("checksum", Kind::Key, Some(64), "Checksum of its statements."),
        ];
        self.beside("ledger", "The migrations that this store has.", &["version"], columns)
    }

    /// The table with the lock's one row.
    pub fn lock_table(&self) -> Table {
        let nullable = |column: Column| Column { null: true, ..column };
        let columns = vec![
            required("item", Kind::Key, Some(64), "What the lock is for: migrate."),
            required("fence", Kind::Integer, None, "Goes up with each holder."),
            required("beat", Kind::Integer, None, "Goes up while the holder is at work."),
            nullable(required("who", Kind::Key, Some(255), "Who holds it; null where nobody does.")),
            nullable(required("hostname", Kind::Key, Some(255), "Machine of the holder.")),
            nullable(required("pid", Kind::Integer, None, "Process of the holder.")),
            nullable(required("since", Kind::Key, Some(64), "Since when it is held, as RFC 3339 text.")),
        ];
        self.beside("lock", "Who is migrating this store, in one row.", &["item"], columns)
    }

    /// The step ledger: the statements of each migration that a store was given.
    pub fn steps_table(&self) -> Table {
        let columns = vec![
            required("version", Kind::Integer, None, "Number of the migration."),
            required("step", Kind::Integer, None, "Number of the statement in it, from 1."),
            required("checksum", Kind::Key, Some(64), "Checksum of its tokens."),
            required("state", Kind::Key, Some(64), "begun, done or undoing."),
            required("noted_on", Kind::Key, Some(64), "When that was noted, as RFC 3339 text."),
        ];
        self.beside("steps", "The statements of each migration that this store was given.", &["version", "step"], columns)
    }

    /// A table beside the model's own: what migrating needs.
    fn beside(&self, name: &str, comment: &str, key: &[&str], columns: Vec<Column>) -> Table {
        let primary_key = key.iter().map(|name| (*name).into()).collect();
        let name = format!("{}_{name}", self.name);
        Table { name, comment: comment.into(), since: 1, primary_key, references: vec![], columns, indexes: vec![] }
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
                // A table that does not say its version comes with those that it refers to.
                let later = |target: &Table| table.since > first_version() && target.since > table.since;
                if target.is_none_or(|target| target.primary_key.len() != reference.columns.len() || later(target)) {
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
        // A column that is renamed or dropped takes the backfills that read it along: what an older version did stays in its files.
        let read = |fill: &Fill| matches!(fill, Fill::Column(from) if table.column(from).is_none());
        if let Some(name) = set.iter().find(|(_, fill)| read(fill)).map(|(name, _)| name) {
            let message = format!("a backfill of {}.{name} reads a column that the model does not have", table.name);
            return Err(infeasible(message)
                .hint("correct it; one of a version that is recorded may be left out of the model, for its files keep it"));
        }
        if let Backfill::Insert { where_any, .. } = backfill
            && self.table(&where_any.table).and_then(|table| table.column(&where_any.column)).is_none()
        {
            let Condition { table: of, column, .. } = where_any;
            return Err(infeasible(format!("a backfill of {} reads {of}.{column}, which the model does not have", table.name)));
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

    /// The version that brings an index: the one that it says, else that of its newest column.
    fn index_brought_by(&self, index: &Index) -> u32 {
        index.since.unwrap_or_else(|| self.newest_of(&index.columns))
    }

    fn newest_of(&self, columns: &[String]) -> u32 {
        let since = columns.iter().filter_map(|name| self.column(name)?.since);
        since.fold(self.since, u32::max)
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
            if column.was.as_ref() == Some(&column.name) {
                return Err(infeasible(format!("{at}: was says the name that it has")));
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
            let since = self.index_brought_by(index);
            if since > latest || since < self.newest_of(&index.columns) {
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

/// A column that is not null.
fn required(name: &str, kind: Kind, length: Option<u32>, comment: &str) -> Column {
    Column {
        name: name.into(),
        kind,
        was: None,
        length,
        bytes: length,
        sql_type: None,
        default: None,
        null: false,
        comment: comment.into(),
        since: None,
    }
}

fn infeasible(message: impl Into<String>) -> Error {
    Error::new(Code::ModelInfeasible, message, "correct the model and render it again")
}
