//! Reads a source on a thread of its own and hands on batches of whole runs, so that reading and loading go on at the same time. Runs that the
//! source has just as they were sent are handed on by their name alone.

use super::merge;
use crate::error::{Error, Result};
use crate::history::{BadRow, Run, RunResult};
use crate::store::local::{Digest, Known, hash};
use crate::store::source::{Content, RunKey, Source, SourceRun};
use std::collections::HashSet;
use std::mem::size_of;
use std::sync::mpsc;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// A batch is handed on once it has about this many bytes. One more is in memory beside the one that is being loaded.
const BATCH_BYTES: usize = 6 * 1024 * 1024;
/// A batch has at most this many runs.
const BATCH_RUNS: usize = 500;

/// A run as it was read, with what is wrong in it.
#[derive(Debug)]
pub(super) struct ReadRun {
    pub run: Run,
    pub owner: String,
    pub results: Vec<RunResult>,
    /// How many results it has in all; more than are here where they come in [`Read::Chunk`]s.
    pub total: u64,
    pub failures: Vec<BadRow>,
    pub digest: Digest,
    /// What the source has of it; none where a row of it is bad, which has to be told every time.
    pub content: Content,
}

/// What the reader hands on, in order.
#[derive(Debug)]
pub(super) enum Read {
    /// Whole runs.
    Batch(Vec<ReadRun>),
    /// A run too large for a batch: its results follow. After [`Read::LargeEnd`] they follow again for each word that is sent, until the
    /// sender is dropped.
    Large(Box<ReadRun>, mpsc::Sender<()>),
    /// Results of the large run.
    Chunk(Vec<RunResult>),
    /// All of the large run was handed on.
    LargeEnd,
    /// Ids of runs of which the source has what it had when they were sent.
    Same(Vec<String>),
    /// The source was read to its end. Of the runs that were [`Read::Same`] those that are sent here are read in full.
    End(mpsc::Sender<HashSet<String>>),
    /// A run whose own row cannot be stored.
    Failed(BadRow),
    /// The source cannot be read on.
    Broken(Error),
}

/// Starts reading. The channel closes where the source ends. `known` says what it had when runs were sent before.
pub(super) fn start(source: Box<dyn Source>, known: Known, skip_errors: bool) -> Receiver<Read> {
    let (sender, receiver) = channel(1);
    let runtime = Handle::current();
    std::thread::spawn(move || {
        let mut reader = Reader { source: source.as_ref(), known, skip_errors, sender, runtime, batch: vec![], bytes: 0 };
        if let Err(error) = reader.read() {
            // Where nobody listens any more, nobody needs to know.
            let _ = reader.sender.blocking_send(Read::Broken(error));
        }
    });
    receiver
}

struct Reader<'s> {
    source: &'s dyn Source,
    known: Known,
    skip_errors: bool,
    sender: Sender<Read>,
    runtime: Handle,
    batch: Vec<ReadRun>,
    bytes: usize,
}

impl Reader<'_> {
    fn read(&mut self) -> Result<()> {
        let source = self.source;
        if self.known.is_empty() {
            source.runs(&mut |found| self.run(found))?;
            return self.flush();
        }
        let contents = source.contents()?;
        let known = std::mem::take(&mut self.known);
        let (mut same, sender) = (vec![], self.sender.clone());
        let mut changed = |_: &str, key: &RunKey| {
            let now = key.local_id.and_then(|id| contents.get(&id));
            let changed = now.is_none() || now != known.get(&hash(key.run_id.as_bytes()));
            if !changed {
                same.push(key.run_id.clone());
            }
            if same.len() >= BATCH_RUNS {
                hand_on(&sender, Read::Same(std::mem::take(&mut same)))?;
            }
            Ok(changed)
        };
        source.wanted_runs(&mut changed, &mut |found| self.run(found))?;
        self.flush()?;
        self.send(Read::Same(same))?;
        let (again, asked) = mpsc::channel();
        self.send(Read::End(again))?;
        if let Ok(lacking) = asked.recv()
            && !lacking.is_empty()
        {
            source.wanted_runs(&mut |_, key| Ok(lacking.contains(&key.run_id)), &mut |found| self.run(found))?;
        }
        self.flush()
    }

    fn run(&mut self, found: SourceRun) -> Result<()> {
        let SourceRun { key, owner, run, content } = found;
        let run = match run {
            Ok(run) => run,
            Err(bad) => {
                self.flush()?;
                return self.send(Read::Failed(bad));
            }
        };
        let mut digest = merge::digest(&run, std::iter::empty());
        let (mut results, mut failures, mut bytes, mut total, mut large) = (vec![], vec![], 0, 0, false);
        let results_content = self.source.results(&key, &mut |result| {
            match result {
                Err(bad) => failures.push(bad),
                Ok(result) => {
                    total += 1;
                    digest.note(&result.target_qname, merge::result_hash(&result));
                    bytes += size(&result);
                    large |= bytes > BATCH_BYTES;
                    match large {
                        false => results.push(result),
                        // It is looked through to its end before any of it is sent: a bad row may still come.
                        true => results = vec![],
                    }
                }
            }
            Ok(())
        })?;
        let content = content.zip(results_content).filter(|_| failures.is_empty()).map(|(run, results)| run.wrapping_add(results));
        let run = ReadRun { run, owner, results, total, failures, digest, content };
        if !large {
            self.bytes += bytes;
            self.batch.push(run);
            return match self.bytes > BATCH_BYTES || self.batch.len() >= BATCH_RUNS {
                true => self.flush(),
                false => Ok(()),
            };
        }
        self.flush()?;
        let left_out = !run.failures.is_empty() && !self.skip_errors;
        let (again, asked) = mpsc::channel();
        self.send(Read::Large(Box::new(run), again))?;
        if left_out {
            return Ok(());
        }
        loop {
            let (mut chunk, mut bytes) = (vec![], 0);
            let sender = &self.sender;
            self.source.results(&key, &mut |result| {
                if let Ok(result) = result {
                    bytes += size(&result);
                    chunk.push(result);
                }
                match bytes > BATCH_BYTES / 2 {
                    true => {
                        bytes = 0;
                        hand_on(sender, Read::Chunk(std::mem::take(&mut chunk)))
                    }
                    false => Ok(()),
                }
            })?;
            self.send(Read::Chunk(chunk))?;
            self.send(Read::LargeEnd)?;
            if asked.recv().is_err() {
                return Ok(());
            }
        }
    }

    fn flush(&mut self) -> Result<()> {
        self.bytes = 0;
        match self.batch.is_empty() {
            true => Ok(()),
            false => {
                let batch = std::mem::take(&mut self.batch);
                self.send(Read::Batch(batch))?;
                // The next one is begun when this one was taken, so that no third is ever in memory. A closed channel is seen when it is sent.
                let _ = self.runtime.block_on(self.sender.reserve());
                Ok(())
            }
        }
    }

    fn send(&self, read: Read) -> Result<()> {
        hand_on(&self.sender, read)
    }
}

/// Where the loading side has given up, reading ends too.
fn hand_on(sender: &Sender<Read>, read: Read) -> Result<()> {
    sender.blocking_send(read).map_err(|_| Error::internal("the import ended while its source was still being read"))
}

fn size(result: &RunResult) -> usize {
    let texts = [&result.description, &result.alternatives, &result.metadata_json];
    let texts: usize = texts.into_iter().flatten().map(String::len).sum();
    size_of::<RunResult>() + result.target_qname.len() + texts
}
