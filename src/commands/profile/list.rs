//! `profile list`

use crate::commands::Session;
use crate::error::Result;
use crate::printer::{one_line, table};
use crate::profile::Profile;
use serde::Serialize;

/// List the profiles.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only their names, on one line.
    #[arg(long)]
    names: bool,
}

#[derive(Serialize)]
struct Listed {
    name: String,
    backend: Option<&'static str>,
    database: String,
    active: bool,
    shared_store: bool,
    error: Option<String>,
}

pub(crate) fn run(session: &Session, args: &Args) -> Result<()> {
    let config = session.config()?;
    let active = config.active_db_profile()?;
    let store = config.history_store_profile()?.filter(|_| config.history_store_enabled().unwrap_or(false));
    let listed = |(name, profile): (String, Result<Profile>)| Listed {
        active: active.as_ref() == Some(&name),
        shared_store: store.as_ref() == Some(&name),
        backend: profile.as_ref().ok().map(|profile| profile.backend.word()),
        database: profile.as_ref().map(Profile::summary).unwrap_or_default(),
        error: profile.err().map(|error| error.message),
        name,
    };
    let profiles: Vec<Listed> = config.profiles().into_iter().map(listed).collect();
    session.printer.result(&profiles, |profiles| {
        if profiles.is_empty() {
            return "There is no profile yet; add one with `amx-schema profile add`.".into();
        }
        if args.names {
            return profiles.iter().map(|profile| one_line(&profile.name)).collect::<Vec<_>>().join("  ");
        }
        let row = |profile: &Listed| {
            let marks = [profile.active.then_some("active"), profile.shared_store.then_some("shared store")];
            let note = profile.error.clone().unwrap_or_else(|| marks.into_iter().flatten().collect::<Vec<_>>().join(", "));
            vec![profile.name.clone(), profile.backend.unwrap_or("?").to_string(), profile.database.clone(), note]
        };
        table(&["name", "backend", "database", ""], profiles.iter().map(row))
    })
}
