//! How fast writes go through `record` and out of the outbox, and what reading the history back and pulling cost as processes, on PostgreSQL.
//!
//! `cargo bench --bench sync -- [RUNS] [RESULTS-PER-RUN] [ROUNDS] [record] [flush] [list] [pull]`; the parts named, or all. RUNS and
//! RESULTS-PER-RUN are what the store holds for `list` and `pull`, 10,000 and 10 where they are not said. The server is that of
//! `AMX_BENCH_POSTGRESQL_URL` or `AMX_TEST_POSTGRESQL_URL`. Every figure is a median and stands beside something measured in the same run.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::print_stderr, missing_docs)]
#[allow(dead_code)]
mod common;
#[allow(dead_code)]
#[path = "common/shared.rs"]
mod shared;

use common::{Table, median, ratio, timed};
use shared::Shared;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Operations of one stream.
const OPERATIONS: usize = 20_000;
/// Operations that wait in the outbox.
const QUEUED: usize = 10_000;
/// Operations that each wait for the answer to the one before.
const ONE_BY_ONE: usize = 300;
/// Runs that others have changed.
const CHANGED: u64 = 10;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let mut numbers = words.iter().filter_map(|word| word.parse::<u64>().ok());
    let mut number = |default: u64| numbers.next().unwrap_or(default);
    let (runs, results, rounds) = (number(10_000), number(10), number(5));
    let parts: Vec<&String> = words.iter().filter(|word| word.parse::<u64>().is_err()).collect();
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|named| *named == part);
    let mut table = Table::default();
    if wanted("record") {
        record(rounds, &mut table);
    }
    if wanted("flush") {
        flush(rounds, &mut table);
    }
    if wanted("list") || wanted("pull") {
        let figure = format!("{runs} runs × {results} results");
        match Shared::new() {
            None => table.skipped(&figure, "no server is named"),
            Some(store) => {
                store.fill(runs, results);
                // Each process is short.
                let rounds = rounds * 5;
                if wanted("list") {
                    list(&store, &figure, rounds, &mut table);
                }
                if wanted("pull") {
                    pull(&store, &figure, rounds, &mut table);
                }
            }
        }
    }
    table.print("sync");
}

