//! The engine's dealings with tables that it did not make itself: telling how they differ, and taking them over where they do not.

use super::drift::{Aspect, Class, Drift, drift, drift_error};
use super::engine::{Engine, Migrated, StoreState};
use super::live::Live;
use super::lock::{Held, LockOptions, lost};
use crate::change;
use crate::driver::{Failure, Op};
use crate::error::{Code, Error, Result};
use crate::model::{Model, Table};
use crate::render::Effect;
use futures_util::StreamExt;

/// What is to be done about tables that are not ours to change.
const HINT: &str =
    "run `amx-schema diff` to see every difference; put them right by hand and run the same command again, or choose another --schema";

/// How a live store differs from the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The version in the store's ledger; nothing where it has no ledger or an empty one.
    pub ledger: Option<u32>,
    /// The version of the model that it was compared with.
    pub version: u32,
    /// The differences.
    pub drift: Vec<Drift>,
}

impl Difference {
    /// The error of a store that differs by more than what is compatible.
    pub fn error(&self, schema: &str) -> Option<Error> {
        let hint = "put it right by hand, what is incompatible first: there the store refuses or loses something; `amx-schema dump-ddl` has the statements";
        drift_error(schema, self.drift.iter().filter(|drift| drift.class > Class::Compatible), hint)
    }
}

