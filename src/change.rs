//! What changes from one model to the next, and what cannot change at all. Pure.

use crate::dialect::{Asked, Dialect};
use crate::error::{Code, Error, Result};
use crate::model::{Column, Index, Kind, Model, Table};
use std::collections::BTreeSet;
use std::fmt;

/// One change of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A table that was not there, with all that it has.
    AddTable {
        /// The table.
        table: String,
    },
    /// A table that is there no longer.
    DropTable {
        /// The table.
        table: String,
    },
    /// A further column.
    AddColumn {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// A column that is there no longer.
    DropColumn {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// A column with another name.
    RenameColumn {
        /// The table.
        table: String,
        /// What it was called.
        from: String,
        /// What it is called.
        to: String,
    },
    /// A key column that takes more text.
    WidenKey {
        /// The table.
        table: String,
        /// The column, by its new name.
        column: String,
    },
    /// A column that may be null and might not.
    AllowNull {
        /// The table.
        table: String,
        /// The column, by its new name.
        column: String,
    },
    /// Another comment on a table.
    CommentTable {
        /// The table.
        table: String,
    },
    /// Another comment on a column.
    CommentColumn {
        /// The table.
        table: String,
        /// The column, by its new name.
        column: String,
    },
    /// A further index, or one that has other columns now.
    AddIndex {
        /// The table.
        table: String,
        /// The index.
        index: String,
    },
    /// An index that is there no longer, or has other columns now.
    DropIndex {
        /// The table.
        table: String,
        /// The index.
        index: String,
    },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::AddTable { table } => write!(f, "add the table {table}"),
            Change::DropTable { table } => write!(f, "drop the table {table}"),
            Change::AddColumn { table, column } => write!(f, "add the column {table}.{column}"),
            Change::DropColumn { table, column } => write!(f, "drop the column {table}.{column}"),
            Change::RenameColumn { table, from, to } => write!(f, "rename the column {table}.{from} to {to}"),
            Change::WidenKey { table, column } => write!(f, "widen {table}.{column}"),
            Change::AllowNull { table, column } => write!(f, "allow null in {table}.{column}"),
            Change::CommentTable { table } => write!(f, "change the comment on {table}"),
            Change::CommentColumn { table, column } => write!(f, "change the comment on {table}.{column}"),
            Change::AddIndex { table, index } => write!(f, "add the index {index} on {table}"),
            Change::DropIndex { table, index } => write!(f, "drop the index {index} on {table}"),
        }
    }
}

impl Change {
    /// The table that it is a change of.
    pub fn table(&self) -> &str {
        match self {
            Change::AddTable { table }
            | Change::DropTable { table }
            | Change::AddColumn { table, .. }
            | Change::DropColumn { table, .. }
            | Change::RenameColumn { table, .. }
            | Change::WidenKey { table, .. }
            | Change::AllowNull { table, .. }
            | Change::CommentTable { table }
            | Change::CommentColumn { table, .. }
            | Change::AddIndex { table, .. }
            | Change::DropIndex { table, .. } => table,
        }
    }

    /// Whether what is stored is lost by it.
    pub fn is_destructive(&self) -> bool {
        matches!(self, Change::DropTable { .. } | Change::DropColumn { .. })
    }

    /// Why an engine refuses it; nothing where it does not.
    pub fn refused_by<'d>(&self, dialect: &'d Dialect, old: &Model, new: &Model) -> Option<&'d str> {
        self.asks(dialect, old, new).into_iter().find_map(|asked| dialect.alter.refuses.get(&asked)).map(String::as_str)
    }

    /// What it asks of an engine beyond what every engine does.
    fn asks(&self, dialect: &Dialect, old: &Model, new: &Model) -> Vec<Asked> {
        let (Some(old), Some(new)) = (old.table(self.table()), new.table(self.table())) else { return vec![] };
        let mut asked = vec![];
        match self {
            Change::AddColumn { column, .. } if new.column(column).is_some_and(|column| !column.null) => asked.push(Asked::AddNotNull),
            Change::DropColumn { column, .. } if old.column(column).is_some_and(|column| column.default.is_some()) => {
                asked.push(Asked::DropDefaulted);
            }
            Change::WidenKey { column, .. } => {
                let (before, after) = (source(old, new, column), new.column(column));
                let sql_type = |column: &Column| dialect.sql_type(column);
                if before.map(sql_type) != after.map(sql_type) {
                    asked.extend(new.primary_key.contains(column).then_some(Asked::WidenPrimary));
                    asked.extend(after.is_some_and(|after| !after.null).then_some(Asked::WidenNotNull));
                }
            }
            Change::DropIndex { index, .. } => {
                let stays = |index: &&Index| old.indexes.contains(index);
                let left = new.indexes.iter().filter(stays).map(|index| &index.columns).chain([&new.primary_key]).collect::<Vec<_>>();
                let dropped = old.indexes.iter().find(|known| known.name == *index);
                let serves = |columns: &[String], wanted: &[String]| columns.starts_with(wanted);
                let needed = new.references.iter().any(|reference| {
                    dropped.is_some_and(|dropped| serves(&dropped.columns, &reference.columns))
                        && !left.iter().any(|columns| serves(columns, &reference.columns))
                });
                asked.extend(needed.then_some(Asked::DropReferenceIndex));
            }
            _ => {}
        }
        asked
    }
}

