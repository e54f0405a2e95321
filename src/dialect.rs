//! The backends and what is true of each: names, types, limits, and the templates that write its SQL.
//!
//! All of it is data in `dialects/`, one folder a backend and `base/` for what they share. Nothing here connects to anything.

use crate::error::{Code, Error, Result};
use crate::model::{Column, Kind};
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, State, UndefinedBehavior};
use rust_embed::RustEmbed;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

#[derive(RustEmbed)]
#[folder = "dialects/"]
struct Files;

/// The schema's name in committed migrations, which are written before anyone has named a schema.
pub const SCHEMA_PLACEHOLDER: &str = "{{ schema }}";

/// A kind of database that can host a shared store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Backend {
    /// PostgreSQL.
    PostgreSql,
    /// MySQL and MariaDB.
    MySql,
    /// Microsoft SQL Server.
    SqlServer,
    /// Oracle Database, 19c and later.
    Oracle,
    /// Snowflake.
    Snowflake,
    /// Google BigQuery.
    BigQuery,
    /// Databricks, with Delta tables.
    Databricks,
    /// Amazon Redshift.
    Redshift,
    /// SQLite.
    Sqlite,
}

impl Backend {
    /// Every backend, in the order in which they are listed to people.
    pub const ALL: [Backend; 9] = [
        Backend::PostgreSql,
        Backend::MySql,
        Backend::SqlServer,
        Backend::Oracle,
        Backend::Snowflake,
        Backend::BigQuery,
        Backend::Databricks,
        Backend::Redshift,
        Backend::Sqlite,
    ];

    /// The word for it in options, profiles and folders.
    pub fn word(self) -> &'static str {
        match self {
            Backend::PostgreSql => "postgresql",
            Backend::MySql => "mysql",
            Backend::SqlServer => "sqlserver",
            Backend::Oracle => "oracle",
            Backend::Snowflake => "snowflake",
            Backend::BigQuery => "bigquery",
            Backend::Databricks => "databricks",
            Backend::Redshift => "redshift",
            Backend::Sqlite => "sqlite",
        }
    }

    /// The backend that a word means, aliases included, in any case.
    ///
    /// # Errors
    /// `external_history_store_unsupported` for ClickHouse and DuckDB, `usage` for a word that is none.
    pub fn from_word(word: &str) -> Result<Backend> {
        let lower = word.to_ascii_lowercase();
        let backend = match lower.as_str() {
            "postgres" | "pg" => Some(Backend::PostgreSql),
            "mariadb" => Some(Backend::MySql),
            "mssql" => Some(Backend::SqlServer),
            "clickhouse" | "duckdb" => {
                return Err(Error::new(
                    Code::StoreUnsupported,
                    format!("{lower} cannot host a shared history store: it does not update single rows in a transaction"),
                    "pick a profile on another backend; PostgreSQL is the recommended host",
                ));
            }
            known => Backend::ALL.into_iter().find(|backend| backend.word() == known),
        };
        backend.ok_or_else(|| {
            let words = Backend::ALL.map(Backend::word).join(", ");
            Error::new(Code::Usage, format!("'{word}' is not a backend"), format!("use one of {words}"))
        })
    }

    /// What is true of this backend.
    ///
    /// # Errors
    /// `internal` where the embedded data cannot be read, which a test rules out.
    pub fn dialect(self) -> Result<&'static Dialect> {
        static LOADED: [OnceLock<Dialect>; 9] = [const { OnceLock::new() }; 9];
        let cell = &LOADED[self as usize];
        match cell.get() {
            Some(dialect) => Ok(dialect),
            None => Dialect::load(self).map(|dialect| cell.get_or_init(|| dialect)),
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl std::str::FromStr for Backend {
    type Err = Error;

    fn from_str(word: &str) -> Result<Backend> {
        Backend::from_word(word)
    }
}

/// What a name becomes on an engine before it is quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fold {
    /// Lower case.
    Lower,
    /// Upper case.
    Upper,
    /// As it was given.
    Keep,
}

/// How the text between single quotes is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LiteralStyle {
    /// A quote is doubled; a backslash is itself.
    Doubled,
    /// A quote and a backslash are both doubled.
    DoubledBackslash,
    /// A quote and a backslash have a backslash before them.
    Backslash,
}

