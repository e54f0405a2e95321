//! One verb a file: its arguments, whose doc comments are the help, and what it does with the library.

pub mod completions;
pub mod config;
pub mod diff;
pub mod disable;
pub mod dump_ddl;
pub mod enable;
pub mod flush_pending;
pub mod generate;
pub mod history;
pub mod inspect;
pub mod man;
pub mod migrate;
pub mod migrate_from_local;
mod output;
pub mod picker;
pub mod profile;
mod profile_wizard;
pub mod pull_from_shared;
pub mod record;
pub mod session;
pub mod shell;
pub mod status;
pub mod verify;

use crate::cli::Global;
use crate::config::Config;
use crate::dialect::{Backend, SchemaName};
use crate::driver::{self, Access, Driver, Waits};
use crate::error::{Code, Error, Result};
use crate::links::resolved;
use crate::migration::{Engine, Holder, LEASE, LockOptions, MigrationSet};
use crate::printer::Printer;
use crate::profile::Profile;
use crate::report::Silent;
use crate::store::outbox::Place;
use crate::sync::Connect;
use async_trait::async_trait;
use directories::BaseDirs;
use secrecy::ExposeSecret;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What every command has at hand: the home folder, the global flags, and the printer.
#[derive(Debug)]
pub struct Session {
    /// The folder of config.yml and the local files.
    pub home: PathBuf,
    /// The global flags.
    pub global: Global,
    /// Where results and talk go.
    pub printer: Printer,
}

/// A database that a command works on, and the schema in it.
#[derive(Debug)]
pub struct StoreTarget {
    /// The connection.
    pub profile: Profile,
    /// The schema.
    pub schema: SchemaName,
    /// Whether `--profile` or `--url` named it.
    pub explicit: bool,
}

impl StoreTarget {
    /// Where the store is, as this machine tells stores apart until it has learnt their ids.
    pub fn place(&self) -> Place {
        let address = format!("{} {} {}", self.profile.backend.word(), self.profile.summary(), self.schema.given);
        match &self.profile.name {
            Some(name) => Place { name: format!("{name} {}", self.schema.given), address },
            None => Place { name: address.clone(), address },
        }
    }
}

/// Connects to a store that is up to date.
pub(crate) struct ToStore<'a> {
    pub session: &'a Session,
    pub target: &'a StoreTarget,
    pub set: &'a MigrationSet,
}

#[async_trait]
impl Connect for ToStore<'_> {
    async fn connect(&self) -> Result<Box<dyn Driver>> {
        let mut driver = self.session.connect(self.target, Access::Write).await?;
        let state = Engine { driver: driver.as_mut(), set: self.set, schema: &self.target.schema, reporter: &Silent }.state().await?;
        state.require_current(&self.target.schema)?;
        Ok(driver)
    }
}

impl Session {
    /// Finds the home folder. Nothing in it is read yet.
    pub(crate) fn new(global: Global, printer: Printer) -> Result<Session> {
        let from_amx = || std::env::var_os("AMX_CONFIG_DIR").filter(|dir| !dir.is_empty()).map(PathBuf::from);
        let default = || BaseDirs::new().map(|dirs| dirs.home_dir().join(".amx"));
        let home = global.home.clone().filter(|dir| !dir.as_os_str().is_empty()).or_else(from_amx).or_else(default);
        let home = home.ok_or_else(|| Error::new(Code::Usage, "there is no home folder", "give one with --home DIR"))?;
        Ok(Session { home: resolved(&home)?, global, printer })
    }

    /// The configuration as it is on disk now.
    pub fn config(&self) -> Result<Config> {
        Config::load(&self.home)
    }

    /// The database to work on: `--url` or `--profile`, else the enabled store's profile, else the active profile.
    pub fn target(&self) -> Result<StoreTarget> {
        self.target_in(&self.config()?)
    }

