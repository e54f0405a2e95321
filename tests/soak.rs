//! Machines that record, pull, go offline, are killed and come back: at the end all have the same, and everything that was acknowledged once.
//!
//! `AMX_SOAK_SECONDS` says for how long, on each server; `AMX_TEST_SEED` gives the same choices again.

mod common;
use common::chance::Chance;
use common::team::{Line, answers, member, result_for, run, state};
use common::{Home, Store};
use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::Mutex;
use std::time::{Duration, Instant};

const MACHINES: usize = 4;
const WORDS: [&str; 4] = ["running", "reviewed", "applied", "failed"];

/// What was acknowledged: runs, and objects of runs.
#[derive(Default)]
struct Acknowledged {
    runs: Vec<String>,
    objects: BTreeSet<(String, String)>,
}

struct Machine<'a> {
    name: usize,
    home: Home,
    line: Line<'a>,
    made: u32,
    all: &'a Mutex<Acknowledged>,
}

impl Machine<'_> {
    /// Some operations: on runs of its own and of others.
    fn operations(&mut self, chance: &mut Chance) -> Vec<(String, Option<(String, String)>)> {
        let mut operations = vec![];
        for _ in 0..=chance.below(5) {
            self.made += 1;
            let new = format!("run_{}_{}", self.name, self.made);
            let known = {
                let all = self.all.lock().unwrap();
                if all.runs.is_empty() { None } else { all.runs.get(chance.below(all.runs.len())).cloned() }
            };
            operations.push(match (known, chance.below(4)) {
                (None, _) | (_, 0) => (run(&new, "2026-05-03T15:44:02Z"), Some((new, String::new()))),
                (Some(known), 1) => (state(&known, WORDS[chance.below(4)]), None),
                (Some(known), 2) => (result_for(&known, "sales.shared", &format!("of {new}")), Some((known, "sales.shared".into()))),
                (Some(known), _) => (result_for(&known, &new, &new), Some((known, new))),
            });
        }
        operations
    }

    fn acknowledge(&self, (run_id, object): (String, String)) {
        let mut all = self.all.lock().unwrap();
        match object.is_empty() {
            true => all.runs.push(run_id),
            false => drop(all.objects.insert((run_id, object))),
        }
    }

    fn record(&mut self, chance: &mut Chance) {
        let operations = self.operations(chance);
        let lines: Vec<&str> = operations.iter().map(|(line, _)| line.as_str()).collect();
        if chance.below(3) > 0 {
            let ran = self.home.record(&lines, &[]);
            sound(&ran.stderr);
            for (answer, (_, what)) in answers(&ran).iter().zip(operations) {
                if let (true, Some(what)) = (answer["local"] == true, what) {
                    self.acknowledge(what);
                }
            }
            return;
        }
        let mut stream = self.home.stream();
        lines.iter().take_while(|line| stream.give(line)).count();
        std::thread::sleep(Duration::from_millis(chance.below(60) as u64));
        let answered = chance.below(lines.len() + 1);
        for (_, what) in operations.into_iter().take(answered) {
            match (stream.answer(), what) {
                (Some(answer), Some(what)) if answer["local"] == true => self.acknowledge(what),
                (Some(_), _) => {}
                (None, _) => break,
            }
        }
        stream.kill();
    }

    /// Runs a command, and sometimes kills it.
    fn command(&self, chance: &mut Chance, args: &[&str]) {
        if chance.below(2) == 0 {
            return sound(&self.home.run(args).stderr);
        }
        let mut child = self.home.command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(chance.below(150) as u64));
        let _ = child.kill();
        child.wait().unwrap();
    }

    fn work(&mut self, chance: &mut Chance, until: Instant) {
        while Instant::now() < until {
            match chance.below(10) {
                0..6 => self.record(chance),
                6 => self.command(chance, &["flush-pending"]),
                7 => self.command(chance, &["pull-from-shared"]),
                8 => self.line.down(),
                _ => self.line.up(),
            }
        }
        self.line.up();
    }
}

fn sound(stderr: &str) {
    for word in ["internal", "corrupt", "panicked"] {
        assert!(!stderr.contains(word), "{stderr}");
    }
}

#[test]
fn machines_that_come_and_go_end_with_the_same_history() {
    let seconds = std::env::var("AMX_SOAK_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(15);
    for store in [Store::postgresql(), Store::mysql()].into_iter().flatten() {
        let all = Mutex::default();
        let machine = |name| {
            let line = Line::to(&store);
            Machine { name, home: line.member(), line, made: 0, all: &all }
        };
        let mut machines: Vec<Machine<'_>> = (0..MACHINES).map(machine).collect();
        let until = Instant::now() + Duration::from_secs(seconds);
        std::thread::scope(|scope| {
            for machine in &mut machines {
                scope.spawn(move || machine.work(&mut Chance::new(), until));
            }
        });
        for machine in &machines {
            let flushed = machine.home.run(&["flush-pending"]);
            assert_eq!(flushed.code, 0, "{}: {}", store.backend, flushed.stderr);
        }
        for machine in &machines {
            machine.home.pulled();
        }
        // One that reads all of it at once.
        let newcomer = member(&store);
        newcomer.pulled();
        let cached: Vec<String> = machines.iter().map(|machine| &machine.home).chain([&newcomer]).map(Home::cached).collect();
        assert!(cached.iter().all(|one| *one == cached[0]), "{}: {:?}", store.backend, differing(&cached));
        let all = all.lock().unwrap();
        let runs: BTreeSet<String> = store.sql("SELECT run_id FROM amx_history_runs;").lines().map(str::to_string).collect();
        let pair = |line: &str| line.split_once('\t').map(|(run, object)| (run.to_string(), object.to_string())).unwrap();
        let objects: BTreeSet<_> = store.sql("SELECT run_id, target_qname FROM amx_history_results;").lines().map(pair).collect();
        assert!(all.runs.iter().all(|run_id| runs.contains(run_id)), "{}", store.backend);
        assert!(all.objects.is_subset(&objects), "{}: {:?}", store.backend, all.objects.difference(&objects));
        assert_eq!(store.counts(), (runs.len() as i64, objects.len() as i64));
        let here = machines[0].home.local("SELECT count(*) FROM amx_history_runs; SELECT count(*) FROM amx_history_results");
        assert_eq!(here, format!("{}\n{}", runs.len(), objects.len()), "{}", store.backend);
        let show = |home: &Home, run_id: &String| home.run(&["history", "show", run_id, "--hash"]).ok();
        for run_id in runs.iter().take(5) {
            assert!(machines.iter().all(|machine| show(&machine.home, run_id) == show(&machines[0].home, run_id)));
        }
        eprintln!("{}: {} runs, {} results, {} acknowledged", store.backend, runs.len(), objects.len(), all.runs.len() + all.objects.len());
    }
}

/// The lines that are not everywhere.
fn differing(cached: &[String]) -> Vec<(usize, String)> {
    let lines: Vec<BTreeSet<&str>> = cached.iter().map(|text| text.lines().collect()).collect();
    let mut found = vec![];
    for (at, own) in lines.iter().enumerate() {
        found.extend(own.iter().filter(|line| !lines.iter().all(|other| other.contains(*line))).take(4).map(|line| (at, line.to_string())));
    }
    found
}
