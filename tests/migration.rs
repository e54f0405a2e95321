//! The migration engine where things go wrong: many at once, holders that die or are paused, and a process that ends at any statement. On the
//! simulated engine with the abilities of each backend, and on the real ones where a connection can be cut at a chosen statement.
mod common;
#[path = "common/simulated.rs"]
mod simulated;
#[path = "common/watched.rs"]
mod watched;

use amx_schema::dialect::{Backend, LockKind, SchemaName};
use amx_schema::driver::Driver;
use amx_schema::error::{Code, Error};
use amx_schema::migration::{Engine, Holder, LockOptions, Migrated, MigrationSet};
use amx_schema::model::Model;
use amx_schema::report::Silent;
use futures_util::future::BoxFuture;
use simulated::Simulated;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use watched::{Moment, Watched};

/// How many processes migrate at once, and how often.
const PROCESSES: u32 = 16;
const ROUNDS: usize = 100;

fn options(pid: u32) -> LockOptions {
    let holder = Holder { who: "ann".into(), hostname: "laptop".into(), pid, since: None };
    LockOptions { timeout: Duration::from_secs(60), lease: Duration::from_millis(200), holder }
}

fn set(engine: &Simulated) -> MigrationSet {
    MigrationSet { dialect: engine.dialect, ..MigrationSet::rendered(Model::embedded().unwrap(), Backend::Sqlite).unwrap() }
}

fn schema() -> SchemaName {
    Backend::Sqlite.dialect().unwrap().schema_name("AMX").unwrap()
}

async fn migrate(mut driver: Box<dyn Driver>, set: &MigrationSet, options: &LockOptions) -> Result<Migrated, Error> {
    Engine { driver: driver.as_mut(), set, schema: &schema(), reporter: &Silent }.migrate(None, options).await
}

fn block<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(work)
}

/// What an undisturbed migration leaves.
fn undisturbed(backend: Backend) -> String {
    let engine = Simulated::new(backend);
    block(migrate(engine.session(), &set(&engine), &options(1))).unwrap();
    engine.content()
}

// --- many at once

#[test]
fn sixteen_at_once_apply_each_version_once_with_the_abilities_of_each_backend() {
    for backend in Backend::ALL {
        let wanted = undisturbed(backend);
        for round in 0..ROUNDS {
            let engine = Simulated::new(backend);
            let set = Arc::new(set(&engine));
            let applied: usize = block(async {
                let tasks = (1..=PROCESSES).map(|pid| {
                    let (driver, set) = (engine.session(), Arc::clone(&set));
                    tokio::spawn(async move { migrate(driver, &set, &options(pid)).await.unwrap() })
                });
                let tasks: Vec<_> = tasks.collect();
                let mut applied = 0;
                for task in tasks {
                    applied += task.await.unwrap().applied.len();
                }
                applied
            });
            assert_eq!(applied, 2, "{backend}, round {round}");
            assert_eq!(engine.content(), wanted, "{backend}, round {round}");
        }
    }
}

// --- a process that ends at any statement

fn dying(engine: &Simulated, at: Moment) -> Box<dyn Driver> {
    Box::new(Watched::dying(engine.session(), at))
}

/// Runs migrations that each end at another statement until one comes to its end, and lets the next run finish each. Says how many were cut.
fn cut_everywhere(backend: Backend, at: impl Fn(u64) -> Moment) -> u64 {
    let wanted = undisturbed(backend);
    for number in 1.. {
        let engine = Simulated::new(backend);
        let set = set(&engine);
        let cut = block(migrate(dying(&engine, at(number)), &set, &options(1)));
        let again = block(migrate(engine.session(), &set, &options(2)));
        assert!(again.is_ok(), "{backend}, {:?}: {:?}", at(number), again.err());
        assert_eq!(engine.content(), wanted, "{backend}, {:?}", at(number));
        engine.writes();
        let third = block(migrate(engine.session(), &set, &options(3))).unwrap();
        assert_eq!((third.applied.len(), engine.writes()), (0, 0), "{backend}, {:?}: a third run writes", at(number));
        if cut.is_ok() {
            return number - 1;
        }
    }
    unreachable!("a migration has an end")
}

#[test]
fn a_process_that_ends_before_any_statement_is_finished_by_the_next() {
    for backend in Backend::ALL {
        let cuts = cut_everywhere(backend, Moment::Before);
        eprintln!("{backend}: {cuts} statements");
        assert!(cuts > 30, "{backend}: {cuts}");
    }
}

#[test]
fn a_process_that_ends_after_any_statement_is_finished_by_the_next() {
    for backend in Backend::ALL {
        let cuts = cut_everywhere(backend, Moment::After);
        assert!(cuts > 30, "{backend}: {cuts}");
    }
}

#[test]
fn processes_that_end_one_after_the_other_come_to_an_end() {
    for backend in Backend::ALL {
        let (engine, wanted) = (Simulated::new(backend), undisturbed(backend));
        let set = set(&engine);
        for number in (1..90).step_by(4) {
            let _ = block(migrate(dying(&engine, Moment::After(number)), &set, &options(1)));
        }
        block(migrate(engine.session(), &set, &options(2))).unwrap();
        assert_eq!(engine.content(), wanted, "{backend}");
    }
}

// --- holders

#[test]
fn a_dead_holders_lock_is_free_at_once_or_when_its_lease_has_run_out() {
    for backend in Backend::ALL {
        let engine = Simulated::new(backend);
        let set = set(&engine);
        // The statement after the one that took the lock.
        let died = block(migrate(dying(&engine, Moment::Before(9)), &set, &options(1)));
        assert!(died.is_err(), "{backend}");
        let took = block(async {
            let started = Instant::now();
            migrate(engine.session(), &set, &options(2)).await.unwrap();
            started.elapsed()
        });
        match engine.dialect.lock {
            LockKind::Engine => assert!(took < options(2).lease, "{backend}: {took:?}"),
            LockKind::Lease => assert!(took >= options(2).lease, "{backend}: {took:?}"),
        }
    }
}

