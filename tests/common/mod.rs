//! What the suites share: a home folder of its own for each test, the program as a user runs it, and a fresh store on every real engine.
//!
//! `make test` starts the servers and names them in `AMX_TEST_POSTGRESQL_URL` and `AMX_TEST_MYSQL_URL`. Where one is not named its part is
//! skipped and says so; with `AMX_TEST_REQUIRE_SERVERS` set, as in CI, that is a failure.
#![allow(dead_code)]

pub mod chance;
pub mod direct;
pub mod files;
pub mod keyring;
pub mod proxy;
pub mod queries;
pub mod role;
pub mod rows;
pub mod shop;
pub mod team;
pub mod terminal;
pub mod told;
pub mod typescript;
pub mod user;

use amx_schema::dialect::Backend;
use amx_schema::error::Error;
use amx_schema::migration::{Holder, LEASE, LockOptions, Migrated};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// The file that amx-cli 0.19 wrote: 15 runs, 215 rows.
pub const HISTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/history-amx-0.19.db");
/// The same with bad values.
pub const EXTREME: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/history-amx-0.19-extreme.db");

/// How many cases a property is tried with: so many, or as `AMX_FUZZ_CASES` says.
pub fn cases(quick: u32) -> u32 {
    std::env::var("AMX_FUZZ_CASES").map_or(quick, |cases| cases.parse().expect("AMX_FUZZ_CASES is a number"))
}

/// The lines of what a catalog says but for those of the lock and the step ledger, which are a migration's own: a script needs neither.
pub fn of_the_model(said: &str) -> String {
    let of_migrate = |line: &&str| line.contains("_lock") || line.contains("_steps");
    said.lines().filter(|line| !of_migrate(line)).map(|line| format!("{line}\n")).collect()
}

/// A migration that came to its end, or what stopped it.
pub fn ended(migrated: Result<Migrated, Error>) -> Result<Migrated, Error> {
    let mut migrated = migrated?;
    match migrated.stopped.take() {
        Some(stopped) => Err(stopped),
        None => Ok(migrated),
    }
}

/// How a migration in the test's own process takes the lock.
pub fn lock_options() -> LockOptions {
    let holder = Holder { who: "tests".into(), hostname: "localhost".into(), pid: std::process::id(), since: None };
    LockOptions { timeout: Duration::from_secs(30), lease: LEASE, holder }
}

/// Compares a text with the snapshot of that name.
#[track_caller]
pub fn snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// What a run of the program left behind.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Requires success and gives what was written.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self.stdout
    }

    /// Requires a failure with this code and exit status, two lines on stderr, and no panic.
    #[track_caller]
    pub fn fails(self, code: &str, exit: i32) -> Ran {
        let line = self.stderr.lines().find(|line| line.starts_with(&format!("error[{code}]: ")));
        assert!(
            line.is_some() && self.code == exit,
            "wanted {code}, exit {exit}; got exit {}\n{}\n{}",
            self.code,
            self.stdout,
            self.stderr
        );
        assert!(self.stderr.lines().any(|line| line.starts_with("hint: ") && line.len() > 8), "no hint: {}", self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        self
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.stdout, self.stderr))
    }
}

/// A home folder of its own.
pub struct Home {
    pub dir: TempDir,
}

impl Home {
    pub fn new() -> Home {
        Home { dir: tempfile::tempdir().unwrap() }
    }

    /// A home with a copy of a history file as its `history.db`.
    pub fn with_history(file: &str) -> Home {
        let home = Home::new();
        std::fs::copy(file, home.path("history.db")).unwrap();
        make_writable(&home.path("history.db"));
        home
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// The program with this home and nothing of the caller's environment that it reads.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_amx-schema"));
        command.args(args).stdin(Stdio::null());
        for name in ["AMX_URL", "AMX_CONFIG_DIR", "NO_COLOR"] {
            command.env_remove(name);
        }
        // Nor the keyring of whoever runs the tests.
        command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus");
        command.env("AMX_HOME", self.dir.path()).env("AMX_USER", "tester");
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        ran(&mut self.command(args))
    }

    /// The program on a store by its URL. The store stays as it is named; no config is needed.
    pub fn on(&self, store: &Store, args: &[&str]) -> Ran {
        self.run(&[args, &["--url", &store.url, "--schema", &store.schema]].concat())
    }

    /// Makes the store with `migrate`.
    #[track_caller]
    pub fn migrated(&self, store: &Store) {
        self.on(store, &["migrate"]).ok();
    }

    /// Imports the home's history and gives the report.
    #[track_caller]
    pub fn import(&self, store: &Store, more: &[&str]) -> serde_json::Value {
        self.on(store, &[&["migrate-from-local", "--yes", "--json"], more].concat()).json()
    }

    /// The hash of every run of the store, by run.
    pub fn hashes(&self, store: &Store) -> std::collections::BTreeMap<String, String> {
        let listed = self.on(store, &["history", "list", "--limit", "100000", "--json"]);
        let ids = listed.json().as_array().unwrap().iter().map(|run| run["run_id"].as_str().unwrap().to_string()).collect::<Vec<_>>();
        ids.into_iter().map(|id| (id.clone(), self.on(store, &["history", "show", &id, "--hash"]).ok())).collect()
    }
}

pub fn ran(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The same with something on stdin.
pub fn run_with(command: &mut Command, stdin: &str) -> Ran {
    let mut input = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut input, stdin.as_bytes()).unwrap();
    std::io::Seek::rewind(&mut input).unwrap();
    ran(command.stdin(input))
}

pub fn make_writable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
}

