//! `config`

use super::migrate_from_local::shown_path;
use super::{Session, store_name};
use crate::error::Result;
use crate::printer::Printer;
use std::collections::BTreeMap;

/// Look at config.yml.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Write every setting, one `key: value` a line, secrets hidden.
    Show,
}

pub(crate) fn run(session: &Session, command: &Command) -> Result<()> {
    let Command::Show = command;
    let config = session.config()?;
    let shown = config.shown();
    let settings: BTreeMap<&str, &str> = shown.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    for (_, profile) in config.profiles() {
        profile.iter().for_each(|profile| session.warn_of_plain_secret(profile));
    }
    session.printer.result(&settings, |_| shown.iter().map(|(key, value)| format!("{key}: {value}\n")).collect())
}

/// Reads the file again and says which store is in use now. That is all there is to do: every command reads it anew.
pub(crate) fn reload(session: &Session, only: Option<&'static str>) -> Result<()> {
    #[derive(serde::Serialize)]
    struct Reloaded {
        active_store: &'static str,
        profile: Option<String>,
        schema: Option<String>,
    }
    let config = session.config()?;
    let printer = Printer { only, ..session.printer };
    if !config.history_store_enabled()? {
        let file = shown_path(&session.home.join("history.db"));
        let reloaded = Reloaded { active_store: "file", profile: None, schema: None };
        return printer
            .result(&reloaded, |_| format!("✓ config.yml was read again. History store: disabled (per-user local file at {file})."));
    }
    let target = session.target_in(&config)?;
    let store = store_name(&target.schema, target.profile.backend)?;
    let reloaded = Reloaded { active_store: "shared", profile: target.profile.name.clone(), schema: Some(target.schema.given.clone()) };
    printer.result(&reloaded, |_| format!("✓ config.yml was read again. History store: {store} in {}.", target.profile.summary()))
}
