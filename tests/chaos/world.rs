//! Two people who share a store, as they are before each case, and what has to hold after it.

use crate::case::{Place, Verb};
use crate::common::files::{Part, amx_cli, edit};
use crate::common::proxy::Proxy;
use crate::common::team::Line;
use crate::common::told::{Brings, Told, once, results};
use crate::common::user::under;
use crate::common::{Home, Ran, Store, ran};
use crate::server::Server;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a command may take.
const LONGEST: Duration = Duration::from_secs(100);
/// The system calls by which something outside of the process changes: what is between two of them is a step.
const STEPS: &str = "pwrite64,fsync,fdatasync,ftruncate,unlink,unlinkat,rename,renameat,renameat2,linkat,mkdir,sendto";
/// Those at which a command is stopped that changes nothing.
const OTHERS: &str = "openat,read,write";
/// Ann's configuration, with what is not ours in it.
const CONFIG: &str = "# Kept by hand.
active_db_profile: warehouse
db_profiles:
  warehouse: {backend: postgresql, host: db.example.com, user: ann, password: 'env://NOWHERE'}   # the old one
llm:
  provider: openai
";
/// The local store: `history.db` is amx-cli's.
pub const LOCAL: &str = "amx-schema.db";

/// The files of a folder.
pub struct Files(BTreeMap<String, Vec<u8>>);

impl Files {
    pub fn of(folder: &Path) -> Files {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        Files(entries.map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())).collect())
    }

    /// Makes the folder as it was.
    pub fn restore(&self, folder: &Path) {
        for entry in std::fs::read_dir(folder).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
        self.0.iter().for_each(|(name, bytes)| std::fs::write(folder.join(name), bytes).unwrap());
    }
}

/// Everything as it was at a moment.
struct Moment {
    ann: Files,
    bob: Files,
    /// The store as its own tools write it.
    store: Option<Vec<u8>>,
}

/// Operations as lines, and what each is to bring.
#[derive(Default)]
struct Operations(Vec<(String, Told)>);

impl Operations {
    /// Runs of a person with so many texts, the last of which are applied.
    fn of(by: &str, what: &str, runs: usize, texts: usize) -> Operations {
        let mut operations = Operations::default();
        let told = |run_id: &str, brings| Told { by: by.into(), run_id: Some(run_id.into()), brings, answer: None };
        let run_id = |run: usize| format!("{by}-{what}-{run}");
        for run in 0..runs {
            let mark = format!("{}-model", run_id(run));
            let line = json!({
                "op": "run", "run_id": run_id(run), "started_at": format!("2026-05-03T15:44:0{run}.123456Z"), "scope": "sales",
                "llm_provider": "openai", "llm_model": mark, "db_backend": "postgresql",
            });
            operations.0.push((line.to_string(), told(&run_id(run), Brings::Run { mark })));
        }
        for text in 0..texts {
            let (run, object) = (run_id(text % runs), format!("{by}.t{}", text / runs % 4));
            let texts = BTreeMap::from([(object, format!("{by}-{what}-text-{text}"))]);
            let line = json!({ "op": "results", "run_id": run, "results": results(&texts) });
            operations.0.push((line.to_string(), told(&run, Brings::Change { texts, state: None, applied: vec![] })));
        }
        for run in 0..runs {
            let object = format!("{by}.t0");
            let line = json!({
                "op": "update", "run_id": run_id(run), "state": "applied", "finished_at": "2026-05-03T16:00:00Z", "applied": [object],
            });
            let brings = Brings::Change { texts: BTreeMap::new(), state: Some("applied"), applied: vec![object] };
            operations.0.push((line.to_string(), told(&run_id(run), brings)));
        }
        operations
    }

    fn lines(&self) -> Vec<&str> {
        self.0.iter().map(|(line, _)| line.as_str()).collect()
    }

