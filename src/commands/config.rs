//! `config`

use super::Session;
use crate::error::Result;
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
