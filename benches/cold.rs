//! How long the program takes to start, do one small thing and end: `--help` and `dump-ddl` beside SQLite's shell; `status`, `history list` and
//! `migrate` with nothing to do beside PostgreSQL's.
//!
//! `cargo bench --bench cold -- [times]`; the server is that of `AMX_BENCH_POSTGRESQL_URL` or `AMX_TEST_POSTGRESQL_URL`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::print_stderr, missing_docs)]
#[allow(dead_code)]
mod common;

use common::{Table, has, median, ratio, timed};
use std::process::Command;
use std::time::Duration;

const DIALECTS: [&str; 9] = ["postgresql", "mysql", "sqlserver", "oracle", "snowflake", "bigquery", "databricks", "redshift", "sqlite"];

fn main() {
    let times = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(30);
    let mut table = Table::default();
    let dumps = DIALECTS.map(|dialect| vec!["dump-ddl", "--dialect", dialect]);
    for args in [vec!["--help"]].into_iter().chain(dumps) {
        let figure = format!("`{}`, cold process", args.join(" "));
        let (ours, shell) = side_by_side(&args, times);
        let scale = shell.map_or("skipped: sqlite3 is not there".into(), |shell| format!("`sqlite3 :memory: 'select 1'` {}", ms(shell)));
        table.line(&figure, ms(ours), scale, shell.map(|shell| ratio(ours, shell)), "< 10 ms");
    }
    on_postgresql(times, &mut table);
    table.print("cold");
}

/// What asks a store that is up to date, beside a shell that asks nothing.
fn on_postgresql(times: usize, table: &mut Table) {
    let url = std::env::var("AMX_BENCH_POSTGRESQL_URL").or_else(|_| std::env::var("AMX_TEST_POSTGRESQL_URL"));
    let Ok(url) = url else { return table.skipped("commands on PostgreSQL, cold process", "no server is named") };
    let home = tempfile::tempdir().unwrap();
    let schema = format!("cold_{}", std::process::id());
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_amx-schema"));
        timed(command.args(args).args(["--json", "--url", &url, "--schema", &schema]).env("AMX_HOME", home.path()))
    };
    let psql = |sql: &str| timed(Command::new("psql").args(["-Xqd", &url, "-c", sql]));
    run(&["migrate"]);
    for args in [&["migrate"][..], &["status"], &["history", "list"]] {
        let both = (0..times).map(|_| (run(args), psql("SELECT 1")));
        let (ours, shell): (Vec<_>, Vec<_>) = both.unzip();
        let (ours, shell) = (median(ours), median(shell));
        let figure = format!("`{}` on PostgreSQL, cold process", args.join(" "));
        table.line(&figure, ms(ours), format!("`psql -c 'SELECT 1'` {}", ms(shell)), Some(ratio(ours, shell)), "< 30 ms over it");
    }
    psql(&format!("DROP SCHEMA {schema} CASCADE"));
}

/// The medians of both, run in turn so that what else the machine does hits both alike.
fn side_by_side(args: &[&str], times: usize) -> (Duration, Option<Duration>) {
    let home = tempfile::tempdir().unwrap();
    let shell_there = has("sqlite3");
    let (mut ours, mut shell) = (vec![], vec![]);
    for _ in 0..times {
        let mut command = Command::new(env!("CARGO_BIN_EXE_amx-schema"));
        ours.push(timed(command.args(args).env("AMX_HOME", home.path())));
        if shell_there {
            shell.push(timed(Command::new("sqlite3").args([":memory:", "select 1"])));
        }
    }
    (median(ours), shell_there.then(|| median(shell)))
}

fn ms(took: Duration) -> String {
    format!("{:.1} ms", took.as_secs_f64() * 1e3)
}
