//! One suite for every backend: what a user sees of a store is the same, whatever engine it is on.
//!
//! Each behaviour is a test of its own on each backend, `snowflake::a_second_import_adds_nothing`. Everything is done by the program as a user
//! types it; only a teammate's or a DBA's hand in the tables goes through a driver. What stands in for an engine is in tests/standins, and
//! `make test-live BACKEND=…` runs the same against a service of one's own. The figures at the end count a behaviour as passed only where something
//! executed the SQL.

#[path = "../common/mod.rs"]
mod common;
#[path = "../lint/mod.rs"]
mod lint;

mod checking;
mod copying;
mod reading;
mod schema;
mod sharing;

use amx_schema::dialect::Backend;
use common::Store;
use libtest_mimic::{Arguments, Failed, Trial};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

/// A behaviour: its name, what shows it, and on which backends there is no such thing, with the reason.
pub struct Behaviour {
    name: &'static str,
    shown_by: fn(&Store),
    not_on: &'static [(Backend, &'static str)],
}

/// Behaviours by the names of the functions that show them.
macro_rules! behaviours {
    ($($name:ident $(not on $not_on:expr)?),* $(,)?) => {
        pub const BEHAVIOURS: &[crate::Behaviour] = &[$(crate::Behaviour {
            name: stringify!($name),
            shown_by: $name,
            not_on: { #[allow(unused_mut, unused_assignments)] { let mut not_on: &[(amx_schema::dialect::Backend, &str)] = &[]; $(not_on = $not_on;)? not_on } },
        }),*];
    };
}
pub(crate) use behaviours;

/// Why nothing executes a backend's SQL here, where nothing does.
fn why_not(backend: Backend) -> Option<&'static str> {
    let set = std::env::var_os(format!("AMX_TEST_{}_URL", backend.word().to_uppercase())).is_some();
    match backend {
        Backend::Sqlite => None,
        Backend::Oracle if !cfg!(feature = "oracle") => Some("its driver is not in this build: run the tests with --features oracle"),
        _ if set => None,
        _ => Some("it is not there: run the tests with `make test`"),
    }
}

/// Whether a quick run leaves a behaviour out: what stands in for a service is slow. There each behaviour is shown on one of the three services, and of
/// those that make a store anew, some 20 s each, only a few are.
fn is_left_out(backend: Backend, name: &str, number: usize, fresh: bool) -> bool {
    let kept = ["migrate_makes", "a_new_store_does_not_differ", "enable_makes", "a_migration_that_was_killed"];
    let turn = match backend {
        Backend::Snowflake => Some(0),
        Backend::BigQuery => Some(1),
        Backend::Databricks => Some(2),
        _ => None,
    };
    std::env::var_os("AMX_TEST_QUICK").is_some()
        && match fresh {
            true => {
                (turn.is_some() || matches!(backend, Backend::SqlServer | Backend::Oracle))
                    && !kept.iter().any(|kept| name.starts_with(kept))
            }
            false => turn.is_some_and(|turn| number % 3 != turn),
        }
}

#[derive(Default)]
struct Count {
    passed: u32,
    failed: u32,
    not_here: BTreeMap<String, u32>,
}

/// Stores that were migrated for one behaviour and emptied for the next. To make one takes some hundred statements on an engine whose DDL is not
/// transactional.
#[derive(Default)]
struct Pool(Mutex<BTreeMap<Backend, Vec<Store>>>);

impl Pool {
    fn take(&self, backend: Backend) -> Store {
        let made = self.0.lock().unwrap().entry(backend).or_default().pop();
        made.unwrap_or_else(|| Store::on(backend).expect("its server is there"))
    }

    fn give_back(&self, store: Store) {
        for table in ["amx_history_results", "amx_history_runs", "amx_history_origins", "amx_history_store"] {
            if store.try_execute(&format!("DELETE FROM {} WHERE 1 = 1", store.table(table))).is_err() {
                return;
            }
        }
        self.0.lock().unwrap().entry(store.kind()).or_default().push(store);
    }
}

/// The behaviours, each with whether it wants a store that was never there.
fn every_behaviour() -> impl Iterator<Item = (&'static Behaviour, bool)> {
    let used = [copying::BEHAVIOURS, sharing::BEHAVIOURS, reading::BEHAVIOURS, checking::BEHAVIOURS];
    schema::BEHAVIOURS.iter().map(|behaviour| (behaviour, true)).chain(used.into_iter().flatten().map(|behaviour| (behaviour, false)))
}

fn main() {
    let mut arguments = Arguments::from_args();
    // The program waits for the engine most of the time.
    arguments.test_threads.get_or_insert(4);
    let counts: Arc<Mutex<BTreeMap<Backend, Count>>> = Arc::default();
    let pool: Arc<Pool> = Arc::default();
    let mut trials = vec![];
    // One backend after the other for each behaviour, so that those at work at the same time are different ones.
    for (number, (behaviour, fresh)) in every_behaviour().enumerate() {
        for backend in Backend::ALL {
            let none = behaviour.not_on.iter().find(|(not_on, _)| *not_on == backend).map(|(_, why)| *why);
            let none = none.or(is_left_out(backend, behaviour.name, number, fresh).then_some("it was left out: AMX_TEST_QUICK is set"));
            let skipped = none.or(why_not(backend));
            // In CI a server that can be had is there.
            let excused = none.is_some() || matches!(backend, Backend::Oracle);
            let required = std::env::var_os("AMX_TEST_REQUIRE_SERVERS").is_some() && !excused;
            if let Some(why) = skipped {
                *counts.lock().unwrap().entry(backend).or_default().not_here.entry(why.into()).or_default() += 1;
            }
            let (counts, pool, shown_by) = (Arc::clone(&counts), Arc::clone(&pool), behaviour.shown_by);
            let run = move || {
                let store = if fresh { Store::on(backend).expect("its server is there") } else { pool.take(backend) };
                let shown = catch_unwind(AssertUnwindSafe(|| shown_by(&store)));
                if shown.is_ok() && !fresh {
                    pool.give_back(store);
                }
                let mut counts = counts.lock().unwrap();
                let count = counts.entry(backend).or_default();
                match shown {
                    Ok(()) => count.passed += 1,
                    Err(_) => count.failed += 1,
                }
                shown.map_err(|_| Failed::from("it does not; see above"))
            };
            trials.push(Trial::test(format!("{backend}::{}", behaviour.name), run).with_ignored_flag(skipped.is_some() && !required));
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(std::mem::take(&mut *pool.0.lock().unwrap()));
    if !arguments.list {
        eprintln!("behaviours, by backend: passed, failed, not to be had here");
        for (backend, count) in counts.lock().unwrap().iter() {
            let not_here: u32 = count.not_here.values().sum();
            eprintln!("  {:10} {:3} {:3} {not_here:3}", backend.word(), count.passed, count.failed);
            for (why, number) in &count.not_here {
                eprintln!("             {number} {why}");
            }
        }
    }
    conclusion.exit();
}