/// Where a comment on a table or a column goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Comments {
    /// Into the statement that makes the table or the column.
    Inline,
    /// Into a statement of its own.
    Statement,
    /// Nowhere; the engine has none.
    Unsupported,
}

/// What keeps two migrations of one store apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LockKind {
    /// A lock of the engine's own, which it frees where the holder dies.
    Engine,
    /// A row that is renewed, and taken over where it is not.
    Lease,
}

/// What limits a name.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentifierLimit {
    /// The longest name, in bytes of UTF-8 (ours are ASCII).
    pub max: usize,
}

/// What limits a key or an index.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyLimit {
    /// The most bytes of all its columns; nothing where the engine sets no limit.
    pub max_bytes: Option<u32>,
    /// What the engine counts for each unit of a declared length; nothing where it counts the bytes that are there.
    pub bytes_per_unit: Option<u32>,
    /// SQL types that cannot be in a key, in capitals and without their length.
    #[serde(default)]
    pub unindexable: Vec<String>,
}

/// What an engine makes of a DEFAULT clause.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DefaultRules {
    /// The literals that are defaults of a boolean; empty where any is.
    #[serde(default)]
    pub boolean: Vec<String>,
    /// The table feature that a default needs and that we do not switch on.
    pub needs_feature: Option<String>,
}

/// How a column that is there is given another type or may be null.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlterStyle {
    /// By a clause for what changes.
    Clause,
    /// By its whole definition, comment and all where comments are inline.
    Definition,
    /// Not at all: another column is added and filled, the first one dropped, and its name given to the other.
    Copy,
}

/// Something that a change may ask of an engine and not every engine does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// To add a column that may not be null to a table that is there.
    AddNotNull,
    /// To drop a column that has a default.
    DropDefaulted,
    /// To drop the only index that serves a foreign key.
    DropReferenceIndex,
    /// To widen a column of a primary key.
    WidenPrimary,
    /// To widen a column that may not be null.
    WidenNotNull,
}

/// How an engine changes what is there.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlterRules {
    /// How a column gets another type.
    pub style: AlterStyle,
    /// Whether an index over a column must be away while the column is altered.
    #[serde(default)]
    pub without_indexes: bool,
    /// Whether a column that is added gets its default by a statement of its own.
    #[serde(default)]
    pub default_apart: bool,
    /// Whether a table must be told to map its columns before one is renamed or dropped.
    #[serde(default)]
    pub maps_columns: bool,
    /// What it cannot do, and why.
    #[serde(default)]
    pub refuses: BTreeMap<Asked, String>,
}

/// How many things one statement may carry.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatementLimits {
    /// The most bound values.
    pub binds: usize,
    /// How many rows a load brings by one statement; all of them where nothing is said.
    pub rows: Option<usize>,
}

/// What the catalog says of a column of one kind.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LiveKind {
    /// Its SQL type.
    pub types: Accepted,
    /// Its collation; nothing where any will do.
    pub collations: Option<Accepted>,
}

/// What is as good as what our own DDL makes. In each pattern `{length}` is the column's own length, `{more}` a greater one, `{bytes}` and
/// `{more_bytes}` likewise where the engine counts bytes, `{n}` any number, and `*` any text.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    /// The same; the first is what our own DDL makes.
    pub same: Vec<String>,
    /// What takes all that it takes and more.
    #[serde(default)]
    pub wider: Vec<String>,
}

