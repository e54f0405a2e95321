//! What a live store has that the model does not say, and the other way round. Pure.

use super::live::{Live, LiveColumn, LiveForeignKey, LiveIndex, LiveTable};
use crate::dialect::{Accepted, Comments, Dialect};
use crate::error::{Code, Error};
use crate::model::{Column, Model, Reference, Table};
use crate::render::foreign_key_name;
use serde::Serialize;
use std::collections::BTreeSet;

/// What a difference means for those who use the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Everything works as well: the store takes all that the model asks for, and more.
    Compatible,
    /// Everything works, but slower or less guarded.
    Degraded,
    /// Something the model allows is refused, is lost, or means something else.
    Incompatible,
}

impl Class {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Class::Compatible => "compatible",
            Class::Degraded => "degraded",
            Class::Incompatible => "incompatible",
        }
    }
}

/// What about an object differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// That there is such a table, and that it is a table.
    Table,
    /// That there is such a column.
    Column,
    /// A column's type.
    Type,
    /// Whether a column may be null.
    Null,
    /// A column's default.
    Default,
    /// A column's collation.
    Collation,
    /// The comment on a table or a column.
    Comment,
    /// A table's primary key.
    PrimaryKey,
    /// A foreign key.
    ForeignKey,
    /// An index.
    Index,
}

impl Aspect {
    /// The word for it, as in the JSON.
    pub fn word(self) -> &'static str {
        match self {
            Aspect::Table => "table",
            Aspect::Column => "column",
            Aspect::Type => "type",
            Aspect::Null => "null",
            Aspect::Default => "default",
            Aspect::Collation => "collation",
            Aspect::Comment => "comment",
            Aspect::PrimaryKey => "primary_key",
            Aspect::ForeignKey => "foreign_key",
            Aspect::Index => "index",
        }
    }
}

/// One difference between a live store and the model.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Drift {
    /// The table, or the table and the column, index or key of it.
    pub object: String,
    /// What about it differs.
    pub kind: Aspect,
    /// What that means.
    pub class: Class,
    /// What the model says; nothing where the model has no such object.
    pub expected: Option<String>,
    /// What is there; nothing where it is missing.
    pub actual: Option<String>,
}

impl Drift {
    /// The difference in a few words.
    pub fn sentence(&self) -> String {
        let kind = self.kind.word().replace('_', " ");
        match (&self.expected, &self.actual) {
            (Some(expected), Some(actual)) => format!("{}: {kind} is {actual} and should be {expected}", self.object),
            (Some(_), None) => format!("{}: {kind} is missing", self.object),
            (None, Some(actual)) => format!("{}: {kind} ({actual}) is not in the model", self.object),
            (None, None) => format!("{}: {kind}", self.object),
        }
    }
}

/// The error of a store that differs: the first difference, and how many more there are.
pub fn drift_error<'d>(schema: &str, differences: impl IntoIterator<Item = &'d Drift>, hint: &str) -> Option<Error> {
    let mut differences = differences.into_iter();
    let first = differences.next()?.sentence();
    let more = match differences.count() {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    Some(Error::new(Code::Drift, format!("the store in {schema} is not what the model says: {first}{more}"), hint))
}

/// Every difference between a live store and the model, table by table in the model's order; what the model does not know comes last. A table that
/// is kept beside the model's, as the ledger is, is compared where it is there.
pub fn drift(model: &Model, dialect: &Dialect, live: &Live) -> Vec<Drift> {
    let beside = beside_the_model(model);
    let mut comparison = Comparison { model, dialect, found: vec![] };
    for table in &model.tables {
        match live.tables.get(&dialect.fold(&table.name)) {
            Some(there) => {
                comparison.comment(&table.name, &table.comment, &there.comment);
                comparison.table(table, there, true);
            }
            None => comparison.push(&table.name, Aspect::Table, Class::Incompatible, Some("table".into()), None),
        }
    }
    for table in &beside {
        if let Some(there) = live.tables.get(&dialect.fold(&table.name)) {
            comparison.table(table, there, false);
        }
    }
    let known: BTreeSet<String> = model.tables.iter().chain(&beside).map(|table| dialect.fold(&table.name)).collect();
    for (name, extra) in live.tables.iter().filter(|(name, _)| !known.contains(*name)) {
        comparison.push(name, Aspect::Table, Class::Compatible, None, Some(extra.kind.clone()));
    }
    comparison.found
}

/// The tables of ours that no version brings.
fn beside_the_model(model: &Model) -> Vec<Table> {
    vec![model.ledger()]
}

struct Comparison<'a> {
    model: &'a Model,
    dialect: &'a Dialect,
    found: Vec<Drift>,
}

