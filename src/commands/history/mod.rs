//! `history`

mod compare;
mod export;
mod list;
mod show;
mod sync;

use super::Session;
use crate::driver::Access;
use crate::error::{Code, Error, Result};
use crate::identity::person;
use crate::migration::{Engine, MigrationSet};
use crate::report::Silent;
use crate::store::reading::Reading;
pub(crate) use list::shortened;

/// Read the history back.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    List(list::Args),
    Show(show::Args),
    Compare(compare::Args),
    Export(export::Args),
    Sync(sync::Args),
}

pub(crate) async fn run(session: &Session, command: &Command) -> Result<()> {
    match command {
        Command::List(args) => list::run(session, args).await,
        Command::Show(args) => show::run(session, args).await,
        Command::Compare(args) => compare::run(session, args).await,
        Command::Export(args) => export::run(session, args).await,
        Command::Sync(args) => sync::run(session, args).await,
    }
}

/// The history that a command reads: a store that was named alone; else the enabled one with what waits here, or where that cannot be reached
/// this home's cache, with a warning; else this home's files.
async fn open(session: &Session) -> Result<Reading> {
    let config = session.config()?;
    let Some(target) = session.shared_in(&config)? else { return Reading::of_home(&session.home, &person(), None) };
    let set = MigrationSet::embedded(target.profile.backend)?;
    let connected = async {
        let mut driver = session.connect(&target, Access::Read).await?;
        let state = Engine { driver: driver.as_mut(), set: &set, schema: &target.schema, reporter: &Silent }.state().await?;
        state.require_current(&target.schema)?;
        Ok::<_, Error>(driver)
    };
    match connected.await {
        Ok(driver) => {
            let place = target.place();
            let reading = Reading::of_store(driver, set.dialect, target.schema);
            if target.explicit { Ok(reading) } else { reading.with_pending(&session.home, place) }
        }
        Err(error) if error.code == Code::Unreachable && !target.explicit => {
            session.printer.warn(&format!("{}; this is the local cache, as of its last pull", error.message));
            Reading::of_home(&session.home, &person(), Some(target.place()))
        }
        Err(error) => Err(error),
    }
}