/// Operations of all kinds on runs of their own: of ten one begins a run, six bring results and three are updates.
fn operations(count: usize, mark: &str) -> String {
    let mut lines = String::new();
    let text = "stores the given name of customer as captured at registration time";
    for number in 0..count {
        let run_id = format!("{mark}-{}", number / 10);
        let object = |at: usize| format!("sales.fact_orders_{:03}.attribute_{at}", number % 10);
        let result = |at: usize| {
            let object = object(at);
            format!(
                r#"{{"target_qname":"{object}","target_kind":"COLUMN","description":"{object} {text}","alternatives":[{{"text":"{text}","logprob":-0.5}}],"confidence":"high"}}"#
            )
        };
        match number % 10 {
            0 => writeln!(lines, r#"{{"op":"run","run_id":"{run_id}","started_at":"2026-05-03T15:44:02Z","scope":"sales","llm_provider":"openai","llm_model":"gpt-4o","db_backend":"postgresql"}}"#),
            9 => writeln!(lines, r#"{{"op":"update","run_id":"{run_id}","state":"applied","applied":["sales.fact_orders_001.attribute_0"]}}"#),
            4 | 7 => writeln!(lines, r#"{{"op":"update","run_id":"{run_id}","metadata":{{"step":{number}}}}}"#),
            _ => writeln!(lines, r#"{{"op":"results","run_id":"{run_id}","results":[{},{}]}}"#, result(0), result(1)),
        }
        .unwrap();
    }
    lines
}

/// A process of `record` that is given operations, each after the answer to the one before or all at once while the answers are read. Each
/// answer has to say that of the store; how long it took, and between an operation and its answer where one comes after the other.
fn recorded(store: &Shared, operations: &str, shared: &str, one_by_one: bool) -> (Duration, Vec<Duration>) {
    let started = Instant::now();
    let mut child = store.command(&["record"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let (mut stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut answers = BufReader::new(stdout).lines().map(|line| line.unwrap());
    let wanted = format!("\"shared\":\"{shared}\"");
    let mut latencies = vec![];
    if one_by_one {
        for line in operations.lines() {
            let given = Instant::now();
            writeln!(stdin, "{line}").unwrap();
            let answer = answers.next().unwrap();
            latencies.push(given.elapsed());
            assert!(answer.contains(&wanted), "{answer}");
        }
        drop(stdin);
    } else {
        let text = operations.to_string();
        let writing = std::thread::spawn(move || stdin.write_all(text.as_bytes()).unwrap());
        let mut count = 0;
        for answer in answers.by_ref() {
            assert!(answer.contains(&wanted), "{answer}");
            count += 1;
        }
        writing.join().unwrap();
        assert_eq!(count, operations.lines().count());
    }
    assert!(child.wait().unwrap().success());
    (started.elapsed(), latencies)
}

/// A stream through one process, and operations one by one.
fn record(rounds: u64, table: &mut Table) {
    let figure = format!("`record`, {OPERATIONS} operations in one stream");
    let Some(store) = Shared::new() else { return table.skipped(&figure, "no server is named") };
    let (mut first, mut again, mut copy) = (vec![], vec![], vec![]);
    for round in 0..rounds.min(3) {
        let operations = operations(OPERATIONS, &format!("r{round}"));
        first.push(recorded(&store, &operations, "written", false).0);
        again.push(recorded(&store, &operations, "written", false).0);
        copy.push(store.copy_of_results());
        store.empty();
    }
    let copy = median(copy);
    let scale = format!("`psql \\copy` of the rows that they left: {}", ms(copy));
    let again_figure = format!("the same {OPERATIONS} again: every row is there and is changed");
    for (figure, took) in [(figure, median(first)), (again_figure, median(again))] {
        let measured = format!("{:.2} s, {:.0} operations/s", took.as_secs_f64(), OPERATIONS as f64 / took.as_secs_f64());
        table.line(&figure, measured, scale.clone(), Some(ratio(took, copy)), "≥ 2,000/s");
    }
    let latencies = recorded(&store, &operations(ONE_BY_ONE, "one"), "written", true).1;
    let (ours, insert) = (median(latencies), store.one_insert());
    let scale = format!("an INSERT of its own in `psql` {}", ms(insert));
    table.line("`record`, one operation, to its answer", ms(ours), scale, Some(ratio(ours, insert)), "");
}

/// What was queued while the store was away.
fn flush(rounds: u64, table: &mut Table) {
    let figure = format!("`flush-pending` of {QUEUED} operations");
    let Some(store) = Shared::new() else { return table.skipped(&figure, "no server is named") };
    let (mut queued, mut ours, mut copy) = (vec![], vec![], vec![]);
    for round in 0..rounds.min(3) {
        store.away(true);
        queued.push(recorded(&store, &operations(QUEUED, &format!("q{round}")), "queued", false).0);
        store.away(false);
        ours.push(timed(&mut store.command(&["flush-pending"])));
        assert_eq!(store.count("amx_history_runs"), QUEUED as i64 / 10);
        copy.push(store.copy_of_results());
        store.empty();
    }
    let (queued, ours, copy) = (median(queued), median(ours), median(copy));
    let scale = format!("`psql \\copy` of the rows that they left: {}", ms(copy));
    table.line(&figure, format!("{:.2} s", ours.as_secs_f64()), scale, Some(ratio(ours, copy)), "< 5 s");
    let figure = format!("`record` of {QUEUED} operations with the store away");
    table.line(&figure, format!("{:.2} s", queued.as_secs_f64()), String::new(), None, "");
}

/// The first page of the list, from the store and from the cache.
fn list(store: &Shared, size: &str, rounds: u64, table: &mut Table) {
    let list = || store.command(&["history", "list", "--json"]);
    let (ours, select) = side_by_side(rounds, list, || store.psql("select 1"));
    let scale = format!("`psql -c 'select 1'` {}", ms(select));
    table.line(&format!("`history list` on PostgreSQL, {size}"), ms(ours), scale, Some(ratio(ours, select)), "< 50 ms");
    let figure = format!("`history list` from the cache with the store unreachable, {size}");
    let away = store.unreachable();
    if !away.command(&["history", "list", "--json"]).output().unwrap().status.success() {
        return table.skipped(&figure, "it does not answer");
    }
    let file = away.home().join("history.db");
    let shell = || {
        let mut command = Command::new("sqlite3");
        command.arg(&file).arg("select run_id from amx_history_runs order by started_at desc limit 20");
        command
    };
    let (ours, shell) = side_by_side(rounds, || away.command(&["history", "list", "--json"]), shell);
    table.line(&figure, ms(ours), format!("`sqlite3` of the 20 ids {}", ms(shell)), Some(ratio(ours, shell)), "< 20 ms");
}

/// A pull of what others changed, and of nothing.
fn pull(store: &Shared, size: &str, rounds: u64, table: &mut Table) {
    let pull = || store.command(&["pull-from-shared", "--json"]);
    assert!(String::from_utf8(pull().output().unwrap().stdout).unwrap().contains("\"runs_added\": 0"), "the cache is not as the store");
    let (mut ours, mut select) = (vec![], vec![]);
    for round in 0..rounds {
        store.change(round, CHANGED);
        ours.push(timed(&mut pull()));
        select.push(timed(&mut store.psql("select 1")));
    }
    let (ours, select) = (median(ours), median(select));
    let scale = format!("`psql -c 'select 1'` {}", ms(select));
    let figure = format!("`pull-from-shared` of {CHANGED} changed runs, {size}");
    table.line(&figure, ms(ours), scale, Some(ratio(ours, select)), "< 100 ms");
    let (ours, select) = side_by_side(rounds, pull, || store.psql("select 1"));
    let scale = format!("`psql -c 'select 1'` {}", ms(select));
    table.line(&format!("`pull-from-shared` of nothing, {size}"), ms(ours), scale, Some(ratio(ours, select)), "");
}

/// The medians of both, run in turn so that what else the machine does hits both alike.
fn side_by_side(rounds: u64, ours: impl Fn() -> Command, theirs: impl Fn() -> Command) -> (Duration, Duration) {
    let both: Vec<_> = (0..rounds).map(|_| (timed(&mut ours()), timed(&mut theirs()))).collect();
    let (ours, theirs) = both.into_iter().unzip();
    (median(ours), median(theirs))
}

fn ms(took: Duration) -> String {
    format!("{:.1} ms", took.as_secs_f64() * 1e3)
}
