//! `generate`

use super::Session;
use crate::error::Result;
use crate::migration::{Folder, Wish, Written};
use serde::Serialize;
use std::path::PathBuf;

/// Render what changed in the model into the next version of every backend.
///
/// A version that is listed in `released` for any backend stays as it is; until then the newest one is rendered again when the model changes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name of the next version, where model.yaml does not list it: a to z, 0 to 9 and _.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Write nothing; fail where the files do not say what the model says.
    #[arg(long)]
    check: bool,
    /// Let the version drop columns and tables with all that they hold.
    #[arg(long)]
    allow_destructive: bool,
    /// Folder with model.yaml and a folder for each backend.
    #[arg(long, value_name = "DIR", default_value = "migrations")]
    dir: PathBuf,
}

#[derive(Default, Serialize)]
struct Outcome {
    written: Vec<String>,
    unchanged: usize,
    recorded: Vec<String>,
    listed: Option<String>,
}

pub(crate) fn run(session: &Session, args: &Args) -> Result<()> {
    let folder = Folder { path: args.dir.clone() };
    if args.check {
        let unchanged = folder.check()?;
        return session.printer.result(&Outcome { unchanged, ..Outcome::default() }, |outcome| {
            format!("✓ {} migration files say what the model says.", outcome.unchanged)
        });
    }
    let wish = Wish { name: args.name.as_deref(), allow_destructive: args.allow_destructive };
    let Written { files, models, listed, unchanged } = folder.write(wish)?;
    let listed = listed.map(|(version, name)| format!("{version}: {name}"));
    session.printer.result(&Outcome { written: files, unchanged, recorded: models, listed }, |outcome| {
        let mut text: String = outcome.written.iter().chain(&outcome.recorded).map(|file| format!("wrote {file}\n")).collect();
        if let Some(listed) = &outcome.listed {
            text.push_str(&format!("listed {listed} in model.yaml\n"));
        }
        text.push_str(&format!("✓ {} written, {} unchanged.", outcome.written.len(), outcome.unchanged));
        text
    })
}
