//! How long the program takes to start, do one small thing and end: `dump-ddl` beside SQLite's shell.
//!
//! `cargo bench --bench cold -- [times]`
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
    table.print();
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
