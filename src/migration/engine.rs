//! Applies migrations: a lock around refinery, which keeps order, divergence and ledger, over an adapter that runs the steps.
//!
//! Where DDL is transactional a version is one transaction. Elsewhere each step is asked for in the catalog first and the ledger row comes last,
//! so that a run that was killed anywhere is finished by the next one.

use super::{Catalog, Migration, MigrationSet};
use crate::dialect::SchemaName;
use crate::driver::{Driver, DriverError, ErrorKind, Op, Value};
use crate::error::{Code, Error, Result};
use crate::model::Kind;
use crate::render::{Effect, Renderer, Step};
use crate::report::Reporter;
use futures_util::StreamExt;
use minijinja::context;
use refinery::error::Kind as RefineryKind;
use refinery::{AsyncMigrate, Migration as RefineryMigration, Runner, Target};
use refinery_core::traits::r#async::{AsyncQuery, AsyncTransaction};
use serde::Serialize;
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The shortest and the longest pause between two tries for a lock.
const LOCK_POLL: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));

/// A version that was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Applied {
    /// Its number.
    pub version: u32,
    /// Its name.
    pub name: String,
    /// How long it took, in milliseconds.
    pub ms: u64,
}

/// A version that is not applied yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pending {
    /// Its number.
    pub version: u32,
    /// Its name.
    pub name: String,
}

/// What [`Engine::migrate`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// The version before.
    pub from_version: u32,
    /// The version after.
    pub to_version: u32,
    /// What was applied, in order.
    pub applied: Vec<Applied>,
    /// What is still to come, as after `--target`.
    pub pending: Vec<Pending>,
}

/// How a store stands to this build's migrations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreState {
    /// Whether the store has a ledger at all.
    pub exists: bool,
    /// The newest version that the store has.
    pub version: u32,
    /// The versions that it lacks.
    pub pending: Vec<Pending>,
}

impl StoreState {
    /// Refuses a store that is absent or not up to date.
    ///
    /// # Errors
    /// `store_missing`, `pending_migrations`.
    pub fn require_current(&self, schema: &SchemaName) -> Result<()> {
        if !self.exists {
            return Err(Error::new(
                Code::StoreMissing,
                format!("there is no shared store in {}", schema.given),
                "run `amx-schema enable` to create it, or check the profile and --schema",
            ));
        }
        match self.pending.first() {
            None => Ok(()),
            Some(first) => Err(pending_error(schema, &self.pending, first)),
        }
    }
}

/// The error of a store that lacks versions.
fn pending_error(schema: &SchemaName, pending: &[Pending], first: &Pending) -> Error {
    let message =
        format!("the store in {} lacks {} of this build's migrations, from V{} {}", schema.given, pending.len(), first.version, first.name);
    Error::new(Code::PendingMigrations, message, "run `amx-schema migrate`")
}

/// A migration set on a connection, in a schema.
pub struct Engine<'a> {
    /// The connection.
    pub driver: &'a mut dyn Driver,
    /// The migrations.
    pub set: &'a MigrationSet,
    /// The schema of the store.
    pub schema: &'a SchemaName,
    /// Who hears of progress.
    pub reporter: &'a dyn Reporter,
}

