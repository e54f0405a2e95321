//! `enable`

use super::{Session, StoreTarget, migrate_from_local, pull_from_shared, store_name};
use crate::config::{self, Config, Key};
use crate::dialect::Backend;
use crate::driver::{Access, Driver};
use crate::error::{Code, Result};
use crate::feasibility;
use crate::migration::{Engine, MigrationSet};
use crate::printer::{counted, one_line};
use crate::profile::Profile;
use crate::progress::Progress;
use crate::render::{Effect, Step};
use crate::store::local::LocalStore;
use crate::store::outbox::Place;
use crate::store::shared::SharedStore;
use serde::Serialize;
use std::time::Duration;

/// How long another process that is migrating is waited for.
const LOCK_TIMEOUT: Duration = Duration::from_secs(30);

/// Create the shared store where it is missing, and make this installation use it.
///
/// Shows the statements that are about to run and asks. On a store that is up to date it creates and asks nothing.
#[derive(Debug, clap::Args)]
pub struct Args {}

#[derive(Serialize)]
struct Outcome {
    profile: String,
    backend: &'static str,
    schema: String,
    created: bool,
    schema_version: u32,
    teammates: Vec<Teammate>,
    local_runs_not_shared: u64,
}

#[derive(Serialize)]
struct Teammate {
    who: String,
    runs: i64,
    newest: Option<String>,
}

pub(crate) async fn run(session: &Session, _args: &Args) -> Result<()> {
    let config = session.config()?;
    let target = target(session, &config)?;
    let set = MigrationSet::embedded(target.profile.backend)?.in_location(target.profile.field("location"));
    feasibility::require(&set.model, set.dialect)?;
    session.warn_of_plain_secret(&target.profile);
    let Some((mut driver, created)) = bring_up_to_date(session, &target, &set).await? else {
        session.printer.talk("Nothing was changed.");
        return Ok(());
    };
    let profile = remember(session, &target)?;
    let mut store = SharedStore::new(driver.as_mut(), set.dialect, &target.schema);
    let mut local = LocalStore::open(&session.home)?;
    let installation = local.installation()?;
    if let Some(store_id) = store.store_id().await? {
        // What is recorded before the next contact is for this store, and for no other.
        local.learn(&Place { name: format!("{profile} {}", target.schema.given), ..target.place() }, &store_id)?;
    }
    let teammates = store.teammates(&installation).await?;
    let local_runs_not_shared = not_shared(session, &mut store).await?;
    driver.close().await;
    let outcome = Outcome {
        profile,
        backend: target.profile.backend.word(),
        schema: target.schema.given.clone(),
        created,
        schema_version: set.latest(),
        teammates: teammates
            .into_iter()
            .map(|mate| Teammate { who: mate.who, runs: mate.runs, newest: mate.newest.map(crate::history::time_text) })
            .collect(),
        local_runs_not_shared,
    };
    let store = store_name(&target.schema, target.profile.backend)?;
    let place = target.profile.summary();
    session.printer.result(&outcome, |outcome| shown(outcome, &store, &place))?;
    offer(session, &target, &mut local, &outcome).await
}

/// Offers what one does next. Whoever answers every question yes has asked for the store, and not for this.
async fn offer(session: &Session, target: &StoreTarget, local: &mut LocalStore, outcome: &Outcome) -> Result<()> {
    if !session.printer.is_interactive() || session.printer.yes {
        return Ok(());
    }
    let theirs: i64 = outcome.teammates.iter().map(|mate| mate.runs).sum();
    if theirs > 0
        && session.printer.confirm(&format!("Pull what is there ({}) into the local cache?", counted(theirs.unsigned_abs(), "run")))?
    {
        let report = pull_from_shared::pull(session, target, local, false).await?;
        session.printer.result(&report, pull_from_shared::shown)?;
    }
    if outcome.local_runs_not_shared > 0 {
        return migrate_from_local::run(session, &migrate_from_local::Args::default()).await;
    }
    Ok(())
}

/// The database to enable: as for every command, but that a profile that was chosen in the picker counts before the store is enabled too, and
/// that the enabled store does not stand in for the active profile where one is named.
fn target(session: &Session, config: &Config) -> Result<StoreTarget> {
    let target = match config.history_store_profile()? {
        Some(chosen) if !session.names_database() => session.target_at(config, config.profile(&chosen)?, false)?,
        _ => session.target_in(config)?,
    };
    if session.global.schema.is_none() && target.explicit {
        // Another database than the enabled one: its schema's name says nothing about this one.
        let same = target.profile.name.is_some() && target.profile.name == config.history_store_profile()?;
        if !same {
            let given = crate::model::Model::embedded()?.schema;
            let schema = target.profile.backend.dialect()?.schema_name(&given)?;
            return Ok(StoreTarget { schema, ..target });
        }
    }
    Ok(target)
}

