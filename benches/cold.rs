//! How long the program takes to start, do one small thing and end: `dump-ddl` beside SQLite's shell, and `migrate` with nothing to do beside
//! PostgreSQL's.
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
    for dialect in DIALECTS {
        let figure = format!("`dump-ddl --dialect {dialect}`, cold process");
        let (ours, shell) = side_by_side(dialect, times);
        let scale = shell.map_or("skipped: sqlite3 is not there".into(), |shell| format!("`sqlite3 :memory: 'select 1'` {}", ms(shell)));
        table.line(&figure, ms(ours), scale, shell.map(|shell| ratio(ours, shell)), "< 15 ms");
    }
    migrate(times, &mut table);
    table.print();
}

/// `migrate` on a store that is up to date.
fn migrate(times: usize, table: &mut Table) {
    let figure = "`migrate` on PostgreSQL, nothing to do, cold process";
    let url = std::env::var("AMX_BENCH_POSTGRESQL_URL").or_else(|_| std::env::var("AMX_TEST_POSTGRESQL_URL"));
    let Ok(url) = url else { return table.skipped(figure, "no server is named") };
    let home = tempfile::tempdir().unwrap();
    let schema = format!("cold_{}", std::process::id());
    let migrate = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_amx-schema"));
        timed(command.args(["migrate", "--json", "--url", &url, "--schema", &schema]).env("AMX_HOME", home.path()))
    };
    let psql = |sql: &str| timed(Command::new("psql").args(["-Xqd", &url, "-c", sql]));
    migrate();
    let (mut ours, mut shell) = (vec![], vec![]);
    for _ in 0..times {
        ours.push(migrate());
        shell.push(psql("SELECT 1"));
    }
    psql(&format!("DROP SCHEMA {schema} CASCADE"));
    let (ours, shell) = (median(ours), median(shell));
    table.line(figure, ms(ours), format!("`psql -c 'SELECT 1'` {}", ms(shell)), Some(ratio(ours, shell)), "< 50 ms");
}

/// The medians of both, run in turn so that what else the machine does hits both alike.
fn side_by_side(dialect: &str, times: usize) -> (Duration, Option<Duration>) {
    let home = tempfile::tempdir().unwrap();
    let shell_there = has("sqlite3");
    let (mut ours, mut shell) = (vec![], vec![]);
    for _ in 0..times {
        let mut dump = Command::new(env!("CARGO_BIN_EXE_amx-schema"));
        ours.push(timed(dump.args(["dump-ddl", "--dialect", dialect]).env("AMX_HOME", home.path())));
        if shell_there {
            shell.push(timed(Command::new("sqlite3").args([":memory:", "select 1"])));
        }
    }
    (median(ours), shell_there.then(|| median(shell)))
}

fn ms(took: Duration) -> String {
    format!("{:.1} ms", took.as_secs_f64() * 1e3)
}
