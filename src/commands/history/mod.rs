//! `history`

mod compare;
mod export;
mod list;
mod show;
mod sync;

use super::{Session, StoreTarget, migrate_from_local};
use crate::driver::{Access, Driver};
use crate::error::{Code, Error, Result};
use crate::migration::{Engine, MigrationSet};
use crate::report::Silent;
use crate::store::own_runs::LocalHistory;
use crate::store::shared::{SharedStore, StoredResult, StoredRun};
pub(crate) use list::shortened;

/// How many results are read at once.
const PAGE: usize = 1000;

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

/// Where the history is read from.
enum Reading {
    /// The shared store, which is up to date.
    Shared(Box<Shared>),
    /// The files of this home: the store is disabled.
    Local(LocalHistory),
}

/// A connection to an up-to-date shared store.
struct Shared {
    target: StoreTarget,
    set: MigrationSet,
    driver: Box<dyn Driver>,
}

impl Reading {
    async fn open(session: &Session) -> Result<Reading> {
        let config = session.config()?;
        let named = session.global.profile.is_some() || session.global.url.is_some();
        if !named && !config.history_store_enabled()? {
            let files = migrate_from_local::sources(session, None)?;
            return Ok(Reading::Local(LocalHistory { sources: files.into_iter().map(|file| file.source).collect() }));
        }
        let target = session.target_in(&config)?;
        let set = MigrationSet::embedded(target.profile.backend)?;
        let mut driver = session.connect(&target, Access::Read).await?;
        let state = Engine { driver: driver.as_mut(), set: &set, schema: &target.schema, reporter: &Silent }.state().await?;
        state.require_current(&target.schema)?;
        Ok(Reading::Shared(Box::new(Shared { target, set, driver })))
    }

    /// A run, and its results to `take`, page by page in byte order of their objects.
    ///
    /// # Errors
    /// `run_unknown`, before the first page.
    async fn read(&mut self, run_id: &str, take: &mut (impl FnMut(Vec<StoredResult>) + Send)) -> Result<StoredRun> {
        match self {
            Reading::Shared(shared) => {
                let mut store = shared.store();
                let run = store.runs(&[run_id]).await?.remove(run_id).ok_or_else(|| run_unknown(run_id))?;
                let mut after = String::new();
                loop {
                    let page = store.results_after(run_id, &after, PAGE).await?;
                    let Some(last) = page.last() else { return Ok(run) };
                    after = last.result.target_qname.clone();
                    take(page);
                }
            }
            Reading::Local(local) => {
                let (run, results) = local.show(run_id)?.ok_or_else(|| run_unknown(run_id))?;
                take(results);
                Ok(run)
            }
        }
    }

    /// Ends the connection, if there is one.
    async fn close(self) {
        if let Reading::Shared(shared) = self {
            shared.driver.close().await;
        }
    }
}

impl Shared {
    fn store(&mut self) -> SharedStore<'_> {
        SharedStore::new(self.driver.as_mut(), self.set.dialect, &self.target.schema)
    }
}

fn run_unknown(run_id: &str) -> Error {
    let message = format!("there is no run {}", crate::printer::neutral(run_id));
    Error::new(Code::RunUnknown, message, "see `amx-schema history list`")
}
