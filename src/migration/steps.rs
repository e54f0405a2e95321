//! The step ledger: which statements of a version a store was given. It tells a later run where one that was killed stood, also for statements
//! that leave no trace in the catalog, and it names the statements that differ where a released migration was changed.

use super::lock::Held;
use super::{Migration, MigrationSet};
use crate::dialect::SchemaName;
use crate::driver::{Driver, ErrorKind, Value};
use crate::error::Result;
use crate::migration::tokens;
use crate::model::Kind;
use minijinja::context;
use std::collections::BTreeMap;

/// How far a step has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StepState {
    /// It is about to run, or ran and was not looked up yet.
    Begun,
    /// It ran, and the catalog shows what it brings about where it can.
    Done,
    /// Its version is being taken back.
    Undoing,
}

impl StepState {
    pub fn word(self) -> &'static str {
        match self {
            StepState::Begun => "begun",
            StepState::Done => "done",
            StepState::Undoing => "undoing",
        }
    }
}

/// What a store has noted of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Noted {
    /// The checksum of its tokens.
    pub checksum: String,
    /// How far it had come.
    pub state: StepState,
}

/// What a store has noted, by version and number of the step, counted from 1.
pub(super) type Recorded = BTreeMap<(u32, u32), Noted>;

/// The checksum of each statement of a migration, in order; the same in every schema.
pub(super) fn checksums(migration: &Migration) -> Vec<String> {
    let checksum = |sql: &str| format!("{:016x}", xxhash_rust::xxh3::xxh3_64(tokens::normalized(sql, migration.backslash).as_bytes()));
    migration.steps.iter().map(|step| checksum(&step.sql)).collect()
}

/// What the store has noted; nothing where it has no step ledger, as after a script.
pub(super) async fn recorded(driver: &mut dyn Driver, set: &MigrationSet, schema: &SchemaName) -> Result<Recorded> {
    let sql = set.dialect.render("steps.sql", schema, context! { steps => set.model.steps_table().name })?;
    let rows = match driver.query(&sql, &[], &[Kind::Integer, Kind::Integer, Kind::Key, Kind::Key]).await {
        Err(error) if error.kind == ErrorKind::Missing => return Ok(Recorded::new()),
        rows => rows?,
    };
    let number = |value: &Value| value.as_integer().and_then(|number| u32::try_from(number).ok());
    let noted = |row: Vec<Value>| {
        let [version, step, checksum, state] = <[Value; 4]>::try_from(row).ok()?;
        let state = state.into_text()?;
        let state = [StepState::Begun, StepState::Done, StepState::Undoing].into_iter().find(|known| known.word() == state)?;
        Some(((number(&version)?, number(&step)?), Noted { checksum: checksum.into_text()?, state }))
    };
    Ok(rows.into_iter().filter_map(noted).collect())
}

/// Which steps of a version are noted as done. Where DDL is transactional they are done all or none. Where one is noted that the version has not,
/// the version was another one, as before it was rendered again: what one step left may have been undone since by another.
pub(super) fn done(recorded: &Recorded, version: u32, checksums: &[String], all_or_none: bool) -> Vec<bool> {
    let noted: BTreeMap<u32, &Noted> =
        recorded.range((version, 0)..=(version, u32::MAX)).map(|((_, step), noted)| (*step, noted)).collect();
    let ours: BTreeMap<u32, &String> = (1..).zip(checksums).collect();
    let same = noted.iter().all(|(step, noted)| ours.get(step).is_some_and(|checksum| **checksum == noted.checksum));
    let is_done = |step: &u32| same && noted.get(step).is_some_and(|noted| noted.state == StepState::Done);
    let whole = ours.keys().all(is_done);
    ours.keys().map(|step| is_done(step) && (whole || !all_or_none)).collect()
}

/// The statement that notes a step, which was noted before or not. It touches one row where the lock is still had, else none.
pub(super) fn note(set: &MigrationSet, schema: &SchemaName, held: &Held, step: &StepNote<'_>) -> Result<String> {
    let template = if step.noted_before { "step_note.sql" } else { "step_add.sql" };
    let (steps, lock) = (set.model.steps_table().name, set.model.lock_table().name);
    let StepNote { version, number, checksum, state, .. } = *step;
    let context = context! { steps, lock, fence => held.fence, version, step => number, checksum, state => state.word() };
    set.dialect.render(template, schema, context)
}

/// A step to be noted.
#[derive(Debug, Clone, Copy)]
pub(super) struct StepNote<'a> {
    pub version: u32,
    pub number: u32,
    pub checksum: &'a str,
    pub state: StepState,
    pub noted_before: bool,
}