impl Engine<'_> {
    /// Compares the store with the model as it was at the store's own version, so far as this build knows it. Tables without a ledger are compared
    /// with the newest version of which they have something.
    ///
    /// # Errors
    /// `store_missing`, `schema_case`, and what the driver says.
    pub async fn diff(&mut self) -> Result<Difference> {
        let ledger = self.ledger_version().await?.filter(|&version| version > 0);
        let live = self.live().await?;
        if ledger.is_none() {
            self.require_tables(&live, &self.set.model).await?;
        }
        let version = ledger.unwrap_or_else(|| self.newest_of(&live)).min(self.set.latest());
        Ok(Difference { ledger, version, drift: drift(&self.set.model.at(version), self.set.dialect, &live) })
    }

    /// Writes the ledger rows up to a version for tables that were made by hand, where they are what the model says, while holding the store's lock.
    /// A store that has that version already is left as it is.
    ///
    /// # Errors
    /// `drift` where something is degraded or incompatible, `usage` where the ledger ends at an older version, `store_missing`, `locked`; those of
    /// [`Engine::state`]. Nothing is written then.
    pub async fn baseline(&mut self, version: u32, lock: &LockOptions) -> Result<Migrated> {
        if let Some(had) = self.had_or_adoptable(version).await? {
            return Ok(had);
        }
        let mut held = self.lock(lock).await?;
        let adopted = self.adopt(version, &mut held).await;
        let unlocked = self.unlock(held).await;
        let adopted = adopted?;
        unlocked?;
        Ok(adopted)
    }

    /// Gives how the store stands where it has that version already; else refuses tables that are not what the model says. Writes nothing.
    async fn had_or_adoptable(&mut self, version: u32) -> Result<Option<Migrated>> {
        let StoreState { version: had, pending, .. } = self.state().await?;
        if had >= version {
            return Ok(Some(Migrated { from_version: had, to_version: had, applied: vec![], pending, stopped: None }));
        }
        if had > 0 {
            return Err(Error::new(
                Code::Usage,
                format!("the ledger of the store in {} ends at V{had}; --baseline is for a store without one", self.schema.given),
                "run `amx-schema migrate` to apply what is pending",
            ));
        }
        let live = self.live().await?;
        let model = self.set.model.at(version);
        self.require_tables(&live, &model).await?;
        let found = drift(&model, self.set.dialect, &live);
        if let Some(error) = drift_error(&self.schema.given, found.iter().filter(|drift| drift.class > Class::Compatible), HINT) {
            return Err(error);
        }
        self.say_what_differs(&found);
        Ok(None)
    }

    async fn adopt(&mut self, version: u32, held: &mut Held) -> Result<Migrated> {
        // Another process may have migrated while this one waited for the lock.
        let before = self.state().await?;
        if before.version == 0 {
            self.write_ledger(version, held).await?;
        }
        let after = self.state().await?;
        Ok(Migrated { from_version: before.version, to_version: after.version, applied: vec![], pending: after.pending, stopped: None })
    }

    /// The rows go in together. Rows of the store that an older version made are filled first, as its migration would have done.
    async fn write_ledger(&mut self, version: u32, held: &mut Held) -> Result<()> {
        // Made on their own: DDL may end a transaction, and tables without rows claim nothing.
        self.make_ledger().await?;
        let wanted: Vec<_> = self.set.migrations.iter().filter(|migration| migration.version <= version).collect();
        let brought = wanted.iter().flat_map(|migration| migration.steps_in(self.schema));
        let backfills = brought.filter(|step| matches!(step.effect, Effect::Backfill { .. })).map(|step| (step.sql, None));
        let mut statements: Vec<_> = backfills.collect();
        for migration in wanted {
            // A row that is not written would be a version that is neither had nor applied.
            statements.push((
                self.renderer().fenced_ledger_row(&self.set.model, migration.version, &migration.checksum(), held.fence)?.sql,
                Some(1),
            ));
        }
        for (sql, _) in &statements {
            self.reporter.detail(sql);
        }
        let op = |(sql, expect)| Ok(Op::Execute { sql, params: vec![], expect });
        let landed = self.driver.atomic(futures_util::stream::iter(statements.into_iter().map(op)).boxed()).await;
        landed.map_err(|failure| match failure {
            Failure::Overtaken => lost(),
            failure => failure.into(),
        })
    }

    /// Refuses tables that are there and that no pending version can put right, before anything is written. What is missing is no reason: a run that
    /// was killed leaves such a store, and the next one finishes it. Gives what differs and stays so.
    ///
    /// # Errors
    /// `drift`.
    pub(super) async fn admitted(&mut self, target: Option<u32>) -> Result<Vec<Drift>> {
        if self.set.dialect.live.is_empty() {
            return Ok(vec![]);
        }
        let from = self.ledger_version().await?.unwrap_or(0);
        let live = self.live().await?;
        // Tables without a ledger are judged by the version that they look like: later ones may still change them.
        let until = if from == 0 { self.newest_of(&live) } else { self.set.latest() };
        let until = target.unwrap_or(self.set.latest()).min(until);
        // What the store has already is for `diff` to tell, and what is missing is brought.
        let mut found = drift(&self.set.model.at(until), self.set.dialect, &live);
        found.retain(|drift| self.is_new(from, until, drift) && !self.is_brought(drift));
        match drift_error(&self.schema.given, found.iter().filter(|drift| drift.class == Class::Incompatible), HINT) {
            Some(error) => Err(error),
            None => Ok(found),
        }
    }

    /// Warns of what differs and does no harm, or little.
    pub(super) fn say_what_differs(&self, drift: &[Drift]) {
        let (comments, others): (Vec<_>, Vec<_>) = drift.iter().partition(|drift| drift.kind == Aspect::Comment);
        for drift in others {
            self.reporter.warn(&format!("{} ({})", drift.sentence(), drift.class.word()));
        }
        if !comments.is_empty() {
            self.reporter.warn(&format!("{} comments on tables and columns are not the model's (compatible)", comments.len()));
        }
    }

    async fn live(&mut self) -> Result<Live> {
        if self.set.dialect.live.is_empty() {
            return Err(Error::new(
                Code::BackendNotBuilt,
                format!("this build cannot compare a store on {} with the model", self.set.dialect.name),
                "compare it with `amx-schema dump-ddl`",
            ));
        }
        Live::read(self.driver, self.set.dialect, self.schema, &self.set.model).await
    }

    async fn require_tables(&mut self, live: &Live, model: &Model) -> Result<()> {
        if live.has_any(self.set.dialect, model.tables.iter().map(|table| table.name.as_str())) {
            return Ok(());
        }
        // A schema in another case is found here and not taken for an absent store.
        self.schema_exists().await?;
        Err(Error::new(
            Code::StoreMissing,
            format!("there is no shared store in {}", self.schema.given),
            "run `amx-schema enable` to create it, or check the profile and --schema",
        ))
    }

    /// The newest version that brought something that is there.
    fn newest_of(&self, live: &Live) -> u32 {
        let (model, dialect) = (&self.set.model, self.set.dialect);
        let there = |version: &u32| {
            let (before, after) = (model.at(version - 1), model.at(*version));
            after.tables.iter().any(|table| {
                let old = before.table(&table.name);
                let brought = table.columns.iter().filter(|column| old.is_none_or(|old| old.column(&column.name).is_none()));
                let live = live.tables.get(&dialect.fold(&table.name));
                live.is_some_and(|live| brought.into_iter().any(|column| live.column(&dialect.fold(&column.name)).is_some()))
            })
        };
        (1..=model.latest()).rev().find(there).unwrap_or(model.latest())
    }

    /// Whether a migration makes up for a difference: it creates what is missing, but for the columns of a table that is there already, and it
    /// writes the comments again.
    fn is_brought(&self, drift: &Drift) -> bool {
        let model = &self.set.model;
        let added_later = || {
            let Some((table, column)) = drift.object.split_once('.') else { return false };
            let lacks = |table: &Table| table.column(column).is_none();
            (1..=model.latest()).any(|version| model.at(version).table(table).is_some_and(lacks))
        };
        match drift.kind {
            Aspect::Comment => true,
            Aspect::Table | Aspect::Index => drift.actual.is_none(),
            Aspect::Column => drift.actual.is_none() && added_later(),
            _ => false,
        }
    }

    /// Whether a difference is of something that the model did not have at the older of two versions, also under another name.
    fn is_new(&self, from: u32, to: u32, drift: &Drift) -> bool {
        let (table, column) = drift.object.split_once('.').unwrap_or((&drift.object, ""));
        let models: Vec<_> = (from..=to).map(|version| self.set.model.at(version)).collect();
        let Some(old) = models.first().and_then(|model| model.table(table)) else { return true };
        let mut names: Vec<&str> = old.columns.iter().map(|column| column.name.as_str()).collect();
        let mut known = names.clone();
        for pair in models.windows(2) {
            let (Some(before), Some(after)) = (pair[0].table(table), pair[1].table(table)) else { return false };
            names = names.into_iter().filter_map(|name| change::renamed(before, after, name)).collect();
            known.extend(&names);
        }
        !column.is_empty() && !known.contains(&column)
    }
}
