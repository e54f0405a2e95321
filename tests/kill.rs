//! What is cut off anywhere is finished by the next run: SIGKILL, Ctrl-C, SIGTERM, a broken line, and several at the same time.

mod common;
use common::chance::Chance;
use common::files::{Part, amx_cli};
use common::proxy::Proxy;
use common::{Home, Store};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How many kills have to hit a program that is still at work.
fn kills_wanted() -> usize {
    if is_quick() { 8 } else { 20 }
}

/// Whether a part of the moments will do; they are others each time.
fn is_quick() -> bool {
    std::env::var_os("AMX_TEST_QUICK").is_some()
}

/// A file that takes several batches, and a run that is read and landed in parts because it is too large for one.
fn file() -> &'static str {
    static FILE: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = FILE.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("history.db");
        amx_cli(&path, &[Part { runs: 1100, results: 1, bytes: 40 }, Part { runs: 1, results: 900, bytes: 8000 }]);
        (dir, path)
    });
    path.to_str().unwrap()
}

/// What [`file`] becomes.
const RUNS: i64 = 1101;
const RESULTS: i64 = 2000;

fn import_args(store: &Store) -> Vec<&str> {
    vec!["migrate-from-local", "--yes", "--source", file(), "--url", &store.url, "--schema", &store.schema]
}

