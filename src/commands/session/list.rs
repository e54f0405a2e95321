//! `session list`

use super::{Listed, profile_in_use};
use crate::commands::Session;
use crate::commands::history::shortened;
use crate::error::Result;
use crate::printer::{ago, table};
use crate::store::sessions::Sessions;
use chrono::Utc;

/// List the sessions of all profiles, the last active one first; those of AMX itself have an `a` before their id.
#[derive(Debug, clap::Args)]
pub struct Args {}

pub(super) fn run(session: &Session, _args: &Args) -> Result<()> {
    let profile = profile_in_use(session)?;
    let sessions = Sessions::open(&session.home)?;
    let current = profile.as_deref().map(|name| sessions.current(name)).transpose()?.flatten();
    let listed = sessions.list()?;
    let listed = listed.iter().map(|one| Listed::new(one, Some(one.id) == current && one.profile == profile));
    let now = Utc::now();
    session.printer.result(&listed.collect::<Vec<_>>(), |listed| {
        if listed.is_empty() {
            return "There is no session yet; begin one with `amx-schema session new`.".into();
        }
        let row = |one: &Listed| {
            let marks = [one.current.then_some("current"), one.ended_at.is_some().then_some("ended")];
            let cells = [
                one.id.clone(),
                one.title(),
                one.profile.clone().unwrap_or_default(),
                one.last_active.map(|then| ago(now, then)).unwrap_or_default(),
                one.turns.to_string(),
                marks.into_iter().flatten().collect::<Vec<_>>().join(", "),
            ];
            cells.map(|cell| shortened(&cell)).to_vec()
        };
        table(&["id", "title", "profile", "active", "turns", ""], listed.iter().map(row))
    })
}