impl Engine<'_> {
    /// How the store stands to this build, by one query of the ledger where the store is there.
    ///
    /// # Errors
    /// `store_newer`, `checksum_mismatch`, `schema_case`, and what the driver says.
    pub async fn state(&mut self) -> Result<StoreState> {
        let mut adapter = self.adapter(Mode::Plan);
        let ran = adapter.run(None).await;
        let (exists, version) = (adapter.ledger_exists, adapter.version());
        let pending = std::mem::take(&mut adapter.planned);
        ran?;
        if !exists {
            // A schema in another case is found here and not taken for an absent store.
            self.schema_exists().await?;
        }
        Ok(StoreState { exists, version, pending })
    }

    /// The statements that [`Engine::migrate`] would run now.
    pub async fn dry_run(&mut self, target: Option<u32>) -> Result<Vec<Step>> {
        let state = self.state().await?;
        let renderer = self.renderer();
        let mut steps = vec![];
        if state.pending.is_empty() {
            return Ok(steps);
        }
        let schema_step = renderer.schema_step(None)?;
        let ledger_step = renderer.ledger_step(&self.set.model)?;
        if !self.schema_exists().await? {
            steps.extend(schema_step);
        }
        if !state.exists {
            steps.push(ledger_step);
        }
        let mut catalog = Catalog::read(self.driver, self.set.dialect, self.schema).await?;
        for migration in self.set.migrations.iter().filter(|migration| migration.version > state.version) {
            if target.is_none_or(|target| migration.version <= target) {
                steps.extend(catalog.lacks(migration.steps_in(self.schema)));
            }
        }
        Ok(steps)
    }

    /// Applies what is pending, up to `target`, while holding the store's lock.
    ///
    /// # Errors
    /// `locked` where the lock is not had within `lock_timeout`; those of [`Engine::state`]; `permission_denied`, `drift`, `statement_failed`.
    pub async fn migrate(&mut self, target: Option<u32>, lock_timeout: Duration) -> Result<Migrated> {
        let state = self.state().await?;
        let wanted = |pending: &Pending| target.is_none_or(|target| pending.version <= target);
        if !state.pending.iter().any(wanted) {
            return Ok(Migrated { from_version: state.version, to_version: state.version, applied: vec![], pending: state.pending });
        }
        self.lock(lock_timeout).await?;
        let migrated = self.migrate_locked(target).await;
        let unlocked = self.driver.unlock().await;
        let migrated = migrated?;
        unlocked?;
        Ok(migrated)
    }

    async fn migrate_locked(&mut self, target: Option<u32>) -> Result<Migrated> {
        let renderer = self.renderer();
        let schema_step = renderer.schema_step(None)?;
        let ledger_step = renderer.ledger_step(&self.set.model)?;
        if let Some(step) = schema_step
            && !self.schema_exists().await?
        {
            self.driver.execute(&step.sql, &[]).await.map_err(|error| self.schema_refused(error))?;
        }
        let catalog = Catalog::read(self.driver, self.set.dialect, self.schema).await?;
        if !catalog.holds(&ledger_step.effect) {
            catalog.admits(&ledger_step.effect)?;
            self.driver.execute(&ledger_step.sql, &[]).await.map_err(|error| statement_error(error, &ledger_step))?;
        }
        // Another process may have migrated while this one waited for the lock.
        let before = self.state().await?;
        let todo = before.pending.iter().filter(|pending| target.is_none_or(|target| pending.version <= target)).count();
        self.reporter.begin(todo as u64);
        let mut adapter = self.adapter(Mode::Run(catalog));
        let ran = adapter.run(target).await;
        let applied = std::mem::take(&mut adapter.applied);
        self.reporter.end();
        ran?;
        let to_version = applied.last().map_or(before.version, |last| last.version);
        let pending = before.pending.into_iter().filter(|pending| pending.version > to_version).collect();
        Ok(Migrated { from_version: before.version, to_version, applied, pending })
    }

    /// Waits for the lock by trying again and again, never inside a statement: a blocked statement would hold back others.
    async fn lock(&mut self, timeout: Duration) -> Result<()> {
        let name = format!("{}.{}", self.schema.folded, self.set.model.name);
        let (mut pause, longest) = LOCK_POLL;
        let started = Instant::now();
        let mut waiting = false;
        loop {
            if self.driver.try_lock(&name).await? {
                return Ok(());
            }
            if started.elapsed() >= timeout {
                return Err(Error::new(
                    Code::Locked,
                    format!("another process is migrating {}; it still held the lock after {} s", self.schema.given, timeout.as_secs()),
                    "wait for it and run the same command again, or give a longer --lock-timeout",
                ));
            }
            if !waiting {
                self.reporter.warn("another process is migrating this store; waiting for it");
                waiting = true;
            }
            tokio::time::sleep(pause.min(timeout.saturating_sub(started.elapsed()))).await;
            pause = (pause * 2).min(longest);
        }
    }

    /// Whether the schema is there.
    ///
    /// # Errors
    /// `schema_case` where case counts and only the same name in another case is there.
    pub async fn schema_exists(&mut self) -> Result<bool> {
        if !self.set.dialect.schemas {
            return Ok(true);
        }
        let sql = self.set.dialect.render("schema_exists.sql", self.schema, context! {})?;
        let rows = self.driver.query(&sql, &[], &[Kind::Text]).await?;
        let names: Vec<String> = rows.into_iter().flatten().filter_map(Value::into_text).collect();
        if names.contains(&self.schema.folded) {
            return Ok(true);
        }
        match names.first() {
            Some(other) if self.set.dialect.schema_case_counts => Err(Error::new(
                Code::SchemaCase,
                format!("there is a {} {other} here, and none named {}", self.set.dialect.schema_word, self.schema.given),
                format!("case counts on {}: use --schema {other}", self.set.dialect.name),
            )),
            _ => Ok(false),
        }
    }

    fn schema_refused(&self, error: DriverError) -> Error {
        let word = &self.set.dialect.schema_word;
        match error.kind {
            ErrorKind::Denied => Error::new(
                Code::PermissionDenied,
                format!("the database user may not create the {word} {}: {}", self.schema.given, error.message),
                format!(
                    "have the DBA create it (CREATE SCHEMA {};) and let this user create tables in it, or hand on `amx-schema dump-ddl`; then run the same command again",
                    self.schema.given
                ),
            ),
            _ => error.into(),
        }
    }

    fn renderer(&self) -> Renderer<'_> {
        Renderer { dialect: self.set.dialect, schema: self.schema }
    }

    fn adapter(&mut self, mode: Mode) -> Adapter<'_> {
        Adapter {
            driver: self.driver,
            set: self.set,
            schema: self.schema,
            reporter: self.reporter,
            mode,
            ledger_exists: false,
            found: vec![],
            planned: vec![],
            applied: vec![],
        }
    }
}

