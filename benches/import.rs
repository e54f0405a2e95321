//! How fast `migrate-from-local` copies a large amx-cli file, beside the engine's own loader; what memory it takes; and what it costs to
//! run it again.
//!
//! `cargo bench --bench import -- [RUNS] [RESULTS-PER-RUN] [ROUNDS] [postgresql] [memory] [again] [mysql] [sqlite]`; the parts named, or
//! all. The servers are those of `AMX_BENCH_POSTGRESQL_URL` and `AMX_BENCH_MYSQL_URL`, or of `AMX_TEST_…` as `tests/servers run` sets
//! them. Files are kept in `target/bench/`. Every figure is a median and stands beside something measured in the same run.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::print_stderr, missing_docs)]
mod common;
#[path = "common/history.rs"]
mod history;

use common::{Ran, Table, has, median, ran, ratio, timed};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// What amx-cli 0.19.0 copies in a second, on two cores (measured).
const AMX_CLI_ROWS_PER_SECOND: f64 = 315.0;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let mut numbers = words.iter().filter_map(|word| word.parse::<u64>().ok());
    let mut number = |default: u64| numbers.next().unwrap_or(default);
    let bench = Bench { runs: number(1000), results: number(1000), rounds: number(3), dir: folder() };
    let parts: Vec<&String> = words.iter().filter(|word| word.parse::<u64>().is_err()).collect();
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|named| *named == part);
    let mut table = Table::default();
    if wanted("postgresql") {
        bench.against_copy(&mut table);
    }
    if wanted("memory") {
        bench.memory(&mut table);
    }
    if wanted("again") {
        bench.again(&mut table);
    }
    for backend in ["mysql", "sqlite"] {
        if wanted(backend) {
            bench.for_information(backend, &mut table);
        }
    }
    table.print();
}

/// Where the files are kept.
fn folder() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"), PathBuf::from);
    target.join("bench")
}

/// What is measured.
struct Bench {
    runs: u64,
    /// Of each run.
    results: u64,
    rounds: u64,
    dir: PathBuf,
}

impl Bench {
    /// The import into PostgreSQL beside COPY of the same rows, in turn.
    fn against_copy(&self, table: &mut Table) {
        let figure = format!("import into PostgreSQL, {}", self.size());
        if !has("psql") || !has("sqlite3") {
            return table.skipped(&figure, "psql or sqlite3 is not there");
        }
        let (file, ready) = (self.file(self.runs), self.ready_made());
        let (mut ours, mut copy) = (vec![], vec![]);
        for _ in 0..self.rounds {
            let Some(store) = Store::new("postgresql") else { return table.skipped(&figure, "no server is named") };
            ours.push(Home::of(&file).import(&store).took);
            drop(store);
            let Some(store) = Store::new("postgresql") else { return };
            copy.push(store.copy(&ready));
        }
        let (ours, copy) = (median(ours), median(copy));
        let scale = format!("`sqlite3 -csv … \\| psql \\copy` of the same rows ready-made: {}", seconds(copy));
        table.line(&figure, format!("{}, {}", seconds(ours), self.rate(ours)), scale, Some(ratio(ours, copy)), "≤ 1.5");
    }

    /// The peak of memory at a hundredth, a tenth and all of the runs, and with a tenth of the results all in one run.
    fn memory(&self, table: &mut Table) {
        let all_in_one = (1, self.runs * self.results / 10);
        let sizes = [100, 10, 1].map(|part| ((self.runs / part).max(1), self.results));
        for (runs, results) in sizes.into_iter().chain([all_in_one]) {
            let figure = format!("peak memory, {runs} runs × {results} results into PostgreSQL");
            let Some(store) = Store::new("postgresql") else { return table.skipped(&figure, "no server is named") };
            let peak = Home::of(&history::file(&self.dir, runs, results)).import(&store).peak_mb;
            table.line(&figure, format!("{peak:.0} MB"), String::new(), None, "< 100 MB, flat");
        }
    }