    /// [`Session::target`] by a configuration that is loaded already.
    pub fn target_in(&self, config: &Config) -> Result<StoreTarget> {
        let explicit = self.names_database();
        let profile = match (&self.global.url, &self.global.profile) {
            (_, Some(name)) => config.profile(name)?,
            (Some(url), None) => Profile::from_url(url.expose_secret())?,
            (None, None) => {
                let enabled = match config.history_store_enabled()? {
                    true => config.history_store_profile()?,
                    false => None,
                };
                let name = enabled.or(config.active_db_profile()?).ok_or_else(no_database)?;
                config.profile(&name)?
            }
        };
        self.target_at(config, profile, explicit)
    }

    /// That database, with the schema as for every command.
    pub(crate) fn target_at(&self, config: &Config, profile: Profile, explicit: bool) -> Result<StoreTarget> {
        let schema = self.schema_in(config, profile.backend)?;
        Ok(StoreTarget { profile, schema, explicit })
    }

    /// The shared store to work with; nothing where none is enabled and none is named.
    pub fn shared_in(&self, config: &Config) -> Result<Option<StoreTarget>> {
        match self.names_database() || config.history_store_enabled()? {
            true => self.target_in(config).map(Some),
            false => Ok(None),
        }
    }

    /// The shared store that a command cannot do without.
    ///
    /// # Errors
    /// `store_missing` where none is enabled.
    pub fn shared(&self) -> Result<StoreTarget> {
        self.shared_in(&self.config()?)?.ok_or_else(|| {
            Error::new(Code::StoreMissing, "no shared store is enabled", "run `amx-schema enable`, or name a store with --profile or --url")
        })
    }

    /// Whether `--profile` or `--url` names a database.
    pub fn names_database(&self) -> bool {
        self.global.url.is_some() || self.global.profile.is_some()
    }

    /// The schema to work in: `--schema`, else the enabled store's, else the model's own.
    pub fn schema_in(&self, config: &Config, backend: Backend) -> Result<SchemaName> {
        let given = match &self.global.schema {
            Some(schema) => schema.clone(),
            None => match config.history_store_schema()? {
                Some(schema) => schema,
                None => crate::model::Model::embedded()?.schema,
            },
        };
        backend.dialect()?.schema_name(&given)
    }

    /// How this process takes the store's lock.
    pub(crate) fn lock_options(&self, timeout: Duration) -> LockOptions {
        let person = crate::identity::person();
        let holder = Holder { who: person.who, hostname: person.hostname, pid: std::process::id(), since: None };
        LockOptions { timeout, lease: LEASE, holder }
    }

    /// Warns of a profile whose secret stands in config.yml itself.
    pub(crate) fn warn_of_plain_secret(&self, profile: &Profile) {
        if let (true, Some(name), Some(field)) = (profile.has_plain_secret(), &profile.name, profile.secret_field()) {
            self.printer.warn(&format!(
                "the {field} of profile {name} is in plain text in config.yml; `amx-schema profile to-keyring {name}` moves it into \
                 the keyring, and `env://NAME` or `file://PATH` in its place keep it elsewhere"
            ));
        }
    }

    /// Connects to a target.
    pub async fn connect(&self, target: &StoreTarget, access: Access) -> Result<Box<dyn Driver>> {
        let printer = self.printer;
        let waits: Waits = Arc::new(move |why: &str, left: Duration, whole: Duration| printer.countdown(why, left, whole));
        driver::connect(&target.profile, &self.home, access, waits).await
    }
}

fn no_database() -> Error {
    Error::new(
        Code::Usage,
        "no database is named: there is no enabled store and no active profile",
        "give --profile NAME or --url URL, or add a profile with `amx-schema profile add`",
    )
}

/// `AMX.amx_history_*` as people see it.
pub(crate) fn store_name(schema: &SchemaName, backend: Backend) -> Result<String> {
    let model = crate::model::Model::embedded()?;
    Ok(match backend.dialect()?.schemas {
        true => format!("{}.{}_*", schema.given, model.name),
        false => format!("{}_*", model.name),
    })
}
