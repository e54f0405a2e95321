//! `record`

use super::{Session, ToStore};
use crate::error::{Code, Error, Result};
use crate::identity::person;
use crate::migration::MigrationSet;
use crate::printer::json_line;
use crate::store::local::LocalStore;
use crate::sync::flush::Link;
use crate::sync::operation::bad;
use crate::sync::record::{Recorder, Sent, Shared};
use serde_json::json;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, channel};

/// How long the shared store is waited for before an operation counts as queued.
const PATIENCE: Duration = Duration::from_secs(10);
/// The same for services, whose statements take a second each and which may have to wake up. The lease of another writer is waited for on top of it.
const PATIENCE_WITH_SERVICES: Duration = Duration::from_secs(60);
/// The longest line. It is held in memory.
const LONGEST_LINE: u64 = 64 * 1024 * 1024;
/// How many operations are taken at once where more are waiting.
const BATCH_LINES: usize = 500;
/// A batch is taken once it has about this many bytes.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// How many bytes of lines are read ahead; one line may have more.
const AHEAD_BYTES: usize = 8 * 1024 * 1024;

/// Write runs and results: what AMX writes through.
///
/// Reads JSON Lines, one operation each, and answers each with one line once it is durable in the local store. What the shared store does not
/// take is queued there.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// File of operations, or - for stdin.
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
}

/// A line of the input, or why there is none.
enum Line {
    Operation(Vec<u8>),
    TooLong,
    Broken(io::Error),
}

impl Line {
    fn bytes(&self) -> usize {
        match self {
            Line::Operation(text) => text.len(),
            Line::TooLong | Line::Broken(_) => 0,
        }
    }
}

pub(crate) async fn run(session: &Session, args: &Args) -> Result<()> {
    let input: Box<dyn Read + Send> = match args.file.as_os_str() == "-" {
        true => Box::new(io::stdin()),
        false => Box::new(
            File::open(&args.file)
                .map_err(|error| Error::new(Code::Usage, format!("opening {}: {error}", args.file.display()), "check the path"))?,
        ),
    };
    let target = session.shared_in(&session.config()?)?;
    let local = LocalStore::open(&session.home)?;
    let person = person();
    let set = target.as_ref().map(|target| MigrationSet::embedded(target.profile.backend)).transpose()?;
    let to_store = target.as_ref().zip(set.as_ref()).map(|(target, set)| ToStore { session, target, set });
    let shared = match &to_store {
        None => Shared::Disabled,
        Some(to_store) => {
            let target = to_store.target;
            let mut link = Link::new(to_store, to_store.set.dialect, &target.schema, target.place(), &person);
            let patience = if to_store.set.dialect.keys_enforced { PATIENCE } else { PATIENCE_WITH_SERVICES };
            (link.patience, link.reconnects) = (patience, 0);
            Shared::Enabled(Box::new(link))
        }
    };
    let mut recorder = Recorder::new(local, shared, &person);
    let mut lines = lines(input);
    let (mut number, mut refused, mut conflicts) = (0_u64, 0_u64, 0_u64);
    let mut broken = None;
    while broken.is_none() {
        let batch = next(&mut lines).await;
        if batch.is_empty() {
            break;
        }
        let mut numbers = vec![];
        let mut operations: Vec<&[u8]> = vec![];
        let mut failed = vec![];
        for line in &batch {
            number += 1;
            match line {
                Line::Operation(text) if text.iter().all(u8::is_ascii_whitespace) => {}
                Line::Operation(text) => {
                    numbers.push(number);
                    operations.push(text);
                }
                Line::TooLong => failed.push((number, bad(format!("the line is longer than {LONGEST_LINE} bytes")))),
                Line::Broken(error) => broken = Some(Error::io("reading the operations", error)),
            }
        }
        let answered = recorder.record(&operations).await?;
        for warning in recorder.warnings() {
            session.printer.warn(&warning);
        }
        let mut answers: Vec<(u64, serde_json::Value)> = vec![];
        for (number, answer) in numbers.into_iter().zip(answered) {
            match answer {
                Ok(answer) => {
                    conflicts += u64::from(answer.shared == Sent::Conflict);
                    answers.push((number, json!(answer)));
                }
                Err(error) => failed.push((number, error)),
            }
        }
        refused += failed.len() as u64;
        answers.extend(
            failed.into_iter().map(|(number, error)| {
                (number, json!({ "line": number, "error": { "code": error.code.word(), "message": error.message } }))
            }),
        );
        answers.sort_by_key(|(number, _)| *number);
        let text: String = answers.into_iter().map(|(_, answer)| json_line(&answer) + "\n").collect();
        session.printer.data(&text);
    }
    recorder.close().await;
    if let Some(error) = broken {
        return Err(error);
    }
    if refused > 0 {
        return Err(Error::new(
            Code::RowsFailed,
            format!("{refused} lines were refused, each answered with its reason; everything else was taken"),
            "correct those lines and give them again",
        ));
    }
    if conflicts > 0 {
        return Err(Error::new(
            Code::Conflict,
            format!("{conflicts} operations are of runs whose id is another run's in the store; they are kept in quarantine"),
            "run `amx-schema flush-pending --rename` to send them under another id",
        ));
    }
    Ok(())
}

