//! What a live store has that the model does not say, and the other way round. Pure.

use super::live::{Live, LiveColumn, LiveForeignKey, LiveIndex, LiveTable};
use crate::dialect::{Accepted, Comments, Dialect, LockKind};
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
    let beside = beside_the_model(model, dialect, live);
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

/// The tables of ours that no version brings. A lock's table that is made of a query has its columns null or not as the engine makes them: whichever,
/// they are never null.
fn beside_the_model(model: &Model, dialect: &Dialect, live: &Live) -> Vec<Table> {
    let mut lock = model.lock_table();
    if let Some(there) =
        live.tables.get(&dialect.fold(&lock.name)).filter(|_| dialect.lock == LockKind::Lease && !dialect.transactional_ddl)
    {
        for column in &mut lock.columns {
            column.null = there.column(&dialect.fold(&column.name)).map_or(column.null, |there| there.null);
        }
    }
    vec![model.ledger(), lock, model.steps_table()]
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
            let default = extra.default.as_deref().map(|default| format!(" default {default}")).unwrap_or_default();
            let actual = described(&extra.sql_type, extra.null) + &default;
            self.push(&format!("{}.{}", table.name, extra.name), Aspect::Column, class, None, Some(actual));
        }
        self.foreign_keys(table, live);
        self.indexes(table, live);
    }

    fn primary_key(&mut self, table: &Table, live: &LiveTable) {
        if !self.dialect.keys_enforced {
            // A key there is a note, which keeps nothing out.
            return;
        }
        let wanted: Vec<String> = table.primary_key.iter().map(|name| self.dialect.fold(name)).collect();
        if wanted == live.primary_key {
            return;
        }
        let set = |names: &[String]| names.iter().cloned().collect::<BTreeSet<_>>();
        // In another order it guards the same, and finds less.
        let class = if set(&wanted) == set(&live.primary_key) { Class::Degraded } else { Class::Incompatible };
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
        let any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, actual, column));
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
        if !self.dialect.keys_enforced {
            return;
        }
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
    let number = |number: Option<u32>| number.map(|number| number.to_string()).unwrap_or_default();
    pattern.replace("{length}", &number(column.length)).replace("{bytes}", &number(column.bytes))
}

