//! Applies migrations: a lock around refinery, which keeps order, divergence and ledger, over an adapter that runs the steps.
//!
//! Where DDL is transactional a version is one transaction. Elsewhere each step is asked for in the catalog first and the ledger row comes last,
//! so that a run that was killed anywhere is finished by the next one.

use super::lock::{Held, LockOptions, lost};
use super::steps::{self, Noted, Recorded, StepNote, StepState};
use super::{Catalog, Migration, MigrationSet};
use crate::dialect::{Dialect, SchemaName};
use crate::driver::{Driver, DriverError, ErrorKind, Failure, Op, Value};
use crate::error::{Code, Error, Result};
use crate::model::Kind;
use crate::render::{Effect, Privilege, Renderer, Step};
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

/// How long one statement of a migration may take where the engine has such a limit.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(3600);
/// What is said of a step that the store has already.
const THERE: &str = "already there";

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
    /// What stopped it after the versions that it applied, where something did.
    pub stopped: Option<Error>,
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
        ran.map_err(|error| self.unreadable(error))?;
        if !exists {
            // A schema in another case is found here and not taken for an absent store.
            self.schema_exists().await?;
        }
        Ok(StoreState { exists, version, pending })
    }

    /// The newest version in the ledger, known to this build or not; nothing where there is no ledger.
    pub async fn ledger_version(&mut self) -> Result<Option<u32>> {
        let mut adapter = self.adapter(Mode::Plan);
        adapter.ledger().await?;
        Ok(adapter.ledger_exists.then(|| adapter.version()))
    }

    /// The statements that [`Engine::migrate`] would run now.
    pub async fn dry_run(&mut self, target: Option<u32>) -> Result<Vec<Step>> {
        let state = self.state().await?;
        let mut steps = vec![];
        if !state.pending.iter().any(|pending| target.is_none_or(|target| pending.version <= target)) {
            return Ok(steps);
        }
        self.admitted(target).await?;
        let schema_step = self.renderer().schema_step(self.set.location.as_deref())?;
        if !self.schema_exists().await? {
            steps.extend(schema_step);
        }
        let mut catalog = Catalog::read(self.driver, self.set.dialect, self.schema).await?;
        if !catalog.has_table(&self.set.model.lock_table().name) {
            steps.extend(self.renderer().lock_steps(&self.set.model)?);
        }
        steps.extend(ledger_steps(self.set, self.schema)?.into_iter().filter(|step| !catalog.holds(&step.effect)));
        let wanted = |version: u32| version > state.version && target.is_none_or(|target| version <= target);
        let recorded = steps::recorded(self.driver, self.set, self.schema).await?;
        for migration in self.set.migrations.iter().filter(|migration| wanted(migration.version)) {
            for Numbered { step, noted, .. } in numbered(migration, &recorded, &catalog, self.set, self.schema) {
                if catalog.shows(&step.effect, noted) {
                    continue;
                }
                let effect = step.effect.clone();
                steps.extend(catalog.left_of(step, &self.renderer(), &self.set.model.at(migration.version))?);
                catalog.note(&effect);
            }
        }
        Ok(steps)
    }

    /// Applies what is pending, up to `target`, while holding the store's lock.
    ///
    /// # Errors
    /// `locked` where the lock is not had within `lock_timeout`; those of [`Engine::state`]; `permission_denied`, `drift`, `statement_failed`. One that
    /// comes after some versions were applied is in what is given, as [`Migrated::stopped`].
    pub async fn migrate(&mut self, target: Option<u32>, lock: &LockOptions) -> Result<Migrated> {
        let state = self.state().await?;
        let wanted = |pending: &Pending| target.is_none_or(|target| pending.version <= target);
        if !state.pending.iter().any(wanted) {
            return Ok(Migrated {
                from_version: state.version,
                to_version: state.version,
                applied: vec![],
                pending: state.pending,
                stopped: None,
            });
        }
        let differing = self.admitted(target).await?;
        self.say_what_differs(&differing);
        let mut held = self.lock(lock).await?;
        let migrated = self.migrate_locked(target, &mut held, lock.timeout).await;
        let unlocked = self.unlock(held).await;
        let migrated = migrated?;
        unlocked?;
        Ok(migrated)
    }

    async fn migrate_locked(&mut self, target: Option<u32>, held: &mut Held, lock_timeout: Duration) -> Result<Migrated> {
        self.make_schema().await?;
        self.make_ledger().await?;
        // Another process may have migrated while this one waited for the lock.
        let before = self.state().await?;
        let wanted = |version: u32| version > before.version && target.is_none_or(|target| version <= target);
        let todo = self.set.migrations.iter().filter(|migration| wanted(migration.version));
        self.reporter.begin(todo.map(|migration| lines(&migration.steps)).sum());
        let recorded = steps::recorded(self.driver, self.set, self.schema).await?;
        let mut adapter = self.adapter(Mode::Run(Run { held, recorded, lock_timeout }));
        let ran = adapter.run(target).await;
        let applied = std::mem::take(&mut adapter.applied);
        self.reporter.end();
        let stopped = match ran {
            Err(error) if applied.is_empty() => return Err(error),
            ran => ran.err(),
        };
        let to_version = applied.last().map_or(before.version, |last| last.version);
        let pending = before.pending.into_iter().filter(|pending| pending.version > to_version).collect();
        Ok(Migrated { from_version: before.version, to_version, applied, pending, stopped })
    }

    /// Makes the tables of what was applied where they are absent.
    pub(super) async fn make_ledger(&mut self) -> Result<()> {
        let catalog = Catalog::read(self.driver, self.set.dialect, self.schema).await?;
        for step in ledger_steps(self.set, self.schema)?.iter().filter(|step| !catalog.holds(&step.effect)) {
            catalog.admits(&step.effect)?;
            self.make(step).await?;
        }
        Ok(())
    }

    /// Makes the schema where it is absent. Another process may make it at the same moment, which some engines refuse even so: PostgreSQL's
    /// `IF NOT EXISTS` fails on the key of its own catalog where the other one had not committed yet.
    pub(super) async fn make_schema(&mut self) -> Result<()> {
        if let Some(step) = self.renderer().schema_step(self.set.location.as_deref())?
            && !self.schema_exists().await?
        {
            match self.driver.execute(&step.sql, &[]).await {
                Err(error) if !matches!(error.kind, ErrorKind::Exists | ErrorKind::Duplicate) => return Err(self.schema_refused(error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Runs a statement that makes something beside the versions. What is there already, as by another process at the same moment, is what was
    /// wanted.
    pub(super) async fn make(&mut self, step: &Step) -> Result<()> {
        match self.driver.execute(&step.sql, &[]).await {
            Err(error) if !matches!(error.kind, ErrorKind::Exists | ErrorKind::Duplicate) => Err(statement_error(error, step)),
            _ => Ok(()),
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

    /// Names what reading the ledger takes. An engine that hides what a user may not see does not tell whether there is one.
    fn unreadable(&self, error: Error) -> Error {
        let granting = match error.code {
            Code::PermissionDenied => self.renderer().granting(&self.set.model, Privilege::Read).ok().flatten(),
            _ => None,
        };
        match granting {
            Some(granting) => {
                let word = &self.set.dialect.schema_word;
                error.hint(format!(
                    "where there is no {word} {} yet, {}; where the store is there, have the DBA run: {granting}",
                    self.schema.given,
                    self.how_a_dba_makes_it()
                ))
            }
            None => error,
        }
    }

    fn how_a_dba_makes_it(&self) -> String {
        let schema = &self.schema.given;
        format!("have the DBA create it (CREATE SCHEMA {schema};) and let this user create tables in it, or hand on `amx-schema dump-ddl`")
    }

    fn schema_refused(&self, error: DriverError) -> Error {
        let word = &self.set.dialect.schema_word;
        match error.kind {
            ErrorKind::Denied => Error::new(
                Code::PermissionDenied,
                format!("the database user may not create the {word} {}: {}", self.schema.given, error.message),
                format!("{}; then run the same command again", self.how_a_dba_makes_it()),
            ),
            _ => error.into(),
        }
    }

    pub(super) fn renderer(&self) -> Renderer<'_> {
        Renderer { dialect: self.set.dialect, schema: self.schema }
    }

    fn adapter<'s>(&'s mut self, mode: Mode<'s>) -> Adapter<'s> {
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
enum Mode<'a> {
    /// Only notes it.
    Plan,
    /// Runs the steps of it that the store was not given yet.
    Run(Run<'a>),
}

/// What a version is run with.
struct Run<'a> {
    held: &'a mut Held,
    recorded: Recorded,
    lock_timeout: Duration,
}

/// Our side of refinery: it asks for the ledger, and it hands on one version after the other with the ledger row to write.
struct Adapter<'a> {
    driver: &'a mut dyn Driver,
    set: &'a MigrationSet,
    schema: &'a SchemaName,
    reporter: &'a dyn Reporter,
    mode: Mode<'a>,
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
        let Err(error) = runner.run_async(self).await else { return Ok(()) };
        let mut explained = self.explained(&error);
        if let RefineryKind::DivergentVersion(_, ours) = error.kind() {
            let differing = self.differing(ours.version()).await?;
            explained.message.push_str(&differing);
        }
        Err(explained)
    }

    /// Which statements of a version are not those that the store was given, as far as it has noted them.
    async fn differing(&mut self, version: i32) -> Result<String> {
        let Some(migration) = self.set.migrations.iter().find(|migration| i32::try_from(migration.version) == Ok(version)) else {
            return Ok(String::new());
        };
        let recorded = steps::recorded(self.driver, self.set, self.schema).await.unwrap_or_default();
        let given: Vec<&str> =
            recorded.range((migration.version, 1)..=(migration.version, u32::MAX)).map(|(_, noted)| noted.checksum.as_str()).collect();
        if given.is_empty() {
            return Ok(String::new());
        }
        let checksums = steps::checksums(migration);
        let new = migration.steps.iter().zip(&checksums).filter(|(_, checksum)| !given.contains(&checksum.as_str()));
        let mut parts: Vec<String> = new.map(|(step, _)| step.effect.brief()).collect();
        let gone = given.iter().filter(|checksum| !checksums.iter().any(|ours| ours == *checksum)).count();
        if gone > parts.len() {
            parts.push(format!("{} that the store was given and this build lacks", gone - parts.len()));
        }
        Ok(if parts.is_empty() { "; the order of its statements differs".into() } else { format!("; what differs: {}", parts.join(", ")) })
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

    async fn apply(&mut self, migration: &Migration) -> Result<()> {
        if matches!(self.mode, Mode::Plan) {
            self.planned.push(Pending { version: migration.version, name: migration.name.clone() });
            return Ok(());
        }
        let started = Instant::now();
        let catalog = Catalog::read(self.driver, self.set.dialect, self.schema).await?;
        catalog.admits_all(&migration.steps)?;
        let (set, schema) = (self.set, self.schema);
        let Mode::Run(run) = &mut self.mode else { return Ok(()) };
        let numbered = numbered(migration, &run.recorded, &catalog, set, schema);
        let renderer = Renderer { dialect: set.dialect, schema };
        let ledger = renderer.fenced_ledger_row(&set.model, migration.version, &migration.checksum(), run.held.fence)?.sql;
        let work = Work { driver: self.driver, set, schema, reporter: self.reporter, run, version: migration.version, catalog };
        match set.dialect.transactional_ddl {
            true => work.in_one_transaction(numbered, ledger).await?,
            false => work.step_by_step(numbered, &ledger).await?,
        }
        let ms = started.elapsed().as_millis() as u64;
        self.applied.push(Applied { version: migration.version, name: migration.name.clone(), ms });
        Ok(())
    }
}

/// One version at work.
struct Work<'w, 'r> {
    driver: &'w mut dyn Driver,
    set: &'w MigrationSet,
    schema: &'w SchemaName,
    reporter: &'w dyn Reporter,
    run: &'w mut Run<'r>,
    version: u32,
    catalog: Catalog,
}

/// What is said of steps: one line for those that follow each other and read alike, as the comments of one table do.
#[derive(Default)]
struct Said {
    open: Option<(String, bool)>,
    lines: Vec<(String, &'static str)>,
}

impl Said {
    /// Takes in a step, and gives the line of those before it where it begins another.
    fn next(&mut self, label: String, there: bool) -> Option<(String, &'static str)> {
        match &mut self.open {
            Some((open, all_there)) if *open == label => {
                *all_there &= there;
                None
            }
            _ => self.open.replace((label, there)).map(Said::line),
        }
    }

    fn last(&mut self) -> Option<(String, &'static str)> {
        self.open.take().map(Said::line)
    }

    fn line((label, there): (String, bool)) -> (String, &'static str) {
        (label, if there { THERE } else { "ok" })
    }
}

/// How many lines will be said of steps.
fn lines(steps: &[Step]) -> u64 {
    let changes = steps.windows(2).filter(|pair| pair[0].effect.brief() != pair[1].effect.brief()).count();
    (changes + usize::from(!steps.is_empty())) as u64
}

/// A step of a version.
struct Numbered {
    /// Its number, from 1.
    number: u32,
    step: Step,
    /// The checksum of its tokens.
    checksum: String,
    /// Whether the store has noted it as done.
    noted: bool,
}

/// The steps of a version in a schema, and which of them the store has noted. Where something is noted as made and is not there, the notes outlived
/// it, as where tables were dropped by hand, and none of them is believed.
fn numbered(migration: &Migration, recorded: &Recorded, catalog: &Catalog, set: &MigrationSet, schema: &SchemaName) -> Vec<Numbered> {
    let checksums = steps::checksums(migration);
    let noted = steps::done(recorded, migration.version, &checksums, set.dialect.transactional_ddl);
    let makes = |effect: &Effect| effect.in_catalog() && !effect.takes_away();
    let outlived = migration.steps.iter().zip(&noted).any(|(step, noted)| *noted && makes(&step.effect) && !catalog.holds(&step.effect));
    let steps = (1..).zip(migration.steps_in(schema)).zip(checksums).zip(noted);
    steps.map(|(((number, step), checksum), noted)| Numbered { number, step, checksum, noted: noted && !outlived }).collect()
}

impl Work<'_, '_> {
    /// All steps, their notes and the ledger's row, or none of it.
    async fn in_one_transaction(mut self, steps: Vec<Numbered>, ledger: String) -> Result<()> {
        let plain = |sql: String| Op::Execute { sql, params: vec![], expect: None };
        let one = |sql: String| Op::Execute { sql, params: vec![], expect: Some(1) };
        let mut ops: Vec<Op<'_>> = timeouts(self.set.dialect, self.schema, self.run.lock_timeout)?.into_iter().map(plain).collect();
        ops.push(one(self.run.held.proof().into()));
        let mut said = Said::default();
        for Numbered { number, step, checksum, noted } in steps {
            ops.push(one(self.note(number, &checksum, StepState::Done)?));
            let there = self.catalog.shows(&step.effect, noted);
            let line = said.next(self.label(&step), there);
            said.lines.extend(line);
            if there {
                continue;
            }
            let effect = step.effect.clone();
            for step in self.left_of(step)? {
                self.reporter.detail(&step.sql);
                ops.push(plain(step.sql));
            }
            self.catalog.note(&effect);
        }
        ops.push(one(ledger));
        let landed = self.driver.atomic(futures_util::stream::iter(ops.into_iter().map(Ok)).boxed()).await;
        match landed {
            Err(Failure::Overtaken) => return Err(self.not_recorded().await?),
            landed => landed?,
        }
        let last = said.last();
        said.lines.extend(last);
        said.lines.iter().for_each(|(label, word)| self.reporter.item(label, word));
        Ok(())
    }

    /// One step after the other, each noted before and after, and the ledger's row last. A step that an earlier run came to is looked up: in the
    /// catalog where that can tell, else in the notes.
    async fn step_by_step(mut self, steps: Vec<Numbered>, ledger: &str) -> Result<()> {
        for sql in timeouts(self.set.dialect, self.schema, self.run.lock_timeout)? {
            self.driver.execute(&sql, &[]).await?;
        }
        let mut said = Said::default();
        for Numbered { number, step, checksum, noted } in steps {
            let there = self.catalog.shows(&step.effect, noted);
            if !there {
                self.fenced(&self.note(number, &checksum, StepState::Begun)?).await?;
                self.run.recorded.insert((self.version, number), Noted { checksum: checksum.clone(), state: StepState::Begun });
                self.run_step(&step).await?;
            }
            if !there || !noted {
                self.fenced(&self.note(number, &checksum, StepState::Done)?).await?;
            }
            if let Some((label, word)) = said.next(self.label(&step), there) {
                self.reporter.item(&label, word);
            }
        }
        if self.driver.execute(ledger, &[]).await? != 1 {
            return Err(self.not_recorded().await?);
        }
        if let Some((label, word)) = said.last() {
            self.reporter.item(&label, word);
        }
        Ok(())
    }

    async fn run_step(&mut self, step: &Step) -> Result<()> {
        for part in self.left_of(step.clone())? {
            self.reporter.detail(&part.sql);
            match self.driver.execute(&part.sql, &[]).await {
                // What is there already is what was wanted; anything else stops before the ledger row.
                Err(error) if error.kind != ErrorKind::Exists => return Err(statement_error(error, &part)),
                _ => {}
            }
        }
        if !step.effect.in_catalog() {
            return Ok(());
        }
        self.catalog = Catalog::read(self.driver, self.set.dialect, self.schema).await?;
        match self.catalog.holds(&step.effect) {
            true => Ok(()),
            false => Err(Error::new(
                Code::StatementFailed,
                format!("the database took the statement to {}, and its catalog does not show it", step.effect.brief()),
                "run the same command again; where it stays so, compare the store with `amx-schema diff`",
            )),
        }
    }

    /// The statements that do what the catalog does not show of a step.
    fn left_of(&self, step: Step) -> Result<Vec<Step>> {
        let renderer = Renderer { dialect: self.set.dialect, schema: self.schema };
        self.catalog.left_of(step, &renderer, &self.set.model.at(self.version))
    }

    /// Why the ledger did not take the row of the version.
    async fn not_recorded(&mut self) -> Result<Error> {
        let proof = self.run.held.proof().to_string();
        Ok(match self.driver.execute(&proof, &[]).await? {
            1 => Error::new(
                Code::Drift,
                format!("V{} was not recorded: the catalog does not show all that it brings", self.version),
                "an index of its that is there and invalid is to be dropped by hand; `amx-schema diff` shows what is missing",
            ),
            _ => lost(),
        })
    }

    /// Runs a write that touches one row where the lock is still had.
    async fn fenced(&mut self, sql: &str) -> Result<()> {
        match self.driver.execute(sql, &[]).await? {
            1 => Ok(()),
            _ => Err(lost()),
        }
    }

    fn note(&self, number: u32, checksum: &str, state: StepState) -> Result<String> {
        let noted_before = self.run.recorded.contains_key(&(self.version, number));
        steps::note(self.set, self.schema, self.run.held, &StepNote { version: self.version, number, checksum, state, noted_before })
    }

    fn label(&self, step: &Step) -> String {
        format!("V{} {}", self.version, step.effect.brief())
    }
}

/// The statements that make the tables of what was applied.
pub(super) fn ledger_steps(set: &MigrationSet, schema: &SchemaName) -> Result<[Step; 2]> {
    let renderer = Renderer { dialect: set.dialect, schema };
    Ok([renderer.ledger_step(&set.model)?, renderer.table_step(&set.model, &set.model.steps_table())?])
}

/// The statements that limit how long the next ones may wait for locks, and how long each may take. None where the engine has no such limits.
pub(super) fn timeouts(dialect: &Dialect, schema: &SchemaName, lock_timeout: Duration) -> Result<Vec<String>> {
    let lock_seconds = lock_timeout.as_secs().max(1);
    let text = dialect.render("timeouts.sql", schema, context! { lock_seconds, statement_seconds => STATEMENT_TIMEOUT.as_secs() })?;
    Ok(text.lines().map(str::to_string).collect())
}

/// The error of ours that refinery has put into one of its own, once or several times over.
fn ours(error: &refinery::Error) -> Option<&Error> {
    let RefineryKind::Connection(_, inner) = error.kind() else { return None };
    inner.downcast_ref::<Error>().or_else(|| inner.downcast_ref::<refinery::Error>().and_then(ours))
}

pub(super) fn statement_error(error: DriverError, step: &Step) -> Error {
    let message = format!("could not {}: {}", step.effect, error.message);
    let hint = (error.kind == ErrorKind::Denied).then_some(
        "let this user create tables in the schema, or have the DBA run what `amx-schema dump-ddl` writes; then run the same command again",
    );
    let general = Error { message, ..Error::from(error) };
    match hint {
        Some(hint) => general.hint(hint),
        None => general,
    }
}

impl AsyncTransaction for Adapter<'_> {
    type Error = Error;

    async fn execute<'a, T: Iterator<Item = &'a str> + Send + 'a>(&'a mut self, queries: T) -> Result<usize> {
        let queries: Vec<&str> = queries.filter(|query| !query.is_empty()).collect();
        // The second is refinery's own ledger row; ours is written only while the lock is had.
        let [normalized, _] = queries[..] else { return Ok(0) };
        let set = self.set;
        // Two versions may say the same, as where a comment is changed back; refinery takes them in order.
        let done = [self.applied.last().map(|last| last.version), self.planned.last().map(|last| last.version), Some(self.version())];
        let done = done.into_iter().flatten().max().unwrap_or(0);
        let migration = set.migrations.iter().find(|migration| migration.version > done && migration.refinery.sql() == Some(normalized));
        let migration = migration.ok_or_else(|| Error::internal("refinery ran a migration that it was not given"))?;
        self.apply(migration).await?;
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
