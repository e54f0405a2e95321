//! A machine of the soak: a home folder with a line to the store, and two processes at a time that work in it.

use crate::common::chance::Chance;
use crate::common::proxy::Proxy;
use crate::common::told::{Brings, Told, results};
use crate::common::{Home, Ran, Store};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Objects that each worker writes by itself, of one run.
const OBJECTS: usize = 6;
/// How long a command, or an answer, may take where it is not killed. The line does not stand still for as long as that.
const LONGEST: Duration = Duration::from_secs(100);
/// Words that a run with the same id on every machine has there too.
const SAME_START: &str = "2026-05-03T15:44:02.123456Z";

/// A home with a line to the store of its own.
pub struct Machine {
    pub number: usize,
    pub home: Home,
    pub proxy: Proxy,
}

impl Machine {
    pub fn new(store: &Store, number: usize) -> Machine {
        let (home, proxy) = (Home::new(), Proxy::to(store));
        home.run(&["enable", "--yes", "--url", &proxy.url(store), "--schema", &store.schema]).ok();
        Machine { number, home, proxy }
    }

    /// Syncs until nothing is left to be sent, under another id where another machine's run has it.
    pub fn settle(&self) {
        for _ in 0..10 {
            let synced = self.home.run(&["history", "sync"]);
            match synced.code {
                0 => return,
                1 if synced.stderr.contains("error[conflict]") => drop(self.home.run(&["flush-pending", "--rename"])),
                _ => panic!("machine {}: {}\n{}", self.number, synced.stdout, synced.stderr),
            }
        }
        let left = self.home.run(&["flush-pending", "--json"]);
        panic!("machine {} does not come to its end: {}\n{}", self.number, left.stdout, left.stderr);
    }
}

/// The runs that were acknowledged, for all to write to.
#[derive(Default)]
pub struct Board(Mutex<Vec<String>>);

impl Board {
    fn post(&self, run_id: &str) {
        let mut runs = self.0.lock().unwrap();
        if !runs.iter().any(|known| known == run_id) {
            runs.push(run_id.into());
        }
    }

    /// One of them, the newer the likelier.
    fn one(&self, chance: &mut Chance) -> Option<String> {
        let runs = self.0.lock().unwrap();
        let most = if chance.percent(70) { 10 } else { runs.len().max(1) };
        let back = chance.below(most);
        runs.len().checked_sub(1 + back).map(|at| runs[at].clone())
    }
}

/// What works on a machine, one process after the other.
pub struct Worker<'m> {
    machine: &'m Machine,
    name: String,
    board: &'m Board,
    chance: Chance,
    count: usize,
    clashes: usize,
    own: Vec<String>,
    told: Vec<Told>,
}

