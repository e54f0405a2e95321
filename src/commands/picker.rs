//! No command on a terminal: the chooser of a profile while the store is disabled, else a menu.

use super::migrate_from_local::shown_path;
use super::{Session, StoreTarget, shell, store_name};
use crate::config::{self, Config, Key};
use crate::driver::Access;
use crate::error::{Code, Error, Result};
use crate::migration::{Engine, MigrationSet};
use crate::model::Model;
use crate::printer::Numbered;
use crate::profile::Profile;
use crate::report::Silent;
use crate::store::outbox::outbox_state;
use crate::store::shared::{RESULTS, RUNS};

/// Whether to ask what to do: on a terminal, where no database is named to look at.
pub(crate) fn fits(session: &Session) -> bool {
    session.printer.is_interactive() && !session.names_database()
}

/// Asks, and gives the command that was chosen in the words of the command line; none where there is nothing more to do.
pub(crate) async fn run(session: &Session) -> Result<Option<Vec<String>>> {
    let config = session.config()?;
    match config.history_store_enabled()? {
        true => Ok(menu(session, &config).await?.map(|words| words.iter().map(|word| word.to_string()).collect())),
        false => choose_store(session, &config),
    }
}

/// What the menu offers; each is a command, and some ask before.
#[derive(Clone, Copy)]
enum Action {
    Status,
    Pull,
    Flush,
    Migrate,
    DumpDdl,
    Disable,
}

/// Status is the default: it changes nothing.
const MENU: [(&str, Action); 6] = [
    ("Status", Action::Status),
    ("Pull from shared", Action::Pull),
    ("Flush pending", Action::Flush),
    ("Migrate from local", Action::Migrate),
    ("Dump DDL", Action::DumpDdl),
    ("Disable", Action::Disable),
];

async fn menu(session: &Session, config: &Config) -> Result<Option<&'static [&'static str]>> {
    let target = session.target_in(config)?;
    let store = store_name(&target.schema, target.profile.backend)?;
    session.printer.before_question(&format!("History store currently: enabled ({store} in {}).", target.profile.summary()));
    let chosen = session.printer.choose("What to do", &MENU.map(|(label, _)| label), 0)?;
    let Some((_, action)) = chosen.and_then(|index| MENU.get(index)) else { return Ok(None) };
    let command: Option<&[&str]> = match action {
        Action::Status => Some(&["status"]),
        Action::Pull => Some(&["pull-from-shared"]),
        Action::Flush => flush(session)?,
        // These two ask themselves.
        Action::Migrate => Some(&["migrate-from-local"]),
        Action::Disable => Some(&["disable"]),
        Action::DumpDdl => {
            let question = format!("{store} is there already. Write its DDL all the same?");
            (!is_there(session, &target).await? || session.printer.confirm(&question)?).then_some(&["dump-ddl"])
        }
    };
    if command.is_none() {
        session.printer.talk("Nothing was changed.");
    }
    Ok(command)
}

/// Where the store is gone for good, one wants to drop what is queued and not to try again.
fn flush(session: &Session) -> Result<Option<&'static [&'static str]>> {
    let outbox = outbox_state(&session.home)?;
    let question = match outbox.depth + outbox.quarantined {
        0 => return Ok(Some(&["flush-pending"])),
        1 => "What to do with the queued write".into(),
        queued => format!("What to do with the {queued} queued writes"),
    };
    let choices: [(&str, Option<&'static [&'static str]>); 3] = [
        ("Leave in the queue", None),
        ("Write to the shared store", Some(&["flush-pending"])),
        ("Drop", Some(&["flush-pending", "--drop"])),
    ];
    let chosen = session.printer.choose(&question, &choices.map(|(label, _)| label), 0)?;
    Ok(chosen.and_then(|index| choices.get(index)).and_then(|(_, words)| *words))
}

/// Whether the store's tables are there. Where that cannot be told they may be.
async fn is_there(session: &Session, target: &StoreTarget) -> Result<bool> {
    let set = MigrationSet::embedded(target.profile.backend)?;
    let Ok(mut driver) = session.connect(target, Access::Read).await else { return Ok(true) };
    let state = Engine { driver: driver.as_mut(), set: &set, schema: &target.schema, reporter: &Silent }.state().await;
    driver.close().await;
    Ok(state.map_or(true, |state| state.exists))
}

/// Asks for profile and schema, and remembers them for `enable`, which has yet to make the store. Gives a command that was typed instead, as a
/// member does who knows the lead's profile.
fn choose_store(session: &Session, config: &Config) -> Result<Option<Vec<String>>> {
    let printer = session.printer;
    let file = shown_path(&session.home.join("history.db"));
    printer.before_question(&format!("History store currently: disabled (per-user local file at {file})."));
    let profiles = config.profiles();
    if profiles.is_empty() {
        let hint = "add one with `amx-schema profile add` (in the shell /add-db-profile), then choose it here";
        return Err(Error::new(Code::ProfileUnknown, "there is no DB profile yet that could host the audit table", hint));
    }
    printer.before_question(
        "To enable shared history, pick a DB profile that will host the audit table.\n\
         Recommended: pick a 'sandbox' / 'metadata' database that all team members can reach.",
    );
    let lines: Vec<String> = profiles.iter().map(|(name, profile)| shown(name, profile)).collect();
    let index = match printer.choose_number(&lines)? {
        Numbered::Item(index) => index,
        Numbered::Command(line) => return shell::words(&line).map(Some),
        Numbered::Nothing => {
            printer.talk("Nothing was changed.");
            return Ok(None);
        }
    };
    let (name, profile) = profiles.into_iter().nth(index).ok_or_else(|| Error::internal("the profile that was chosen is not there"))?;
    let profile = profile?;
    let dialect = profile.backend.dialect()?;
    let default = config.history_store_schema()?.unwrap_or(Model::embedded()?.schema);
    let given = match dialect.schemas {
        true => {
            let question = format!("Schema name for the audit table (default: {default})");
            printer.ask(&question, &default, false, |given| dialect.schema_name(given).map(drop))?
        }
        // The file is the schema.
        false => default,
    };
    let schema = dialect.schema_name(&given)?;
    let changes = [
        (Key::HistoryStoreEnabled, Some(false.into())),
        (Key::HistoryStoreProfile, Some(name.as_str().into())),
        (Key::HistoryStoreSchema, Some(schema.given.as_str().into())),
    ];
    config::edit(&session.home, &changes)?;
    let first = if dialect.schemas { format!("{}.{RUNS}", schema.given) } else { RUNS.into() };
    printer.data(&format!("✓ Will create {first} / {RESULTS} in {}\n", profile.summary()));
    Ok(None)
}

fn shown(name: &str, profile: &Result<Profile>) -> String {
    match profile {
        Ok(profile) => profile.to_string(),
        Err(error) => format!("{name}: {}", error.message),
    }
}