/// A store that no other test uses, on one real engine. It is dropped at the end.
pub struct Store {
    pub backend: &'static str,
    pub url: String,
    pub schema: String,
    pooled: bool,
    _dir: Option<TempDir>,
}

impl Store {
    pub fn sqlite() -> Store {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", dir.path().join("shared.db").display());
        Store { backend: "sqlite", url, schema: "AMX".into(), pooled: false, _dir: Some(dir) }
    }

    pub fn postgresql() -> Option<Store> {
        Store::server("postgresql", "AMX_TEST_POSTGRESQL_URL")
    }

    pub fn mysql() -> Option<Store> {
        Store::server("mysql", "AMX_TEST_MYSQL_URL")
    }

    /// On PostgreSQL, behind a proxy that gives each transaction another server connection.
    pub fn pooled() -> Option<Store> {
        Store::server("postgresql", "AMX_TEST_PGBOUNCER_URL").map(|mut store| {
            store.pooled = true;
            store
        })
    }

    /// Makes the store as it was before it was made.
    pub fn absent(&self) {
        match self.backend {
            "sqlite" => {
                let path = self.url.trim_start_matches("sqlite://");
                for suffix in ["", "-journal", "-wal", "-shm"] {
                    let _ = std::fs::remove_file(format!("{path}{suffix}"));
                }
            }
            "postgresql" => drop(self.sql(&format!("DROP SCHEMA IF EXISTS \"{}\" CASCADE;", self.schema.to_lowercase()))),
            _ => drop(self.sql(&format!("DROP DATABASE IF EXISTS `{}`; -- CREATE DATABASE", self.schema))),
        }
    }

    /// One on each engine that is there.
    pub fn all() -> Vec<Store> {
        [Some(Store::sqlite()), Store::postgresql(), Store::mysql()].into_iter().flatten().collect()
    }

    /// One on that backend: a real engine, what stands in for it, or a live service, whatever its URL leads to.
    pub fn on(backend: Backend) -> Option<Store> {
        match backend {
            Backend::Sqlite => Some(Store::sqlite()),
            other => Store::server(other.word(), &format!("AMX_TEST_{}_URL", other.word().to_uppercase())),
        }
    }

    fn server(backend: &'static str, variable: &str) -> Option<Store> {
        let Ok(url) = std::env::var(variable) else {
            assert!(std::env::var_os("AMX_TEST_REQUIRE_SERVERS").is_none(), "{variable} is not set: run the tests with `make test`");
            eprintln!("skipped: {backend} is not there ({variable} is not set)");
            return None;
        };
        Some(Store::at(backend, url))
    }

    /// One on the server that a URL leads to.
    pub fn at(backend: &'static str, url: String) -> Store {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let schema = format!("T{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Store { backend, url, schema, pooled: false, _dir: None }
    }

    /// Runs SQL in the engine's own shell, in the store's schema, and gives what it writes: rows of values parted by tabs.
    #[track_caller]
    pub fn sql(&self, sql: &str) -> String {
        let ran = self.shell(sql);
        assert_eq!(ran.code, 0, "{sql}\n{}", ran.stderr);
        ran.stdout
    }

    /// The engine's own shell fed with a script, ending at the first error.
    pub fn shell(&self, script: &str) -> Ran {
        let mut command = match self.backend {
            "sqlite" => {
                let mut command = Command::new("sqlite3");
                command.args(["-bail", "-batch", "-tabs", self.url.trim_start_matches("sqlite://")]);
                command
            }
            "postgresql" => {
                let mut command = Command::new("psql");
                // A pool does not pass on the shell's options.
                let direct = match self.pooled {
                    true => std::env::var("AMX_TEST_POSTGRESQL_URL").unwrap(),
                    false => self.url.clone(),
                };
                command.args(["-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-d", &direct]);
                command.env("PGOPTIONS", format!("-c search_path={} -c client_min_messages=warning", self.schema.to_lowercase()));
                command
            }
            _ => {
                let mut command = self.client("mariadb");
                command.args(["-N", "-B"]);
                command
            }
        };
        let use_schema = format!("CREATE DATABASE IF NOT EXISTS `{0}`; USE `{0}`;\n", self.schema);
        let script = if self.backend == "mysql" && !script.contains("CREATE DATABASE") { use_schema + script } else { script.to_string() };
        run_with(&mut command, &script)
    }

    /// A client program of MariaDB's for the store's server.
    pub fn client(&self, program: &str) -> Command {
        let url = url::Url::parse(&self.url).unwrap();
        let mut command = Command::new(program);
        // Without a locale the client would take and give Latin-1.
        command.arg("--default-character-set=utf8mb4");
        command.args(["-h", url.host_str().unwrap(), "-P", &url.port().unwrap().to_string(), "-u", url.username()]);
        command.env("MYSQL_PWD", url.password().unwrap());
        command
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        match self.backend {
            "postgresql" => drop(self.shell(&format!("DROP SCHEMA IF EXISTS \"{}\" CASCADE;", self.schema.to_lowercase()))),
            "mysql" => drop(self.shell(&format!("DROP DATABASE IF EXISTS `{}`; -- CREATE DATABASE", self.schema))),
            "sqlite" => {}
            _ => self.drop_schema(),
        }
    }
}

/// Waits, ten seconds at most, for what a server does in its own time.
#[track_caller]
pub fn eventually(done: impl Fn() -> bool) {
    let until = std::time::Instant::now() + Duration::from_secs(10);
    while !done() {
        assert!(std::time::Instant::now() < until, "it did not come to be so");
        std::thread::sleep(Duration::from_millis(20));
    }
}
