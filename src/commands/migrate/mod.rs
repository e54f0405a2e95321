//! `migrate`

mod lock;
mod undo;

use super::{Session, StoreTarget};
use crate::driver::Access;
use crate::error::{Code, Error, Result};
use crate::feasibility;
use crate::migration::{Applied, Engine, MigrationSet, Pending};
use crate::progress::Progress;
use crate::render::Step;
use crate::store::shared::SharedStore;
use serde::Serialize;

/// Apply pending migrations under a lock. For CI: it asks nothing.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    /// Apply nothing; exit 3 where something is pending.
    #[arg(long, conflicts_with = "dry_run")]
    check: bool,
    /// Apply nothing; write the statements that would run.
    #[arg(long)]
    dry_run: bool,
    /// Stop after this version.
    #[arg(long, value_name = "N")]
    target: Option<u32>,
    /// Take over tables that were made by hand: note that they are at version N, where `diff` finds nothing wrong with them.
    #[arg(long, value_name = "N", conflicts_with_all = ["check", "dry_run", "target"])]
    baseline: Option<u32>,
    /// Wait this long for another process that is migrating, such as 30s or 2m.
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    lock_timeout: humantime::Duration,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    Undo(undo::Args),
    #[command(subcommand)]
    Lock(lock::Action),
}

#[derive(Serialize)]
struct Outcome {
    backend: &'static str,
    schema: String,
    from_version: u32,
    to_version: u32,
    applied: Vec<Applied>,
    pending: Vec<Pending>,
}

pub(crate) async fn run(session: &Session, args: &Args) -> Result<()> {
    match &args.action {
        Some(Action::Undo(args)) => return undo::run(session, args).await,
        Some(Action::Lock(action)) => return lock::run(session, action).await,
        None => {}
    }
    let target = session.target()?;
    let set = MigrationSet::embedded(target.profile.backend)?.in_location(target.profile.field("location"));
    if let Some(number) = args.target.or(args.baseline).filter(|&number| number == 0 || number > set.latest()) {
        return Err(Error::new(Code::Usage, format!("there is no version {number}"), format!("give one from 1 to {}", set.latest())));
    }
    feasibility::require(&set.model, set.dialect)?;
    let progress = Progress::new(session.printer);
    let reading = args.check || args.dry_run;
    let access = if reading { Access::Read } else { Access::Create };
    // A file that is absent holds no tables to take over.
    let mut driver = match session.connect(&target, if args.baseline.is_some() { Access::Write } else { access }).await {
        Err(error) if args.check && error.code == Code::StoreMissing => {
            let pending = set.migrations.iter().map(|migration| Pending { version: migration.version, name: migration.name.clone() });
            let (backend, schema) = (target.profile.backend.word(), target.schema.given.clone());
            let nothing = Outcome { backend, schema, from_version: 0, to_version: 0, applied: vec![], pending: pending.collect() };
            session.printer.result(&nothing, shown)?;
            return Err(nothing_there(&target, &set));
        }
        Err(error) if args.dry_run && error.code == Code::StoreMissing => {
            return print_steps(session, &set, &set.steps_for_nothing(&target.schema, args.target)?);
        }
        connected => connected?,
    };
    let mut engine = Engine { driver: driver.as_mut(), set: &set, schema: &target.schema, reporter: &progress };
    let outcome = |from_version, to_version, applied, pending| Outcome {
        backend: target.profile.backend.word(),
        schema: target.schema.given.clone(),
        from_version,
        to_version,
        applied,
        pending,
    };
    if args.dry_run {
        print_steps(session, &set, &engine.dry_run(args.target).await?)?;
    } else if args.check {
        let mut state = engine.state().await?;
        state.pending.retain(|pending| args.target.is_none_or(|target| pending.version <= target));
        let failed = state.require_current(&target.schema);
        session.printer.result(&outcome(state.version, state.version, vec![], state.pending), shown)?;
        failed.map_err(|error| Error { code: Code::PendingMigrations, ..error })?;
    } else {
        let lock = session.lock_options(args.lock_timeout.into());
        let migrated = match args.baseline {
            Some(version) => engine.baseline(version, &lock).await?,
            None => engine.migrate(args.target, &lock).await?,
        };
        if migrated.from_version < migrated.to_version && migrated.pending.is_empty() && migrated.stopped.is_none() {
            SharedStore::new(driver.as_mut(), set.dialect, &target.schema).mint_store_id().await?;
        }
        session.printer.result(&outcome(migrated.from_version, migrated.to_version, migrated.applied, migrated.pending), shown)?;
        migrated.stopped.map_or(Ok(()), Err)?;
    }
    driver.close().await;
    Ok(())
}

/// The exact statements, as the vendor's own shell takes them.
fn print_steps(session: &Session, set: &MigrationSet, steps: &[Step]) -> Result<()> {
    let statements: Vec<&str> = steps.iter().map(|step| step.sql.as_str()).collect();
    session.printer.result(&statements, |statements| statements.iter().map(|sql| format!("{sql}{}\n\n", set.dialect.separator)).collect())
}

fn nothing_there(target: &StoreTarget, set: &MigrationSet) -> Error {
    Error::new(
        Code::PendingMigrations,
        format!("there is no store in {} yet; {} migrations are pending", target.profile.summary(), set.migrations.len()),
        "run `amx-schema migrate`",
    )
}

fn shown(outcome: &Outcome) -> String {
    let at = format!("V{} on {}", outcome.to_version, outcome.backend);
    match (outcome.applied.len(), outcome.pending.len()) {
        (0, pending) if outcome.from_version < outcome.to_version => {
            format!("✓ {} was made by hand and is taken over at {at}; {pending} pending.", outcome.schema)
        }
        (0, 0) => format!("✓ {} is up to date at {at}.", outcome.schema),
        (0, pending) => format!("{} is at {at}; {pending} pending.", outcome.schema),
        (_, 0) => format!("✓ {} migrated from V{} to {at}.", outcome.schema, outcome.from_version),
        (_, pending) => format!("✓ {} migrated from V{} to {at}; {pending} pending.", outcome.schema, outcome.from_version),
    }
}