/// Everything that is true of one backend. See each folder's `dialect.yaml`, which names its sources.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DialectData {
    /// The name that people know it by.
    pub name: String,
    /// What the engine calls what holds the tables: schema, database, dataset, user, file.
    pub schema_word: String,
    /// Whether tables are written with their schema before them.
    pub schemas: bool,
    /// Whether schemas that differ in case alone are two.
    pub schema_case_counts: bool,
    /// The characters around a name.
    pub quotes: [char; 2],
    /// What becomes of a name before it is quoted.
    pub fold: Fold,
    /// What limits a name.
    pub identifier: IdentifierLimit,
    /// How text is written.
    pub literal: LiteralStyle,
    /// How the n-th bound value is written; `{}` is n, counted from 1.
    pub placeholder: String,
    /// What stands after each statement of a script, so that the vendor's shell runs it.
    pub separator: String,
    /// Where comments go.
    pub comments: Comments,
    /// Whether there are indexes beside the key.
    pub indexes: bool,
    /// Whether a schema has one index of a name, and not each of its tables.
    #[serde(default)]
    pub index_names_per_schema: bool,
    /// Whether one statement may add several columns, all or none.
    pub add_columns_at_once: bool,
    /// Whether one UPDATE may take the rows to change from a list of values.
    #[serde(default)]
    pub update_from_values: bool,
    /// What keeps two migrations apart.
    pub lock: LockKind,
    /// Whether a key is let in only once. Where it is not, one writer at a time has the store's lease.
    #[serde(default = "yes")]
    pub keys_enforced: bool,
    /// Whether several statements that write rows can be one transaction. Where they cannot, each can be sent again.
    #[serde(default = "yes")]
    pub transactions: bool,
    /// Whether the driver can bring many rows into a table of their own, from which one statement takes them.
    #[serde(default)]
    pub staging: bool,
    /// Whether DDL can be rolled back.
    pub transactional_ddl: bool,
    /// The current time in UTC as RFC 3339 text, an SQL expression.
    pub now_text: String,
    /// Where a text begins in another, 0 where it does not; `{text}` and `{part}` stand for them. Case counts.
    #[serde(default = "standard_position")]
    pub position: String,
    /// How a value of a kind is selected where the driver wants another form of it than its own; `{}` stands for it.
    #[serde(default)]
    pub read: BTreeMap<Kind, String>,
    /// What a SELECT without a table must name after FROM, where it must.
    pub dual: Option<String>,
    /// What stands after the columns of a new table.
    pub table_options: Option<String>,
    /// How it changes what is there.
    pub alter: AlterRules,
    /// The SQL type of each kind; `{length}` and `{bytes}` stand for the column's.
    pub types: BTreeMap<Kind, String>,
    /// What the catalog says of a column of each kind; empty where no live store is compared.
    #[serde(default)]
    pub live: BTreeMap<Kind, LiveKind>,
    /// What limits a key.
    pub key: KeyLimit,
    /// SQL types that mean something else here than their name says, and what.
    #[serde(default)]
    pub misleading_types: BTreeMap<String, String>,
    /// SQL types that do not exist here, and what to use.
    #[serde(default)]
    pub missing_types: BTreeMap<String, String>,
    /// What a DEFAULT clause may be.
    #[serde(default)]
    pub defaults: DefaultRules,
    /// What one statement may carry.
    pub limits: StatementLimits,
    /// Words that cannot name a schema, a table or a column, in capitals; one text, split at blanks.
    pub reserved: String,
    /// Schemas of the engine's own, in capitals; a name that begins with one that ends in `*` is meant too.
    #[serde(default)]
    pub system_schemas: Vec<String>,
}

fn yes() -> bool {
    true
}

fn standard_position() -> String {
    "POSITION({part} IN {text})".into()
}

/// A backend's data and its templates, ready to render.
#[derive(Debug)]
pub struct Dialect {
    /// Which backend it is of.
    pub backend: Backend,
    /// What is true of it.
    pub data: Arc<DialectData>,
    templates: Environment<'static>,
}

impl std::ops::Deref for Dialect {
    type Target = DialectData;

    fn deref(&self) -> &DialectData {
        &self.data
    }
}

/// A schema's name as the user gave it and as the engine has it. It matches `[A-Za-z_][A-Za-z0-9_]*`, so no template can be led astray by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaName {
    /// What the user typed, which is what is shown.
    pub given: String,
    /// What the engine has.
    pub folded: String,
}

impl SchemaName {
    /// The name that stands in committed migrations until a schema is known.
    pub fn placeholder() -> SchemaName {
        SchemaName { given: SCHEMA_PLACEHOLDER.into(), folded: SCHEMA_PLACEHOLDER.into() }
    }
}

impl Dialect {
    fn load(backend: Backend) -> Result<Dialect> {
        let path = format!("{}/dialect.yaml", backend.word());
        let broken = |error: &dyn fmt::Display| Error::internal(format!("dialects/{path} is broken: {error}"));
        let yaml = embedded(&path).ok_or_else(|| broken(&"it is missing"))?;
        let data: Arc<DialectData> = Arc::new(serde_yaml::from_str(&yaml).map_err(|error| broken(&error))?);
        let templates = environment(backend, &data).map_err(|error| broken(&error))?;
        Ok(Dialect { backend, data, templates })
    }

