//! `profile test`

use super::NameArgs;
use crate::commands::{Session, StoreTarget};
use crate::driver::Access;
use crate::error::Result;
use serde::Serialize;

#[derive(Serialize)]
struct Tested {
    name: String,
    reachable: bool,
}

pub(crate) async fn run(session: &Session, args: &NameArgs) -> Result<()> {
    let config = session.config()?;
    let profile = config.profile(&args.name)?;
    session.warn_of_plain_secret(&profile);
    let schema = session.schema_in(&config, profile.backend)?;
    let target = StoreTarget { profile, schema, explicit: true };
    let driver = session.connect(&target, Access::Read).await?;
    driver.close().await;
    session.printer.result(&Tested { name: args.name.clone(), reachable: true }, |_| format!("✓ {} answers.", target.profile))
}
