//! Taking the newest version back where that loses nothing.
//!
//! What a version added goes where it holds nothing; names and comments go back to what they were; what it let in stays: a column that became
//! wider or nullable is one that the older version can live with.

use super::engine::timeouts;
use super::lock::{Held, LockOptions, lost};
use super::steps::{self, StepNote, StepState};
use super::{Catalog, Engine, Pending};
use crate::change::{self, Change};
use crate::driver::{ErrorKind, Failure, Op};
use crate::error::{Code, Error, Result};
use crate::model::{Backfill, Kind, Model};
use crate::render::{Effect, Step};
use futures_util::StreamExt;
use minijinja::context;
use std::collections::BTreeSet;
use std::time::Duration;

/// What [`Engine::undo`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undone {
    /// The version before.
    pub from_version: u32,
    /// The version after.
    pub to_version: u32,
    /// What was taken back.
    pub undone: Pending,
}

impl Engine<'_> {
    /// The statements that [`Engine::undo`] would run now. The rows of the `own` tables are the program's, and go with them.
    ///
    /// # Errors
    /// As [`Engine::undo`].
    pub async fn undo_dry_run(&mut self, own: &[&str]) -> Result<Vec<Step>> {
        let version = self.newest_or_begun().await?;
        let (steps, _) = self.reversal(version, own).await?;
        let catalog = Catalog::read(self.driver, self.set.dialect, self.schema).await?;
        Ok(steps.into_iter().filter(|step| !catalog.holds(&step.effect)).collect())
    }

    /// Takes the newest version back, while holding the store's lock. The rows of the `own` tables are the program's, and go with them.
    ///
    /// A run that was killed is finished by the next one, which takes back no other version, or made good by `migrate`.
    ///
    /// # Errors
    /// `usage` where there is nothing to take back; `not_reversible` where something would be lost, naming it; `locked`; those of [`Engine::state`].
    pub async fn undo(&mut self, own: &[&str], lock: &LockOptions) -> Result<Undone> {
        // Refused before anything is written.
        let version = self.newest_or_begun().await?;
        self.reversal(version, own).await?;
        let mut held = self.lock(lock).await?;
        let undone = self.undo_locked(version, own, &mut held, lock.timeout).await;
        let unlocked = self.unlock(held).await;
        undone?;
        unlocked?;
        let name = self.set.model.versions.get(&version).cloned().unwrap_or_default();
        Ok(Undone { from_version: version, to_version: version - 1, undone: Pending { version, name } })
    }

    /// The version that is to be taken back: one whose undoing was begun, else the newest.
    async fn newest_or_begun(&mut self) -> Result<u32> {
        let state = self.state().await?;
        let recorded = steps::recorded(self.driver, self.set, self.schema).await?;
        let begun = state.version + 1;
        if recorded.range((begun, 0)..=(begun, u32::MAX)).any(|(_, noted)| noted.state == StepState::Undoing) {
            return Ok(begun);
        }
        match state.version {
            0 => Err(Error::new(
                Code::Usage,
                format!("the store in {} has no version that could be taken back", self.schema.given),
                "see `amx-schema status`",
            )),
            version => Ok(version),
        }
    }

    /// The statements that take a version back, and what must hold nothing for that.
    ///
    /// # Errors
    /// `not_reversible` where something would be lost.
    async fn reversal(&mut self, version: u32, own: &[&str]) -> Result<(Vec<Step>, Vec<Rows>)> {
        let (old, new) = (self.set.model.at(version - 1), self.set.model.at(version));
        let mut back = old.clone();
        let mut none = vec![];
        for change in change::changes(&old, &new)? {
            match &change {
                Change::AddTable { table } => none.push(Rows { table: table.clone(), column: None }),
                Change::AddColumn { table, column } => {
                    let defaulted = new.table(table).and_then(|table| table.column(column)).is_some_and(|column| column.default.is_some());
                    none.push(Rows { table: table.clone(), column: (!defaulted).then(|| column.clone()) });
                }
                Change::DropTable { .. } | Change::DropColumn { .. } => {
                    return Err(loses(version, &format!("it did {change}, and what that held is gone")));
                }
                _ => {}
            }
        }
        none.retain(|rows| rows.column.is_some() || !own.contains(&rows.table.as_str()));
        for rows in &none {
            self.require_none(version, rows).await?;
        }
        if let Some(filled) = filled_before(&old, &new) {
            return Err(loses(version, &format!("it filled {filled}, and what that held before is gone")));
        }
        for table in &mut back.tables {
            let Some(after) = new.table(&table.name) else { continue };
            let before = table.clone();
            for column in &mut table.columns {
                let Some(now) = change::renamed(&before, after, &column.name).and_then(|name| after.column(name)) else { continue };
                (column.length, column.bytes, column.null) = (now.length, now.bytes, now.null);
                column.was = (now.name != column.name).then(|| now.name.clone());
            }
        }
        let refused = |error: Error| Error {
            code: Code::NotReversible,
            message: format!("V{version} cannot be taken back: {}", error.message),
            ..error
        };
        change::require(&change::changes(&new, &back).map_err(refused)?, &new, &back, self.set.dialect).map_err(refused)?;
        let mut steps = self.renderer().steps_between(&new, &back)?;
        steps.retain(|step| step.effect != Effect::Nothing);
        Ok((steps, none))
    }

    /// Refuses where a table has rows, or rows with something in a column.
    async fn require_none(&mut self, version: u32, rows: &Rows) -> Result<()> {
        let Rows { table, column } = rows;
        let sql = self.set.dialect.render("rows_with.sql", self.schema, context! { table_name => table, column })?;
        let answer = match self.driver.query(&sql, &[], &[Kind::Integer]).await {
            // Taken back already by a run that was killed.
            Err(error) if error.kind == ErrorKind::Missing => return Ok(()),
            answer => answer?,
        };
        let count = answer.first().and_then(|row| row.first()).and_then(|value| value.as_integer()).unwrap_or(0);
        match (count, column) {
            (0, _) => Ok(()),
            (_, Some(column)) => Err(loses(version, &format!("{table}.{column}, which it added, holds something in {count} rows"))),
            (_, None) => Err(loses(version, &format!("what it added to {table} is part of {count} rows"))),
        }
    }

    async fn undo_locked(&mut self, version: u32, own: &[&str], held: &mut Held, lock_timeout: Duration) -> Result<()> {
        if self.newest_or_begun().await? != version {
            return Err(lost());
        }
        // A store that a script made has no step ledger.
        self.make_ledger().await?;
        let (steps, none) = self.reversal(version, own).await?;
        self.reporter.begin(steps.len() as u64 + 1);
        let timeouts = timeouts(self.set.dialect, self.schema, lock_timeout)?;
        let done = match self.set.dialect.transactional_ddl {
            true => self.undo_in_one_transaction(version, own, held, &steps, &none, timeouts).await,
            false => self.undo_step_by_step(version, held, &steps, &none, timeouts).await,
        };
        if done.is_ok() {
            self.reporter.item(&format!("undo V{version}: remove it from the ledger"), "ok");
        }
        self.reporter.end();
        done
    }

    /// The tables are locked before it is asked once more whether they hold nothing, so that nobody writes to them in between.
    async fn undo_in_one_transaction(
        &mut self,
        version: u32,
        own: &[&str],
        held: &mut Held,
        steps: &[Step],
        none: &[Rows],
        timeouts: Vec<String>,
    ) -> Result<()> {
        let catalog = Catalog::read(self.driver, self.set.dialect, self.schema).await?;
        let tables: BTreeSet<String> = none.iter().map(|rows| rows.table.clone()).collect();
        let locks = self.set.dialect.render("lock_tables.sql", self.schema, context! { tables })?;
        let proof = self.proof(held, none)?;
        let (forget, ledger) = (self.undo_sql("steps_delete.sql", version, held)?, self.undo_sql("ledger_delete.sql", version, held)?);
        let wanted = steps.iter().filter(|step| !catalog.holds(&step.effect)).map(|step| (step.sql.clone(), None));
        let before = timeouts.into_iter().chain(locks.lines().map(str::to_string)).map(|sql| (sql, None));
        let statements = before.chain([(proof, Some(1))]).chain(wanted).chain([(forget, None), (ledger, Some(1))]);
        let ops: Vec<_> = statements.map(|(sql, expect)| Ok(Op::Execute { sql, params: vec![], expect })).collect();
        match self.driver.atomic(futures_util::stream::iter(ops).boxed()).await {
            Ok(()) => steps.iter().for_each(|step| self.reporter.item(&label(version, step), "ok")),
            Err(Failure::Overtaken) => {
                // Somebody wrote to what was to go, or the lock is lost.
                self.reversal(version, own).await?;
                return Err(lost());
            }
            Err(failure) => return Err(failure.into()),
        }
        Ok(())
    }

    /// The version is pending from the moment that its row is gone, and its steps are to be run again, should a migration come before the next undo.
    /// Before each statement it is asked whether the lock is still had, and whether what is to go holds nothing.
    async fn undo_step_by_step(
        &mut self,
        version: u32,
        held: &mut Held,
        steps: &[Step],
        none: &[Rows],
        timeouts: Vec<String>,
    ) -> Result<()> {
        for sql in timeouts {
            self.driver.execute(&sql, &[]).await?;
        }
        let recorded = steps::recorded(self.driver, self.set, self.schema).await?;
        if recorded.range((version, 0)..=(version, u32::MAX)).next().is_none() {
            // A store that a script made has no steps; this one says which version is being taken back.
            let mark = StepNote { version, number: 0, checksum: "undo", state: StepState::Undoing, noted_before: false };
            let mark = steps::note(self.set, self.schema, held, &mark)?;
            self.fenced_undo(mark).await?;
        }
        self.fenced_undo(self.undo_sql("steps_reopen.sql", version, held)?).await?;
        // It is gone already where a run that was killed had come this far.
        self.driver.execute(&self.undo_sql("ledger_delete.sql", version, held)?, &[]).await?;
        for step in steps {
            let of_step = |rows: &&Rows| match &step.effect {
                Effect::DropTable { table } => rows.table == *table,
                Effect::DropColumn { table, column } => rows.table == *table && rows.column.as_ref().is_none_or(|known| known == column),
                _ => false,
            };
            let catalog = Catalog::read(self.driver, self.set.dialect, self.schema).await?;
            if !catalog.holds(&step.effect) {
                let none: Vec<Rows> = none.iter().filter(of_step).cloned().collect();
                if self.driver.execute(&self.proof(held, &none)?, &[]).await? != 1 {
                    for rows in &none {
                        self.require_none(version, rows).await?;
                    }
                    return Err(lost());
                }
                self.reporter.detail(&step.sql);
                self.driver.execute(&step.sql, &[]).await?;
            }
            self.reporter.item(&label(version, step), "ok");
        }
        self.fenced_undo(self.undo_sql("steps_delete.sql", version, held)?).await
    }

    /// Runs a write that touches a row at least where the lock is still had.
    async fn fenced_undo(&mut self, sql: String) -> Result<()> {
        match self.driver.execute(&sql, &[]).await? {
            0 => Err(lost()),
            _ => Ok(()),
        }
    }

    /// The statement that touches one row where the lock is still had and these rows are not there.
    fn proof(&self, held: &Held, none: &[Rows]) -> Result<String> {
        let none: Vec<_> =
            none.iter().map(|rows| context! { table_name => rows.table.as_str(), column => rows.column.as_deref() }).collect();
        self.set.dialect.render(
            "lock_renew.sql",
            self.schema,
            context! { lock => self.set.model.lock_table().name, fence => held.fence, none },
        )
    }

    fn undo_sql(&self, template: &str, version: u32, held: &Held) -> Result<String> {
        let model = &self.set.model;
        let context = context! {
            ledger => model.ledger().name, steps => model.steps_table().name, lock => model.lock_table().name,
            fence => held.fence, version, state => StepState::Undoing.word(),
        };
        self.set.dialect.render(template, self.schema, context)
    }
}

/// Rows of a table, or those that have something in a column.
#[derive(Debug, Clone)]
struct Rows {
    table: String,
    column: Option<String>,
}

fn label(version: u32, step: &Step) -> String {
    format!("undo V{version}: {}", step.effect.brief())
}

/// What a version filled of rows that were there before it: their old values are not known.
fn filled_before(old: &Model, new: &Model) -> Option<String> {
    let own = new.backfill.iter().filter(|backfill| backfill.since() > old.latest());
    own.into_iter().find_map(|backfill| {
        let table = old.table(backfill.table())?;
        match backfill {
            Backfill::Update { set, .. } => {
                let column = set.keys().find(|column| table.column(column).is_some())?;
                Some(format!("{}.{column}", table.name))
            }
            Backfill::Insert { .. } => Some(table.name.clone()),
        }
    })
}

fn loses(version: u32, why: &str) -> Error {
    Error::new(
        Code::NotReversible,
        format!("V{version} cannot be taken back: {why}"),
        "nothing was written; empty or copy away what would be lost if it is not needed, or go forward with a new version",
    )
}
