//! `profile`

use super::{Session, StoreTarget};
use crate::config::{self, Key};
use crate::dialect::Backend;
use crate::driver::Access;
use crate::error::{Code, Error, Result};
use crate::printer::{neutral, table};
use crate::profile::{Profile, Scalar};
use serde::Serialize;

/// Look at and change the profiles of config.yml.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List the profiles.
    List(ListArgs),
    /// Add a profile. On a terminal it asks for each field where none is given.
    Add(AddArgs),
    /// Connect with a profile and say whether that works.
    Test(NameArgs),
    /// Remove a profile.
    Remove(NameArgs),
}

/// How the profiles are listed.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Only their names, on one line.
    #[arg(long)]
    names: bool,
}

/// The profile to work on.
#[derive(Debug, clap::Args)]
pub struct NameArgs {
    /// Name of the profile.
    name: String,
}

/// A new profile.
#[derive(Debug, clap::Args)]
pub struct AddArgs {
    /// Name of the profile.
    name: Option<String>,
    /// Backend, such as postgresql.
    #[arg(long, value_name = "BACKEND", conflicts_with = "from_url")]
    backend: Option<String>,
    /// Take everything from a URL.
    #[arg(long, value_name = "URL")]
    from_url: Option<String>,
    /// A field, such as host=db.example.com or password=env://AMX_DB_PASSWORD.
    #[arg(long = "set", value_name = "FIELD=VALUE", conflicts_with = "from_url")]
    set: Vec<String>,
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

#[derive(Serialize)]
struct Added<'a> {
    name: &'a str,
    backend: &'static str,
    added: bool,
}

#[derive(Serialize)]
struct Removed<'a> {
    name: &'a str,
    removed: bool,
}

pub(crate) async fn run(session: &Session, command: &Command) -> Result<()> {
    match command {
        Command::List(args) => list(session, args),
        Command::Add(args) if args.is_bare() => super::profile_wizard::run(session, args.name.as_deref()).await,
        Command::Add(args) => add(session, args),
        Command::Test(args) => test(session, args).await,
        Command::Remove(args) => remove(session, args),
    }
}

impl AddArgs {
    /// Whether it was given nothing but a name.
    fn is_bare(&self) -> bool {
        self.backend.is_none() && self.from_url.is_none() && self.set.is_empty()
    }
}

fn list(session: &Session, args: &ListArgs) -> Result<()> {
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
            return profiles.iter().map(|profile| neutral(&profile.name)).collect::<Vec<_>>().join("  ");
        }
        let row = |profile: &Listed| {
            let marks = [profile.active.then_some("active"), profile.shared_store.then_some("shared store")];
            let note = profile.error.clone().unwrap_or_else(|| marks.into_iter().flatten().collect::<Vec<_>>().join(", "));
            vec![profile.name.clone(), profile.backend.unwrap_or("?").to_string(), profile.database.clone(), note]
        };
        table(&["name", "backend", "database", ""], profiles.iter().map(row))
    })
}

fn add(session: &Session, args: &AddArgs) -> Result<()> {
    let (Some(name), true) = (&args.name, args.backend.is_some() || args.from_url.is_some()) else {
        return Err(Error::new(
            Code::Usage,
            "a new profile takes its NAME and --backend or --from-url",
            "see `amx-schema profile add --help`",
        ));
    };
    let (backend, fields) = match (&args.from_url, &args.backend) {
        (Some(url), _) => {
            let profile = Profile::from_url(url)?;
            (profile.backend, profile.to_fields())
        }
        (None, word) => {
            let field = |pair: &String| {
                let (name, value) = pair.split_once('=').ok_or_else(|| {
                    Error::new(Code::Usage, "a --set without a =", "give each field as FIELD=VALUE, such as --set host=db.example.com")
                })?;
                Ok((name.to_string(), Scalar::from(value)))
            };
            (Backend::from_word(word.as_deref().unwrap_or_default())?, args.set.iter().map(field).collect::<Result<Vec<_>>>()?)
        }
    };
    let profile = config::add_profile(&session.home, name, backend, &fields)?;
    if profile.has_plain_secret() {
        session.printer.warn("the password is in plain text in config.yml; `env://NAME` or `file://PATH` in its place keeps it elsewhere");
    }
    let added = Added { name, backend: profile.backend.word(), added: true };
    session.printer.result(&added, |_| format!("✓ Profile {profile} added."))
}

async fn test(session: &Session, args: &NameArgs) -> Result<()> {
    #[derive(Serialize)]
    struct Tested {
        name: String,
        reachable: bool,
    }
    let config = session.config()?;
    let profile = config.profile(&args.name)?;
    let schema = session.schema_in(&config, profile.backend)?;
    let target = StoreTarget { profile, schema, explicit: true };
    let driver = session.connect(&target, Access::Read).await?;
    driver.close().await;
    session.printer.result(&Tested { name: args.name.clone(), reachable: true }, |_| format!("✓ {} answers.", target.profile))
}

fn remove(session: &Session, args: &NameArgs) -> Result<()> {
    let config = session.config()?;
    if config.history_store_enabled()? && config.history_store_profile()?.as_ref() == Some(&args.name) {
        return Err(Error::new(
            Code::Usage,
            format!("the shared store is reached by the profile {}", args.name),
            "run `amx-schema disable` first",
        ));
    }
    let active = config.active_db_profile()?.as_ref() == Some(&args.name);
    config::remove_profile(&session.home, &args.name)?;
    if active {
        // AMX does not start with an active profile that is not there.
        config::edit(&session.home, &[(Key::ActiveDbProfile, None)])?;
    }
    session.printer.result(&Removed { name: &args.name, removed: true }, |removed| format!("✓ Profile {} removed.", removed.name))
}