impl Comparison<'_> {
    fn push(&mut self, object: &str, kind: Aspect, class: Class, expected: Option<String>, actual: Option<String>) {
        self.found.push(Drift { object: object.into(), kind, class, expected, actual });
    }

    fn table(&mut self, table: &Table, live: &LiveTable, comments: bool) {
        if live.kind != "table" {
            // Nothing else of it can be right.
            return self.push(&table.name, Aspect::Table, Class::Incompatible, Some("table".into()), Some(live.kind.clone()));
        }
        self.primary_key(table, live);
        for column in &table.columns {
            let object = format!("{}.{}", table.name, column.name);
            match live.column(&self.dialect.fold(&column.name)) {
                Some(there) => self.column(&object, column, there, comments),
                None => self.push(&object, Aspect::Column, Class::Incompatible, Some(self.expected_column(column)), None),
            }
        }
        let known: BTreeSet<String> = table.columns.iter().map(|column| self.dialect.fold(&column.name)).collect();
        for extra in live.columns.iter().filter(|column| !known.contains(&column.name)) {
            let class = if extra.null || extra.default.is_some() { Class::Compatible } else { Class::Incompatible };
            self.push(&format!("{}.{}", table.name, extra.name), Aspect::Column, class, None, Some(described(&extra.sql_type, extra.null)));
        }
        self.foreign_keys(table, live);
        self.indexes(table, live);
    }

    fn primary_key(&mut self, table: &Table, live: &LiveTable) {
        let wanted: Vec<String> = table.primary_key.iter().map(|name| self.dialect.fold(name)).collect();
        if wanted == live.primary_key {
            return;
        }
        let (mut sorted, mut there) = (wanted.clone(), live.primary_key.clone());
        (sorted.sort(), there.sort());
        // In another order it guards the same, and finds less.
        let class = if sorted == there { Class::Degraded } else { Class::Incompatible };
        let actual = (!live.primary_key.is_empty()).then(|| listed(&live.primary_key));
        self.push(&table.name, Aspect::PrimaryKey, class, Some(listed(&wanted)), actual);
    }

    fn column(&mut self, object: &str, column: &Column, live: &LiveColumn, comments: bool) {
        let dialect = self.dialect;
        if let Some(kind) = dialect.live.get(&column.kind) {
            self.accepted(object, Aspect::Type, &kind.types, column, &live.sql_type);
            if let (Some(collations), Some(collation)) = (&kind.collations, &live.collation) {
                self.accepted(object, Aspect::Collation, collations, column, collation);
            }
        }
        if column.null != live.null {
            let class = if live.null { Class::Compatible } else { Class::Incompatible };
            self.push(object, Aspect::Null, class, Some(nullability(column.null).into()), Some(nullability(live.null).into()));
        }
        match (&column.default, &live.default) {
            (None, Some(default)) => self.push(object, Aspect::Default, Class::Compatible, None, Some(default.clone())),
            (Some(default), None) => self.push(object, Aspect::Default, Class::Degraded, Some(default.clone()), None),
            // Each engine writes an expression in words of its own.
            _ => {}
        }
        if comments {
            self.comment(object, &column.comment, &live.comment);
        }
    }

    fn accepted(&mut self, object: &str, kind: Aspect, accepted: &Accepted, column: &Column, actual: &str) {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, actual, column.length));
        if any(&accepted.same) {
            return;
        }
        let class = if any(&accepted.wider) { Class::Compatible } else { Class::Incompatible };
        let expected = accepted.same.first().map(|pattern| spelled(pattern, column));
        self.push(object, kind, class, expected, Some(actual.into()));
    }

    fn comment(&mut self, object: &str, wanted: &str, live: &Option<String>) {
        if self.dialect.comments != Comments::Unsupported && live.as_deref() != Some(wanted) {
            self.push(object, Aspect::Comment, Class::Compatible, Some(wanted.into()), live.clone());
        }
    }

    fn foreign_keys(&mut self, table: &Table, live: &LiveTable) {
        let wanted: Vec<LiveForeignKey> = table.references.iter().map(|reference| self.wanted_key(table, reference)).collect();
        let same = |wanted: &LiveForeignKey, there: &LiveForeignKey| {
            wanted.columns == there.columns && wanted.table == there.table && (there.key.is_empty() || wanted.key == there.key)
        };
        for key in &wanted {
            if !live.foreign_keys.iter().any(|there| same(key, there)) {
                self.push(&format!("{}.{}", table.name, key.name), Aspect::ForeignKey, Class::Degraded, Some(refers(key)), None);
            }
        }
        for there in &live.foreign_keys {
            if !wanted.iter().any(|key| same(key, there)) {
                // It refuses rows that the model allows.
                self.push(&format!("{}.{}", table.name, there.name), Aspect::ForeignKey, Class::Incompatible, None, Some(refers(there)));
            }
        }
    }

    fn wanted_key(&self, table: &Table, reference: &Reference) -> LiveForeignKey {
        let folded = |names: &[String]| names.iter().map(|name| self.dialect.fold(name)).collect();
        LiveForeignKey {
            name: foreign_key_name(table, &reference.columns),
            columns: folded(&reference.columns),
            table: self.dialect.fold(&reference.table),
            key: self.model.table(&reference.table).map(|target| folded(&target.primary_key)).unwrap_or_default(),
        }
    }

    fn indexes(&mut self, table: &Table, live: &LiveTable) {
        if !self.dialect.indexes {
            return;
        }
        let key: Vec<String> = table.primary_key.iter().map(|name| self.dialect.fold(name)).collect();
        for index in &table.indexes {
            let object = format!("{}.{}", table.name, index.name);
            let wanted: Vec<String> = index.columns.iter().map(|name| self.dialect.fold(name)).collect();
            let there = live.indexes.iter().find(|there| there.name == self.dialect.fold(&index.name));
            match there {
                Some(there) if serves(there, &wanted) && !refuses_rows(there, &key) => {}
                Some(there) => {
                    let class = if refuses_rows(there, &key) { Class::Incompatible } else { Class::Degraded };
                    self.push(&object, Aspect::Index, class, Some(listed(&wanted)), Some(index_text(there)));
                }
                None => self.push(&object, Aspect::Index, Class::Degraded, Some(listed(&wanted)), None),
            }
        }
        let known: BTreeSet<String> = table.indexes.iter().map(|index| self.dialect.fold(&index.name)).collect();
        for extra in live.indexes.iter().filter(|index| !known.contains(&index.name)) {
            let class = if refuses_rows(extra, &key) { Class::Incompatible } else { Class::Compatible };
            self.push(&format!("{}.{}", table.name, extra.name), Aspect::Index, class, None, Some(index_text(extra)));
        }
    }

    fn expected_column(&self, column: &Column) -> String {
        let kind = self.dialect.live.get(&column.kind);
        let sql_type = kind.and_then(|kind| kind.types.same.first()).map(|pattern| spelled(pattern, column));
        described(&sql_type.unwrap_or_else(|| self.dialect.sql_type(column)), column.null)
    }
}