/// What leads from one model to the next, in the order in which it must be done.
///
/// # Errors
/// `model_infeasible` where no statement of ours leads there, naming the object and the reason.
pub fn changes(old: &Model, new: &Model) -> Result<Vec<Change>> {
    if old.name != new.name {
        return Err(refused(format!("the model's name was {} and names its ledger", old.name)));
    }
    let gone: Vec<_> = old.tables.iter().rev().filter(|table| new.table(&table.name).is_none()).collect();
    for table in &gone {
        let refers = |other: &&Table| other.references.iter().any(|reference| reference.table == table.name);
        if let Some(other) = old.tables.iter().filter(|other| new.table(&other.name).is_some()).find(refers) {
            return Err(refused(format!("{} cannot be dropped: {} refers to it", table.name, other.name)));
        }
    }
    let mut changes = vec![];
    let mut within = vec![];
    for table in &new.tables {
        match old.table(&table.name) {
            Some(before) => Comparison { old, before, after: table }.all(&mut changes, &mut within)?,
            None => {
                if let Some(column) = table.columns.iter().find(|column| column.was.is_some()) {
                    return Err(refused(format!("{}.{} says what it was, and its table is new", table.name, column.name)));
                }
                within.push(Change::AddTable { table: table.name.clone() });
            }
        }
    }
    // An index or a table goes before anything comes: its name may be wanted again.
    changes.extend(gone.into_iter().map(|table| Change::DropTable { table: table.name.clone() }));
    changes.extend(within);
    Ok(changes)
}

/// Refuses what an engine cannot do, before anything is written.
///
/// # Errors
/// `model_infeasible`, naming the change, the engine and the reason.
pub fn require(changes: &[Change], old: &Model, new: &Model, dialect: &Dialect) -> Result<()> {
    let reason = |change: &Change| change.refused_by(dialect, old, new).map(|reason| (change.to_string(), reason));
    match changes.iter().find_map(reason) {
        None => Ok(()),
        Some((change, reason)) => Err(refused(format!("{} cannot {change}: {reason}", dialect.name))),
    }
}

/// What a column of the new table was in the old one; nothing where it is new.
pub(crate) fn source<'t>(before: &'t Table, after: &Table, name: &str) -> Option<&'t Column> {
    let renamed = || after.column(name).and_then(|column| column.was.as_deref()).and_then(|was| before.column(was));
    before.column(name).or_else(renamed)
}

/// What a column of the old table is called in the new one; nothing where it is dropped.
pub(crate) fn renamed<'t>(before: &Table, after: &'t Table, old: &str) -> Option<&'t str> {
    let renamed = |column: &&Column| column.was.as_deref() == Some(old) && before.column(&column.name).is_none();
    after.column(old).or_else(|| after.columns.iter().find(renamed)).map(|column| column.name.as_str())
}

/// A table as it was and as it is.
struct Comparison<'a> {
    old: &'a Model,
    before: &'a Table,
    after: &'a Table,
}