fn spawned(home: &Home, args: &[&str]) -> Child {
    home.command(args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Runs a command for a while and kills it. Whether it was still at work, and for how long it was let.
fn killed(home: &Home, args: &[&str], after: Duration) -> bool {
    let mut child = spawned(home, args);
    std::thread::sleep(after);
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert!(status.signal() == Some(9) || status.success(), "{status}");
    status.signal() == Some(9)
}

/// An undisturbed import into a store that is made empty first: how long it took, and what the store holds then.
fn undisturbed(store: &Store) -> (Duration, String) {
    let home = Home::new();
    home.migrated(store);
    let started = Instant::now();
    home.run(&import_args(store)).ok();
    let took = started.elapsed();
    assert_eq!(store.counts(), (RUNS, RESULTS), "{}", store.backend);
    let rows = store.rows();
    store.empty();
    (took, rows)
}

/// Kills imports at moments spread over their whole duration, each into an empty store, and lets the next run finish.
fn an_import_that_is_killed_is_finished_by_the_next(store: &Store) {
    let mut chance = Chance::new();
    let (mut took, rows) = undisturbed(store);
    let (mut hits, mut midway, mut tries) = (0, 0, 0);
    while hits < kills_wanted() {
        tries += 1;
        assert!(tries < 10 * kills_wanted(), "{}: too few kills hit", store.backend);
        let after = took.mul_f64((hits as f64 + chance.part()) / kills_wanted() as f64);
        let home = Home::new();
        if !killed(&home, &import_args(store), after) {
            // It was faster than the one that was measured.
            took = took.mul_f64(0.95);
            store.empty();
            continue;
        }
        hits += 1;
        midway += usize::from((1..RUNS).contains(&store.counts().0));
        home.run(&import_args(store)).ok();
        assert!(store.rows() == rows, "{}: killed after {after:?}, other rows than undisturbed", store.backend);
        store.empty();
    }
    eprintln!("{}: {took:?} undisturbed, {hits} kills, {midway} of them between two batches", store.backend);
    assert!(midway > 0, "{}: no kill landed between two batches", store.backend);
}

#[test]
fn an_import_into_sqlite_that_is_killed_is_finished_by_the_next() {
    an_import_that_is_killed_is_finished_by_the_next(&Store::sqlite());
}

#[test]
fn an_import_into_postgresql_that_is_killed_is_finished_by_the_next() {
    Store::postgresql().iter().for_each(an_import_that_is_killed_is_finished_by_the_next);
}

#[test]
fn an_import_into_mariadb_that_is_killed_is_finished_by_the_next() {
    Store::mysql().iter().for_each(an_import_that_is_killed_is_finished_by_the_next);
}

#[test]
fn an_import_that_is_killed_again_and_again_comes_to_its_end() {
    for store in Store::all() {
        let mut chance = Chance::new();
        let (took, rows) = undisturbed(&store);
        let home = Home::new();
        for _ in 0..5 {
            killed(&home, &import_args(&store), took.mul_f64(0.2 + 0.4 * chance.part()));
        }
        home.run(&import_args(&store)).ok();
        assert!(store.rows() == rows, "{}", store.backend);
    }
}

// --- signals

#[test]
fn an_import_that_is_interrupted_says_so_and_is_finished_by_the_next() {
    for store in Store::all() {
        let (took, rows) = undisturbed(&store);
        for signal in ["INT", "TERM"] {
            let home = Home::new();
            let mut hit = false;
            for part in [0.5, 0.4, 0.3, 0.6, 0.2] {
                store.empty();
                let child = spawned(&home, &import_args(&store));
                std::thread::sleep(took.mul_f64(part));
                Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap();
                let output = child.wait_with_output().unwrap();
                let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
                if output.status.code() == Some(0) {
                    continue;
                }
                assert_eq!(output.status.code(), Some(130), "{} {signal}: {} {stderr}", store.backend, output.status);
                let lines: Vec<_> = stderr.lines().filter(|line| !line.starts_with('[')).collect();
                assert!(lines.len() == 2 && lines[0].starts_with("error[interrupted]: ") && lines[1].starts_with("hint: "), "{stderr}");
                hit = true;
                break;
            }
            assert!(hit, "{}: no SIG{signal} hit", store.backend);
            home.run(&import_args(&store)).ok();
            assert!(store.rows() == rows, "{}", store.backend);
            store.empty();
        }
    }
}

// --- migrations

fn migrate_args<'a>(store: &'a Store, more: &[&'a str]) -> Vec<&'a str> {
    [&["migrate", "--url", &store.url, "--schema", &store.schema], more].concat()
}

/// Requires that the store is whole: the ledger has each version once, and an import works.
#[track_caller]
fn whole(home: &Home, store: &Store, context: &str) {
    let checked = home.run(&migrate_args(store, &["--check", "--json"]));
    assert_eq!(checked.code, 0, "{} {context}: {}", store.backend, checked.stderr);
    assert_eq!(checked.json()["to_version"], 2);
    assert_eq!(store.sql("SELECT version FROM amx_history_ledger ORDER BY version").trim(), "1\n2", "{} {context}", store.backend);
}

#[test]
fn a_migration_that_is_killed_is_finished_by_the_next() {
    for store in Store::all() {
        let mut chance = Chance::new();
        let home = Home::new();
        let started = Instant::now();
        home.migrated(&store);
        let took = started.elapsed();
        whole(&home, &store, "undisturbed");
        let (mut took, mut hits, mut tries) = (took, 0, 0);
        while hits < kills_wanted() {
            tries += 1;
            assert!(tries < 10 * kills_wanted(), "{}: too few kills hit", store.backend);
            store.absent();
            let after = took.mul_f64((hits as f64 + chance.part()) / kills_wanted() as f64);
            if !killed(&home, &migrate_args(&store, &[]), after) {
                // It was faster than the one that was measured.
                took = took.mul_f64(0.95);
                continue;
            }
            hits += 1;
            home.run(&migrate_args(&store, &[])).ok();
            whole(&home, &store, &format!("killed after {after:?}"));
        }
        eprintln!("{}: {took:?} undisturbed, {hits} kills hit", store.backend);
    }
}

/// Kills migrations when their first message to the server is on its way, their second, and so on to the last, each on an empty database; the
/// next run finishes each, and the one after that has nothing to do. A quick run takes every third message, beginning at another one each time.
fn a_migration_that_is_killed_at_any_message_is_finished_by_the_next(store: &Store) {
    let (proxy, home) = (Proxy::to(store), Home::new());
    let url = proxy.url(store);
    let mut kills = 0;
    let step = if is_quick() { 3 } else { 1 };
    let first = 1 + Chance::new().below(step);
    for messages in (first..).step_by(step) {
        store.absent();
        let mut child = proxy.kill_after(messages as i64, || spawned(&home, &["migrate", "--url", &url, "--schema", &store.schema]));
        let status = child.wait().unwrap();
        assert!(status.signal() == Some(9) || status.success(), "{} at message {messages}: {status}", store.backend);
        home.run(&migrate_args(store, &[])).ok();
        whole(&home, store, &format!("killed at message {messages}"));
        home.on(store, &["diff"]).ok();
        if status.success() {
            break;
        }
        kills += 1;
    }
    eprintln!("{}: {kills} kills", store.backend);
    assert!(kills * step > 40, "{}: {kills}", store.backend);
}

#[test]
fn a_migration_of_postgresql_that_is_killed_at_any_message_is_finished_by_the_next() {
    Store::postgresql().iter().for_each(a_migration_that_is_killed_at_any_message_is_finished_by_the_next);
}

#[test]
fn a_migration_of_mariadb_that_is_killed_at_any_message_is_finished_by_the_next() {
    Store::mysql().iter().for_each(a_migration_that_is_killed_at_any_message_is_finished_by_the_next);
}

#[test]
fn enabling_that_is_killed_is_finished_by_the_next() {
    for store in Store::all() {
        let mut chance = Chance::new();
        let enable = ["enable", "--yes", "--url", &store.url, "--schema", &store.schema];
        let started = Instant::now();
        Home::new().run(&enable).ok();
        let took = started.elapsed();
        for kill in 0..5 {
            store.absent();
            let home = Home::new();
            killed(&home, &enable, took.mul_f64((kill as f64 + chance.part()) / 5.0));
            home.run(&enable).ok();
            whole(&home, &store, "enable");
            let status = home.run(&["status", "--json"]).json();
            assert_eq!((status["active_store"].as_str(), status["schema_version"].as_u64()), (Some("shared"), Some(2)), "{status}");
            assert!(status["store_id"].is_string(), "{}: {status}", store.backend);
        }
    }
}

#[test]
fn many_that_edit_one_configuration_at_the_same_time_keep_what_the_others_wrote() {
    let (store, home) = (Store::sqlite(), Home::new());
    home.write("config.yml", "# Kept by hand.\nllm:\n  provider: openai\n");
    let names: Vec<String> = (0..12).map(|number| format!("p{number}")).collect();
    let add = |name| spawned(&home, &["profile", "add", name, "--from-url", "sqlite:///nowhere.db"]);
    let mut children: Vec<_> = names.iter().map(|name| add(name)).collect();
    children.extend((0..4).map(|_| spawned(&home, &["enable", "--yes", "--url", &store.url])));
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let config = home.read("config.yml");
    assert!(config.starts_with("# Kept by hand.\nllm:\n  provider: openai\n"), "{config}");
    for line in names.iter().map(|name| format!("  {name}:")).chain(["  shared:".into(), "history_store_enabled: true".into()]) {
        assert_eq!(config.lines().filter(|known| **known == line).count(), 1, "{line}\n{config}");
    }
}

/// The statements that make the store, in order. None of them holds a semicolon within.
fn statements(home: &Home, store: &Store) -> Vec<String> {
    let script = home.run(&migrate_args(store, &["--dry-run"])).ok();
    let lines: String = script.lines().filter(|line| !line.starts_with("--")).map(|line| format!("{line}\n")).collect();
    lines.split(";\n").map(|statement| statement.trim().to_string()).filter(|statement| !statement.is_empty()).collect()
}

#[test]
fn a_migration_that_stopped_after_any_statement_is_finished_by_the_next() {
    for store in Store::all() {
        let home = Home::new();
        store.absent();
        let statements = statements(&home, &store);
        assert!(statements.len() > 10, "{statements:?}");
        let described = |store: &Store| {
            match store.backend {
            "sqlite" => store.sql("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY name"),
            "postgresql" => store.sql(&format!(
                "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns WHERE table_schema = '{0}' ORDER BY 1, 2;
                SELECT indexname FROM pg_indexes WHERE schemaname = '{0}' ORDER BY 1;",
                store.schema.to_lowercase()
            )),
            _ => store.sql(&format!(
                "SELECT table_name, column_name, column_type, is_nullable FROM information_schema.columns WHERE table_schema = '{0}' ORDER BY 1, 2;
                SELECT DISTINCT table_name, index_name FROM information_schema.statistics WHERE table_schema = '{0}' ORDER BY 1, 2;",
                store.schema
            )),
        }
        };
        home.migrated(&store);
        let wanted = described(&store);
        // On MariaDB each statement commits by itself. Elsewhere a version lands as a whole, and only a person's hand leaves a prefix: a few
        // will do.
        let tried = |length: &usize| store.backend == "mysql" || length.is_multiple_of(7) || *length <= 2 || *length == statements.len();
        for length in (1..=statements.len()).filter(tried) {
            store.absent();
            store.sql(&format!("{};", statements[..length].join(";\n")));
            let ran = home.run(&migrate_args(&store, &[]));
            assert_eq!(ran.code, 0, "{} after {length} statements, the last\n{}\n{}", store.backend, statements[length - 1], ran.stderr);
            whole(&home, &store, &format!("after {length} statements"));
            assert_eq!(described(&store), wanted, "{} after {length} statements", store.backend);
        }
    }
}

#[test]
fn many_migrations_at_the_same_time_apply_each_version_once() {
    for store in Store::all() {
        let homes: Vec<_> = (0..16).map(|_| Home::new()).collect();
        for count in [2, 16] {
            store.absent();
            let children: Vec<_> = homes.iter().take(count).map(|home| spawned(home, &migrate_args(&store, &[]))).collect();
            for child in children {
                let output = child.wait_with_output().unwrap();
                assert!(output.status.success(), "{} of {count}: {}", store.backend, String::from_utf8_lossy(&output.stderr));
            }
            whole(&homes[0], &store, &format!("{count} at once"));
        }
    }
}

#[test]
fn many_that_enable_at_the_same_time_share_one_store() {
    for store in Store::all() {
        let homes: Vec<_> = (0..4).map(|_| Home::new()).collect();
        let enable = ["enable", "--yes", "--url", &store.url, "--schema", &store.schema];
        let children: Vec<_> = homes.iter().map(|home| spawned(home, &enable)).collect();
        for child in children {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{}: {}", store.backend, String::from_utf8_lossy(&output.stderr));
        }
        whole(&homes[0], &store, "enable at once");
        let ids: std::collections::BTreeSet<_> =
            homes.iter().map(|home| home.run(&["status", "--json"]).json()["store_id"].as_str().unwrap().to_string()).collect();
        assert_eq!(ids.len(), 1, "{}", store.backend);
    }
}

// --- a line that breaks

/// Imports through a line that is cut; what came of it, and that the next import over a whole line has all there once.
fn over_a_line_that_is_cut(store: &Store, proxy: &Proxy, rows: &str, after: u64, times: i64) -> i32 {
    let home = Home::new();
    let url = proxy.url(store);
    proxy.cut(after, times);
    let ran = home.run(&["migrate-from-local", "--yes", "--source", file(), "--url", &url, "--schema", &store.schema]);
    proxy.cut(0, 0);
    if ran.code != 0 {
        assert!(ran.stderr.contains("error[unreachable]"), "{} cut after {after}: {}", store.backend, ran.stderr);
        assert_eq!(ran.code, 5);
    } else {
        assert!(store.rows() == rows, "{} cut after {after} bytes: other rows than undisturbed", store.backend);
    }
    home.run(&import_args(store)).ok();
    assert!(store.rows() == rows, "{} cut after {after} bytes: other rows than undisturbed", store.backend);
    store.empty();
    ran.code
}

fn an_import_over_a_line_that_breaks_comes_to_its_end(store: &Store) {
    let mut chance = Chance::new();
    let (_, rows) = undisturbed(store);
    let proxy = Proxy::to(store);
    assert_eq!(over_a_line_that_is_cut(store, &proxy, &rows, u64::MAX / 4, 0), 0);
    proxy.cut(0, 0);
    let home = Home::new();
    home.run(&["migrate-from-local", "--yes", "--source", file(), "--url", &proxy.url(store), "--schema", &store.schema]).ok();
    let whole = proxy.sent();
    store.empty();
    // Where the import itself is at work a single cut is mended.
    let mended: Vec<_> = (0..6)
        .map(|at| {
            let after = (whole as f64 * (0.02 + 0.93 * (at as f64 + chance.part()) / 6.0)) as u64;
            over_a_line_that_is_cut(store, &proxy, &rows, after, 1)
        })
        .collect();
    assert!(mended.iter().all(|code| *code == 0), "{}: {mended:?}", store.backend);
    // So is a second one. A line that breaks again and again is told, and the next import goes on.
    over_a_line_that_is_cut(store, &proxy, &rows, whole / 2, 2);
    over_a_line_that_is_cut(store, &proxy, &rows, 2000, 1);
}

#[test]
fn an_import_into_postgresql_over_a_line_that_breaks_comes_to_its_end() {
    Store::postgresql().iter().for_each(an_import_over_a_line_that_breaks_comes_to_its_end);
}

#[test]
fn an_import_into_mariadb_over_a_line_that_breaks_comes_to_its_end() {
    Store::mysql().iter().for_each(an_import_over_a_line_that_breaks_comes_to_its_end);
}

#[test]
fn a_dry_run_over_a_line_that_breaks_writes_nothing() {
    for store in [Store::postgresql(), Store::mysql()].into_iter().flatten() {
        Home::new().migrated(&store);
        let proxy = Proxy::to(&store);
        let url = proxy.url(&store);
        let dry_run =
            || Home::new().run(&["migrate-from-local", "--dry-run", "--source", file(), "--url", &url, "--schema", &store.schema]);
        proxy.cut(0, 0);
        dry_run().ok();
        let whole = proxy.sent();
        let mut mended = 0;
        for part in 5..10 {
            proxy.cut(whole * part / 10, 1);
            let ran = dry_run();
            proxy.cut(0, 0);
            assert!(ran.code == 0 || ran.stderr.contains("error[unreachable]"), "{}: {}", store.backend, ran.stderr);
            mended += u32::from(ran.code == 0 && ran.stderr.contains("connecting again"));
            for table in ["amx_history_runs", "amx_history_results", "amx_history_origins"] {
                assert_eq!(store.sql(&format!("SELECT count(*) FROM {table};")), "0\n", "{} {table}, cut at {part}", store.backend);
            }
        }
        assert!(mended > 0, "{}: no cut fell where the dry run goes on", store.backend);
    }
}

#[test]
fn a_line_that_is_gone_is_unreachable() {
    for store in Store::all().into_iter().filter(|store| store.backend != "sqlite") {
        let home = Home::new();
        home.migrated(&store);
        let proxy = Proxy::to(&store);
        proxy.cut(300, 1_000);
        home.run(&["migrate-from-local", "--yes", "--source", file(), "--url", &proxy.url(&store), "--schema", &store.schema])
            .fails("unreachable", 5);
        home.run(&import_args(&store)).ok();
        assert_eq!(store.counts(), (RUNS, RESULTS), "{}", store.backend);
    }
}

// --- SQLite alone

#[test]
fn a_sqlite_store_whose_writer_was_killed_in_the_middle_of_a_write_can_be_read_at_once() {
    let (store, home) = (Store::sqlite(), Home::new());
    home.migrated(&store);
    home.run(&import_args(&store)).ok();
    let rows = store.rows();
    let path = store.url.trim_start_matches("sqlite://");
    let writer = rusqlite::Connection::open(path).unwrap();
    writer.execute_batch("PRAGMA cache_size = 10; BEGIN; UPDATE amx_history_results SET description = 'half'").unwrap();
    // As the files are at this moment, so a killed writer leaves them.
    let left = Store::sqlite();
    let beside = left.url.trim_start_matches("sqlite://");
    std::fs::copy(path, beside).unwrap();
    std::fs::copy(format!("{path}-journal"), format!("{beside}-journal")).unwrap();
    drop(writer);
    assert_eq!(home.on(&left, &["history", "list", "--json"]).json().as_array().unwrap().len(), 20);
    assert!(left.rows() == rows);
}