/// Creates or migrates after asking, and says whether anything was to be done. Nothing where the answer was no.
async fn bring_up_to_date(session: &Session, target: &StoreTarget, set: &MigrationSet) -> Result<Option<(Box<dyn Driver>, bool)>> {
    let progress = Progress::new(session.printer);
    let there = match session.connect(target, Access::Write).await {
        // Only a file can be absent; it is not made before the answer is yes.
        Err(error) if error.code == Code::StoreMissing => None,
        connected => Some(connected?),
    };
    let (there, steps) = match there {
        None => (None, set.steps_for_nothing(&target.schema, None)?),
        Some(mut driver) => {
            let mut engine = Engine { driver: driver.as_mut(), set, schema: &target.schema, reporter: &progress };
            if engine.state().await?.pending.is_empty() {
                // One that a DBA made by hand, or whose maker was killed, has no id yet. Who may only read does without.
                match SharedStore::new(driver.as_mut(), set.dialect, &target.schema).mint_store_id().await {
                    Err(error) if error.code != Code::PermissionDenied => return Err(error),
                    _ => return Ok(Some((driver, false))),
                }
            }
            let steps = engine.dry_run(None).await?;
            (Some(driver), steps)
        }
    };
    session.printer.talk("About to create:");
    for line in summary(&steps) {
        session.printer.talk(&format!("  {line}"));
    }
    if !session.printer.confirm("Proceed?")? {
        return Ok(None);
    }
    let mut driver = match there {
        Some(driver) => driver,
        None => session.connect(target, Access::Create).await?,
    };
    let mut engine = Engine { driver: driver.as_mut(), set, schema: &target.schema, reporter: &progress };
    let migrated = engine.migrate(None, &session.lock_options(LOCK_TIMEOUT)).await?;
    migrated.stopped.map_or(Ok(()), Err)?;
    SharedStore::new(driver.as_mut(), set.dialect, &target.schema).mint_store_id().await?;
    Ok(Some((driver, true)))
}

/// The statements in a line each. Columns of one table are put together; what only describes or fills is counted.
fn summary(steps: &[Step]) -> Vec<String> {
    let mut lines: Vec<String> = vec![];
    let (mut comments, mut backfills) = (0, 0);
    let mut growing: Option<&str> = None;
    for step in steps {
        let flat = step.sql.split_whitespace().collect::<Vec<_>>().join(" ");
        match &step.effect {
            Effect::Comment { .. } => comments += 1,
            Effect::Backfill { .. } => backfills += 1,
            Effect::Table { .. } => lines.push(format!("{} (...);", flat.split(" (").next().unwrap_or_default())),
            Effect::Columns { table, columns } => {
                let more = columns.join(", ");
                match lines.last_mut().filter(|_| growing == Some(table)) {
                    Some(line) => *line = format!("{}, {more});", line.trim_end_matches(");")),
                    None => lines.push(format!("ALTER TABLE {table} ADD ({more});")),
                }
            }
            _ => lines.push(format!("{flat};")),
        }
        growing = match &step.effect {
            Effect::Columns { table, .. } => Some(table),
            _ => None,
        };
    }
    let counted = |count: usize, what: &str| (count > 0).then(|| format!("and {count} {what}"));
    lines.extend(counted(comments, "comments on tables and columns"));
    lines.extend(counted(backfills, "statements that fill rows"));
    lines
}

/// Writes the configuration; a URL becomes a profile first, so that later commands find it by name.
fn remember(session: &Session, target: &StoreTarget) -> Result<String> {
    let name = match &target.profile.name {
        Some(name) => name.clone(),
        None => add_profile(session, &target.profile)?,
    };
    let changes = [
        (Key::HistoryStoreEnabled, Some(true.into())),
        (Key::HistoryStoreProfile, Some(name.as_str().into())),
        (Key::HistoryStoreSchema, Some(target.schema.given.as_str().into())),
    ];
    config::edit(&session.home, &changes)?;
    Ok(name)
}

fn add_profile(session: &Session, profile: &Profile) -> Result<String> {
    let (name, is_new) = config::profile_of(&session.home, profile)?;
    if is_new && profile.has_plain_secret() {
        session.printer.warn(&format!(
            "the password of the URL is now in plain text in {}; `amx-schema profile to-keyring {name}` moves it into the keyring, and \
             `env://NAME` or `file://PATH` in its place keep it elsewhere",
            session.home.join("config.yml").display()
        ));
    }
    Ok(name)
}

/// How many runs of this home the store does not have.
async fn not_shared(session: &Session, store: &mut SharedStore<'_>) -> Result<u64> {
    let mut missing = 0;
    for file in super::migrate_from_local::sources(session, None)? {
        let mut ids = vec![];
        file.source.runs(&mut |run| {
            ids.push(run.key.run_id);
            Ok(())
        })?;
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        missing += ids.len() as u64 - store.runs(&ids).await?.len() as u64;
    }
    Ok(missing)
}

fn shown(outcome: &Outcome, store: &str, place: &str) -> String {
    let mut text = match outcome.created {
        true => format!("✓ History store enabled. Future /run / /apply will write to {store}.\n"),
        false => format!("✓ History store now points at: {store} in {place}.\n"),
    };
    for mate in &outcome.teammates {
        let newest = mate.newest.as_deref().unwrap_or("unknown");
        let (who, runs) = (one_line(&mate.who), counted(mate.runs.unsigned_abs(), "run"));
        text.push_str(&format!("  {who} has {runs} there, the newest of {newest}\n"));
    }
    if outcome.local_runs_not_shared > 0 {
        text.push_str(&format!(
            "  not shared yet: {} of this machine; `amx-schema migrate-from-local` copies what is missing\n",
            counted(outcome.local_runs_not_shared, "run")
        ));
    }
    if outcome.backend == Backend::Sqlite.word() && outcome.created {
        text.push_str(&format!("  The store is the file {place}.\n"));
    }
    text
}
