//! The history of this home alone, read from its files: what is listed and shown while no shared store is in use.

use super::shared::{RunFilter, Stamp, StoredResult, StoredRun};
use super::source::{RunKey, Source, SourceRun};
use crate::error::{Error, Result};
use crate::history::Run;
use std::collections::BTreeMap;

/// The files of a home that hold its own runs.
pub struct LocalHistory {
    /// The files. A run that is in two of them is listed once, as the first has it.
    pub sources: Vec<Box<dyn Source>>,
}

/// How many results of a run have a description that is neither null nor empty, and how many have not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Those that have one.
    pub ok: u64,
    /// The others.
    pub fail: u64,
}

impl LocalHistory {
    /// Runs, newest first, after one of them; nothing where there is no such run. Runs whose own row cannot be read are left out.
    pub fn list(&self, filter: &RunFilter, after: Option<&str>, limit: usize) -> Result<Option<Vec<(Run, Counts)>>> {
        let mut found: BTreeMap<_, (usize, RunKey, Run)> = BTreeMap::new();
        self.visit(|at, SourceRun { key, run, .. }| {
            if let Ok(run) = run {
                found.entry((run.started_at, run.run_id.clone())).or_insert((at, key, run));
            }
            Ok(())
        })?;
        let before = match after {
            None => None,
            Some(run_id) => match found.keys().find(|(_, id)| id == run_id) {
                Some(key) => Some(key.clone()),
                None => return Ok(None),
            },
        };
        let wanted =
            found.iter().rev().filter(|(key, (_, _, run))| before.as_ref().is_none_or(|before| *key < before) && admits(filter, run));
        let listed = wanted.take(limit).map(|(_, (at, key, run))| Ok((run.clone(), self.counts(*at, key)?)));
        listed.collect::<Result<_>>().map(Some)
    }

    /// A run and its results in byte order of their objects; nothing where there is no such run.
    pub fn show(&self, run_id: &str) -> Result<Option<(StoredRun, Vec<StoredResult>)>> {
        let mut found = None;
        self.visit(|at, SourceRun { key, owner, run, .. }| {
            if let (None, Ok(run)) = (&found, run)
                && run.run_id == run_id
            {
                found = Some((at, key, owner, run));
            }
            Ok(())
        })?;
        let Some((at, key, owner, run)) = found else { return Ok(None) };
        let stamp = Stamp { origin: Some(owner), ..Stamp::default() };
        let mut results = vec![];
        self.source(at)?.results(&key, &mut |result| {
            results.extend(result.ok().map(|result| StoredResult { result, stamp: stamp.clone() }));
            Ok(())
        })?;
        results.sort_by(|left, right| left.result.target_qname.cmp(&right.result.target_qname));
        Ok(Some((StoredRun { state_word: run.state.word().into(), run, stamp }, results)))
    }

    fn visit(&self, mut each: impl FnMut(usize, SourceRun) -> Result<()>) -> Result<()> {
        self.sources.iter().enumerate().try_for_each(|(at, source)| source.runs(&mut |run| each(at, run)))
    }

    fn source(&self, at: usize) -> Result<&dyn Source> {
        self.sources.get(at).map(Box::as_ref).ok_or_else(|| Error::internal("a run is of no file"))
    }

    fn counts(&self, at: usize, key: &RunKey) -> Result<Counts> {
        let mut counts = Counts::default();
        self.source(at)?.results(key, &mut |result| {
            match result.is_ok_and(|result| result.description.is_some_and(|text| !text.is_empty())) {
                true => counts.ok += 1,
                false => counts.fail += 1,
            }
            Ok(())
        })?;
        Ok(counts)
    }
}

fn admits(filter: &RunFilter, run: &Run) -> bool {
    let names = |wanted: &String| run.scope.split(", ").any(|name| name == wanted || name.starts_with(&format!("{wanted}.")));
    filter.who.as_ref().is_none_or(|who| *who == run.who)
        && filter.state.as_deref().is_none_or(|state| state == run.state.word())
        && filter.scope.as_ref().is_none_or(names)
}
