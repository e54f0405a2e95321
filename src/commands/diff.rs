//! `diff`

use super::{Session, store_name};
use crate::driver::Access;
use crate::error::Result;
use crate::migration::{Difference, Drift, Engine, MigrationSet};
use crate::printer::table;
use crate::report::Silent;
use serde::Serialize;

/// Compare the live store with the model. Exits 3 where something is degraded or incompatible.
#[derive(Debug, clap::Args)]
pub struct Args {}

#[derive(Serialize)]
struct Outcome {
    drift: Vec<Drift>,
}

pub(crate) async fn run(session: &Session, _args: &Args) -> Result<()> {
    let target = session.target()?;
    let set = MigrationSet::embedded(target.profile.backend)?;
    let mut driver = session.connect(&target, Access::Read).await?;
    let found = Engine { driver: driver.as_mut(), set: &set, schema: &target.schema, reporter: &Silent }.diff().await?;
    driver.close().await;
    if let Some(remark) = remark(&found, set.latest()) {
        session.printer.warn(&remark);
    }
    let failed = found.error(&target.schema.given);
    let store = store_name(&target.schema, target.profile.backend)?;
    let none = format!("✓ {store} in {} is what the model says at V{}.", target.profile.summary(), found.version);
    session.printer.result(&Outcome { drift: found.drift }, |outcome| shown(&outcome.drift, none))?;
    failed.map_or(Ok(()), Err)
}

/// What to know of a store that is not at this build's version.
fn remark(found: &Difference, latest: u32) -> Option<String> {
    let version = found.version;
    match found.ledger {
        Some(ledger) if ledger > latest => {
            Some(format!("the store is at V{ledger}, which is newer than this build; compared with V{version}"))
        }
        Some(ledger) if ledger < latest => Some(format!("the store is at V{ledger} and this build at V{latest}; compared with V{version}")),
        Some(_) => None,
        None => Some(format!("the store has no migration in its ledger; compared with V{version}, the newest of which it has something")),
    }
}

fn shown(drift: &[Drift], none: String) -> String {
    if drift.is_empty() {
        return none;
    }
    let cell = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".into());
    let row = |drift: &Drift| {
        vec![drift.class.word().into(), drift.kind.word().into(), drift.object.clone(), cell(&drift.expected), cell(&drift.actual)]
    };
    table(&["class", "kind", "object", "expected", "actual"], drift.iter().map(row))
}