/// Whether a text is of a pattern. See [`Accepted`].
fn matches(pattern: &str, text: &str, column: &Column) -> bool {
    if let Some(rest) = pattern.strip_prefix('*') {
        return text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| matches(rest, &text[at..], column));
    }
    if let Some((word, rest)) = pattern.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
        let (digits, after) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
        let fits = digits.parse::<u32>().is_ok_and(|number| match word {
            "length" => Some(number) == column.length,
            "more" => column.length.is_some_and(|length| number > length),
            "bytes" => Some(number) == column.bytes,
            "more_bytes" => column.bytes.is_some_and(|bytes| number > bytes),
            _ => true,
        });
        return fits && matches(rest, after, column);
    }
    let (mut wanted, mut there) = (pattern.chars(), text.chars());
    match (wanted.next(), there.next()) {
        (None, None) => true,
        (Some(a), Some(b)) => a == b && matches(wanted.as_str(), there.as_str(), column),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Backend;

    /// A store as our own DDL makes it, by the data of the dialect.
    fn fresh(model: &Model, dialect: &Dialect) -> Live {
        let table = |table: &Table| {
            let columns = table.columns.iter().map(|column| {
                let kind = &dialect.live[&column.kind];
                LiveColumn {
                    name: dialect.fold(&column.name),
                    sql_type: spelled(&kind.types.same[0], column),
                    null: column.null,
                    default: None,
                    collation: kind.collations.as_ref().map(|collations| collations.same[0].clone()),
                    comment: (dialect.comments != Comments::Unsupported).then(|| column.comment.clone()),
                }
            });
            let folded = |names: &[String]| names.iter().map(|name| dialect.fold(name)).collect::<Vec<_>>();
            let key = |reference: &Reference| LiveForeignKey {
                name: "1".into(),
                columns: folded(&reference.columns),
                table: dialect.fold(&reference.table),
                key: folded(&model.table(&reference.table).unwrap().primary_key),
            };
            let index = |index: &crate::model::Index| LiveIndex {
                name: dialect.fold(&index.name),
                columns: folded(&index.columns),
                ..LiveIndex::default()
            };
            let live = LiveTable {
                kind: "table".into(),
                comment: (dialect.comments != Comments::Unsupported).then(|| table.comment.clone()),
                columns: columns.collect(),
                primary_key: folded(&table.primary_key),
                foreign_keys: table.references.iter().map(key).collect(),
                indexes: table.indexes.iter().map(index).collect(),
            };
            (dialect.fold(&table.name), live)
        };
        Live { tables: model.tables.iter().chain([&model.ledger()]).map(table).collect() }
    }

    /// The backends whose live stores are compared.
    fn compared() -> impl Iterator<Item = Backend> {
        Backend::ALL.into_iter().filter(|backend| !backend.dialect().unwrap().live.is_empty())
    }

    /// What is found on PostgreSQL after a change to a table of a fresh store: class, kind and object.
    fn found(table: &str, change: impl FnOnce(&mut LiveTable)) -> Vec<(Class, Aspect, String)> {
        let (model, dialect) = (Model::embedded().unwrap(), Backend::PostgreSql.dialect().unwrap());
        let mut live = fresh(&model, dialect);
        change(live.tables.get_mut(table).unwrap());
        drift(&model, dialect, &live).into_iter().map(|drift| (drift.class, drift.kind, drift.object)).collect()
    }

    fn column<'t>(table: &'t mut LiveTable, name: &str) -> &'t mut LiveColumn {
        table.columns.iter_mut().find(|column| column.name == name).unwrap()
    }

    const RUNS: &str = "amx_history_runs";
    const RESULTS: &str = "amx_history_results";

    #[test]
    fn what_our_own_ddl_makes_does_not_differ() {
        let model = Model::embedded().unwrap();
        for backend in compared() {
            let dialect = backend.dialect().unwrap();
            for version in 1..=model.latest() {
                let model = model.at(version);
                assert_eq!(drift(&model, dialect, &fresh(&model, dialect)), []);
            }
        }
    }

    #[test]
    fn every_kind_of_the_model_can_be_compared_where_a_live_store_is() {
        let model = Model::embedded().unwrap();
        for backend in compared() {
            for column in model.tables.iter().flat_map(|table| &table.columns) {
                assert!(backend.dialect().unwrap().live.contains_key(&column.kind), "{backend} {:?}", column.kind);
            }
        }
    }

    #[test]
    fn oracles_catalog_is_read_in_its_own_words() {
        let (model, dialect) = (Model::embedded().unwrap(), Backend::Oracle.dialect().unwrap());
        let mut live = fresh(&model, dialect);
        let runs = live.tables.get_mut("AMX_HISTORY_RUNS").unwrap();
        let mut set = |name: &str, sql_type: &str| column(runs, name).sql_type = sql_type.into();
        set("RUN_ID", "VARCHAR2(64 BYTE)");
        set("ORIGIN", "VARCHAR2(128 CHAR)");
        set("STARTED_AT", "TIMESTAMP(3)");
        set("FINISHED_AT", "TIMESTAMP(9)");
        set("LANDING", "NUMBER(38)");
        set("LOCAL_ID", "NUMBER(2)");
        set("WHO", "VARCHAR2(4000 CHAR)");
        column(runs, "WRITER").collation = Some("BINARY_CI".into());
        let found: Vec<_> = drift(&model, dialect, &live).into_iter().map(|drift| (drift.class, drift.kind, drift.object)).collect();
        let of = |class: Class, kind: Aspect, name: &str| (class, kind, format!("{RUNS}.{name}"));
        let expected = [
            of(Class::Incompatible, Aspect::Type, "run_id"),
            of(Class::Incompatible, Aspect::Type, "who"),
            of(Class::Incompatible, Aspect::Type, "started_at"),
            of(Class::Compatible, Aspect::Type, "finished_at"),
            of(Class::Incompatible, Aspect::Type, "local_id"),
            of(Class::Compatible, Aspect::Type, "origin"),
            of(Class::Incompatible, Aspect::Collation, "writer"),
            of(Class::Compatible, Aspect::Type, "landing"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn every_table_is_read_whose_name_begins_with_the_models() {
        let model = Model::embedded().unwrap();
        assert!(model.tables.iter().chain([&model.ledger()]).all(|table| table.name.starts_with(&format!("{}_", model.name))));
    }

    #[test]
    fn a_missing_table_is_one_difference_and_not_one_for_each_column() {
        let (model, dialect) = (Model::embedded().unwrap(), Backend::PostgreSql.dialect().unwrap());
        let mut live = fresh(&model, dialect);
        live.tables.remove(RESULTS);
        let expected =
            Drift { object: RESULTS.into(), kind: Aspect::Table, class: Class::Incompatible, expected: Some("table".into()), actual: None };
        assert_eq!(drift(&model, dialect, &live), [expected]);
    }

    #[test]
    fn a_view_in_the_place_of_a_table_is_incompatible() {
        assert_eq!(found(RUNS, |table| table.kind = "view".into()), [(Class::Incompatible, Aspect::Table, RUNS.into())]);
    }

    #[test]
    fn a_ledger_that_is_absent_is_no_difference_and_one_of_another_shape_is() {
        let (model, dialect) = (Model::embedded().unwrap(), Backend::PostgreSql.dialect().unwrap());
        let mut live = fresh(&model, dialect);
        live.tables.remove("amx_history_ledger");
        assert_eq!(drift(&model, dialect, &live), []);
        let differs = found("amx_history_ledger", |table| column(table, "version").sql_type = "integer".into());
        assert_eq!(differs, [(Class::Incompatible, Aspect::Type, "amx_history_ledger.version".into())]);
    }

    #[test]
    fn a_type_is_judged_by_what_it_takes() {
        let judged = |kind_of: &str, sql_type: &str| {
            let (table, name) = kind_of.split_once('.').unwrap();
            found(table, |live| column(live, name).sql_type = sql_type.into()).first().map(|(class, ..)| *class)
        };
        let key = "amx_history_runs.run_id";
        assert_eq!(judged(key, "character varying(65)"), Some(Class::Compatible));
        assert_eq!(judged(key, "text"), Some(Class::Compatible));
        assert_eq!(judged(key, "character varying(63)"), Some(Class::Incompatible));
        assert_eq!(judged(key, "character(64)"), Some(Class::Incompatible));
        assert_eq!(judged("amx_history_runs.who", "character varying"), Some(Class::Compatible));
        assert_eq!(judged("amx_history_runs.who", "character varying(9999)"), Some(Class::Incompatible));
        assert_eq!(judged("amx_history_runs.started_at", "timestamp with time zone"), None);
        assert_eq!(judged("amx_history_runs.started_at", "timestamp(3) with time zone"), Some(Class::Incompatible));
        assert_eq!(judged("amx_history_runs.started_at", "timestamp without time zone"), Some(Class::Incompatible));
        assert_eq!(judged("amx_history_runs.landing", "integer"), Some(Class::Incompatible));
    }

    #[test]
    fn a_key_whose_collation_orders_as_bytes_do_is_compatible_and_any_other_is_not() {
        let judged = |collation: &str| found(RUNS, |table| column(table, "run_id").collation = Some(collation.into()));
        let at = |class| vec![(class, Aspect::Collation, "amx_history_runs.run_id".to_string())];
        assert_eq!(judged("C.UTF-8"), at(Class::Compatible));
        assert_eq!(judged("en_US.utf8"), at(Class::Incompatible));
        assert_eq!(found(RUNS, |table| column(table, "who").collation = Some("en_US.utf8".into())), []);
    }

    #[test]
    fn null_where_the_model_forbids_it_is_compatible_and_the_other_way_round_is_not() {
        let at = |class, name: &str| vec![(class, Aspect::Null, format!("{RUNS}.{name}"))];
        assert_eq!(found(RUNS, |table| column(table, "who").null = true), at(Class::Compatible, "who"));
        assert_eq!(found(RUNS, |table| column(table, "writer").null = false), at(Class::Incompatible, "writer"));
    }

    #[test]
    fn a_column_more_is_compatible_where_a_row_can_do_without_it() {
        let judged = |null, default: Option<&str>| {
            let extra = LiveColumn {
                name: "x".into(),
                sql_type: "text".into(),
                null,
                default: default.map(str::to_string),
                ..LiveColumn::default()
            };
            found(RUNS, |table| table.columns.push(extra)).remove(0).0
        };
        assert_eq!(judged(true, None), Class::Compatible);
        assert_eq!(judged(false, Some("'x'")), Class::Compatible);
        assert_eq!(judged(false, None), Class::Incompatible);
    }

    #[test]
    fn a_primary_key_over_other_columns_is_incompatible_and_one_in_another_order_degraded() {
        let judged = |key: &[&str]| found(RESULTS, |table| table.primary_key = key.iter().map(|name| name.to_string()).collect());
        let at = |class| vec![(class, Aspect::PrimaryKey, RESULTS.to_string())];
        assert_eq!(judged(&["target_qname", "run_id"]), at(Class::Degraded));
        assert_eq!(judged(&["run_id"]), at(Class::Incompatible));
        assert_eq!(judged(&[]), at(Class::Incompatible));
    }

    #[test]
    fn a_foreign_key_is_known_by_what_it_refers_to_and_not_by_its_name() {
        assert_eq!(found(RESULTS, |table| table.foreign_keys[0].name = "mine".into()), []);
        assert_eq!(found(RESULTS, |table| table.foreign_keys[0].key.clear()), []);
        let name = format!("{RESULTS}.fk_amx_history_results_run_id");
        assert_eq!(found(RESULTS, |table| table.foreign_keys.clear()), [(Class::Degraded, Aspect::ForeignKey, name.clone())]);
        let other = found(RESULTS, |table| table.foreign_keys[0].table = "team".into());
        assert_eq!(other, [(Class::Degraded, Aspect::ForeignKey, name), (Class::Incompatible, Aspect::ForeignKey, format!("{RESULTS}.1"))]);
    }

    #[test]
    fn an_index_that_does_not_serve_as_the_models_would_is_degraded() {
        let judged = |change: fn(&mut LiveIndex)| found(RUNS, |table| change(&mut table.indexes[0])).first().map(|(class, ..)| *class);
        assert_eq!(judged(|index| index.flaw = Some("invalid".into())), Some(Class::Degraded));
        assert_eq!(judged(|index| index.columns.truncate(1)), Some(Class::Degraded));
        assert_eq!(judged(|index| index.columns[1].push_str(" desc")), Some(Class::Degraded));
        assert_eq!(judged(|index| index.columns.iter_mut().for_each(|column| column.push_str(" desc"))), None);
        assert_eq!(found(RUNS, |table| drop(table.indexes.remove(0)))[0].0, Class::Degraded);
    }

    #[test]
    fn an_index_more_is_compatible_unless_it_refuses_rows_that_the_key_takes() {
        let judged = |columns: &[&str], unique| {
            let columns = columns.iter().map(|name| name.to_string()).collect();
            let extra = LiveIndex { name: "x".into(), columns, unique, flaw: None };
            found(RUNS, |table| table.indexes.push(extra)).remove(0).0
        };
        assert_eq!(judged(&["who"], false), Class::Compatible);
        assert_eq!(judged(&["who", "run_id"], true), Class::Compatible);
        assert_eq!(judged(&["who"], true), Class::Incompatible);
    }

    #[test]
    fn comments_differ_only_where_the_engine_has_them() {
        assert_eq!(found(RUNS, |table| table.comment = None), [(Class::Compatible, Aspect::Comment, RUNS.into())]);
        let (model, dialect) = (Model::embedded().unwrap(), Backend::Sqlite.dialect().unwrap());
        let mut live = fresh(&model, dialect);
        live.tables.get_mut(RUNS).unwrap().comment = Some("mine".into());
        assert_eq!(drift(&model, dialect, &live), []);
    }

    #[test]
    fn the_error_names_the_first_difference_and_how_many_more() {
        let drift = |object: &str| Drift {
            object: object.into(),
            kind: Aspect::Type,
            class: Class::Incompatible,
            expected: Some("text".into()),
            actual: Some("bytea".into()),
        };
        let said = |drift: &[Drift]| drift_error("AMX", drift, "").map(|error| error.message);
        assert_eq!(said(&[]), None);
        assert_eq!(said(&[drift("t.a")]).unwrap(), "the store in AMX is not what the model says: t.a: type is bytea and should be text");
        assert!(said(&[drift("t.a"), drift("t.b"), drift("t.c")]).unwrap().ends_with("and should be text; and 2 more"));
    }

    #[test]
    fn a_pattern_takes_its_own_length_a_greater_one_any_number_and_any_text() {
        let column = Model::embedded().unwrap().table(RESULTS).unwrap().column("run_id").unwrap().clone();
        assert!(matches("varchar({length})", "varchar(64)", &column) && !matches("varchar({length})", "varchar(65)", &column));
        assert!(matches("varchar({more})", "varchar(65)", &column) && !matches("varchar({more})", "varchar(64)", &column));
        assert!(matches("varchar({bytes})", "varchar(64)", &column) && !matches("varchar({more_bytes})", "varchar(64)", &column));
        assert!(matches("bigint({n})", "bigint(20)", &column) && !matches("bigint({n})", "bigint()", &column));
        assert!(!matches("bigint({n})", "bigint(20) unsigned", &column));
        assert!(matches("*char*", "nvarchar(3)", &column) && matches("*", "", &column) && !matches("*char*", "text", &column));
    }
}