/// What the adapter does with a version that refinery hands it.
enum Mode {
    /// Only notes it.
    Plan,
    /// Runs the steps of it that the catalog does not show yet.
    Run(Catalog),
}

/// Our side of refinery: it asks for the ledger, and it hands on one version after the other with the ledger row to write.
struct Adapter<'a> {
    driver: &'a mut dyn Driver,
    set: &'a MigrationSet,
    schema: &'a SchemaName,
    reporter: &'a dyn Reporter,
    mode: Mode,
    ledger_exists: bool,
    /// Number and name of what the ledger holds.
    found: Vec<(u32, String)>,
    planned: Vec<Pending>,
    applied: Vec<Applied>,
}

impl Adapter<'_> {
    fn version(&self) -> u32 {
        self.found.iter().map(|(version, _)| *version).max().unwrap_or(0)
    }

    async fn run(&mut self, target: Option<u32>) -> Result<()> {
        let ledger = self.set.dialect.table(self.schema, &self.set.model.ledger().name);
        let migrations: Vec<_> = self.set.migrations.iter().map(|migration| migration.refinery.clone()).collect();
        let target = target.map_or(Target::Latest, |target| Target::Version(target as i32));
        let mut runner = Runner::new(&migrations).set_target(target);
        runner.set_migration_table_name(ledger);
        match runner.run_async(self).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.explained(&error)),
        }
    }

    /// refinery's error in our words; one of ours comes back as it went in.
    fn explained(&self, error: &refinery::Error) -> Error {
        match error.kind() {
            RefineryKind::Connection(..) => {
                ours(error).cloned().unwrap_or_else(|| Error::internal(format!("the migration runner says: {error}")))
            }
            RefineryKind::DivergentVersion(applied, ours) => Error::new(
                Code::ChecksumMismatch,
                format!(
                    "V{} {} of this build is not the V{} {} that the store was given",
                    ours.version(),
                    ours.name(),
                    applied.version(),
                    applied.name()
                ),
                "use the amx-schema that migrated the store; a released migration never changes",
            ),
            RefineryKind::MissingVersion(applied) if applied.version() > self.set.latest() as i32 => Error::new(
                Code::StoreNewer,
                format!("the store is at V{} and this build knows up to V{}", self.version(), self.set.latest()),
                "upgrade amx-schema; nothing was written",
            ),
            RefineryKind::MissingVersion(version) => Error::new(
                Code::Drift,
                format!("the ledger of the store lacks V{} {} though it has a later one", version.version(), version.name()),
                "compare the store with `amx-schema dump-ddl`, and restore the ledger row where the tables are right",
            ),
            other => Error::internal(format!("the migration runner says: {other}")),
        }
    }

    async fn ledger(&mut self) -> Result<Vec<RefineryMigration>> {
        let sql = self.set.dialect.render("ledger.sql", self.schema, context! { ledger => self.set.model.ledger().name })?;
        let kinds = [Kind::Integer, Kind::Text, Kind::Text, Kind::Text];
        let rows = match self.driver.query(&sql, &[], &kinds).await {
            Ok(rows) => rows,
            Err(error) if error.kind == ErrorKind::Missing => return Ok(vec![]),
            Err(error) => return Err(error.into()),
        };
        self.ledger_exists = true;
        let mut migrations = vec![];
        for row in rows {
            let mut values = row.into_iter();
            let version = values.next().and_then(|value| value.as_integer()).and_then(|version| u32::try_from(version).ok());
            let mut text = || values.next().and_then(Value::into_text);
            let (name, applied_on, checksum) = (text(), text(), text());
            let applied_on = applied_on.and_then(|text| OffsetDateTime::parse(&text, &Rfc3339).ok());
            let checksum = checksum.and_then(|text| text.parse().ok());
            let (Some(version), Some(name), Some(checksum)) = (version, name, checksum) else {
                return Err(Error::new(
                    Code::Drift,
                    "the ledger of the store has a row that is not one of ours",
                    "look at the ledger table; restore it from a backup, or remove the row if you know where it comes from",
                ));
            };
            self.found.push((version, name.clone()));
            let applied_on = applied_on.unwrap_or(OffsetDateTime::UNIX_EPOCH);
            migrations.push(RefineryMigration::applied(version as i32, name, applied_on, checksum));
        }
        Ok(migrations)
    }

    async fn apply(&mut self, migration: &Migration, ledger_row: &str) -> Result<()> {
        let Mode::Run(catalog) = &mut self.mode else {
            self.planned.push(Pending { version: migration.version, name: migration.name.clone() });
            return Ok(());
        };
        let started = Instant::now();
        let mut steps = migration.steps_in(self.schema);
        for step in &steps {
            catalog.admits(&step.effect)?;
        }
        steps = catalog.lacks(steps);
        let row = Step { effect: Effect::Ledger { version: migration.version }, sql: ledger_row.into() };
        steps.push(row);
        for step in &steps {
            self.reporter.detail(&step.sql);
        }
        match self.set.dialect.transactional_ddl {
            true => self.in_one_transaction(steps).await?,
            false => self.step_by_step(steps).await?,
        }
        let ms = started.elapsed().as_millis() as u64;
        self.reporter.item(&format!("V{}__{}", migration.version, migration.name), "ok");
        self.applied.push(Applied { version: migration.version, name: migration.name.clone(), ms });
        Ok(())
    }

    async fn in_one_transaction(&mut self, steps: Vec<Step>) -> Result<()> {
        let ops = steps.into_iter().map(|step| Ok(Op::Execute { sql: step.sql, params: vec![], expect: None }));
        self.driver.atomic(futures_util::stream::iter(ops).boxed()).await.map_err(Error::from)
    }

    async fn step_by_step(&mut self, steps: Vec<Step>) -> Result<()> {
        for step in steps {
            if let Effect::Ledger { .. } = step.effect {
                self.driver.execute(&step.sql, &[]).await.map_err(|error| statement_error(error, &step))?;
            } else if let Err(error) = self.driver.execute(&step.sql, &[]).await {
                // What is there already is what was wanted; anything else stops before the ledger row.
                if error.kind != ErrorKind::Exists {
                    return Err(statement_error(error, &step));
                }
            }
        }
        Ok(())
    }
}

