//! How fast `migrate-from-local` copies a large amx-cli file, beside the engine's own loader and beside a copier that sends row by row; what memory
//! it takes; and what it costs to run it again, with nothing to do and with one changed run.
//!
//! `cargo bench --bench import -- [RUNS] [RESULTS-PER-RUN] [ROUNDS] [postgresql] [mysql] [sqlite] [rows] [memory] [again] [own]`; the parts
//! named, or all. The servers are those of `AMX_BENCH_POSTGRESQL_URL` and `AMX_BENCH_MYSQL_URL`, or of `AMX_TEST_…` as `tests/servers run` sets
//! them. Files are kept in `target/bench/`. Every figure is a median and stands beside something measured in the same run.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::print_stderr, missing_docs)]
mod common;
#[path = "common/history.rs"]
mod history;
#[path = "common/operations.rs"]
mod operations;

use common::{Ran, Table, has, median, psql, ran, ratio, timed};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let mut numbers = words.iter().filter_map(|word| word.parse::<u64>().ok());
    let mut number = |default: u64| numbers.next().unwrap_or(default);
    let bench = Bench { runs: number(1000), results: number(1000), rounds: number(3), dir: folder() };
    let parts: Vec<&String> = words.iter().filter(|word| word.parse::<u64>().is_err()).collect();
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|named| *named == part);
    let mut table = Table::default();
    for backend in ["postgresql", "mysql", "sqlite"] {
        if wanted(backend) {
            bench.against_loader(backend, &mut table);
        }
    }
    if wanted("rows") {
        bench.against_rows(&mut table);
    }
    if wanted("memory") {
        bench.memory(&mut table);
    }
    if wanted("again") {
        bench.again(&mut table);
    }
    if wanted("own") {
        for (runs, results, target) in [(1_000, 100, "< 0.5 s"), (100_000, 1, "< 5 s")] {
            bench.own_store(runs, results, target, &mut table);
        }
    }
    table.print("import");
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
    /// The import beside the engine's own loader of the same rows ready-made, in turn.
    fn against_loader(&self, backend: &'static str, table: &mut Table) {
        let figure = format!("import into {backend}, {}", self.size());
        let Some(loader) = Loader::of(backend) else { return table.skipped(&figure, "the engine's shell or sqlite3 is not there") };
        let (file, ready) = (self.file(self.runs), self.ready_made());
        loader.prepare(&ready, &self.dir);
        let (mut ours, mut theirs) = (vec![], vec![]);
        for _ in 0..self.rounds {
            let Some(store) = Store::new(backend) else { return table.skipped(&figure, "no server is named") };
            ours.push(Home::of(&file).import(&store).took);
            drop(store);
            let Some(store) = Store::new(backend) else { return };
            theirs.push(loader.load(&store, &ready, &self.dir));
        }
        let (ours, theirs) = (median(ours), median(theirs));
        let scale = format!("{} of the same rows ready-made: {}", loader.name(), seconds(theirs));
        let measured = format!("{}, {}", seconds(ours), self.rate(ours));
        table.line(&figure, measured, scale, Some(ratio(ours, theirs)), loader.target());
    }

    /// The import beside a copier that sends each row in a statement of its own, a fiftieth of the runs.
    fn against_rows(&self, table: &mut Table) {
        let runs = (self.runs / 50).max(1);
        let figure = format!("import into postgresql, {runs} runs × {} results", self.results);
        if Loader::of("postgresql").is_none() {
            return table.skipped(&figure, "psql or sqlite3 is not there");
        }
        let Some(store) = Store::new("postgresql") else { return table.skipped(&figure, "no server is named") };
        let ours = Home::of(&self.file(runs)).import(&store).took;
        drop(store);
        let Some(store) = Store::new("postgresql") else { return };
        let theirs = store.row_by_row(&self.ready_made(), runs);
        let scale = format!("INSERT by INSERT in `psql`: {}", seconds(theirs));
        table.line(&figure, seconds(ours), scale, Some(ratio(ours, theirs)), "");
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
        let cases: [(&str, Prepare, &str); 3] = [
            ("as it was left", |_| (), "no read of the file"),
            ("file may have changed", Home::forget_file, "one read of the file"),
            ("journal lost, each row compared with the store's", Home::forget_all, ""),
        ];
        for (what, prepare, target) in cases {
            let took = (0..self.rounds).map(|_| {
                prepare(&home);
                home.import(&store).took
            });
            let took = median(took.collect());
            table.line(&figure(what), seconds(took), scale.clone(), Some(ratio(took, read)), target);
        }
    }

    /// From our own local store: again with nothing to do, and with one run that changed.
    fn own_store(&self, runs: u64, results: u64, target: &str, table: &mut Table) {
        let size = format!("{runs} runs × {results} results of our own store");
        let Some(store) = Store::new("postgresql") else { return table.skipped(&size, "no server is named") };
        let home = Home::recorded(runs, results);
        home.import(&store);
        let (mut nothing, mut changed, mut scale) = (vec![], vec![], vec![]);
        for round in 0..self.rounds {
            nothing.push(home.import(&store).took);
            home.record(&format!("{{\"op\":\"update\",\"run_id\":\"run_{}\",\"metadata\":{{\"round\":{round}}}}}\n", runs / 2));
            changed.push(home.import(&store).took);
            scale.push(timed(
                Command::new("sqlite3").arg(home.0.path().join("history.db")).arg("SELECT sum(length(run_id)) FROM amx_history_runs"),
            ));
        }
        let scan = median(scale);
        let scale = format!("sqlite3 reads the ids of its runs: {}", seconds(scan));
        let nothing = median(nothing);
        table.line(&format!("again, nothing to do, {size}"), seconds(nothing), scale.clone(), Some(ratio(nothing, scan)), target);
        let changed = median(changed);
        table.line(&format!("again, one run changed, {size}"), seconds(changed), scale, Some(ratio(changed, scan)), "< 1 s");
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

    /// A home without AMX's file, whose local store has recorded so many runs of so many results each.
    fn recorded(runs: u64, results: u64) -> Home {
        let home = Home(tempfile::tempdir().unwrap());
        home.record(&operations::of_runs(runs, results));
        home
    }

    fn record(&self, operations: &str) {
        let file = self.0.path().join("operations");
        std::fs::write(&file, operations).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_amx-schema"));
        ran(command.arg("record").arg(file).env("AMX_HOME", self.0.path()).env("AMX_USER", "bench").env_remove("AMX_URL"));
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

    /// The rows of a ready-made file's first runs, each in a statement and a transaction of its own.
    fn row_by_row(&self, ready: &Path, runs: u64) -> Duration {
        let source = rusqlite::Connection::open(ready).unwrap();
        let some = format!("run_id IN (SELECT run_id FROM amx_history_runs ORDER BY run_id LIMIT {runs})");
        let pipe = |table: &str| {
            let names = columns(&source, table);
            let begin = format!("INSERT INTO {}.{table} ({}) VALUES (", self.schema, names.join(", "));
            let values: Vec<String> = names.iter().map(|name| format!("quote(CAST({name} AS TEXT))")).collect();
            let (values, ready) = (values.join(" || ',' || "), ready.display());
            format!(
                "sqlite3 '{ready}' \"SELECT '{begin}' || {} || ');' FROM {table} WHERE {some}\" | {} -Xqd '{}' -v ON_ERROR_STOP=1",
                values,
                psql(),
                self.url
            )
        };
        script(&format!("{}; {}", pipe("amx_history_runs"), pipe("amx_history_results")))
    }

    fn psql(&self, sql: &str) {
        ran(Command::new(psql())
            .args(["-Xqd", &self.url, "-v", "ON_ERROR_STOP=1", "-c", sql])
            .env("PGOPTIONS", "-c client_min_messages=warning"));
    }

    fn drop_database(&self) {
        self.mariadb(&["-e", &format!("DROP DATABASE IF EXISTS `{}`", self.schema)]);
    }

    fn mariadb(&self, args: &[&str]) -> Duration {
        let url = url::Url::parse(&self.url).unwrap();
        let port = url.port().unwrap_or(3306).to_string();
        let mut command = Command::new("mariadb");
        command
            .args(["-h", url.host_str().unwrap(), "-P", &port, "-u", url.username()])
            .env("MYSQL_PWD", url.password().unwrap_or_default());
        ran(command.args(args)).took
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

/// What an engine has itself for many rows.
enum Loader {
    Copy,
    LoadData,
    Attach,
}

impl Loader {
    /// An engine's, where the programs for it are there.
    fn of(backend: &str) -> Option<Loader> {
        let (loader, shell) = match backend {
            "postgresql" => (Loader::Copy, psql()),
            "mysql" => (Loader::LoadData, "mariadb"),
            _ => (Loader::Attach, "sqlite3"),
        };
        (has(shell) && has("sqlite3")).then_some(loader)
    }

    fn name(&self) -> &'static str {
        match self {
            Loader::Copy => "`sqlite3 -csv … \\| psql \\copy`",
            Loader::LoadData => "`LOAD DATA LOCAL INFILE`",
            Loader::Attach => "`ATTACH` and `INSERT … SELECT`",
        }
    }

    fn target(&self) -> &'static str {
        match self {
            Loader::Copy => "≤ 1.2",
            Loader::LoadData | Loader::Attach => "≤ 2",
        }
    }

    /// MariaDB's loader reads files, which are not among what is timed.
    fn prepare(&self, ready: &Path, dir: &Path) {
        if !matches!(self, Loader::LoadData) {
            return;
        }
        let source = rusqlite::Connection::open(ready).unwrap();
        for table in TABLES {
            // Escaped as its manual says, and times without the zone, which its type has no room for.
            let value = |name: &String| {
                let text = match name.ends_with("_at") {
                    true => format!("replace(replace({name}, 'T', ' '), 'Z', '')"),
                    false => {
                        format!("replace(replace(replace({name}, char(92), char(92, 92)), char(9), char(92, 9)), char(10), char(92, 10))")
                    }
                };
                format!("coalesce({text}, char(92) || 'N')")
            };
            let values: Vec<String> = columns(&source, table).iter().map(value).collect();
            let select = format!("SELECT {} FROM {table}", values.join(" || char(9) || "));
            script(&format!("sqlite3 '{}' \"{select}\" > '{}'", ready.display(), dir.join(table).display()));
        }
    }

    fn load(&self, store: &Store, ready: &Path, dir: &Path) -> Duration {
        let source = rusqlite::Connection::open(ready).unwrap();
        let each = |of: &dyn Fn(&str, String) -> String| TABLES.map(|table| of(table, columns(&source, table).join(", "))).join("; ");
        match self {
            Loader::Copy => script(&each(&|table, columns| {
                let from = format!("sqlite3 -csv '{}' 'SELECT {columns} FROM {table}'", ready.display());
                let copy = format!("\\copy {}.{table} ({columns}) FROM pstdin WITH (FORMAT csv)", store.schema);
                let into = format!("{} -Xqd '{}' -c '{copy}'", psql(), store.url);
                format!("{from} | {into}")
            })),
            Loader::LoadData => {
                let sql = each(&|table, columns| {
                    format!("LOAD DATA LOCAL INFILE '{}' INTO TABLE {table} CHARACTER SET utf8mb4 ({columns})", dir.join(table).display())
                });
                let took = store.mariadb(&["--local-infile=1", &store.schema, "-e", &sql]);
                // It passes over rows that it does not take: a query of two rows in one place fails where some are not there.
                let count: i64 = source.query_row("SELECT count(*) FROM amx_history_results", [], |row| row.get(0)).unwrap();
                let check = format!("SELECT IF(count(*) = {count}, 1, (SELECT 1 UNION SELECT 2)) FROM amx_history_results");
                store.mariadb(&[&store.schema, "-e", &check]);
                took
            }
            Loader::Attach => {
                let sql = each(&|table, columns| format!("INSERT INTO {table} ({columns}) SELECT {columns} FROM ready.{table}"));
                let sql = format!("ATTACH '{}' AS ready; {sql}", ready.display());
                ran(Command::new("sqlite3").args(["-bail", store.url.trim_start_matches("sqlite://"), &sql])).took
            }
        }
    }
}

/// The tables with the rows, in the order of their keys.
const TABLES: [&str; 2] = ["amx_history_runs", "amx_history_results"];

fn columns(source: &rusqlite::Connection, table: &str) -> Vec<String> {
    let mut statement = source.prepare("SELECT name FROM pragma_table_info(?1)").unwrap();
    statement.query_map([table], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// How long a script of the shell takes that has to succeed.
fn script(text: &str) -> Duration {
    ran(Command::new("bash").args(["-c", &format!("set -eo pipefail; {text}")])).took
}
