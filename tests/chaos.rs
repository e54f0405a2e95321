//! Every command under every fault, on real servers. After each case the same command goes on, and nothing that was acknowledged is lost, there
//! twice or other than it was written; `docs/reliability.md` says what is looked at.
//!
//! What is tried follows from `AMX_CHAOS_SEED`, and how many cases from `AMX_CHAOS_CASES`; `AMX_CHAOS_CASE` names one. A few are run where
//! nothing is said, on SQLite and PostgreSQL, for a quarter of a minute.

#[path = "chaos/case.rs"]
mod case;
mod common;
#[path = "chaos/server.rs"]
mod server;
#[path = "chaos/strike.rs"]
mod strike;
#[path = "chaos/world.rs"]
mod world;

use case::{Case, Fault, Place, Verb, named, plan};
use comfy_table::{CellAlignment, Table, presets::ASCII_MARKDOWN};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use world::{Start, World};

/// For how long cases are begun where it is not said how many.
const SHORT: Duration = Duration::from_secs(15);

/// What came of a case.
struct Done {
    case: Case,
    struck: bool,
    failure: Option<String>,
}

fn variable<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Runs the cases of one place, one after the other, and begins none after a moment.
fn run(place: Place, cases: &[Case], seed: u64, until: Option<Instant>) -> Vec<Done> {
    let Some(mut world) = World::on(place) else { return vec![] };
    let mut done = vec![];
    for case in cases {
        let started = Instant::now();
        if until.is_some_and(|until| started > until) {
            break;
        }
        let ran = catch_unwind(AssertUnwindSafe(|| strike::run(&mut world, *case, seed)));
        let failure = ran.as_ref().err().map(|panic| match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
            (Some(text), _) => text.clone(),
            (_, text) => text.map_or_else(|| "it panicked".into(), |text| (*text).to_string()),
        });
        let ended = match (&failure, &ran) {
            (Some(_), _) => "FAILED",
            (_, Ok(false)) => "ok, it was faster",
            _ => "ok",
        };
        eprintln!("{} ... {ended} ({:.1} s)", case.name(), started.elapsed().as_secs_f64());
        if let Some(failure) = &failure {
            eprintln!("AMX_CHAOS_SEED={seed} AMX_CHAOS_CASE={} repeats this:\n{failure}\n", case.name());
        }
        done.push(Done { case: *case, struck: ran.unwrap_or(false), failure });
    }
    done
}

/// How many of them there are, and how many failed where some did.
fn cell<'d>(done: impl Iterator<Item = &'d Done>) -> String {
    let (mut cases, mut failures) = (0, 0);
    for done in done {
        cases += 1;
        failures += usize::from(done.failure.is_some());
    }
    match (cases, failures) {
        (0, _) => String::new(),
        (_, 0) => cases.to_string(),
        _ => format!("{cases} ({failures} failed)"),
    }
}

/// Cases by command and fault, and by place.
fn table(done: &[Done]) -> String {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    let faults = Fault::ALL.iter().filter(|fault| done.iter().any(|done| done.case.fault == **fault)).collect::<Vec<_>>();
    let words = faults.iter().map(|fault| fault.word());
    table.set_header(["command"].into_iter().chain(words).chain(["all"]));
    let of = |verb: Option<Verb>, fault: Option<Fault>| {
        cell(
            done.iter().filter(|done| verb.is_none_or(|verb| verb == done.case.verb) && fault.is_none_or(|fault| fault == done.case.fault)),
        )
    };
    let rows = Verb::ALL.iter().map(|verb| (verb.word(), Some(*verb))).chain([("all", None)]);
    for (word, verb) in rows {
        let cells = faults.iter().map(|fault| of(verb, Some(**fault))).chain([of(verb, None)]);
        table.add_row([word.to_string()].into_iter().chain(cells));
    }
    table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    let places = Place::ALL.iter().map(|place| (place.word(), cell(done.iter().filter(|done| done.case.place == *place))));
    let places: Vec<String> = places.filter(|(_, cell)| !cell.is_empty()).map(|(word, cell)| format!("{word} {cell}")).collect();
    format!("{table}\n{}", places.join(", "))
}

