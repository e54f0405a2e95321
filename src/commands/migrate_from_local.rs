//! `migrate-from-local`

use super::{Session, ToStore, store_name};
use crate::driver::Access;
use crate::error::{Code, Error, Result};
use crate::identity::person;
use crate::migration::{Engine, MigrationSet};
use crate::printer::{Printer, counted};
use crate::progress::Progress;
use crate::report::Silent;
use crate::store::amx_cli::AmxCliFile;
use crate::store::local::{LocalFiles, LocalStore};
use crate::store::own_file::OwnFile;
use crate::store::source::Source;
use crate::store::sqlite_file::{FileKind, NOT_HISTORY, fingerprint, recognise};
use crate::sync::OnConflict;
use crate::sync::import::{Importer, Options, Report, SourceFile};
use std::path::{Path, PathBuf};

/// Copy this machine's runs into the shared store. The local file is kept as it is.
///
/// Run it again at any time: what is there already is left alone, what changed since is brought up to date.
#[derive(Debug, Default, clap::Args)]
pub struct Args {
    /// Read this history file instead of the home folder's.
    #[arg(long, value_name = "FILE")]
    source: Option<PathBuf>,
    /// Copy a run without its bad rows instead of leaving it out.
    #[arg(long)]
    skip_errors: bool,
    /// Find out what would be copied, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// What to do with a run whose id is taken by another run.
    #[arg(long, value_name = "WHAT", value_enum, default_value = "fail")]
    on_conflict: OnConflict,
}

pub(crate) async fn run(session: &Session, args: &Args) -> Result<()> {
    let target = session.target()?;
    let files = sources(session, args.source.as_deref())?;
    if files.is_empty() {
        session.printer.talk(&format!("There is no history in {} yet; nothing to copy.", session.home.display()));
        return session.printer.result(&Report::default(), |_| String::new());
    }
    let set = MigrationSet::embedded(target.profile.backend)?;
    let mut driver = session.connect(&target, if args.dry_run { Access::Read } else { Access::Write }).await?;
    let state = Engine { driver: driver.as_mut(), set: &set, schema: &target.schema, reporter: &Silent }.state().await?;
    state.require_current(&target.schema)?;
    let found = files.iter().map(|file| file.found).sum();
    let store = store_name(&target.schema, target.profile.backend)?;
    let named = files.iter().filter(|file| file.found > 0 || files.len() == 1);
    let names = named.map(|file| shown_path(&file.path)).collect::<Vec<_>>().join(" and ");
    let question = format!("Found {} in {names}. Copy to {store}?", counted(found, "run"));
    if !args.dry_run && found > 0 && !session.printer.confirm(&question)? {
        session.printer.talk("Nothing was copied.");
        return Ok(());
    }
    let mut local = match args.dry_run {
        true => LocalStore::peek(&session.home)?,
        false => LocalStore::open(&session.home)?,
    };
    let progress = Progress::new(session.printer);
    let importer = Importer {
        driver,
        connect: &ToStore { session, target: &target, set: &set },
        place: &target.place(),
        dialect: set.dialect,
        schema: &target.schema,
        local: &mut local,
        person: &person(),
        options: Options { skip_errors: args.skip_errors, dry_run: args.dry_run, on_conflict: args.on_conflict },
        reporter: &progress,
    };
    let (report, stopped) = importer.run(files).await?;
    tell(session.printer, &report);
    session.printer.result(&report, |report| match stopped {
        None => shown(report, &names, args.dry_run),
        Some(_) => format!("migrate-from-local stopped after {} runs were imported; they are kept.\n", report.runs_imported),
    })?;
    match stopped {
        None => outcome(&report, args.on_conflict),
        Some(error) => Err(error),
    }
}

/// The history files of the home folder, or the one that was named.
pub(crate) fn sources(session: &Session, named: Option<&Path>) -> Result<Vec<SourceFile>> {
    let mut files = vec![];
    match named {
        Some(path) => {
            let kind = recognise(path)?;
            if matches!(kind, FileKind::Own | FileKind::Both) {
                files.push(own(path)?);
            }
            if matches!(kind, FileKind::AmxCli | FileKind::Both) {
                files.push(amx_cli(path)?);
            }
            if kind == FileKind::Empty {
                let message = format!("{} holds no AMX history: it has neither analysis_runs nor amx_history_runs", path.display());
                return Err(Error::new(Code::LocalStoreCorrupt, message, NOT_HISTORY));
            }
        }
        None => {
            let found = LocalFiles::locate(&session.home)?;
            if found.own.exists() && matches!(recognise(&found.own)?, FileKind::Own | FileKind::Both) {
                files.push(own(&found.own)?);
            }
            if let Some(path) = &found.amx_cli {
                files.push(amx_cli(path)?);
            }
        }
    }
    Ok(files)
}

