//! `profile`

mod add;
mod list;
mod remove;
mod secret;
mod test;
mod to_keyring;

use super::Session;
use crate::error::Result;

/// Look at and change the profiles of config.yml.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    List(list::Args),
    Add(add::Args),
    /// Connect with a profile and say whether that works.
    Test(NameArgs),
    ToKeyring(to_keyring::Args),
    /// Remove a profile.
    Remove(NameArgs),
}

/// The profile to work on.
#[derive(Debug, clap::Args)]
pub struct NameArgs {
    /// Name of the profile.
    name: String,
}

pub(crate) async fn run(session: &Session, command: &Command) -> Result<()> {
    match command {
        Command::List(args) => list::run(session, args),
        Command::Add(args) if args.is_bare() => super::profile_wizard::run(session, args.name()).await,
        Command::Add(args) => add::run(session, args),
        Command::Test(args) => test::run(session, args).await,
        Command::ToKeyring(args) => to_keyring::run(session, args),
        Command::Remove(args) => remove::run(session, args),
    }
}
