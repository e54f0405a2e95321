//! Whether an engine can hold a model at all: judged before anything is rendered, each finding with a stable code.

use crate::dialect::{Backend, Dialect};
use crate::error::{Code, Error, Result};
use crate::model::{Column, Kind, Model, Table};
use crate::render::foreign_key_name;
use std::fmt;

/// What kind of thing an engine cannot do, or does otherwise than its words say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FindingCode {
    /// A key or an index takes more bytes than the engine allows.
    KeyTooLong,
    /// A column of a type that the engine does not index is in a key or an index.
    KeyTypeUnindexable,
    /// A name is longer than the engine allows.
    IdentifierTooLong,
    /// A name is a reserved word.
    IdentifierReserved,
    /// A default is not a value of its column's type.
    DefaultTypeMismatch,
    /// A default needs a feature of the table that is not switched on.
    DefaultNeedsFeature,
    /// A type means something else than its name says.
    TypeMisleading,
    /// The engine does not have the type.
    TypeMissing,
}

impl FindingCode {
    /// The stable word.
    pub fn word(self) -> &'static str {
        match self {
            FindingCode::KeyTooLong => "key_too_long",
            FindingCode::KeyTypeUnindexable => "key_type_unindexable",
            FindingCode::IdentifierTooLong => "identifier_too_long",
            FindingCode::IdentifierReserved => "identifier_reserved",
            FindingCode::DefaultTypeMismatch => "default_type_mismatch",
            FindingCode::DefaultNeedsFeature => "default_needs_feature",
            FindingCode::TypeMisleading => "type_misleading",
            FindingCode::TypeMissing => "type_missing",
        }
    }
}

/// One thing that stands in the way of a model on an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The engine.
    pub backend: Backend,
    /// What kind of thing.
    pub code: FindingCode,
    /// Where: a table, a column or an index.
    pub object: String,
    /// Why, in one clause.
    pub reason: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}: {}: {}", self.code.word(), self.backend, self.object, self.reason)
    }
}

/// Everything that stands in the way of a model on a dialect; nothing where it can be rendered.
pub fn check(model: &Model, dialect: &Dialect) -> Vec<Finding> {
    let mut judge = Judge { dialect, findings: vec![] };
    for table in model.tables.iter().chain([&model.ledger()]) {
        judge.table(table);
    }
    judge.findings
}

/// [`check`], with the findings as one error.
///
/// # Errors
/// `model_infeasible`, naming the first finding and how many more there are.
pub fn require(model: &Model, dialect: &Dialect) -> Result<()> {
    let findings = check(model, dialect);
    let Some(first) = findings.first() else { return Ok(()) };
    let more = match findings.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    Err(Error::new(Code::ModelInfeasible, format!("{first}{more}"), "change the model so that every backend can hold it"))
}

struct Judge<'a> {
    dialect: &'a Dialect,
    findings: Vec<Finding>,
}

impl Judge<'_> {
    fn find(&mut self, code: FindingCode, object: &str, reason: impl Into<String>) {
        self.findings.push(Finding { backend: self.dialect.backend, code, object: object.into(), reason: reason.into() });
    }

    fn table(&mut self, table: &Table) {
        self.name(&table.name, &table.name);
        for column in &table.columns {
            self.column(table, column);
        }
        self.key(table, &format!("{} key", table.name), &table.primary_key);
        for reference in &table.references {
            let name = foreign_key_name(table, &reference.columns);
            self.name(&name, &name);
        }
        if self.dialect.indexes {
            for index in &table.indexes {
                self.name(&index.name, &index.name);
                self.key(table, &index.name, &index.columns);
            }
        }
    }

    fn name(&mut self, object: &str, name: &str) {
        let max = self.dialect.identifier.max;
        if name.len() > max {
            self.find(FindingCode::IdentifierTooLong, object, format!("{} bytes, at most {max}", name.len()));
        }
        if self.dialect.is_reserved(name) {
            self.find(FindingCode::IdentifierReserved, object, "it is a reserved word");
        }
    }

    fn column(&mut self, table: &Table, column: &Column) {
        let object = format!("{}.{}", table.name, column.name);
        self.name(&object, &column.name);
        if column.kind == Kind::Literal {
            let name = base_type(column.sql_type.as_deref().unwrap_or_default());
            if let Some(meaning) = self.dialect.misleading_types.get(&name) {
                self.find(FindingCode::TypeMisleading, &object, format!("{name} here {meaning}"));
            }
            if let Some(instead) = self.dialect.missing_types.get(&name) {
                self.find(FindingCode::TypeMissing, &object, format!("there is no {name}: {instead}"));
            }
        }
        let Some(default) = &column.default else { return };
        let boolean = column.kind == Kind::Boolean
            || column.sql_type.as_deref().is_some_and(|sql| matches!(base_type(sql).as_str(), "BOOLEAN" | "BOOL"));
        let allowed = &self.dialect.defaults.boolean;
        if boolean && !allowed.is_empty() && !allowed.iter().any(|literal| literal.eq_ignore_ascii_case(default)) {
            self.find(FindingCode::DefaultTypeMismatch, &object, format!("DEFAULT {default} is not a boolean"));
        }
        if let Some(feature) = &self.dialect.defaults.needs_feature {
            self.find(
                FindingCode::DefaultNeedsFeature,
                &object,
                format!("a DEFAULT needs the table feature {feature}, which cannot be taken back"),
            );
        }
    }

    fn key(&mut self, table: &Table, object: &str, columns: &[String]) {
        let mut bytes = 0;
        for column in columns.iter().filter_map(|name| table.column(name)) {
            let sql_type = base_type(&self.dialect.sql_type(column));
            if self.dialect.key.unindexable.contains(&sql_type) {
                let at = format!("{}.{}", table.name, column.name);
                self.find(FindingCode::KeyTypeUnindexable, &at, format!("{sql_type} cannot be in a key ({object})"));
            }
            bytes += match (column.kind, self.dialect.key.bytes_per_unit) {
                (Kind::Key, Some(per_unit)) => column.length.unwrap_or(0) * per_unit,
                (Kind::Key, None) => column.bytes.unwrap_or(0),
                // No engine takes more for a number or a time.
                _ => 16,
            };
        }
        if let Some(max) = self.dialect.key.max_bytes.filter(|&max| bytes > max) {
            self.find(FindingCode::KeyTooLong, object, format!("{bytes} bytes, at most {max}"));
        }
    }
}

/// A type's name in capitals; its length goes with it only where it is MAX, which is another type.
fn base_type(sql: &str) -> String {
    let upper = sql.trim().to_ascii_uppercase();
    match upper.find('(') {
        Some(open) if !upper[open..].starts_with("(MAX)") => upper[..open].trim().to_string(),
        Some(open) => upper[..open + 5].to_string(),
        None => upper.split(" COLLATE ").next().unwrap_or_default().split(" CHARACTER ").next().unwrap_or_default().trim().to_string(),
    }
}