fn own(path: &Path) -> Result<SourceFile> {
    let file = OwnFile::open(path)?;
    Ok(SourceFile { path: path.into(), found: file.count()?, source: Box::new(file), fingerprint: None })
}

fn amx_cli(path: &Path) -> Result<SourceFile> {
    // Taken first: a write in between makes the file be read once more, never once less.
    let fingerprint = fingerprint(path)?;
    let file = AmxCliFile::open(path, &person())?;
    let orphans = file.orphans()?;
    if orphans > 0 {
        Printer::default()
            .warn(&format!("{} has {orphans} results whose run is not there; they belong to no run and are left out", path.display()));
    }
    let resolved = std::fs::canonicalize(path).unwrap_or_else(|_| path.into());
    Ok(SourceFile { path: resolved, found: file.count()?, source: Box::new(file), fingerprint: Some(fingerprint) })
}

/// Names what was left out, on stderr.
fn tell(printer: Printer, report: &Report) {
    if printer.json {
        return;
    }
    for conflict in &report.conflicts {
        printer.warn(&format!("{}: {}", conflict.run_id, conflict.reason));
    }
    for bad in &report.failures {
        let object = bad.target_qname.as_deref().map(|name| format!(" {name}")).unwrap_or_default();
        let row = bad.local_id.map(|id| format!(" (row {id})")).unwrap_or_default();
        printer.warn(&format!("{}{object}{row}: {}", bad.run_id, bad.reason));
    }
}

fn shown(report: &Report, names: &str, dry_run: bool) -> String {
    let would = if dry_run { "would be " } else { "" };
    let mut parts = vec![];
    let mut part = |count: u64, what: &str| {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    };
    part(report.runs_updated, &format!("{would}updated"));
    part(report.runs_skipped, "already there");
    part(report.runs_failed, "failed");
    part(report.conflicts.len() as u64, "in conflict");
    let others = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) };
    let mut text = format!("✓ migrate-from-local finished. {} {would}imported{others}.\n", counted(report.runs_imported, "run"));
    if report.runs_imported + report.runs_updated + report.runs_failed == 0 && report.conflicts.is_empty() {
        text = "✓ migrate-from-local finished. Nothing to copy: every run is already there.\n".into();
    }
    if let Some(statements) = report.statements.filter(|_| report.runs_imported + report.runs_updated > 0) {
        text.push_str(&format!("It takes about {}.\n", counted(statements, "statement")));
    }
    if !dry_run && report.runs_imported > 0 {
        text.push_str(&format!("Local file {names} kept (not deleted) — remove it manually after verifying.\n"));
    }
    text
}

fn outcome(report: &Report, on_conflict: OnConflict) -> Result<()> {
    if !report.failures.is_empty() {
        return Err(Error::new(
            Code::RowsFailed,
            format!(
                "{} rows cannot be stored, and {} runs were left out; everything else was copied",
                report.failures.len(),
                report.runs_failed
            ),
            if report.runs_failed > 0 {
                "correct them in the source, or run again with --skip-errors to copy their runs without them"
            } else {
                "they are named above; the source was not touched"
            },
        ));
    }
    if !report.conflicts.is_empty() && on_conflict != OnConflict::Skip {
        return Err(Error::new(
            Code::Conflict,
            format!("{} runs have an id that is another run's in the store; everything else was copied", report.conflicts.len()),
            "run again with --on-conflict rename to copy them under another id, or with --on-conflict skip to leave them out",
        ));
    }
    Ok(())
}

/// A path as people write it, with `~` for their home.
pub(crate) fn shown_path(path: &Path) -> String {
    let home = directories::BaseDirs::new().map(|dirs| dirs.home_dir().to_path_buf());
    match home.and_then(|home| path.strip_prefix(home).ok().map(Path::to_path_buf)) {
        Some(rest) => format!("~/{}", rest.display()),
        None => path.display().to_string(),
    }
}
