//! `dump-ddl`

use super::{Session, output};
use crate::dialect::Backend;
use crate::error::{Code, Error, Result};
use crate::feasibility;
use crate::migration::MigrationSet;
use crate::script::Script;
use std::path::PathBuf;

/// Write the DDL that makes the store, for a DBA to run by hand.
///
/// Needs no database, and no configuration where --dialect is given. The same call gives the same bytes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write for this backend (else the active profile's).
    #[arg(long, value_name = "BACKEND")]
    dialect: Option<String>,
    /// Write the migrations one after the other instead of one squashed script.
    #[arg(long)]
    versioned: bool,
    /// Write to this file instead of stdout.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Location of a BigQuery dataset, such as EU.
    #[arg(long, value_name = "LOCATION")]
    location: Option<String>,
}

pub(crate) fn run(session: &Session, args: &Args) -> Result<()> {
    let (backend, schema) = match &args.dialect {
        Some(word) => {
            let backend = Backend::from_word(word)?;
            let set = crate::model::Model::embedded()?;
            let given = session.global.schema.clone().unwrap_or(set.schema);
            (backend, backend.dialect()?.schema_name(&given)?)
        }
        None => {
            let target = session.target()?;
            (target.profile.backend, target.schema)
        }
    };
    if let Some(location) = &args.location
        && !location.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    {
        return Err(Error::new(Code::Usage, format!("'{location}' is not a location"), "give one such as EU or europe-west1"));
    }
    if args.location.is_some() && backend != Backend::BigQuery {
        let message = format!("--location is for BigQuery; {backend} has no such thing");
        return Err(Error::new(Code::Usage, message, "leave --location out"));
    }
    let set = MigrationSet::embedded(backend)?;
    feasibility::require(&set.model, set.dialect)?;
    let checksums = set.checksums();
    let script =
        Script { model: &set.model, dialect: set.dialect, schema: &schema, location: args.location.as_deref(), checksums: &checksums };
    let text = if args.versioned { script.versioned()? } else { script.squashed()? };
    match &args.output {
        None if session.printer.json => {
            let document = serde_json::json!({ "dialect": backend.word(), "schema": schema.given, "ddl": text });
            session.printer.result(&document, |_| String::new())?;
        }
        None => session.printer.data(&text),
        Some(path) => {
            output::write(path, &text)?;
            let file = path.display().to_string();
            match session.printer.json {
                true => {
                    let document = serde_json::json!({ "dialect": backend.word(), "schema": schema.given, "file": file });
                    session.printer.result(&document, |_| String::new())?;
                }
                false => session.printer.talk(&format!("✓ The {} DDL is in {file}.", set.dialect.name)),
            }
        }
    }
    Ok(())
}