    /// The same file once more, with nothing left to do: as it is, with a file that may have changed, and without our own file.
    fn again(&self, table: &mut Table) {
        let figure = |what: &str| format!("again, nothing to do, {what}");
        let Some(store) = Store::new("postgresql") else { return table.skipped(&figure(""), "no server is named") };
        let file = self.file(self.runs);
        let home = Home::of(&file);
        home.import(&store);
        let (read, plain) = (scan(&file), timed(Command::new("cat").arg(&file)));
        let scale = format!("one read of every value by sqlite3: {}, of the bytes by cat: {}", seconds(read), seconds(plain));
        let cases: [(&str, Prepare); 3] =
            [("as it was left", |_| ()), ("file may have changed", Home::forget_file), ("journal lost", Home::forget_all)];
        for (what, prepare) in cases {
            let took = (0..self.rounds).map(|_| {
                prepare(&home);
                home.import(&store).took
            });
            let took = median(took.collect());
            table.line(&figure(what), seconds(took), scale.clone(), Some(ratio(took, read)), "≤ 1 read of the file");
        }
    }

    /// The import into another engine.
    fn for_information(&self, backend: &'static str, table: &mut Table) {
        let figure = format!("import into {backend}, {}", self.size());
        let Some(store) = Store::new(backend) else { return table.skipped(&figure, "no server is named") };
        let Ran { took, peak_mb, .. } = Home::of(&self.file(self.runs)).import(&store);
        let times = (self.runs * self.results) as f64 / took.as_secs_f64() / AMX_CLI_ROWS_PER_SECOND;
        let scale = format!("amx-cli {AMX_CLI_ROWS_PER_SECOND} rows/s: {times:.0} times that");
        table.line(&figure, format!("{}, {}, {peak_mb:.0} MB", seconds(took), self.rate(took)), scale, None, "");
    }

    fn file(&self, runs: u64) -> PathBuf {
        history::file(&self.dir, runs, self.results)
    }

    /// A SQLite file that holds the rows as they will be in the store.
    fn ready_made(&self) -> PathBuf {
        let path = self.dir.join(format!("ready-{}x{}.db", self.runs, self.results));
        if !path.exists() {
            let growing = self.dir.join("ready.new");
            let _ = std::fs::remove_file(&growing);
            Home::of(&self.file(self.runs)).import(&Store::sqlite(growing.clone(), None));
            std::fs::rename(growing, &path).unwrap();
        }
        path
    }

    fn size(&self) -> String {
        format!("{} runs × {} results", self.runs, self.results)
    }

    fn rate(&self, took: Duration) -> String {
        format!("{:.0} rows/s", (self.runs * self.results) as f64 / took.as_secs_f64())
    }
}

fn seconds(took: Duration) -> String {
    format!("{:.2} s", took.as_secs_f64())
}

/// One read of every value of a file's results.
fn scan(file: &Path) -> Duration {
    let connection = rusqlite::Connection::open(file).unwrap();
    let columns = "SELECT group_concat('coalesce(length(' || name || '), 0)', ' + ') FROM pragma_table_info('run_results')";
    let lengths: String = connection.query_row(columns, [], |row| row.get(0)).unwrap();
    timed(Command::new("sqlite3").arg(file).arg(format!("SELECT sum({lengths}) FROM run_results")))
}

/// What is done to a home before a command runs in it.
type Prepare = fn(&Home);

/// A home folder whose `history.db` is one of the files.
struct Home(TempDir);

