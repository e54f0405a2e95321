//! People who share a store: a home for each, what they record, and a line that can be down.

use super::proxy::Proxy;
use super::{Home, Ran, Store, ran};
use serde_json::Value;
use std::io::{BufRead, BufReader, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

/// A run as AMX begins one.
pub const RUN: &str = r#"{"op":"run","scope":"sales","llm_provider":"openai","llm_model":"gpt-4o","db_backend":"postgresql"}"#;

/// A run with an id and a start.
pub fn run(run_id: &str, started_at: &str) -> String {
    with(RUN, &format!(r#""run_id":"{run_id}","started_at":"{started_at}""#))
}

/// An operation with more keys.
pub fn with(operation: &str, more: &str) -> String {
    format!("{},{more}}}", operation.strip_suffix('}').unwrap())
}

/// One result of a run for the object `sales.t.c`.
pub fn result(run_id: &str, description: &str) -> String {
    result_for(run_id, "sales.t.c", description)
}

pub fn result_for(run_id: &str, object: &str, description: &str) -> String {
    let description = Value::from(description);
    format!(
        r#"{{"op":"results","run_id":"{run_id}","results":[{{"target_qname":"{object}","target_kind":"COLUMN","description":{description},"alternatives":[{{"text":"x","logprob":-0.5}}],"confidence":"high"}}]}}"#
    )
}

pub fn state(run_id: &str, state: &str) -> String {
    format!(r#"{{"op":"update","run_id":"{run_id}","state":"{state}"}}"#)
}

/// A home that has a store enabled.
pub fn member(store: &Store) -> Home {
    member_by(store, &store.url)
}

pub fn member_by(store: &Store, url: &str) -> Home {
    let home = Home::new();
    enable(&home, store, url);
    home
}

pub fn enable(home: &Home, store: &Store, url: &str) {
    home.run(&["enable", "--url", url, "--schema", &store.schema, "--yes", "--quiet"]).ok();
}

/// A copy of a home as `cp -r` makes it.
pub fn copied(home: &Home) -> Home {
    let copy = Home::new();
    copy_into(home.dir.path(), copy.dir.path());
    copy
}

pub fn copy_into(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        if entry.path().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

impl Home {
    /// Records lines and gives what was answered.
    #[track_caller]
    pub fn recorded<L: AsRef<str>>(&self, lines: &[L]) -> Vec<Value> {
        let ran = self.record(lines, &[]);
        assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
        answers(&ran)
    }

    /// Records lines with more arguments.
    pub fn record<L: AsRef<str>>(&self, lines: &[L], more: &[&str]) -> Ran {
        let text: String = lines.iter().map(|line| format!("{}\n", line.as_ref())).collect();
        self.record_bytes(text.as_bytes(), more)
    }

    pub fn record_bytes(&self, bytes: &[u8], more: &[&str]) -> Ran {
        let mut input = tempfile::tempfile().unwrap();
        input.write_all(bytes).unwrap();
        input.rewind().unwrap();
        ran(self.command(&[&["record"], more].concat()).stdin(input))
    }

    /// A `record` that takes lines one by one.
    pub fn stream(&self) -> Stream {
        let mut child = self.command(&["record"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        Stream { input: child.stdin.take(), answers: BufReader::new(child.stdout.take().unwrap()), child }
    }

    #[track_caller]
    pub fn flushed(&self) -> Value {
        let ran = self.run(&["flush-pending", "--json"]);
        assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
        ran.json()
    }

    /// What a pull brought: runs added and updated, results added and updated.
    #[track_caller]
    pub fn pulled(&self) -> [u64; 4] {
        self.pulled_with(&[])
    }

    #[track_caller]
    pub fn pulled_with(&self, more: &[&str]) -> [u64; 4] {
        let ran = self.run(&[&["pull-from-shared", "--json"], more].concat());
        assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
        let report = ran.json();
        ["runs_added", "runs_updated", "results_added", "results_updated"].map(|name| report[name].as_u64().unwrap())
    }

    /// The local file.
    pub fn file(&self) -> PathBuf {
        self.path("history.db")
    }

    /// Rows of the local file, parted by tabs.
    #[track_caller]
    pub fn local(&self, sql: &str) -> String {
        let ran = ran(std::process::Command::new("sqlite3").args(["-batch", "-tabs", "-cmd", ".timeout 5000"]).arg(self.file()).arg(sql));
        assert_eq!(ran.code, 0, "{sql}: {}", ran.stderr);
        ran.stdout.trim().into()
    }

    /// The rows of the cache, without what counts the writes.
    pub fn cached(&self) -> String {
        self.local(
            "SELECT run_id, scope, state, finished_at, metadata_json, origin FROM amx_history_runs ORDER BY run_id;
             SELECT run_id, target_qname, description, alternatives, confidence, applied FROM amx_history_results ORDER BY 1, 2",
        )
    }
}

/// The lines that were answered.
#[track_caller]
pub fn answers(ran: &Ran) -> Vec<Value> {
    ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// A word of each answer.
pub fn words<'a>(answers: &'a [Value], key: &str) -> Vec<&'a str> {
    answers.iter().map(|answer| answer[key].as_str().unwrap_or_else(|| panic!("{answer}"))).collect()
}

/// A `record` under way.
pub struct Stream {
    pub child: Child,
    input: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Stream {
    /// Gives a line. Where the program is gone nobody takes it.
    pub fn give(&mut self, line: &str) -> bool {
        let input = self.input.as_mut().unwrap();
        writeln!(input, "{line}").and_then(|()| input.flush()).is_ok()
    }

    /// The next answer; nothing where the program is gone.
    pub fn answer(&mut self) -> Option<Value> {
        let mut line = String::new();
        match self.answers.read_line(&mut line) {
            Ok(1..) if line.ends_with('\n') => Some(serde_json::from_str(&line).unwrap()),
            _ => None,
        }
    }

    #[track_caller]
    pub fn told(&mut self, line: &str) -> Value {
        assert!(self.give(line));
        self.answer().unwrap()
    }

    pub fn kill(mut self) {
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }

    /// Ends the input and waits for the end.
    pub fn end(mut self) -> i32 {
        self.input = None;
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

/// A line to a store that can be down: a proxy in front of a server, or a file that is put aside.
pub struct Line<'a> {
    store: &'a Store,
    pub proxy: Option<Proxy>,
}

impl Line<'_> {
    pub fn to(store: &Store) -> Line<'_> {
        let proxy = (store.backend != "sqlite").then(|| Proxy::to(store));
        Line { store, proxy }
    }

    /// A home that has the store enabled by this line.
    pub fn member(&self) -> Home {
        let url = self.proxy.as_ref().map_or(self.store.url.clone(), |proxy| proxy.url(self.store));
        member_by(self.store, &url)
    }

    pub fn down(&self) {
        match &self.proxy {
            Some(proxy) => proxy.cut(1, i64::MAX),
            None => std::fs::rename(self.file(), self.file() + ".away").unwrap(),
        }
    }

    pub fn up(&self) {
        match &self.proxy {
            Some(proxy) => proxy.cut(1, 0),
            None => std::fs::rename(self.file() + ".away", self.file()).unwrap(),
        }
    }

    /// Does something while it is down.
    pub fn while_down<T>(&self, work: impl FnOnce() -> T) -> T {
        self.down();
        let done = work();
        self.up();
        done
    }

    fn file(&self) -> String {
        self.store.url.trim_start_matches("sqlite://").into()
    }
}

impl Store {
    /// The description of the object `sales.t.c` of a run.
    pub fn description(&self, run_id: &str) -> String {
        self.sql(&format!("SELECT description FROM amx_history_results WHERE run_id = '{run_id}' AND target_qname = 'sales.t.c';"))
            .trim()
            .into()
    }

    pub fn state(&self, run_id: &str) -> String {
        self.sql(&format!("SELECT state FROM amx_history_runs WHERE run_id = '{run_id}';")).trim().into()
    }

    /// Makes the store refuse descriptions of more than twenty characters.
    pub fn narrow(&self) {
        self.sql(match self.backend {
            "postgresql" => "ALTER TABLE amx_history_results ALTER COLUMN description TYPE VARCHAR(20);",
            "mysql" => "ALTER TABLE amx_history_results MODIFY description VARCHAR(20);",
            _ => {
                "CREATE TRIGGER narrow_insert BEFORE INSERT ON amx_history_results WHEN length(NEW.description) > 20
                 BEGIN SELECT RAISE(ABORT, 'value too long'); END;
                 CREATE TRIGGER narrow_update BEFORE UPDATE ON amx_history_results WHEN length(NEW.description) > 20
                 BEGIN SELECT RAISE(ABORT, 'value too long'); END;"
            }
        });
    }

    /// Takes it back.
    pub fn widen(&self) {
        self.sql(match self.backend {
            "postgresql" => "ALTER TABLE amx_history_results ALTER COLUMN description TYPE TEXT;",
            "mysql" => "ALTER TABLE amx_history_results MODIFY description LONGTEXT;",
            _ => "DROP TRIGGER narrow_insert; DROP TRIGGER narrow_update;",
        });
    }
}