    /// What they were to bring, with the answers that came.
    fn told(&self, answers: &[Value]) -> Vec<Told> {
        let answer = |at: usize| answers.get(at).and_then(|answer| answer["shared"].as_str()).map(str::to_string);
        self.0.iter().enumerate().map(|(at, (_, told))| Told { answer: answer(at), ..told.clone() }).collect()
    }
}

/// How a process ended.
#[derive(Debug)]
pub struct Ended {
    /// Nothing where a signal ended it.
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// A process whose output is read along.
pub struct Process {
    pub child: Child,
    stdout: JoinHandle<String>,
    stderr: JoinHandle<String>,
}

impl Process {
    pub fn start(command: &mut Command) -> Process {
        Process::start_with(command.stdout(Stdio::piped()))
    }

    /// With the stdout that the command has.
    pub fn start_with(command: &mut Command) -> Process {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let (stdout, stderr) = (read(child.stdout.take()), read(child.stderr.take()));
        Process { child, stdout, stderr }
    }

    #[track_caller]
    pub fn end(mut self) -> Ended {
        let until = Instant::now() + LONGEST;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > until {
                self.child.kill().unwrap();
                panic!("it hangs: {}", self.stderr.join().unwrap());
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        Ended { code: status.code(), signal: status.signal(), stdout: self.stdout.join().unwrap(), stderr: self.stderr.join().unwrap() }
    }
}

fn read(from: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = vec![];
        from.map(|mut from| from.read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Where a command can be stopped.
#[derive(Clone, Default)]
pub struct Steps {
    /// Each system call that writes, and the how many-th of its kind in its thread it is.
    pub calls: Vec<(String, usize)>,
    /// How many messages it sends to the server.
    pub messages: u64,
}

/// How things are before a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Start {
    /// There is no store, and nobody has one enabled.
    New,
    /// Ann and Bob have it enabled. Ann has operations that wait and runs that were never imported, and lacks some of Bob's.
    Member,
    /// Everything is where it belongs.
    Settled,
}

/// A store, who shares it, and what is kept of both for the next case.
pub struct World {
    pub store: Store,
    pub proxy: Option<Proxy>,
    /// What takes over where the store's own server is one that may crash.
    pub standby: Option<Store>,
    pub server: Option<Arc<Mutex<Server>>>,
    pub ann: Home,
    pub bob: Home,
    before: BTreeMap<Start, Moment>,
    waiting: Vec<Told>,
    of_ann: [Operations; 3],
    of_bob: [Operations; 2],
    pub inputs: Home,
    reference: String,
    steps: BTreeMap<Verb, Steps>,
}

impl World {
    /// One on that server; nothing where it is not there.
    pub fn on(place: Place) -> Option<World> {
        let own = |backend: &'static str| Arc::new(Mutex::new(Server::start(backend)));
        let (store, server, standby) = match place {
            Place::Sqlite => (Store::sqlite(), None, None),
            Place::Postgresql => (Store::postgresql()?, None, None),
            Place::Mariadb => (Store::mysql()?, None, None),
            Place::OwnPostgresql => {
                let (standby, server): (Store, Arc<Mutex<Server>>) = (Store::postgresql()?, own("postgresql"));
                (server.lock().unwrap().store(), Some(server.clone()), Some(standby))
            }
            Place::OwnMariadb => {
                let (standby, server): (Store, Arc<Mutex<Server>>) = (Store::mysql()?, own("mysql"));
                (server.lock().unwrap().store(), Some(server.clone()), Some(standby))
            }
        };
        // Its name is the same on both servers.
        let standby = standby.map(|mut standby| {
            standby.schema.clone_from(&store.schema);
            standby
        });
        let of_ann =
            [Operations::of("ann", "first", 3, 15), Operations::of("ann", "queued", 2, 10), Operations::of("ann", "record", 4, 60)];
        let of_bob = [Operations::of("bob", "first", 2, 8), Operations::of("bob", "later", 2, 8)];
        let (ann, bob, inputs) = (Home::new(), Home::new(), Home::new());
        // With blank lines, so that few operations are taken in several batches.
        inputs.write("ann", &of_ann[2].lines().join(&"\n".repeat(25)));
        inputs.write("bob", &of_bob.iter().flat_map(Operations::lines).collect::<Vec<_>>().join("\n"));
        inputs.write("all", &of_ann.iter().flat_map(Operations::lines).collect::<Vec<_>>().join("\n"));
        amx_cli(&ann.path("history.db"), &[Part { runs: 25, results: 3, bytes: 60 }, Part { runs: 1, results: 40, bytes: 3000 }]);
        ann.write("config.yml", CONFIG);
        let nothing = Moment { ann: Files::of(ann.dir.path()), bob: Files::of(bob.dir.path()), store: None };
        let line = Line::to(&store);
        let url = line.proxy.as_ref().map_or(store.url.clone(), |proxy| proxy.url(&store));
        let enable = |home: &Home, url: &str| drop(home.run(&["enable", "--yes", "--url", url, "--schema", &store.schema]).ok());
        enable(&ann, &url);
        enable(&bob, &store.url);
        bob.recorded(&of_bob[0].lines());
        let first = of_ann[0].told(&ann.recorded(&of_ann[0].lines()));
        ann.run(&["pull-from-shared"]).ok();
        bob.recorded(&of_bob[1].lines());
        let queued = line.while_down(|| of_ann[1].told(&ann.recorded(&of_ann[1].lines())));
        let proxy = line.proxy.clone();
        let waiting = [first, queued].concat();
        assert!(waiting.iter().all(|told| told.answer.is_some()));
        let (before, reference, steps) = (BTreeMap::from([(Start::New, nothing)]), String::new(), BTreeMap::new());
        let mut world = World { store, proxy, standby, server, ann, bob, before, waiting, of_ann, of_bob, inputs, reference, steps };
        world.before.insert(Start::Member, world.moment());
        world.settle(true);
        world.before.insert(Start::Settled, world.moment());
        world.reference = world.rows();
        Some(world)
    }

    fn moment(&self) -> Moment {
        Moment { ann: Files::of(self.ann.dir.path()), bob: Files::of(self.bob.dir.path()), store: Some(content(&self.store)) }
    }

    /// Makes everything as it was before the first case.
    pub fn reset(&self, start: Start) {
        if let (Some(proxy), Some(standby)) = (&self.proxy, &self.standby) {
            proxy.lead_to(self.store.port());
            standby.absent();
        }
        let before = &self.before[&start];
        before.ann.restore(self.ann.dir.path());
        before.bob.restore(self.bob.dir.path());
        set_content(&self.store, before.store.as_deref());
    }

    /// What was acknowledged before the case.
    pub fn told_before(&self, start: Start) -> Vec<Told> {
        if start == Start::New { vec![] } else { self.waiting.clone() }
    }

    /// What `record` was given in the case, with the answers on its stdout. A last line that was cut off is no answer.
    pub fn told(&self, stdout: &str) -> Vec<Told> {
        let whole = stdout.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let answers: Vec<Value> = whole.map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect();
        self.of_ann[2].told(&answers)
    }

    /// The store's URL by the line that ann has.
    pub fn url(&self) -> String {
        self.proxy.as_ref().map_or(self.store.url.clone(), |proxy| proxy.url(&self.store))
    }

    /// The store that is there now.
    pub fn now(&self) -> &Store {
        match (&self.standby, &self.proxy) {
            (Some(standby), Some(proxy)) if proxy.leads_to() == standby.port() => standby,
            _ => &self.store,
        }
    }

    /// Puts a copy of the store, as it was before the case, on the standby.
    pub fn copy_to_standby(&self) {
        set_content(self.standby.as_ref().unwrap(), self.before[&Start::Member].store.as_deref());
    }

    /// Ann records what her next `record` begins with, and Bob something.
    pub fn go_on_writing(&self) -> Vec<Told> {
        self.bob.recorded(&self.of_bob[1].lines());
        let (lines, few) = (self.of_ann[2].lines(), 60);
        let mut told = self.of_ann[2].told(&self.ann.recorded(&lines[..few]));
        told.truncate(few);
        told
    }

    /// Ann changes a run, as whoever writes next.
    pub fn probe(&self) {
        let _ = self.ann.record(&self.of_ann[0].lines()[..1], &[]);
    }

    /// The folder of the store where that is a file.
    pub fn folder(&self) -> Option<&Path> {
        Path::new(self.store.url.strip_prefix("sqlite://")?).parent()
    }

    pub fn start_of(&self, verb: Verb) -> Start {
        match verb {
            Verb::Enable | Verb::Migrate => Start::New,
            Verb::Verify => Start::Settled,
            _ => Start::Member,
        }
    }

    /// A command as ann types it, or bob.
    pub fn command(&self, verb: Verb, home: &Home) -> Command {
        let is_ann = home.dir.path() == self.ann.dir.path();
        let url = if is_ann { self.url() } else { self.store.url.clone() };
        let input = self.inputs.path(if is_ann { "ann" } else { "bob" });
        let (input, source) = (input.to_str().unwrap(), self.ann.path("history.db"));
        let script = self.inputs.path("script.sql");
        let words = match verb {
            Verb::Enable => vec!["enable", "--yes", "--url", &url, "--schema", &self.store.schema],
            Verb::Migrate => vec!["migrate", "--url", &url, "--schema", &self.store.schema],
            Verb::DumpDdl => vec!["dump-ddl", "--output", script.to_str().unwrap()],
            Verb::Import => vec!["migrate-from-local", "--yes", "--source", source.to_str().unwrap()],
            Verb::Record => vec!["record", input],
            Verb::Flush => vec!["flush-pending"],
            Verb::Pull => vec!["pull-from-shared"],
            Verb::Sync => vec!["history", "sync"],
            Verb::List => vec!["history", "list", "--limit", "1000"],
            Verb::Show => vec!["history", "show", "bob-first-1"],
            Verb::Verify => vec!["verify"],
            Verb::Disable => vec!["disable", "--yes"],
            Verb::Diff => vec!["diff"],
            Verb::Status => vec!["status"],
            Verb::ProfileAdd => vec!["profile", "add", "other", "--from-url", "sqlite:///nowhere/other.db"],
        };
        home.command(&words)
    }

    /// Runs a command with nothing in its way.
    #[track_caller]
    pub fn ok(&self, verb: Verb, home: &Home) -> String {
        let mut command = self.command(verb, home);
        let ended = Process::start(&mut command).end();
        assert!(ended.code == Some(0), "{} did not go on: {ended:?}", verb.word());
        ended.stdout
    }

    /// Where a command can be stopped, as it is when nothing stops it.
    pub fn steps(&mut self, verb: Verb) -> Steps {
        if let Some(steps) = self.steps.get(&verb) {
            return steps.clone();
        }
        let (before, mut calls) = (self.messages(), self.calls(verb, STEPS));
        let messages = self.messages() - before;
        if calls.is_empty() {
            calls = self.calls(verb, OTHERS);
        }
        let steps = Steps { calls, messages };
        self.steps.insert(verb, steps.clone());
        steps
    }

    fn messages(&self) -> u64 {
        self.proxy.as_ref().map_or(0, Proxy::messages)
    }

    /// The system calls of those kinds that a command makes.
    fn calls(&self, verb: Verb, kinds: &str) -> Vec<(String, usize)> {
        self.reset(self.start_of(verb));
        let (log, trace) = (self.inputs.path("steps"), format!("trace={kinds}"));
        let prefix = ["strace", "-f", "-qq", "-o", log.to_str().unwrap(), "-e", "signal=none", "-e", &trace];
        let traced = ran(&mut under(&prefix, &self.command(verb, &self.ann)));
        assert_eq!(traced.code, 0, "{}: {}", verb.word(), traced.stderr);
        // strace counts calls of one kind in one thread.
        let mut counts: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
        for line in std::fs::read_to_string(log).unwrap().lines() {
            if let Some((thread, rest)) = line.split_once(' ')
                && let Some((call, _)) = rest.trim().split_once('(')
            {
                *counts.entry(call.into()).or_default().entry(thread.into()).or_default() += 1;
            }
        }
        let most = counts.into_iter().map(|(call, threads)| (call, threads.into_values().max().unwrap()));
        most.flat_map(|(call, most)| (1..=most).map(move |nth| (call.clone(), nth))).collect()
    }

    /// Runs a command again after it was stopped.
    #[track_caller]
    pub fn goes_on(&self, verb: Verb, home: &Home) {
        // The profile may be there.
        if verb != Verb::ProfileAdd || !home.read("config.yml").contains("other.db") {
            self.ok(verb, home);
        }
    }

    /// Brings all that was ever to be written to where it belongs, also what Bob wrote where that may be gone.
    #[track_caller]
    pub fn settle(&self, bob: bool) {
        let all = |home: &Home, name: &str| {
            let ran = home.run(&["record", self.inputs.path(name).to_str().unwrap()]);
            assert_eq!(ran.code, 0, "record of all: {}\n{}", ran.stderr, refused(&ran));
        };
        let enable = |home: &Home, url: &str| drop(home.run(&["enable", "--yes", "--url", url, "--schema", &self.store.schema]).ok());
        if !self.ann.read("config.yml").contains("history_store_enabled: true") {
            enable(&self.ann, &self.url());
        }
        self.ok(Verb::Import, &self.ann);
        all(&self.ann, "all");
        if bob {
            enable(&self.bob, &self.now().url);
            all(&self.bob, "bob");
            self.ok(Verb::Sync, &self.bob);
        }
        self.ok(Verb::Sync, &self.ann);
    }

    /// Requires that all is there once and as it was written, and that the program finds nothing wrong.
    #[track_caller]
    pub fn whole(&self) {
        let rows = self.rows();
        let (left, right): (Vec<&str>, Vec<&str>) = (rows.lines().collect(), self.reference.lines().collect());
        let lacks: Vec<_> = right.iter().filter(|line| !left.contains(line)).take(3).collect();
        let has: Vec<_> = left.iter().filter(|line| !right.contains(line)).take(3).collect();
        let (count, wanted) = (left.len(), right.len());
        assert!(rows == self.reference, "{count} rows, undisturbed {wanted}; it lacks {lacks:#?}, it has {has:#?}");
        self.ok(Verb::Verify, &self.ann);
        self.ok(Verb::Diff, &self.ann);
        let status: Value = serde_json::from_str(&self.ann.run(&["status", "--json"]).ok()).unwrap();
        let left = [&status["outbox_depth"], &status["outbox_quarantined"], &status["pending_migrations"], &status["reachable"]];
        assert!(left == [&json!(0), &json!(0), &json!(0), &json!(true)], "{status}");
        assert_eq!(self.local("PRAGMA integrity_check"), "ok\n");
        if self.store.backend == "sqlite" {
            assert_eq!(self.store.sql("PRAGMA integrity_check"), "ok\n");
        }
    }

    /// Requires that what was acknowledged is in ann's local store, and in the shared one once her outbox is flushed.
    #[track_caller]
    pub fn nothing_is_lost(&self, told: &[Told], enabled: bool) {
        if !told.is_empty() {
            once("the local store", |sql| self.local(sql), told);
        }
        if enabled {
            self.ok(Verb::Flush, &self.ann);
            once("the shared store", |sql| self.now().sql(sql), told);
        }
    }

    /// Asks ann's local store as [`Store::sql`] does.
    #[track_caller]
    pub fn local(&self, sql: &str) -> String {
        let ran = ran(Command::new("sqlite3").args(["-batch", "-tabs", "-cmd", ".timeout 5000"]).arg(self.ann.path(LOCAL)).arg(sql));
        assert_eq!(ran.code, 0, "{sql}: {}", ran.stderr);
        ran.stdout
    }

    /// The rows of the store, with names for the installations, without the moment at which something was applied, and without the ids of the
    /// rows in the local store, which go on with each try.
    fn rows(&self) -> String {
        let mut rows = self.now().rows();
        for (home, file, name) in [(&self.ann, LOCAL, "ann"), (&self.bob, "history.db", "bob")] {
            let ids = ran(Command::new("sqlite3").arg(home.path(file)).arg("SELECT id FROM local_installations"));
            ids.stdout.lines().for_each(|id| rows = rows.replace(id, name));
        }
        let masked = |line: &str| {
            let mut cells: Vec<&str> = line.split('\t').collect();
            let applied_at = if cells.len() == 17 { 9 } else { 7 };
            if !["", "NULL"].contains(&cells[applied_at]) {
                cells[applied_at] = "then";
            }
            if !line.starts_with("run_") {
                let local_id = cells.len() - 2;
                cells[local_id] = "";
            }
            cells.join("\t")
        };
        rows.lines().map(masked).collect::<Vec<_>>().join("\n")
    }
}

impl Store {
    /// What Bob owns in it.
    pub fn rows_of_bob(&self) -> String {
        self.sql(
            "SELECT run_id, scope, started_at, state, metadata_json FROM amx_history_runs WHERE run_id LIKE 'bob-%' ORDER BY 1;
            SELECT run_id, target_qname, description, alternatives, applied FROM amx_history_results WHERE run_id LIKE 'bob-%' ORDER BY 1, 2;",
        )
    }
}

/// Answers that refuse something.
fn refused(ran: &Ran) -> String {
    ran.stdout.lines().filter(|line| line.contains("error")).take(3).collect::<Vec<_>>().join("\n")
}

/// A store with all that it holds, as its own tools write it.
fn content(store: &Store) -> Vec<u8> {
    let mut command = match store.backend {
        "sqlite" => return std::fs::read(store.url.trim_start_matches("sqlite://")).unwrap(),
        "postgresql" => {
            let mut command = Command::new("pg_dump");
            command.args(["-n", &store.schema.to_lowercase(), "--no-owner", "-d", &store.url]);
            command
        }
        _ => {
            let mut command = store.client("mariadb-dump");
            command.args(["--skip-dump-date", "--hex-blob", &store.schema]);
            command
        }
    };
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Makes a store as it was; without a content it is absent.
fn set_content(store: &Store, content: Option<&[u8]>) {
    let Some(content) = content else { return store.absent() };
    let script = || String::from_utf8(content.to_vec()).unwrap();
    match store.backend {
        "sqlite" => {
            store.absent();
            std::fs::write(store.url.trim_start_matches("sqlite://"), content).unwrap();
        }
        "postgresql" => {
            // Nothing is proved by waiting for the disk here, until all is there: a server that crashes next is to have it.
            let schema = store.schema.to_lowercase();
            let drop = format!("SET synchronous_commit = off; DROP SCHEMA IF EXISTS {schema} CASCADE;\n");
            let end = format!("\nSET synchronous_commit = on; CREATE TABLE {schema}.whole (); DROP TABLE {schema}.whole;\n");
            anew(store, &drop, &(script() + &end));
        }
        _ => anew(store, &format!("DROP DATABASE IF EXISTS `{0}`; CREATE DATABASE `{0}`; USE `{0}`;\n", store.schema), &script()),
    }
}

fn anew(store: &Store, drop: &str, script: &str) {
    let ran = store.shell(&(drop.to_string() + script));
    assert_eq!(ran.code, 0, "{drop}{}", ran.stderr);
}

/// A SQLite file of another program.
pub fn foreign(path: &Path, sql: &str) {
    std::fs::remove_file(path).unwrap();
    edit(path, sql);
}
