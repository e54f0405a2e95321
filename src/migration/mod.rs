//! Versioned migrations: the set that this build embeds, their checksums, the files they are committed in, the engine that applies them, and how a
//! live store differs from what they make.

mod baseline;
mod catalog;
mod drift;
mod engine;
mod files;
mod live;
mod lock;
mod steps;
mod tokens;
mod undo;

pub use baseline::Difference;
pub use catalog::Catalog;
pub use drift::{Aspect, Class, Drift, drift};
pub use engine::{Applied, Engine, Migrated, Pending, StoreState};
pub use files::{Folder, Wish, Written};
pub use live::{Live, LiveColumn, LiveForeignKey, LiveIndex, LiveTable};
pub use lock::{Holder, LEASE, LockOptions, LockState};
pub(crate) use lock::{LockRow, beat, in_the_way};
pub use undo::Undone;

use crate::dialect::{Backend, Dialect, LiteralStyle, SCHEMA_PLACEHOLDER, SchemaName};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::render::{Renderer, Step};
use crate::script;
use refinery::Migration as RefineryMigration;
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "migrations/"]
struct Embedded;

/// One version of a store on one backend.
#[derive(Debug, Clone)]
pub struct Migration {
    /// Its number, from 1.
    pub version: u32,
    /// Its name, as in `V1__tables.sql`.
    pub name: String,
    /// Its statements, the schema being [`SCHEMA_PLACEHOLDER`].
    pub steps: Vec<Step>,
    /// What refinery keeps and compares: over name, number and tokens.
    refinery: RefineryMigration,
    /// Whether a backslash in a text escapes.
    backslash: bool,
}

impl Migration {
    fn from_file(text: &str, version: u32, name: &str, dialect: &Dialect) -> Result<Migration> {
        let backslash = dialect.literal != LiteralStyle::Doubled;
        let refinery = RefineryMigration::unapplied(&file_stem(version, name), &tokens::normalized(text, backslash))
            .map_err(|error| Error::internal(format!("V{version}__{name}: {error}")))?;
        Ok(Migration { version, name: name.into(), steps: script::steps_of(text, dialect), refinery, backslash })
    }

    /// Whether it says the same as another rendering, comments and blanks aside, but for the marks of the steps: the catalog is asked for these.
    fn says(&self, other: &Migration) -> bool {
        let effects = |migration: &Migration| migration.steps.iter().map(|step| step.effect.clone()).collect::<Vec<_>>();
        self.checksum() == other.checksum() && effects(self) == effects(other)
    }

    /// Whether two of its statements are the same, comments and blanks aside.
    fn same(&self, one: &str, other: &str) -> bool {
        tokens::normalized(one, self.backslash) == tokens::normalized(other, self.backslash)
    }

    /// The checksum that the ledger keeps.
    pub fn checksum(&self) -> String {
        self.refinery.checksum().to_string()
    }

    /// The steps for a schema.
    pub fn steps_in(&self, schema: &SchemaName) -> Vec<Step> {
        let named = |step: &Step| Step { effect: step.effect.clone(), sql: step.sql.replace(SCHEMA_PLACEHOLDER, &schema.folded) };
        self.steps.iter().map(named).collect()
    }
}

/// All versions of a model on one backend.
#[derive(Debug, Clone)]
pub struct MigrationSet {
    /// What they make.
    pub model: Model,
    /// The backend's dialect.
    pub dialect: &'static Dialect,
    /// The versions, oldest first.
    pub migrations: Vec<Migration>,
    /// Where the schema is made, where the engine has places for it: BigQuery's location.
    pub location: Option<String>,
}

impl MigrationSet {
    /// The set that this build embeds.
    pub fn embedded(backend: Backend) -> Result<MigrationSet> {
        let file = |path: &str| Embedded::get(path).and_then(|file| String::from_utf8(file.data.into_owned()).ok());
        MigrationSet::from_files(Model::embedded()?, backend, file)
    }

    /// The same with the schema made in that place.
    pub fn in_location(self, location: Option<&str>) -> MigrationSet {
        MigrationSet { location: location.map(str::to_string), ..self }
    }

    /// The set of a model that has no files.
    pub fn rendered(model: Model, backend: Backend) -> Result<MigrationSet> {
        MigrationSet::rendered_in(model, backend.dialect()?)
    }

    /// The same in a dialect that is of no backend alone.
    pub fn rendered_in(model: Model, dialect: &'static Dialect) -> Result<MigrationSet> {
        let text = |version: u32| script::migration_file(&model, dialect, version);
        let migrations = model.versions.iter().map(|(&version, name)| Migration::from_file(&text(version)?, version, name, dialect));
        Ok(MigrationSet { migrations: migrations.collect::<Result<_>>()?, model, dialect, location: None })
    }

    fn from_files(model: Model, backend: Backend, file: impl Fn(&str) -> Option<String>) -> Result<MigrationSet> {
        let dialect = backend.dialect()?;
        let migrations = model.versions.iter().map(|(&version, name)| {
            let path = format!("{backend}/{}.sql", file_stem(version, name));
            let text = file(&path).ok_or_else(|| Error::internal(format!("migrations/{path} is not in this build")))?;
            Migration::from_file(&text, version, name, dialect)
        });
        Ok(MigrationSet { migrations: migrations.collect::<Result<_>>()?, model, dialect, location: None })
    }

    /// The statements that migrate an empty database, up to `target`.
    pub fn steps_for_nothing(&self, schema: &SchemaName, target: Option<u32>) -> Result<Vec<Step>> {
        let renderer = Renderer { dialect: self.dialect, schema };
        let mut steps: Vec<Step> =
            renderer.schema_step(self.location.as_deref())?.into_iter().chain(renderer.lock_steps(&self.model)?).collect();
        steps.extend(engine::ledger_steps(self, schema)?);
        let wanted = self.migrations.iter().filter(|migration| target.is_none_or(|target| migration.version <= target));
        steps.extend(wanted.flat_map(|migration| migration.steps_in(schema)));
        Ok(steps)
    }

    /// The newest version.
    pub fn latest(&self) -> u32 {
        self.model.latest()
    }

    /// The checksum of each version, oldest first.
    pub fn checksums(&self) -> Vec<String> {
        self.migrations.iter().map(Migration::checksum).collect()
    }
}

/// A file's name without its ending, in the form that refinery reads.
fn file_stem(version: u32, name: &str) -> String {
    format!("V{version}__{name}")
}