impl Home {
    fn of(file: &Path) -> Home {
        let home = Home(tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink(std::fs::canonicalize(file).unwrap(), home.0.path().join("history.db")).unwrap();
        home
    }

    fn command(&self, store: &Store, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_amx-schema"));
        command.args(args).args(["--json", "--yes", "--url", &store.url, "--schema", &store.schema]);
        command.env("AMX_HOME", self.0.path()).env("AMX_USER", "bench");
        command
    }

    fn import(&self, store: &Store) -> Ran {
        ran(&mut self.command(store, &["migrate-from-local"]))
    }

    /// Drops what is known of the file as a whole, as if it had been written to.
    fn forget_file(&self) {
        let own = rusqlite::Connection::open(self.0.path().join("amx-schema.db")).unwrap();
        own.execute("DELETE FROM local_sources", []).unwrap();
    }

    fn forget_all(&self) {
        for name in ["amx-schema.db", "amx-schema.db-wal", "amx-schema.db-shm"] {
            let _ = std::fs::remove_file(self.0.path().join(name));
        }
    }
}

/// A store that is migrated and empty. It is dropped at the end.
struct Store {
    backend: &'static str,
    url: String,
    schema: String,
    _dir: Option<TempDir>,
}

impl Store {
    /// One on the server that the environment names, or in a file.
    fn new(backend: &'static str) -> Option<Store> {
        if backend == "sqlite" {
            let dir = tempfile::tempdir_in(folder()).unwrap();
            return Some(Store::sqlite(dir.path().join("shared.db"), Some(dir)));
        }
        let variable = |prefix: &str| std::env::var(format!("AMX_{prefix}_{}_URL", backend.to_uppercase()));
        let url = variable("BENCH").or_else(|_| variable("TEST")).ok()?;
        Some(Store { backend, url, schema: format!("bench_{}", std::process::id()), _dir: None }.migrated())
    }

    fn sqlite(path: PathBuf, dir: Option<TempDir>) -> Store {
        Store { backend: "sqlite", url: format!("sqlite://{}", path.display()), schema: "AMX".into(), _dir: dir }.migrated()
    }

    fn migrated(self) -> Store {
        let home = Home(tempfile::tempdir().unwrap());
        ran(&mut home.command(&self, &["migrate"]));
        if self.backend == "postgresql" {
            self.psql("CHECKPOINT");
        }
        self
    }

    /// The rows of a ready-made file by the fastest way there is without us.
    fn copy(&self, ready: &Path) -> Duration {
        let source = rusqlite::Connection::open(ready).unwrap();
        let pipe = |table: &str| {
            let columns = "SELECT group_concat(name, ', ') FROM pragma_table_info(?1)";
            let columns: String = source.query_row(columns, [table], |row| row.get(0)).unwrap();
            let from = format!("sqlite3 -csv '{}' 'SELECT {columns} FROM {table}'", ready.display());
            let into = format!("psql -Xqd '{}' -c '\\copy {}.{table} ({columns}) FROM pstdin WITH (FORMAT csv)'", self.url, self.schema);
            format!("{from} | {into}")
        };
        let script = format!("set -eo pipefail; {}; {}", pipe("amx_history_runs"), pipe("amx_history_results"));
        ran(Command::new("bash").args(["-c", &script])).took
    }

    fn psql(&self, sql: &str) {
        ran(Command::new("psql")
            .args(["-Xqd", &self.url, "-v", "ON_ERROR_STOP=1", "-c", sql])
            .env("PGOPTIONS", "-c client_min_messages=warning"));
    }

    fn drop_database(&self) {
        let url = url::Url::parse(&self.url).unwrap();
        let port = url.port().unwrap_or(3306).to_string();
        let mut command = Command::new("mariadb");
        command
            .args(["-h", url.host_str().unwrap(), "-P", &port, "-u", url.username()])
            .env("MYSQL_PWD", url.password().unwrap_or_default());
        ran(command.args(["-e", &format!("DROP DATABASE IF EXISTS `{}`", self.schema)]));
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        match self.backend {
            "postgresql" => self.psql(&format!("DROP SCHEMA IF EXISTS {} CASCADE", self.schema)),
            "mysql" => self.drop_database(),
            _ => {}
        }
    }
}
