//! `verify`

use super::{Session, store_name};
use crate::driver::Access;
use crate::error::Result;
use crate::identity::person;
use crate::migration::{Engine, MigrationSet};
use crate::printer::{Printer, counted, table};
use crate::progress::Progress;
use crate::report::Silent;
use crate::store::amx_cli::AmxCliFile;
use crate::store::duplicates::Duplicate;
use crate::store::hashing::Hashed;
use crate::store::local::{LocalFiles, LocalStore};
use crate::store::shared::SharedStore;
use crate::store::source::Source;
use crate::sync::verify::{Report, Status, Verifier};

/// Compare the shared store with this machine's history, run by run, and find rows that are there twice. Exits 3 where it finds what should not be.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Leave one of each row that is there more than once with the same content. Asks first.
    #[arg(long)]
    repair: bool,
}

pub(crate) async fn run(session: &Session, args: &Args) -> Result<()> {
    let target = session.shared()?;
    let set = MigrationSet::embedded(target.profile.backend)?;
    let access = if args.repair { Access::Write } else { Access::Read };
    let mut driver = session.connect(&target, access).await?;
    let state = Engine { driver: driver.as_mut(), set: &set, schema: &target.schema, reporter: &Silent }.state().await?;
    state.require_current(&target.schema)?;
    let standing = SharedStore::new(driver.as_mut(), set.dialect, &target.schema).standing(&set.model.ledger().name).await?;
    let local = LocalStore::peek(&session.home)?;
    let amx_cli = match LocalFiles::locate(&session.home)?.amx_cli {
        None => None,
        Some(path) => Some(Box::new(AmxCliFile::open(&path, &person())?) as Box<dyn Source>),
    };
    let progress = Progress::new(session.printer);
    let mut verifier = Verifier {
        driver: driver.as_mut(),
        dialect: set.dialect,
        schema: &target.schema,
        place: &target.place(),
        standing: &standing,
        local,
        amx_cli,
        reporter: &progress,
    };
    let (duplicates, repaired) = duplicates(session.printer, args, &mut verifier).await?;
    let report = Report { duplicates, repaired, ..verifier.compare().await? };
    driver.close().await;
    let store = format!("{} in {}", store_name(&target.schema, target.profile.backend)?, target.profile.summary());
    let failed = report.error();
    session.printer.result(&report, |report| shown(report, &store))?;
    failed.map_or(Ok(()), Err)
}

/// The rows that are there more than once, and of how many one was left just now.
async fn duplicates(printer: Printer, args: &Args, verifier: &mut Verifier<'_>) -> Result<(Vec<Duplicate>, u64)> {
    let found = verifier.duplicates().await?;
    let exact = found.iter().filter(|duplicate| duplicate.exact).count() as u64;
    if !args.repair || exact == 0 {
        return Ok((found, 0));
    }
    if !printer.confirm(&format!("The store holds {} more than once. Leave one of each?", counted(exact, "row")))? {
        printer.talk("Nothing was removed.");
        return Ok((found, 0));
    }
    let repaired = verifier.repair(&found, &person()).await?;
    Ok((verifier.duplicates().await?, repaired))
}

fn shown(report: &Report, store: &str) -> String {
    let mut text = String::new();
    let side = |hashed: &Option<Hashed>| match hashed {
        Some(Hashed { results, hash }) => format!("{} {:.12}", counted(*results, "result"), hash),
        None => "-".into(),
    };
    let listed: Vec<_> = report.differing.iter().filter(|run| run.status != Status::SharedOnly).collect();
    if !listed.is_empty() {
        let rows = listed.iter().map(|run| vec![run.status.word().into(), run.run_id.clone(), side(&run.local), side(&run.shared)]);
        text.push_str(&table(&["status", "run", "here", "in the store"], rows));
    }
    if !report.duplicates.is_empty() {
        let row = |duplicate: &Duplicate| {
            let exact = if duplicate.exact { "the same" } else { "not the same" };
            let object = duplicate.target_qname.clone().unwrap_or_else(|| "-".into());
            vec![duplicate.copies.to_string(), exact.into(), duplicate.run_id.clone(), object]
        };
        text.push_str(&table(&["copies", "which are", "run", "object"], report.duplicates.iter().map(row)));
    }
    if report.repaired > 0 {
        text.push_str(&format!("✓ Of {} that the store held more than once one is left.\n", counted(report.repaired, "row")));
    }
    let mark = if report.error().is_none() { "✓ " } else { "" };
    let (local, shared) = (counted(report.runs_local, "run"), counted(report.runs_shared, "run"));
    text.push_str(&format!("{mark}{local} here, {shared} in {store}; {} the same, result for result.\n", report.runs_same));
    let alone = report.differing.len() - listed.len();
    let mut remark = |count: u64, what: &str| {
        if count > 0 {
            text.push_str(&format!("{} {what}\n", counted(count, "run")));
        }
    };
    remark(report.runs_pending, "waiting to be sent or in quarantine: `amx-schema flush-pending` sends them, or says why not.");
    remark(report.outdated, "changed in the store since pulled: `amx-schema history sync` brings them.");
    remark(alone as u64, "in the store alone: `amx-schema history sync` brings them.");
    text
}
