//! `generate`

use super::Session;
use crate::error::Result;
use crate::migration::Folder;
use serde::Serialize;
use std::path::PathBuf;

/// Render the model into the migration files of every backend.
///
/// A version that is listed in `released` is never written again.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write nothing; fail where the files do not say what the model says.
    #[arg(long)]
    check: bool,
    /// Folder with model.yaml and a folder for each backend.
    #[arg(long, value_name = "DIR", default_value = "migrations")]
    dir: PathBuf,
}

#[derive(Serialize)]
struct Outcome {
    written: Vec<String>,
    unchanged: usize,
}

pub(crate) fn run(session: &Session, args: &Args) -> Result<()> {
    let folder = Folder { path: args.dir.clone() };
    if args.check {
        let unchanged = folder.check()?;
        return session.printer.result(&Outcome { written: vec![], unchanged }, |outcome| {
            format!("✓ {} migration files say what the model says.", outcome.unchanged)
        });
    }
    let written = folder.write()?;
    session.printer.result(&Outcome { written: written.files, unchanged: written.unchanged }, |outcome| {
        let mut text: String = outcome.written.iter().map(|file| format!("wrote {file}\n")).collect();
        text.push_str(&format!("✓ {} written, {} unchanged.", outcome.written.len(), outcome.unchanged));
        text
    })
}