#[test]
fn a_waiter_is_told_who_holds_the_lock_and_ends_in_locked() {
    for backend in Backend::ALL {
        let engine = Simulated::new(backend);
        let (set, schema) = (set(&engine), schema());
        block(migrate(engine.session(), &set, &options(1))).unwrap();
        let mut holder = engine.session();
        block(async {
            assert!(holder.try_lock("amx_history").await.unwrap());
            let taken = "UPDATE amx_history_lock SET who = 'ann', hostname = 'laptop', pid = 7, since = '2026-11-21T10:00:00Z'";
            holder.execute(taken, &[]).await.unwrap();
            // A store that lacks a version, so that there is something to lock for.
            holder.execute("DELETE FROM amx_history_ledger WHERE version = 2", &[]).await.unwrap();
        });
        let impatient = LockOptions { timeout: Duration::from_millis(50), lease: Duration::from_secs(60), ..options(2) };
        let mut driver = engine.session();
        let mut waiter = Engine { driver: driver.as_mut(), set: &set, schema: &schema, reporter: &Silent };
        let told = block(waiter.migrate(None, &impatient)).unwrap_err();
        assert_eq!(told.code, Code::Locked, "{backend}");
        assert!(told.message.starts_with("ann on laptop, process 7, since 2026-11-21T10:00:00Z is migrating AMX"), "{}", told.message);
        let state = block(waiter.lock_state()).unwrap();
        assert!(state.held && state.holder.is_some_and(|holder| holder.pid == 7), "{backend}");
    }
}

#[test]
fn what_a_holder_writes_after_its_lock_was_taken_is_refused() {
    for backend in Backend::ALL {
        let wanted = undisturbed(backend);
        let steps = 12;
        for number in 8..8 + steps {
            let engine = Simulated::new(backend);
            let (set, schema) = (Arc::new(set(&engine)), schema());
            // The old holder stops in the middle, and goes on after another process has finished its work.
            let (paused, resumed) = (Arc::new(tokio::sync::Notify::new()), Arc::new(tokio::sync::Notify::new()));
            block(async {
                let (at_pause, go_on) = (paused.clone(), resumed.clone());
                let hook = move |moment, _: &str| -> BoxFuture<'static, bool> {
                    let (at_pause, go_on) = (at_pause.clone(), go_on.clone());
                    Box::pin(async move {
                        if moment == Moment::Before(number) {
                            at_pause.notify_one();
                            go_on.notified().await;
                        }
                        true
                    })
                };
                let mut driver = Watched::new(engine.session(), Box::new(hook));
                let old = tokio::spawn({
                    let (set, schema) = (set.clone(), schema.clone());
                    async move { Engine { driver: &mut driver, set: &set, schema: &schema, reporter: &Silent }.migrate(None, &options(1)).await }
                });
                paused.notified().await;
                let mut driver = engine.session();
                let mut other = Engine { driver: driver.as_mut(), set: &set, schema: &schema, reporter: &Silent };
                other.release_lock().await.unwrap();
                engine.end_engine_lock();
                other.migrate(None, &options(2)).await.unwrap();
                let content = engine.content();
                resumed.notify_one();
                let old = old.await.unwrap();
                assert!(
                    old.as_ref().is_err_and(|error| error.code == Code::Locked) || old.is_ok_and(|done| done.applied.is_empty()),
                    "{backend}, {number}"
                );
                assert_eq!(engine.content(), content, "{backend}, {number}: the old holder wrote");
            });
            assert_eq!(engine.content(), wanted, "{backend}, {number}");
        }
    }
}

#[test]
fn a_long_statement_does_not_cost_a_holder_its_lease() {
    // Where DDL is transactional the transaction keeps the lock's row from changing hands.
    let renewed = |backend: &Backend| {
        let dialect = backend.dialect().unwrap();
        dialect.lock == LockKind::Lease && !dialect.transactional_ddl
    };
    for backend in Backend::ALL.into_iter().filter(renewed) {
        let engine = Simulated::new(backend);
        let (set, schema) = (set(&engine), schema());
        block(migrate(engine.session(), &set, &options(1))).unwrap();
        // A statement of three leases, while another process waits.
        let pause = options(1).lease * 3;
        let hook = move |moment, sql: &str| -> BoxFuture<'static, bool> {
            let long = matches!(moment, Moment::Before(_)) && sql.starts_with("CREATE TABLE") && sql.contains("amx_history_store");
            Box::pin(async move {
                if long {
                    tokio::time::sleep(pause).await;
                }
                true
            })
        };
        let mut slow = Watched::new(engine.session(), Box::new(hook));
        let (first, second) = block(async {
            let mut dba = engine.session();
            dba.execute("DROP TABLE amx_history_store", &[]).await.unwrap();
            dba.execute("DELETE FROM amx_history_ledger WHERE version = 2", &[]).await.unwrap();
            let mut driver = engine.session();
            let mut old = Engine { driver: &mut slow, set: &set, schema: &schema, reporter: &Silent };
            let mut new = Engine { driver: driver.as_mut(), set: &set, schema: &schema, reporter: &Silent };
            let (mine, theirs) = (options(1), options(2));
            let later = async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                new.migrate(None, &theirs).await
            };
            tokio::join!(old.migrate(None, &mine), later)
        });
        assert_eq!((first.unwrap().applied.len(), second.unwrap().applied.len()), (1, 0), "{backend}");
    }
}