/// Whether an index finds what one over these columns finds. One that goes backwards in all of them can be read from its end.
fn serves(index: &LiveIndex, wanted: &[String]) -> bool {
    let backwards: Option<Vec<&str>> = index.columns.iter().map(|column| column.strip_suffix(" desc")).collect();
    index.flaw.is_none() && (index.columns == wanted || backwards.is_some_and(|columns| columns == wanted))
}

/// Whether an index keeps out rows that the primary key lets in.
fn refuses_rows(index: &LiveIndex, key: &[String]) -> bool {
    index.unique && !key.iter().all(|column| index.columns.contains(column))
}

fn described(sql_type: &str, null: bool) -> String {
    match null {
        true => sql_type.into(),
        false => format!("{sql_type} not null"),
    }
}

fn nullability(null: bool) -> &'static str {
    if null { "null" } else { "not null" }
}

fn listed(names: &[String]) -> String {
    format!("({})", names.join(", "))
}

fn refers(key: &LiveForeignKey) -> String {
    match key.key.is_empty() {
        true => format!("{} to {}", listed(&key.columns), key.table),
        false => format!("{} to {} {}", listed(&key.columns), key.table, listed(&key.key)),
    }
}

fn index_text(index: &LiveIndex) -> String {
    let words = [index.flaw.as_deref(), index.unique.then_some("unique")];
    let words: Vec<&str> = words.into_iter().flatten().collect();
    match words.is_empty() {
        true => listed(&index.columns),
        false => format!("{} {}", words.join(" "), listed(&index.columns)),
    }
}

/// A pattern as what our own DDL makes of this column.
fn spelled(pattern: &str, column: &Column) -> String {
    pattern.replace("{length}", &column.length.map(|length| length.to_string()).unwrap_or_default())
}

/// Whether a text is of a pattern. See [`Accepted`].
fn matches(pattern: &str, text: &str, length: Option<u32>) -> bool {
    if let Some(rest) = pattern.strip_prefix('*') {
        return text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| matches(rest, &text[at..], length));
    }
    if let Some((word, rest)) = pattern.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
        let (digits, after) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
        let fits = digits.parse::<u32>().is_ok_and(|number| match word {
            "length" => Some(number) == length,
            "more" => length.is_some_and(|length| number > length),
            _ => true,
        });
        return fits && matches(rest, after, length);
    }
    let (mut wanted, mut there) = (pattern.chars(), text.chars());
    match (wanted.next(), there.next()) {
        (None, None) => true,
        (Some(a), Some(b)) => a == b && matches(wanted.as_str(), there.as_str(), length),
        _ => false,
    }
}
