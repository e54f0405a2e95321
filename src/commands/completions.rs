//! `completions`

use super::Session;
use crate::error::Result;
use clap_complete::Shell;

/// Write completions for a shell to stdout.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell.
    shell: Shell,
}

pub(crate) fn run(session: &Session, args: &Args, command: &mut clap::Command) -> Result<()> {
    let mut text = vec![];
    clap_complete::generate(args.shell, command, "amx-schema", &mut text);
    session.printer.data(&String::from_utf8_lossy(&text));
    Ok(())
}
