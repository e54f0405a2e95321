//! Taking the newest version back where that loses nothing.
//!
//! What a version added goes where it holds nothing; names and comments go back to what they were; what it let in stays: a column that became
//! wider or nullable is one that the older version can live with.

use super::lock::{Held, LockOptions, lock_table, lost};
use super::steps::{self, StepNote, StepState, steps_table};
use super::{Catalog, Engine, Pending};
use crate::change::{self, Change};
use crate::driver::{ErrorKind, Failure, Op};
use crate::error::{Code, Error, Result};
use crate::model::{Backfill, Kind, Model};
use crate::render::{Effect, Step};
use futures_util::StreamExt;
use minijinja::context;

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
    /// The statements that [`Engine::undo`] would run now.
    ///
    /// # Errors
    /// As [`Engine::undo`].
    pub async fn undo_dry_run(&mut self) -> Result<Vec<Step>> {
        let version = self.newest_or_begun().await?;
        let steps = self.reversal(version).await?;
        let catalog = Catalog::read(self.driver, self.set.dialect, self.schema).await?;
        Ok(steps.into_iter().filter(|step| !catalog.holds(&step.effect)).collect())
    }

    /// Takes the newest version back, while holding the store's lock. A run that was killed is finished by the next one, which takes back no other
    /// version, or made good by `migrate`.
    ///
    /// # Errors
    /// `usage` where there is nothing to take back; `not_reversible` where something would be lost, naming it; `locked`; those of [`Engine::state`].
    pub async fn undo(&mut self, lock: &LockOptions) -> Result<Undone> {
        // Refused before anything is written.
        let version = self.newest_or_begun().await?;
        self.reversal(version).await?;
        let mut held = self.lock(lock).await?;
        let undone = self.undo_locked(version, &mut held).await;
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

    /// The statements that take a version back.
    ///
    /// # Errors
    /// `not_reversible` where something would be lost.
    async fn reversal(&mut self, version: u32) -> Result<Vec<Step>> {
        let (old, new) = (self.set.model.at(version - 1), self.set.model.at(version));
        let mut back = old.clone();
        for change in change::changes(&old, &new)? {
            match &change {
                Change::AddTable { table } => self.require_none(version, table, None).await?,
                Change::AddColumn { table, column } => {
                    let defaulted = new.table(table).and_then(|table| table.column(column)).is_some_and(|column| column.default.is_some());
                    self.require_none(version, table, (!defaulted).then_some(column)).await?;
                }
                Change::DropTable { .. } | Change::DropColumn { .. } => {
                    return Err(loses(version, &format!("it did {change}, and what that held is gone")));
                }
                _ => {}
            }
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
        let mut steps = self.renderer().steps_between(&new, &back)?;
        steps.retain(|step| step.effect != Effect::Nothing);
        Ok(steps)
    }

    /// Refuses where a table has rows, or rows with something in a column.
    async fn require_none(&mut self, version: u32, table: &str, column: Option<&String>) -> Result<()> {
        let sql = self.set.dialect.render("rows_with.sql", self.schema, context! { table_name => table, column })?;
        let rows = match self.driver.query(&sql, &[], &[Kind::Integer]).await {
            // Taken back already by a run that was killed.
            Err(error) if error.kind == ErrorKind::Missing => return Ok(()),
            rows => rows?,
        };
        let count = rows.first().and_then(|row| row.first()).and_then(|value| value.as_integer()).unwrap_or(0);
        match (count, column) {
            (0, _) => Ok(()),
            (_, Some(column)) => Err(loses(version, &format!("{table}.{column}, which it added, holds something in {count} rows"))),
            (_, None) => Err(loses(version, &format!("what it added to {table} is part of {count} rows"))),
        }
    }

    async fn undo_locked(&mut self, version: u32, held: &mut Held) -> Result<()> {
        if self.newest_or_begun().await? != version {
            return Err(lost());
        }
        let steps = self.reversal(version).await?;
        let names = context! {
            ledger => self.set.model.ledger().name, steps => steps_table(&self.set.model).name, lock => lock_table(&self.set.model).name,
            fence => held.fence, version, state => StepState::Undoing.word(),
        };
        let render = |template: &str| self.set.dialect.render(template, self.schema, names.clone());
        let (reopen, ledger, forget) = (render("steps_reopen.sql")?, render("ledger_delete.sql")?, render("steps_delete.sql")?);
        let mut catalog = Catalog::read(self.driver, self.set.dialect, self.schema).await?;
        self.reporter.begin(steps.len() as u64 + 1);
        let label = |step: &Step| format!("undo V{version}: {}", step.effect.brief());
        if self.set.dialect.transactional_ddl {
            let op = |sql: String, expect| Ok(Op::Execute { sql, params: vec![], expect });
            let mut ops = vec![op(held.proof().into(), Some(1))];
            ops.extend(steps.iter().filter(|step| !catalog.holds(&step.effect)).map(|step| op(step.sql.clone(), None)));
            ops.extend([op(forget, None), op(ledger, Some(1))]);
            let landed = self.driver.atomic(futures_util::stream::iter(ops).boxed()).await;
            landed.map_err(|failure| match failure {
                Failure::Overtaken => lost(),
                failure => failure.into(),
            })?;
            steps.iter().for_each(|step| self.reporter.item(&label(step), "ok"));
        } else {
            // The version is pending from here on, and its steps are to be run again, should a migration come before the next undo.
            self.make_ledger().await?;
            let recorded = steps::recorded(self.driver, self.set, self.schema).await?;
            if recorded.range((version, 0)..=(version, u32::MAX)).next().is_none() {
                // A store that a script made has no steps; this one says which version is being taken back.
                let mark = StepNote { version, number: 0, checksum: "undo", state: StepState::Undoing, noted_before: false };
                let mark = steps::note(self.set, self.schema, held, &mark)?;
                self.driver.execute(&mark, &[]).await?;
            }
            self.driver.execute(&reopen, &[]).await?;
            let deleted = self.driver.execute(&ledger, &[]).await?;
            if deleted == 0 && self.state().await?.version >= version {
                return Err(lost());
            }
            for step in &steps {
                if !catalog.holds(&step.effect) {
                    self.reporter.detail(&step.sql);
                    held.execute(self.driver, &step.sql).await?;
                }
                self.reporter.item(&label(step), "ok");
                catalog = Catalog::read(self.driver, self.set.dialect, self.schema).await?;
            }
            self.driver.execute(&forget, &[]).await?;
        }
        self.reporter.item(&format!("undo V{version}: remove it from the ledger"), "ok");
        self.reporter.end();
        Ok(())
    }
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