    /// SQLite's SQL with another backend's abilities: its lock, whether it has transactions, and DDL in them, whether it has indexes and how it folds
    /// names. For tests of what is built on these, on an engine in the test's own process.
    ///
    /// # Errors
    /// `internal` where the embedded data cannot be read.
    pub fn simulated(backend: Backend) -> Result<Dialect> {
        let (sqlite, other) = (Backend::Sqlite.dialect()?, backend.dialect()?);
        let data = Arc::new(DialectData {
            lock: other.lock,
            keys_enforced: other.keys_enforced,
            transactions: other.transactions,
            transactional_ddl: other.transactional_ddl,
            indexes: other.indexes,
            fold: other.fold,
            // A table that is made by a query has no declared types in SQLite, as the lock's on an engine with a lease.
            live: if other.live.is_empty() || other.lock == LockKind::Lease { BTreeMap::new() } else { sqlite.live.clone() },
            // SQLite takes one column a statement, whatever else it is made to look like.
            ..DialectData::clone(&sqlite.data)
        });
        let templates = environment(Backend::Sqlite, &data).map_err(|error| Error::internal(format!("simulated {backend}: {error}")))?;
        Ok(Dialect { backend: Backend::Sqlite, data, templates })
    }

    /// A name as it is written in SQL: folded, then quoted.
    pub fn ident(&self, name: &str) -> String {
        self.data.ident(name)
    }

    /// A name as the engine keeps it.
    pub fn fold(&self, name: &str) -> String {
        self.data.folded(name)
    }

    /// A table of a schema as it is written in SQL.
    pub fn table(&self, schema: &SchemaName, table: &str) -> String {
        self.data.table(&schema.folded, table)
    }

    /// Text as it is written in SQL. Only for names and comments of the model: values of users are bound.
    pub fn literal(&self, text: &str) -> String {
        self.data.literal_text(text)
    }

    /// The SQL type of a column.
    pub fn sql_type(&self, column: &Column) -> String {
        self.data.column_type(column)
    }

    /// Checks a schema's name and folds it.
    ///
    /// # Errors
    /// `identifier_invalid`, with the reason.
    pub fn schema_name(&self, given: &str) -> Result<SchemaName> {
        let refuse = |why: String| {
            let hint = "a schema name is a letter or _ and then letters, digits and _, such as AMX";
            Err(Error::new(Code::IdentifierInvalid, why, hint))
        };
        let shown: String = given.chars().take(80).collect::<String>().escape_debug().collect();
        let mut chars = given.chars();
        let plain = chars.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
            && chars.all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !plain {
            return refuse(format!("'{shown}' cannot be a schema name"));
        }
        if given.len() > self.identifier.max {
            return refuse(format!(
                "a schema name of {} characters is too long for {}, which takes {}",
                given.len(),
                self.name,
                self.identifier.max
            ));
        }
        if self.is_reserved(given) {
            return refuse(format!("'{shown}' is a reserved word of {}", self.name));
        }
        if self.is_system_schema(given) {
            return refuse(format!("'{shown}' is a {} of {}'s own", self.schema_word, self.name));
        }
        Ok(SchemaName { given: given.into(), folded: self.fold(given) })
    }

    /// Whether a schema is the engine's own.
    pub fn is_system_schema(&self, name: &str) -> bool {
        let upper = name.to_ascii_uppercase();
        self.system_schemas.iter().any(|system| match system.strip_suffix('*') {
            Some(prefix) => upper.starts_with(prefix),
            None => upper == *system,
        })
    }

    /// Whether a name is a reserved word here.
    pub fn is_reserved(&self, name: &str) -> bool {
        let upper = name.to_ascii_uppercase();
        self.reserved.split_whitespace().any(|word| word == upper)
    }