/// The error of ours that refinery has put into one of its own, once or several times over.
fn ours(error: &refinery::Error) -> Option<&Error> {
    let RefineryKind::Connection(_, inner) = error.kind() else { return None };
    inner.downcast_ref::<Error>().or_else(|| inner.downcast_ref::<refinery::Error>().and_then(ours))
}

fn statement_error(error: DriverError, step: &Step) -> Error {
    let message = format!("could not {}: {}", step.effect, error.message);
    let general = Error::from(error);
    Error { message, ..general }
}

impl AsyncTransaction for Adapter<'_> {
    type Error = Error;

    async fn execute<'a, T: Iterator<Item = &'a str> + Send + 'a>(&'a mut self, queries: T) -> Result<usize> {
        let queries: Vec<&str> = queries.filter(|query| !query.is_empty()).collect();
        let [normalized, ledger_row] = queries[..] else { return Ok(0) };
        let set = self.set;
        // Two versions may say the same, as where a comment is changed back; refinery takes them in order.
        let done = [self.applied.last().map(|last| last.version), self.planned.last().map(|last| last.version), Some(self.version())];
        let done = done.into_iter().flatten().max().unwrap_or(0);
        let migration = set.migrations.iter().find(|migration| migration.version > done && migration.refinery.sql() == Some(normalized));
        let migration = migration.ok_or_else(|| Error::internal("refinery ran a migration that it was not given"))?;
        self.apply(migration, ledger_row).await?;
        Ok(queries.len())
    }
}

impl AsyncQuery<Vec<RefineryMigration>> for Adapter<'_> {
    async fn query<'a>(&'a mut self, _query: &'a str) -> Result<Vec<RefineryMigration>> {
        self.ledger().await
    }
}

impl AsyncMigrate for Adapter<'_> {
    /// The ledger is made by the engine, in each dialect's own words.
    fn assert_migrations_table_query(_migration_table_name: &str) -> String {
        String::new()
    }
}
