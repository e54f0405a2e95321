//! Runs that are too large for memory: streamed in one transaction, or landed part by part.

use super::plan::{Action, Outcome, THERE, Target};
use super::{Tries, Work, broke, refused};
use crate::driver::Failure;
use crate::error::{Error, Result};
use crate::history::RunResult;
use crate::store::batch::bulk;
use crate::store::lease::Lease;
use crate::store::shared::{self, SharedStore};
use crate::sync::reader::{Read, ReadRun};
use futures_util::{StreamExt, stream};
use std::sync::mpsc;
use tokio::sync::mpsc::Receiver;

impl Work<'_> {
    /// Lands a run that is too large for memory: in one transaction where the store does not have it, else part by part.
    pub(super) async fn large(&mut self, mut run: ReadRun, again: mpsc::Sender<()>, reading: &mut Receiver<Read>) -> Result<()> {
        if !run.failures.is_empty() && !self.import.options.skip_errors {
            self.left_out(&run.run.run_id, run.failures);
            return Ok(());
        }
        let outcome = self.land_large(&run, &again, reading).await?;
        self.report.failures.append(&mut run.failures);
        self.note(std::slice::from_ref(&outcome))?;
        self.count(outcome);
        Ok(())
    }

    /// As [`Work::land`]. The results are asked for `again` where they did not land.
    async fn land_large(&mut self, run: &ReadRun, again: &mpsc::Sender<()>, reading: &mut Receiver<Read>) -> Result<Outcome> {
        let mut tries = Tries::default();
        if self.import.options.dry_run || !self.import.dialect.transactions {
            return self.part_by_part(run, reading).await;
        }
        loop {
            let lease = self.lease().await?;
            let streamed = self.stream_new(run, reading, lease.as_ref()).await;
            self.give_back(lease).await;
            let (outcome, failure) = match streamed? {
                Some((outcome, Ok(()))) => return Ok(outcome),
                Some((outcome, Err(failure))) => (outcome, failure),
                None => return self.part_by_part(run, reading).await,
            };
            if let Some(reason) = refused(&failure) {
                return Ok(Outcome::refused(run, reason));
            }
            let (landing, in_doubt) = (self.landing.landed + 1, broke(&failure));
            self.recover(failure, &mut tries).await?;
            if in_doubt && self.has_landed(landing, std::slice::from_ref(&outcome)).await? {
                return Ok(outcome);
            }
            if again.send(()).is_err() {
                return Err(Error::internal("the reader of a large run is gone"));
            }
        }
    }

    /// Streams a run that the store does not have, and says what is to come of it and whether it has; nothing where the store has it.
    async fn stream_new(
        &mut self,
        run: &ReadRun,
        reading: &mut Receiver<Read>,
        lease: Option<&Lease>,
    ) -> Result<Option<(Outcome, Result<(), Failure>)>> {
        let Some(Target { id, action: Action::Add, .. }) = self.targets(std::slice::from_ref(run)).await?.pop() else { return Ok(None) };
        let outcome = self.imported(run, &id);
        Ok(Some((outcome, self.stream(run, &id, reading, lease).await)))
    }

    /// Lands a run in one transaction, its results as they are read. They are read to their end whatever becomes of it.
    async fn stream(&mut self, run: &ReadRun, id: &str, reading: &mut Receiver<Read>, lease: Option<&Lease>) -> Result<(), Failure> {
        let stamp = self.stamp(&run.owner);
        let import = &mut self.import;
        let mut store = SharedStore::new(import.driver.as_mut(), import.dialect, import.schema);
        let run_row = shared::run_row(&run.run, id, &stamp);
        let numbers = (self.landing.landed, self.landing.landed + 1);
        let mut head = store.head(&self.landing.installation, numbers, lease)?;
        head.push(store.runs_loader().load(1, Box::new(std::iter::once(run_row))));
        let loader = store.results_loader();
        let mut ended = false;
        let rest = stream::unfold((&mut *reading, &mut ended), |(reading, ended)| async {
            let part = match reading.recv().await {
                Some(Read::Chunk(results)) => {
                    let stamp = &stamp;
                    Ok(loader.load(results.len(), Box::new(results.into_iter().map(move |result| shared::result_row(id, &result, stamp)))))
                }
                Some(Read::Broken(error)) => Err(error),
                _ => {
                    *ended = true;
                    return None;
                }
            };
            Some((part, (reading, ended)))
        });
        let ops = stream::iter(head.into_iter().map(Ok)).chain(rest).boxed();
        let landed = import.driver.atomic(ops).await;
        while !ended && !matches!(landed, Err(Failure::Source(_))) {
            match reading.recv().await {
                Some(Read::Chunk(_)) => {}
                Some(Read::Broken(error)) => return Err(Failure::Source(error)),
                _ => ended = true,
            }
        }
        landed?;
        self.landing.landed += 1;
        Ok(())
    }

    async fn part_by_part(&mut self, run: &ReadRun, reading: &mut Receiver<Read>) -> Result<Outcome> {
        let mut whole = Outcome { run_id: run.run.run_id.clone(), owner: run.owner.clone(), word: THERE, ..Outcome::default() };
        let (mut results, mut bytes, mut ended): (Vec<RunResult>, usize, bool) = (vec![], 0, false);
        let (most_results, most_bytes) = bulk(self.import.dialect);
        while !ended {
            match reading.recv().await {
                Some(Read::Chunk(chunk)) => {
                    bytes += chunk.iter().map(result_size).sum::<usize>();
                    results.extend(chunk);
                }
                Some(Read::Broken(error)) => return Err(error),
                _ => ended = true,
            }
            // Each part costs some statements, so it is as large as memory allows.
            let full = results.len() >= most_results || bytes >= most_bytes;
            if whole.conflict.is_some() || whole.refused.is_some() {
                results.clear();
            } else if full || (ended && !results.is_empty()) {
                let part = ReadRun {
                    run: run.run.clone(),
                    owner: run.owner.clone(),
                    total: results.len() as u64,
                    failures: vec![],
                    digest: run.digest.clone(),
                    content: run.content,
                    results: std::mem::take(&mut results),
                };
                bytes = 0;
                if let Some(part) = self.land(&[part]).await?.pop() {
                    whole.add(part);
                }
                // What a statement that can be sent again finds there it leaves alone, so that nothing has to be looked up for the rest.
                self.adding = (whole.imported && !self.import.dialect.transactions).then(|| run.run.run_id.clone());
            }
        }
        self.adding = None;
        if let Some(sent) = &mut whole.sent {
            sent.results = run.total;
        }
        if whole.refused.is_some() {
            // What the journal says was sent is not looked at again.
            whole.sent = None;
        }
        if whole.conflict.is_some() {
            whole.results_skipped = 0;
        }
        if whole.imported && whole.conflict.is_none() && whole.refused.is_none() {
            whole.word = "ok";
        }
        Ok(whole)
    }
}

/// About how many bytes a result takes.
fn result_size(result: &RunResult) -> usize {
    let texts = [&result.description, &result.alternatives, &result.metadata_json];
    std::mem::size_of::<RunResult>() + result.target_qname.len() + texts.into_iter().flatten().map(String::len).sum::<usize>()
}
