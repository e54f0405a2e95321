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
    let shown = session.config()?.shown();
    let settings: BTreeMap<&str, &str> = shown.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    session.printer.result(&settings, |_| shown.iter().map(|(key, value)| format!("{key}: {value}\n")).collect())
}