/// Whether what makes the faults is installed, and may be used here: a container may forbid that one process traces another.
fn can_make_faults() -> bool {
    let traced = Command::new("strace").args(["-o", "/dev/null", "true"]).output();
    let installed = traced.is_ok() && strike::libfaketime().is_some();
    assert!(
        installed || std::env::var_os("AMX_TEST_REQUIRE_SERVERS").is_none(),
        "strace or libfaketime is missing: run the tests with `make test`"
    );
    let traces = traced.is_ok_and(|output| output.status.success());
    if !(installed && traces) {
        eprintln!("skipped: strace or libfaketime is not there, or nothing may be traced here");
    }
    installed && traces
}

#[test]
fn every_command_goes_on_after_every_fault_and_nothing_is_lost() {
    if !can_make_faults() {
        return;
    }
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let seed = variable("AMX_CHAOS_SEED").unwrap_or_else(now);
    let started = Instant::now();
    let (cases, until) = match (std::env::var("AMX_CHAOS_CASE"), variable("AMX_CHAOS_CASES")) {
        (Ok(name), _) => (vec![named(&name)], None),
        (_, Some(count)) => (plan(Place::ALL, seed, count), None),
        _ => (plan(&[Place::Sqlite, Place::Postgresql], seed, usize::MAX), Some(started + SHORT)),
    };
    // What fails is shown with its case.
    std::panic::set_hook(Box::new(|_| {}));
    let done: Vec<Done> = std::thread::scope(|scope| {
        let places = Place::ALL.iter().filter_map(|place| {
            let here: Vec<Case> = cases.iter().filter(|case| case.place == *place).copied().collect();
            (!here.is_empty()).then(|| scope.spawn(move || run(*place, &here, seed, until)))
        });
        let running: Vec<_> = places.collect();
        running.into_iter().flat_map(|place| place.join().unwrap()).collect()
    });
    let _ = std::panic::take_hook();
    let (struck, failures) = (done.iter().filter(|done| done.struck).count(), done.iter().filter(|done| done.failure.is_some()).count());
    eprintln!("{}", table(&done));
    eprintln!(
        "AMX_CHAOS_SEED={seed}: {} cases, in {struck} of which the fault struck before the command was done, {failures} failures, {} s",
        done.len(),
        started.elapsed().as_secs()
    );
    assert!(failures == 0, "{failures} of {} cases failed; each says above how it is repeated", done.len());
    assert!(struck > 0 || done.len() < 2, "no fault struck");
}

#[test]
fn what_is_lost_changed_or_added_is_seen() {
    let world = World::on(Place::Sqlite).unwrap();
    world.reset(Start::Settled);
    let told = world.told_before(Start::Settled);
    world.nothing_is_lost(&told, true);
    world.whole();
    let seen = |looked: &dyn Fn()| catch_unwind(AssertUnwindSafe(looked)).is_err();
    let told_of = [
        "DELETE FROM amx_history_results WHERE run_id = 'ann-first-0' AND target_qname = 'ann.t1'",
        "UPDATE amx_history_results SET description = 'other' WHERE run_id = 'ann-first-0' AND target_qname = 'ann.t1'",
        "UPDATE amx_history_results SET run_id = 'ann-first-1', target_qname = 'another' WHERE run_id = 'ann-first-0' AND target_qname = 'ann.t1'",
    ];
    let others = [
        "UPDATE amx_history_runs SET metadata_json = '{}' WHERE run_id = 'bob-first-0'",
        "DELETE FROM amx_history_results WHERE run_id LIKE 'run_%' AND target_qname = (SELECT max(target_qname) FROM amx_history_results)",
        "DROP INDEX ix_amx_history_results_target",
    ];
    for sql in told_of.into_iter().chain(others) {
        world.reset(Start::Settled);
        world.store.sql(sql);
        assert!(seen(&|| world.whole()), "{sql}");
        assert_eq!(seen(&|| world.nothing_is_lost(&told, true)), told_of.contains(&sql), "{sql}");
    }
    for sql in told_of {
        world.reset(Start::Settled);
        world.local(sql);
        assert!(seen(&|| world.nothing_is_lost(&told, false)), "{sql}");
    }
}
