//! A shared store on PostgreSQL and a home that uses it, filled by SQL.

use crate::common::{psql, timed};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Who wrote the rows that are filled in.
const WRITER: &str = "bench";
/// Single INSERTs that are timed.
const INSERTS: u32 = 300;

/// The store, dropped at the end, and its home.
pub struct Shared {
    home: TempDir,
    url: String,
    schema: String,
}

/// A home like the store's, whose line to it leads nowhere.
pub struct Unreachable(TempDir);

impl Shared {
    /// One on the server that the environment names, with its id.
    pub fn new() -> Option<Shared> {
        let url = std::env::var("AMX_BENCH_POSTGRESQL_URL").or_else(|_| std::env::var("AMX_TEST_POSTGRESQL_URL")).ok()?;
        let schema = format!("bench_sync_{}", std::process::id());
        let store = Shared { home: tempfile::tempdir().unwrap(), url, schema };
        timed(&mut store.command(&["enable", "--yes", "--url", &store.url, "--schema", &store.schema]));
        let first = store.home.path().join("first");
        std::fs::write(
            &first,
            "{\"op\":\"run\",\"run_id\":\"first\",\"scope\":\"sales\",\"llm_provider\":\"p\",\"llm_model\":\"m\",\"db_backend\":\"b\"}\n",
        )
        .unwrap();
        timed(&mut store.command(&["record", first.to_str().unwrap()]));
        store.run("DELETE FROM amx_history_runs");
        rusqlite::Connection::open(store.home().join("history.db"))
            .unwrap()
            .execute_batch("DELETE FROM amx_history_runs; DELETE FROM local_edited")
            .unwrap();
        Some(store)
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn command(&self, args: &[&str]) -> Command {
        command(self.home(), args)
    }

    /// A home that knows the store and nothing of what is in it.
    pub fn newcomer(&self) -> TempDir {
        let home = tempfile::tempdir().unwrap();
        timed(&mut command(home.path(), &["enable", "--yes", "--url", &self.url, "--schema", &self.schema]));
        home
    }

    /// The program in another home, on this store.
    pub fn command_in(&self, home: &Path, args: &[&str]) -> Command {
        command(home, &[args, &["--url", &self.url, "--schema", &self.schema]].concat())
    }

    pub fn psql(&self, sql: &str) -> Command {
        let mut command = Command::new(psql());
        command.args(["-XqAtd", &self.url, "-v", "ON_ERROR_STOP=1", "-c", sql]);
        command.env("PGOPTIONS", format!("-c search_path={} -c client_min_messages=warning", self.schema));
        command
    }

    fn run(&self, sql: &str) -> String {
        let output = self.psql(sql).stderr(Stdio::inherit()).output().unwrap();
        assert!(output.status.success(), "{sql}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn count(&self, table: &str) -> i64 {
        self.run(&format!("SELECT count(*) FROM {table}")).trim().parse().unwrap()
    }

    pub fn empty(&self) {
        self.run("TRUNCATE amx_history_results, amx_history_runs");
    }

    /// Takes the store away from where its home looks for it, or puts it back.
    pub fn away(&self, away: bool) {
        let (here, there) = (self.schema.clone(), format!("{}_away", self.schema));
        let (from, to) = if away { (here, there) } else { (there, here) };
        self.run(&format!("ALTER SCHEMA {from} RENAME TO {to}"));
    }

    /// How long psql takes to copy the store's results into a table like theirs.
    pub fn copy_of_results(&self) -> Duration {
        let file = self.home().join("rows");
        let file = file.to_str().unwrap();
        self.run(&format!("\\copy amx_history_results TO '{file}'"));
        self.run("CREATE TABLE beside (LIKE amx_history_results INCLUDING ALL)");
        let took = timed(&mut self.psql(&format!("\\copy beside FROM '{file}'")));
        self.run("DROP TABLE beside");
        took
    }

    /// How long one INSERT takes that is a transaction of its own, in a session that is there.
    pub fn one_insert(&self) -> Duration {
        self.run("CREATE TABLE beside (n BIGINT PRIMARY KEY, t TEXT)");
        let file = self.home().join("inserts");
        std::fs::write(&file, (0..INSERTS).map(|n| format!("INSERT INTO beside VALUES ({n}, 'text');\n")).collect::<String>()).unwrap();
        let mut command = self.psql("SELECT 1");
        let started = Instant::now();
        assert!(command.args(["-f", file.to_str().unwrap()]).stdout(Stdio::null()).status().unwrap().success());
        let took = started.elapsed() / INSERTS;
        self.run("DROP TABLE beside");
        took
    }

    /// Fills the store and the home's cache with so many runs of so many results each, all written by somebody else.
    pub fn fill(&self, runs: u64, results: u64) {
        let text = "'stores the given name of customer as captured at registration time ' || r.n || ' ' || o.n";
        let run = "run_id, who, started_at, scope, llm_provider, llm_model, db_backend, state, created_by, hostname, local_id, origin, writer, landing";
        let run_values = |id: &str, at: &str| {
            format!(
                "SELECT {id}, 'bob', {at}, 'sales', 'openai', 'gpt-4o', 'postgresql', 'reviewed', 'bob', 'laptop', n, '{WRITER}', '{WRITER}', n"
            )
        };
        let result = "run_id, target_qname, target_kind, description, alternatives, confidence, applied, created_by, hostname, local_id, origin, writer, landing";
        let result_values = |id: &str, object: &str, truth: &str| {
            format!(
                "SELECT {id}, {object}, 'COLUMN', {text}, '[{{\"text\":\"stores the name\",\"logprob\":-0.5}}]', 'high', {truth}, 'bob', 'laptop', r.n, '{WRITER}', '{WRITER}', r.n"
            )
        };
        let (id, object) = ("'run_' || lpad(r.n::text, 9, '0')", "'sales.fact_orders.attribute_' || lpad(o.n::text, 5, '0')");
        let at = "timestamptz '2026-01-01 00:00:00Z' + n * interval '47.618 seconds'";
        self.run(&format!(
            "INSERT INTO amx_history_runs ({run}) {} FROM generate_series(1, {runs}) r(n);
            INSERT INTO amx_history_results ({result}) {} FROM generate_series(1, {runs}) r(n), generate_series(1, {results}) o(n);
            INSERT INTO amx_history_origins (origin, landed, epoch) VALUES ('{WRITER}', {runs}, 'e');",
            run_values(id, at),
            result_values(id, object, "true")
        ));
        self.run("VACUUM ANALYZE");
        let cache = rusqlite::Connection::open(self.home().join("history.db")).unwrap();
        let series = |name: &str, end: u64| format!("{name}(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM {name} WHERE n < {end})");
        let (id, object) = ("printf('run_%09d', r.n)", "printf('sales.fact_orders.attribute_%05d', o.n)");
        let at = "strftime('%Y-%m-%dT%H:%M:%f', julianday('2026-01-01') + n * 47.618 / 86400) || '000Z'";
        cache
            .execute_batch(&format!(
                "PRAGMA synchronous = OFF; BEGIN;
                WITH RECURSIVE {} INSERT INTO amx_history_runs ({run}) {} FROM r;
                WITH RECURSIVE {}, {} INSERT INTO amx_history_results ({result}) {} FROM r, o;
                INSERT OR REPLACE INTO local_cursors SELECT value, '{WRITER}', 'e', {runs} FROM local_facts WHERE item = 'cached_store';
                COMMIT; PRAGMA wal_checkpoint(TRUNCATE)",
                series("r", runs),
                run_values(id, at),
                series("r", runs),
                series("o", results),
                result_values(id, object, "1")
            ))
            .unwrap();
    }

    /// Changes so many runs of the store as somebody else would, and one result of each.
    pub fn change(&self, round: u64, runs: u64) {
        let some = format!("IN (SELECT run_id FROM amx_history_runs ORDER BY md5(run_id || '{round}') LIMIT {runs})");
        let number = format!("(SELECT landed FROM amx_history_origins WHERE origin = '{WRITER}')");
        self.run(&format!(
            "BEGIN; UPDATE amx_history_origins SET landed = landed + 1 WHERE origin = '{WRITER}';
            CREATE TEMPORARY TABLE chosen AS SELECT run_id FROM amx_history_runs WHERE run_id {some};
            UPDATE amx_history_runs SET metadata_json = '{{\"round\":{round}}}', landing = {number} WHERE run_id IN (SELECT run_id FROM chosen);
            UPDATE amx_history_results SET description = 'round {round}', landing = {number} WHERE (run_id, target_qname) IN
                (SELECT run_id, min(target_qname) FROM amx_history_results WHERE run_id IN (SELECT run_id FROM chosen) GROUP BY 1);
            COMMIT"
        ));
    }

    /// A home with the same cache whose store cannot be reached.
    pub fn unreachable(&self) -> Unreachable {
        let home = tempfile::tempdir_in(self.home()).unwrap();
        for name in ["history.db", "config.yml"] {
            std::fs::copy(self.home().join(name), home.path().join(name)).unwrap();
        }
        let config = std::fs::read_to_string(home.path().join("config.yml")).unwrap();
        let port = url::Url::parse(&self.url).unwrap().port().unwrap_or(5432).to_string();
        assert!(config.contains(&port), "{config}");
        std::fs::write(home.path().join("config.yml"), config.replace(&port, "9")).unwrap();
        Unreachable(home)
    }
}

impl Unreachable {
    pub fn home(&self) -> &Path {
        self.0.path()
    }

    pub fn command(&self, args: &[&str]) -> Command {
        command(self.home(), args)
    }
}

fn command(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_amx-schema"));
    command.args(args).env("AMX_HOME", home).env("AMX_USER", "bench").env_remove("AMX_URL");
    command
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.run(&format!("DROP SCHEMA IF EXISTS {} CASCADE", self.schema));
    }
}