impl Comparison<'_> {
    fn all(&self, first: &mut Vec<Change>, changes: &mut Vec<Change>) -> Result<()> {
        let table = || self.after.name.clone();
        self.renames(changes)?;
        self.keys()?;
        let mut later = vec![];
        for column in &self.before.columns {
            if self.name_of(&column.name).is_none() {
                changes.push(Change::DropColumn { table: table(), column: column.name.clone() });
            }
        }
        for column in &self.after.columns {
            match source(self.before, self.after, &column.name) {
                Some(was) => self.column(was, column, changes, &mut later)?,
                None if !column.null && column.default.is_none() => {
                    return Err(self.refused(&column.name, "a column that is added must be nullable or have a default"));
                }
                None => changes.push(Change::AddColumn { table: table(), column: column.name.clone() }),
            }
        }
        for index in self.before.indexes.iter().filter(|index| !self.stays(index)) {
            first.push(Change::DropIndex { table: table(), index: index.name.clone() });
        }
        for index in &self.after.indexes {
            if !self.before.indexes.iter().any(|was| was.name == index.name && self.stays(was)) {
                changes.push(Change::AddIndex { table: table(), index: index.name.clone() });
            }
        }
        if self.before.comment != self.after.comment {
            changes.push(Change::CommentTable { table: table() });
        }
        changes.extend(later);
        Ok(())
    }

    /// A rename is a `was` that the old table has and the new name's is not there yet; one that is recorded already says nothing.
    fn renames(&self, changes: &mut Vec<Change>) -> Result<()> {
        let mut sources = BTreeSet::new();
        for column in &self.after.columns {
            let Some(was) = column.was.as_deref().filter(|_| self.before.column(&column.name).is_none()) else { continue };
            if self.before.column(was).is_none() {
                return Err(self.refused(&column.name, &format!("it says that it was {was}, and the version before has neither")));
            }
            if self.after.column(was).is_some() || !sources.insert(was) {
                return Err(self.refused(&column.name, &format!("it says that it was {was}, which another column is")));
            }
            if self.is_in_key(was) {
                return Err(self.refused(was, "a column of a key keeps its name"));
            }
            let (table, from, to) = (self.after.name.clone(), was.to_string(), column.name.clone());
            changes.push(Change::RenameColumn { table, from, to });
        }
        Ok(())
    }

    fn keys(&self) -> Result<()> {
        let lost = |name: &&String| self.name_of(name).is_none();
        let references =
            |table: &Table| table.references.iter().map(|one| (one.table.clone(), one.columns.clone())).collect::<BTreeSet<_>>();
        let of_references = self.before.references.iter().flat_map(|reference| &reference.columns);
        if let Some(column) = self.before.primary_key.iter().chain(of_references).find(lost) {
            return Err(self.refused(column, "a column of a key cannot be dropped"));
        }
        if self.before.primary_key != self.after.primary_key {
            return Err(refused(format!("the primary key of {} cannot change", self.after.name)));
        }
        if references(self.before) != references(self.after) {
            return Err(refused(format!("what {} refers to cannot change: a reference comes and goes with its table", self.after.name)));
        }
        Ok(())
    }

    fn column(&self, was: &Column, is: &Column, changes: &mut Vec<Change>, later: &mut Vec<Change>) -> Result<()> {
        let (table, column) = (self.after.name.clone(), is.name.clone());
        if was.kind != is.kind || was.sql_type != is.sql_type {
            return Err(self.refused(&is.name, "a column's kind cannot change; add another column"));
        }
        if was.default != is.default {
            return Err(self.refused(&is.name, "the default of a column that is there cannot change"));
        }
        if is.length < was.length || is.bytes < was.bytes {
            return Err(self.refused(&is.name, "a key cannot become narrower: what is stored may not fit"));
        }
        if is.kind == Kind::Key && (is.length, is.bytes) != (was.length, was.bytes) {
            if self.is_referenced(&was.name) {
                return Err(self.refused(&is.name, "engines do not widen a column of a foreign key, nor one that a foreign key refers to"));
            }
            changes.push(Change::WidenKey { table: table.clone(), column: column.clone() });
        }
        if was.null && !is.null {
            return Err(self.refused(&is.name, "a column that may be null cannot become one that may not: rows may hold nulls"));
        }
        if !was.null && is.null {
            if self.is_referenced(&was.name) {
                return Err(self.refused(&is.name, "engines do not alter a column of a foreign key"));
            }
            changes.push(Change::AllowNull { table: table.clone(), column: column.clone() });
        }
        if was.comment != is.comment {
            later.push(Change::CommentColumn { table, column });
        }
        Ok(())
    }

    /// What a column of the old table is called in the new one.
    fn name_of(&self, old: &str) -> Option<&str> {
        renamed(self.before, self.after, old)
    }

    /// Whether the new table has an old index, with the same columns.
    fn stays(&self, index: &Index) -> bool {
        let same = |is: &Index| is.columns.iter().map(|name| Some(name.as_str())).eq(index.columns.iter().map(|name| self.name_of(name)));
        self.after.indexes.iter().any(|is| is.name == index.name && same(is))
    }

    fn is_in_key(&self, column: &str) -> bool {
        self.before.primary_key.iter().any(|key| key == column) || self.is_referenced(column)
    }

    /// Whether a foreign key has a column of the old table at either end.
    fn is_referenced(&self, column: &str) -> bool {
        let has = |columns: &[String]| columns.iter().any(|name| name == column);
        let by = |other: &Table| other.references.iter().any(|reference| reference.table == self.before.name);
        self.before.references.iter().any(|reference| has(&reference.columns))
            || (has(&self.before.primary_key) && self.old.tables.iter().any(by))
    }

    fn refused(&self, column: &str, reason: &str) -> Error {
        refused(format!("{}.{column}: {reason}", self.after.name))
    }
}

fn refused(message: String) -> Error {
    Error::new(Code::ModelInfeasible, message, "change the model in another way; nothing was written")
}