    /// Renders one of this dialect's templates. `schema` is what `table(…)` in it puts before a table.
    ///
    /// # Errors
    /// `internal` where the template is missing or broken, which the snapshots rule out.
    pub fn render(&self, template: &str, schema: &SchemaName, context: minijinja::Value) -> Result<String> {
        let context = minijinja::context! { schema => schema.folded.as_str(), ..context };
        let rendered = self.templates.get_template(template).and_then(|template| template.render(context));
        let broken = |error: minijinja::Error| Error::internal(format!("template {template} of {}: {error:#}", self.backend));
        Ok(rendered.map_err(broken)?.trim().to_string())
    }
}

impl DialectData {
    fn folded(&self, name: &str) -> String {
        match self.fold {
            _ if name == SCHEMA_PLACEHOLDER => name.into(),
            Fold::Lower => name.to_ascii_lowercase(),
            Fold::Upper => name.to_ascii_uppercase(),
            Fold::Keep => name.into(),
        }
    }

    fn ident(&self, name: &str) -> String {
        self.quoted(&self.folded(name))
    }

    fn quoted(&self, name: &str) -> String {
        let [open, close] = self.quotes;
        let doubled = name.replace(close, &format!("{close}{close}"));
        format!("{open}{doubled}{close}")
    }

    fn table(&self, schema: &str, table: &str) -> String {
        match self.schemas {
            true => format!("{}.{}", self.ident(schema), self.ident(table)),
            false => self.ident(table),
        }
    }

    fn literal_text(&self, text: &str) -> String {
        let escaped = match self.literal {
            LiteralStyle::Doubled => text.replace('\'', "''"),
            LiteralStyle::DoubledBackslash => text.replace('\\', "\\\\").replace('\'', "''"),
            LiteralStyle::Backslash => text.replace('\\', "\\\\").replace('\'', "\\'"),
        };
        format!("'{escaped}'")
    }

    fn column_type(&self, column: &Column) -> String {
        if let Some(literal) = &column.sql_type {
            return literal.clone();
        }
        let number = |number: Option<u32>| number.map(|number| number.to_string()).unwrap_or_default();
        self.types
            .get(&column.kind)
            .map(|sql| sql.replace("{length}", &number(column.length)).replace("{bytes}", &number(column.bytes)))
            .unwrap_or_default()
    }
}

fn embedded(path: &str) -> Option<String> {
    Files::get(path).and_then(|file| String::from_utf8(file.data.into_owned()).ok())
}

/// The templates of one backend: its own folder first, then `base/`. In them
/// `ident(name)`, `quoted(name)` (not folded), `folded(name)`, `lit(text)`, `table(name)`, `contains(text, part)`, `read(value, kind)` and `p(n)` write names, text and bound values as the engine
/// wants them.
fn environment(backend: Backend, data: &Arc<DialectData>) -> std::result::Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.set_loader(move |name| Ok(embedded(&format!("{backend}/{name}")).or_else(|| embedded(&format!("base/{name}")))));
    environment.add_global("now_text", data.now_text.clone());
    environment.add_global("has_indexes", data.indexes);
    environment.add_global("dual", data.dual.clone());
    let dialect = Arc::clone(data);
    environment.add_function("ident", move |name: &str| dialect.ident(name));
    let dialect = Arc::clone(data);
    environment.add_function("quoted", move |name: &str| dialect.quoted(name));
    let dialect = Arc::clone(data);
    environment.add_function("folded", move |name: &str| dialect.folded(name));
    let dialect = Arc::clone(data);
    environment.add_function("lit", move |text: &str| dialect.literal_text(text));
    let dialect = Arc::clone(data);
    environment.add_function("p", move |number: u32| dialect.placeholder.replace("{}", &number.to_string()));
    let dialect = Arc::clone(data);
    environment.add_function("contains", move |text: &str, part: &str| {
        format!("{} > 0", dialect.position.replace("{text}", text).replace("{part}", part))
    });
    let dialect = Arc::clone(data);
    environment.add_function("read", move |value: &str, kind: &str| {
        let form = dialect.read.iter().find(|(known, _)| known.word() == kind).map(|(_, form)| form.replace("{}", value));
        form.unwrap_or_else(|| value.to_string())
    });
    let dialect = Arc::clone(data);
    environment.add_function("table", move |state: &State<'_, '_>, name: &str| {
        let schema = state.lookup("schema");
        let schema = schema.as_ref().and_then(|schema| schema.as_str()).unwrap_or_default();
        dialect.table(schema, name)
    });
    Ok(environment)
}
