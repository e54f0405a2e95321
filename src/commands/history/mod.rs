//! `history`

mod list;
mod show;

use super::{Session, StoreTarget};
use crate::driver::{Access, Driver};
use crate::error::{Code, Error, Result};
use crate::migration::{Engine, MigrationSet};
use crate::report::Silent;

/// Read the history back.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    List(list::Args),
    Show(show::Args),
}

pub(crate) async fn run(session: &Session, command: &Command) -> Result<()> {
    match command {
        Command::List(args) => list::run(session, args).await,
        Command::Show(args) => show::run(session, args).await,
    }
}

/// A connection to the store to read from, which is up to date.
struct Reading {
    target: StoreTarget,
    set: MigrationSet,
    driver: Box<dyn Driver>,
}

impl Reading {
    async fn open(session: &Session) -> Result<Reading> {
        let config = session.config()?;
        let target = session.target_in(&config)?;
        if !target.explicit && !config.history_store_enabled()? {
            return Err(Error::new(
                Code::StoreMissing,
                "the shared store is disabled, and the local history is not listed by this version",
                "run `amx-schema enable`, or name a store with --profile or --url",
            ));
        }
        let set = MigrationSet::embedded(target.profile.backend)?;
        let mut driver = session.connect(&target, Access::Read).await?;
        let state = Engine { driver: driver.as_mut(), set: &set, schema: &target.schema, reporter: &Silent }.state().await?;
        state.require_current(&target.schema)?;
        Ok(Reading { target, set, driver })
    }

    fn store(&mut self) -> crate::store::shared::SharedStore<'_> {
        crate::store::shared::SharedStore::new(self.driver.as_mut(), self.set.dialect, &self.target.schema)
    }
}
