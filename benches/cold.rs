//! How long the program takes to start, do one small thing and end: `--help`, `dump-ddl`, and `status` and `history list` of a home without a shared
//! store beside SQLite's shell; `status`, `history list` and `migrate` with nothing to do beside PostgreSQL's; and how large it is.
//!
//! `cargo bench --bench cold -- [times]`; the server is that of `AMX_BENCH_POSTGRESQL_URL` or `AMX_TEST_POSTGRESQL_URL`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::print_stderr, missing_docs)]
#[allow(dead_code)]
mod common;
#[path = "common/operations.rs"]
mod operations;

use common::{Table, has, median, psql, ratio, timed};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const DIALECTS: [&str; 9] = ["postgresql", "mysql", "sqlserver", "oracle", "snowflake", "bigquery", "databricks", "redshift", "sqlite"];

fn main() {
    let times = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(30);
    let mut table = Table::default();
    let home = tempfile::tempdir().unwrap();
    let recorded = home.path().join("operations");
    std::fs::write(&recorded, operations::of_runs(100, 10)).unwrap();
    timed(&mut alone(home.path(), &["record", recorded.to_str().unwrap()]));
    let dumps = DIALECTS.map(|dialect| vec!["dump-ddl", "--dialect", dialect]);
    for args in [vec!["--help"], vec!["status"], vec!["history", "list"]].into_iter().chain(dumps) {
        let figure = format!("`{}`, cold process", args.join(" "));
        let (ours, shell) = side_by_side(home.path(), &args, times);
        let scale = shell.map_or("skipped: sqlite3 is not there".into(), |shell| format!("`sqlite3 :memory: 'select 1'` {}", ms(shell)));
        table.line(&figure, ms(ours), scale, shell.map(|shell| ratio(ours, shell)), "< 10 ms");
    }
    on_postgresql(times, &mut table);
    let size = std::fs::metadata(env!("CARGO_BIN_EXE_amx-schema")).unwrap().len();
    let scale = "without symbols, with the drivers of eight backends, SQLite and TLS";
    table.line("the program's file", format!("{:.1} MB", size as f64 / 1e6), scale.into(), None, "");
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
    let shell = |sql: &str| timed(Command::new(psql()).args(["-Xqd", &url, "-c", sql]));
    run(&["migrate"]);
    for args in [&["migrate"][..], &["status"], &["history", "list"]] {
        let both = (0..times).map(|_| (run(args), shell("SELECT 1")));
        let (ours, theirs): (Vec<_>, Vec<_>) = both.unzip();
        let (ours, theirs) = (median(ours), median(theirs));
        let figure = format!("`{}` on PostgreSQL, cold process", args.join(" "));
        table.line(&figure, ms(ours), format!("`psql -c 'SELECT 1'` {}", ms(theirs)), Some(ratio(ours, theirs)), "< 30 ms over it");
    }
    shell(&format!("DROP SCHEMA {schema} CASCADE"));
}

/// The medians of both, run in turn so that what else the machine does hits both alike.
fn side_by_side(home: &Path, args: &[&str], times: usize) -> (Duration, Option<Duration>) {
    let shell_there = has("sqlite3");
    let (mut ours, mut shell) = (vec![], vec![]);
    for _ in 0..times {
        ours.push(timed(&mut alone(home, args)));
        if shell_there {
            shell.push(timed(Command::new("sqlite3").args([":memory:", "select 1"])));
        }
    }
    (median(ours), shell_there.then(|| median(shell)))
}

/// The program in a home, with no shared store.
fn alone(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_amx-schema"));
    command.args(args).env("AMX_HOME", home).env("AMX_USER", "bench").env_remove("AMX_URL");
    command
}

fn ms(took: Duration) -> String {
    format!("{:.1} ms", took.as_secs_f64() * 1e3)
}