/// How many bytes of lines are read and not taken yet.
#[derive(Default)]
struct Ahead {
    bytes: Mutex<usize>,
    taken: Condvar,
}

impl Ahead {
    /// Waits until there is room for a line.
    fn read(&self, bytes: usize) {
        let ahead = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let room = |ahead: &mut usize| *ahead > 0 && *ahead + bytes > AHEAD_BYTES;
        *self.taken.wait_while(ahead, room).unwrap_or_else(PoisonError::into_inner) += bytes;
    }

    fn take(&self, bytes: usize) {
        *self.bytes.lock().unwrap_or_else(PoisonError::into_inner) -= bytes;
        self.taken.notify_one();
    }
}

/// Lines that are read on a thread of their own, so that those that come while a batch is under way are the next batch.
struct Lines {
    lines: Receiver<Line>,
    ahead: Arc<Ahead>,
}

fn lines(input: Box<dyn Read + Send>) -> Lines {
    let (sender, lines) = channel(BATCH_LINES);
    let ahead = Arc::new(Ahead::default());
    let reading = ahead.clone();
    std::thread::spawn(move || {
        let mut input = BufReader::with_capacity(256 * 1024, input);
        loop {
            let mut line = vec![];
            let line = match (&mut input).take(LONGEST_LINE + 1).read_until(b'\n', &mut line) {
                Ok(0) => return,
                Ok(length) if length as u64 > LONGEST_LINE && line.last() != Some(&b'\n') => match skip_line(&mut input) {
                    Ok(()) => Line::TooLong,
                    Err(error) => Line::Broken(error),
                },
                Ok(_) => Line::Operation(line),
                Err(error) => Line::Broken(error),
            };
            let ends = matches!(line, Line::Broken(_));
            reading.read(line.bytes());
            // Where nobody listens any more the command has ended.
            if sender.blocking_send(line).is_err() || ends {
                return;
            }
        }
    });
    Lines { lines, ahead }
}

fn skip_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let part = input.fill_buf()?;
        let (length, ended) = match part.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (part.len(), part.is_empty()),
        };
        input.consume(length);
        if ended {
            return Ok(());
        }
    }
}

/// The lines that are waiting, at least one; none at the end.
async fn next(Lines { lines, ahead }: &mut Lines) -> Vec<Line> {
    let mut batch: Vec<Line> = lines.recv().await.into_iter().collect();
    let mut bytes = batch.iter().map(Line::bytes).sum();
    while !batch.is_empty() && batch.len() < BATCH_LINES && bytes < BATCH_BYTES {
        let Ok(line) = lines.try_recv() else { break };
        bytes += line.bytes();
        batch.push(line);
    }
    ahead.take(bytes);
    batch
}