impl<'m> Worker<'m> {
    pub fn new(machine: &'m Machine, letter: char, board: &'m Board, chance: Chance) -> Worker<'m> {
        let name = format!("m{}{letter}", machine.number);
        Worker { machine, name, board, chance, count: 0, clashes: 0, own: vec![], told: vec![] }
    }

    /// Works for so long, and says what it gave to do.
    pub fn work(mut self, until: Instant) -> Vec<Told> {
        let records = if self.name.ends_with('a') { 75 } else { 30 };
        while Instant::now() < until {
            if self.chance.percent(records) {
                self.record();
            } else {
                let commands: [&[&str]; 3] = [&["pull-from-shared"], &["flush-pending"], &["history", "sync"]];
                let at = self.chance.below(3);
                self.command(commands[at]);
            }
        }
        self.told
    }

    /// When the next process is killed, if it is.
    fn kill_after(&mut self) -> Option<Duration> {
        self.chance.percent(30).then(|| Duration::from_millis(5 + self.chance.below(300) as u64))
    }

    fn command(&mut self, args: &[&str]) {
        let kill = self.kill_after();
        let mut child = self.machine.home.command(args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let reading = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            text
        });
        let started = Instant::now();
        let code = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status.code();
            }
            if started.elapsed() > kill.unwrap_or(LONGEST) {
                child.kill().unwrap();
                assert!(kill.is_some(), "{} {args:?} hangs", self.name);
            }
            std::thread::sleep(Duration::from_millis(3));
        };
        self.fits(args, code, &reading.join().unwrap());
    }

    /// Requires that a process ended as one may whose line breaks.
    fn fits(&self, args: &[&str], code: Option<i32>, stderr: &str) {
        let error = |code: &str| stderr.contains(&format!("error[{code}]"));
        let fits = match code {
            None | Some(0) => true,
            Some(1) => ["conflict", "flush_incomplete", "rows_failed"].into_iter().any(error),
            Some(5) => error("unreachable"),
            Some(7) => error("locked"),
            _ => false,
        };
        assert!(fits && !stderr.contains("panicked"), "{} {args:?}: {code:?}\n{stderr}", self.name);
    }

    /// One process of `record` that is given some operations, at once or each after the answer to the one before.
    fn record(&mut self) {
        let (kill, stepwise) = (self.kill_after(), self.chance.percent(40));
        let most = if self.chance.percent(20) { 120 } else { 12 };
        let count = 1 + self.chance.below(most);
        let command = &mut self.machine.home.command(&["record"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (mut stdin, stdout, mut stderr) = (child.stdin.take().unwrap(), child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (sender, answers) = channel();
        let reading = std::thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)));
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            text
        });
        let deadline = kill.map(|after| Instant::now() + after);
        let patience = || deadline.map_or(LONGEST, |deadline| deadline.saturating_duration_since(Instant::now()));
        let (mut given, mut answered) = (0, self.told.len());
        while given < count {
            let line = self.operation();
            given += 1;
            if writeln!(stdin, "{line}").is_err() {
                break;
            }
            if stepwise {
                match answers.recv_timeout(patience()) {
                    Ok(answer) => {
                        self.answered(answered, &answer);
                        answered += 1;
                    }
                    Err(_) => break,
                }
            }
        }
        drop(stdin);
        loop {
            match answers.recv_timeout(patience()) {
                Ok(answer) => {
                    self.answered(answered, &answer);
                    answered += 1;
                }
                Err(RecvTimeoutError::Timeout) => {
                    assert!(kill.is_some(), "{} record hangs", self.name);
                    child.kill().unwrap();
                    break;
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        for answer in answers {
            self.answered(answered, &answer);
            answered += 1;
        }
        let stderr = reading.join().unwrap();
        let code = child.wait().unwrap().code();
        self.fits(&["record"], code, &stderr);
        assert!(code.is_none() || answered == self.told.len(), "{}: {answered} of {} answers\n{stderr}", self.name, self.told.len());
    }

    fn answered(&mut self, at: usize, line: &str) {
        let answer: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let told = &mut self.told[at];
        if let Some(error) = answer.get("error") {
            // What was taken back, or never known here. The run may have come to another state meanwhile.
            assert!(["run_unknown", "state_invalid", "bad_record"].contains(&error["code"].as_str().unwrap()), "{line}\n{told:?}");
            return;
        }
        let run_id = answer["run_id"].as_str().unwrap().to_string();
        assert!(told.run_id.as_ref().is_none_or(|given| *given == run_id) && answer["local"] == true, "{line}\n{told:?}");
        told.answer = Some(answer["shared"].as_str().unwrap().into());
        told.run_id = Some(run_id.clone());
        if let Brings::Run { .. } = told.brings {
            self.board.post(&run_id);
            self.own.push(run_id);
        }
    }

    /// The next operation, as a line. What it is to bring is noted.
    fn operation(&mut self) -> String {
        self.count += 1;
        let target = match self.chance.percent(60) {
            true if !self.own.is_empty() => {
                let back = self.chance.below(self.own.len().min(5));
                Some(self.own[self.own.len() - 1 - back].clone())
            }
            _ => self.board.one(&mut self.chance),
        };
        match (self.chance.below(10), target) {
            (0 | 1, _) | (_, None) => self.run(),
            (2..7, Some(run_id)) => {
                let texts = self.texts();
                self.note(&run_id, texts.clone(), None, vec![]);
                json!({ "op": "results", "run_id": run_id, "results": results(&texts) }).to_string()
            }
            (_, Some(run_id)) => self.update(run_id),
        }
    }

    fn note(&mut self, run_id: &str, texts: BTreeMap<String, String>, state: Option<&'static str>, applied: Vec<String>) {
        let brings = Brings::Change { texts, state, applied };
        self.told.push(Told { by: self.name.clone(), run_id: Some(run_id.into()), brings, answer: None });
    }

    fn run(&mut self) -> String {
        let mut mark = format!("{}-{}", self.name, self.count);
        let mut run = json!({ "op": "run", "scope": format!("sales.{}", self.name), "llm_provider": "p", "db_backend": "postgresql" });
        let given = match self.chance.below(10) {
            0..6 => None,
            6 | 7 => Some(format!("given-{mark}")),
            // Another run on every machine, of the same id.
            8 if self.name.ends_with('a') => {
                self.clashes += 1;
                Some(format!("clash-{}", self.clashes))
            }
            8 => None,
            // The same run on every machine.
            _ => {
                let same = self.chance.below(40);
                mark = format!("same-{same}");
                (run["scope"], run["started_at"]) = (json!("same"), json!(SAME_START));
                Some(mark.clone())
            }
        };
        if run.get("started_at").is_none() && self.chance.percent(30) {
            // A clock that is wrong, or a run that is told late.
            run["started_at"] =
                json!(format!("202{}-0{}-11T07:5{}:00Z", 5 + self.chance.below(3), 1 + self.chance.below(9), self.chance.below(10)));
        }
        run["llm_model"] = json!(mark);
        if let Some(run_id) = &given {
            run["run_id"] = json!(run_id);
        }
        self.told.push(Told { by: self.name.clone(), run_id: given, brings: Brings::Run { mark }, answer: None });
        run.to_string()
    }

    fn update(&mut self, run_id: String) -> String {
        let state = match self.chance.below(8) {
            0..3 => Some("reviewed"),
            3 | 4 => Some("applied"),
            5 => Some("failed"),
            _ => None,
        };
        let mut update = json!({ "op": "update", "run_id": run_id });
        if let Some(state) = state {
            update["state"] = json!(state);
        }
        // Metadata is content: another machine's run of the same id would not be the same any more.
        if self.chance.percent(30) && !run_id.starts_with("same-") {
            update["metadata"] = json!({ "by": self.name, "count": self.count });
        }
        if self.chance.percent(30) {
            update["finished_at"] = json!("2026-05-03T16:00:00Z");
        }
        let texts = if self.chance.percent(30) { self.texts() } else { BTreeMap::new() };
        if !texts.is_empty() {
            update["results"] = json!(results(&texts));
        }
        let mut applied = vec![];
        if self.chance.percent(40) {
            let known = |told: &Told| match &told.brings {
                Brings::Change { texts, .. } if told.answer.is_some() && told.run_id.as_ref() == Some(&run_id) => {
                    texts.keys().next().cloned()
                }
                _ => None,
            };
            applied.extend(self.told.iter().rev().find_map(known));
            update["applied"] = json!(applied);
        }
        self.note(&run_id, texts, state, applied);
        update.to_string()
    }

    /// Texts that nobody else writes, mostly of objects of its own.
    fn texts(&mut self) -> BTreeMap<String, String> {
        let mut texts = BTreeMap::new();
        for at in 0..1 + self.chance.below(3) {
            let object = match self.chance.percent(80) {
                true => format!("{}.t{}", self.name, self.chance.below(OBJECTS)),
                false => format!("all.t{}", self.chance.below(OBJECTS)),
            };
            texts.insert(object, format!("{}-{}-{at}", self.name, self.count));
        }
        texts
    }
}

/// What a process that was let be says, as JSON.
pub fn said(ran: Ran) -> Value {
    serde_json::from_str(&ran.ok()).unwrap()
}
