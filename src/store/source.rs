//! Where runs to be shared are read from: one trait over an amx-cli file and our own local store.

use crate::error::Result;
use crate::history::{BadRow, Run, RunResult};
use std::collections::HashMap;

/// Who is importing and on which machine: stands in where a row does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The login name: `AMX_USER`, else the OS user. Not empty.
    pub who: String,
    /// This machine's name.
    pub hostname: String,
}

/// How a source finds one of its runs again.
///
/// An amx-cli file goes by `local_id` for results, our own store by `run_id`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RunKey {
    /// The run's id as it is or would be shared, and as bad rows name it.
    pub run_id: String,
    /// The run's integer id in the file; `None` where it has none that can be read.
    pub local_id: Option<i64>,
}

/// One run of a source.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceRun {
    /// What [`Source::results`] takes to find the run's results.
    pub key: RunKey,
    /// The installation that owns it: a UUID of 36 characters.
    pub owner: String,
    /// The run, or why its own row cannot be stored. Its results are not looked at here.
    pub run: Result<Run, BadRow>,
    /// Its own row's part of the [`Contents`].
    pub content: Content,
}

/// What a run's rows come to as the source has them: a run that has the same again needs no mapping. A hash of each row, whose wrapping sum
/// is that of rows together, or a mark that is another one after each change. None where the source does not tell.
pub type Content = Option<u64>;

/// The content of each run with all its results, by the run's integer id in the file.
pub type Contents = HashMap<i64, u64>;

/// A history that runs are read from, oldest first, without holding more than one row or object in memory.
///
/// Teammates' runs that were pulled into it are left out everywhere. All methods see one and the same state, however long the reading takes
/// and whoever else writes meanwhile.
pub trait Source: Send {
    /// How many own runs there are, bad ones included.
    fn count(&self) -> Result<u64>;

    /// The installations that own them.
    fn owners(&self) -> Result<Vec<String>>;

    /// Visits every own run, oldest first: by `started_at`, then id.
    ///
    /// An error that `each` returns ends the visit and is returned.
    fn runs(&self, each: &mut dyn FnMut(SourceRun) -> Result<()>) -> Result<()> {
        self.wanted_runs(&mut |_, _| Ok(true), each)
    }

    /// As [`Source::runs`], without those that are not `wanted` by their owner and key; these are not mapped.
    fn wanted_runs(
        &self,
        wanted: &mut dyn FnMut(&str, &RunKey) -> Result<bool>,
        each: &mut dyn FnMut(SourceRun) -> Result<()>,
    ) -> Result<()>;

    /// What the source has of every run of which it tells, without mapping anything.
    fn contents(&self) -> Result<Contents>;

    /// Visits the results of one run, one per object, always in the same order, and gives their content. May be called from inside the
    /// callback of [`Source::runs`], and again.
    ///
    /// A bad row comes as itself; an object of which an older row is bad comes both as that and as the object without it. An error that
    /// `each` returns ends the visit and is returned.
    fn results(&self, run: &RunKey, each: &mut dyn FnMut(Result<RunResult, BadRow>) -> Result<()>) -> Result<Content>;
}
