//! `man`

use super::Session;
use crate::error::{Error, Result};

/// Write the manual page to stdout.
#[derive(Debug, clap::Args)]
pub struct Args {}

pub(crate) fn run(session: &Session, _args: &Args, command: clap::Command) -> Result<()> {
    let mut text = vec![];
    clap_mangen::Man::new(command).render(&mut text).map_err(|error| Error::io("writing the manual page", &error))?;
    session.printer.data(&String::from_utf8_lossy(&text));
    Ok(())
}
