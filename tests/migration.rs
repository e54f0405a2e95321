//! The migration engine where things go wrong: many at once, holders that die or are paused, and a process that ends at any statement. On the
//! simulated engine with the abilities of each backend, and on the real ones where a connection can be cut at a chosen statement.
mod common;
#[path = "common/simulated.rs"]
mod simulated;
#[path = "common/watched.rs"]
mod watched;

use amx_schema::dialect::{Backend, LockKind, SchemaName};
use amx_schema::driver::{self, Access, Driver};
use amx_schema::error::{Code, Error};
use amx_schema::migration::{Engine, Holder, LockOptions, Migrated, MigrationSet, Undone};
use amx_schema::model::{Kind, Model};
use amx_schema::profile::Profile;
use amx_schema::report::Silent;
use common::{Home, Store};
use futures_util::future::BoxFuture;
use simulated::Simulated;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use watched::{Moment, Watched};

/// How many processes migrate at once, and how often.
const PROCESSES: u32 = 16;
const ROUNDS: usize = 100;
const QUICK_ROUNDS: usize = 15;

fn options(pid: u32) -> LockOptions {
    let holder = Holder { who: "ann".into(), hostname: "laptop".into(), pid, since: None };
    LockOptions { timeout: Duration::from_secs(60), lease: Duration::from_millis(200), holder }
}

fn set(engine: &Simulated) -> MigrationSet {
    MigrationSet::rendered_in(Model::embedded().unwrap(), engine.dialect).unwrap()
}

fn schema() -> SchemaName {
    Backend::Sqlite.dialect().unwrap().schema_name("AMX").unwrap()
}

async fn migrate(mut driver: Box<dyn Driver>, set: &MigrationSet, options: &LockOptions) -> Result<Migrated, Error> {
    common::ended(Engine { driver: driver.as_mut(), set, schema: &schema(), reporter: &Silent }.migrate(None, options).await)
}

fn block<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(work)
}

/// In real time, as servers need it.
fn block_for_real<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap().block_on(work)
}

/// What an undisturbed migration leaves.
fn undisturbed(backend: Backend) -> String {
    let engine = Simulated::new(backend);
    block(migrate(engine.session(), &set(&engine), &options(1))).unwrap();
    engine.content()
}

// --- many at once

fn rounds() -> usize {
    if std::env::var_os("AMX_TEST_QUICK").is_some() { QUICK_ROUNDS } else { ROUNDS }
}

#[test]
fn sixteen_at_once_apply_each_version_once_with_the_abilities_of_each_backend() {
    for backend in Backend::ALL {
        let wanted = undisturbed(backend);
        for round in 0..rounds() {
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

#[test]
fn a_migration_with_nothing_to_do_is_one_query() {
    for backend in Backend::ALL {
        let engine = Simulated::new(backend);
        let set = set(&engine);
        block(migrate(engine.session(), &set, &options(1))).unwrap();
        let sent = Arc::new(std::sync::atomic::AtomicU32::new(0));
        let count = sent.clone();
        let hook = move |moment, _: &str| -> BoxFuture<'static, bool> {
            count.fetch_add(u32::from(matches!(moment, Moment::Before(_))), Ordering::SeqCst);
            Box::pin(std::future::ready(true))
        };
        block(migrate(Box::new(Watched::new(engine.session(), Box::new(hook))), &set, &options(2))).unwrap();
        assert_eq!(sent.load(Ordering::SeqCst), 1, "{backend}");
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

#[test]
fn a_migration_that_a_later_version_stopped_says_what_it_did_before() {
    let engine = Simulated::new(Backend::MySql);
    let set = set(&engine);
    block(async {
        // The name of one of its indexes is taken.
        let mut dba = engine.session();
        dba.execute("CREATE TABLE other (a TEXT)", &[]).await.unwrap();
        dba.execute("CREATE INDEX ix_amx_history_runs_landing ON other (a)", &[]).await.unwrap();
        let mut driver = engine.session();
        let migrating =
            Engine { driver: driver.as_mut(), set: &set, schema: &schema(), reporter: &Silent }.migrate(None, &options(1)).await;
        let migrated = migrating.unwrap();
        assert_eq!((migrated.applied.len(), migrated.to_version, migrated.pending.len()), (1, 1, 1));
        let stopped = migrated.stopped.unwrap();
        assert_eq!(stopped.code, Code::Drift);
        assert!(stopped.message.contains("the index ix_amx_history_runs_landing is taken by one on other"), "{}", stopped.message);
        dba.execute("DROP TABLE other", &[]).await.unwrap();
        assert_eq!(migrate(engine.session(), &set, &options(1)).await.unwrap().applied.len(), 1);
    });
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
        let told = block(async {
            let beats = async {
                loop {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    holder.execute("UPDATE amx_history_lock SET beat = beat + 1", &[]).await.unwrap();
                }
            };
            tokio::select! {
                migrated = waiter.migrate(None, &impatient) => migrated.unwrap_err(),
                () = beats => unreachable!("the holder beats for ever"),
            }
        });
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
                    async move {
                        let mut old = Engine { driver: &mut driver, set: &set, schema: &schema, reporter: &Silent };
                        common::ended(old.migrate(None, &options(1)).await)
                    }
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

#[test]
fn many_short_statements_do_not_cost_a_holder_its_lease() {
    for backend in [Backend::Snowflake, Backend::BigQuery, Backend::Databricks] {
        let engine = Simulated::new(backend);
        let (set, schema) = (set(&engine), schema());
        // Each statement takes a fifth of a lease, and there are far more than five.
        let each = options(1).lease / 5;
        let hook = move |moment, _: &str| -> BoxFuture<'static, bool> {
            let pause = if matches!(moment, Moment::Before(_)) { each } else { Duration::ZERO };
            Box::pin(async move {
                tokio::time::sleep(pause).await;
                true
            })
        };
        let mut slow = Watched::new(engine.session(), Box::new(hook));
        let (first, second) = block(async {
            let mut driver = engine.session();
            let mut old = Engine { driver: &mut slow, set: &set, schema: &schema, reporter: &Silent };
            let mut new = Engine { driver: driver.as_mut(), set: &set, schema: &schema, reporter: &Silent };
            let (mine, theirs) = (options(1), options(2));
            let later = async {
                tokio::time::sleep(each * 12).await;
                new.migrate(None, &theirs).await
            };
            tokio::join!(old.migrate(None, &mine), later)
        });
        assert_eq!((first.unwrap().applied.len(), second.unwrap().applied.len()), (2, 0), "{backend}");
    }
}

#[test]
fn a_dead_holders_lease_is_waited_out_also_where_the_timeout_is_shorter() {
    for backend in [Backend::Snowflake, Backend::Redshift] {
        let engine = Simulated::new(backend);
        let set = set(&engine);
        assert!(block(migrate(dying(&engine, Moment::Before(12)), &set, &options(1))).is_err());
        let impatient = LockOptions { timeout: Duration::from_millis(20), ..options(2) };
        assert_eq!(block(migrate(engine.session(), &set, &impatient)).unwrap().applied.len(), 2, "{backend}");
    }
}

// --- undo

/// One of each lock and each kind of DDL.
const ONE_OF_EACH: [Backend; 4] = [Backend::PostgreSql, Backend::MySql, Backend::Snowflake, Backend::Redshift];

async fn undo(mut driver: Box<dyn Driver>, set: &MigrationSet, options: &LockOptions) -> Result<Undone, Error> {
    Engine { driver: driver.as_mut(), set, schema: &schema(), reporter: &Silent }.undo(&[], options).await
}

/// What a migration to a version leaves, without the step ledger's times.
fn at_version(backend: Backend, version: u32) -> String {
    let engine = Simulated::new(backend);
    let set = set(&engine);
    let mut driver = engine.session();
    let target = Some(version);
    block(Engine { driver: driver.as_mut(), set: &set, schema: &schema(), reporter: &Silent }.migrate(target, &options(1))).unwrap();
    engine.content()
}

#[test]
fn an_undo_that_ends_at_any_statement_is_finished_by_the_next_and_takes_back_one_version() {
    for backend in ONE_OF_EACH {
        let (first, whole) = (at_version(backend, 1), undisturbed(backend));
        let mut number = 0;
        loop {
            number += 1;
            let engine = Simulated::new(backend);
            let set = set(&engine);
            block(migrate(engine.session(), &set, &options(1))).unwrap();
            let cut = block(undo(dying(&engine, Moment::After(number)), &set, &options(1)));
            // Where it was cut after the last write, the next one would take back the version before.
            if engine.content() != first {
                let undone = block(undo(engine.session(), &set, &options(2))).unwrap();
                assert_eq!(undone.to_version, 1, "{backend}, {number}");
            }
            assert_eq!(engine.content(), first, "{backend}, {number}");
            block(migrate(engine.session(), &set, &options(3))).unwrap();
            assert_eq!(engine.content(), whole, "{backend}, {number}");
            if cut.is_ok() {
                break;
            }
        }
        assert!(number > 10, "{backend}: {number}");
    }
}

#[test]
fn a_migration_makes_good_an_undo_that_ended_at_any_statement() {
    for backend in ONE_OF_EACH {
        let whole = undisturbed(backend);
        for number in 1.. {
            let engine = Simulated::new(backend);
            let set = set(&engine);
            block(migrate(engine.session(), &set, &options(1))).unwrap();
            let cut = block(undo(dying(&engine, Moment::After(number)), &set, &options(1)));
            block(migrate(engine.session(), &set, &options(3))).unwrap();
            // Cut before the ledger's row was gone, the version is there and its steps are only marked.
            assert_eq!(engine.content().replace(" undoing", " done"), whole, "{backend}, {number}");
            if cut.is_ok() {
                break;
            }
        }
    }
}

#[test]
fn undo_takes_back_one_version_after_the_other_where_they_hold_nothing() {
    for store in Store::all() {
        let real = Real::of(store);
        block_for_real(async {
            real.migrate(real.connect().await, None).await.unwrap();
            let mut driver = real.connect().await;
            let lock = common::lock_options();
            let undone = real.engine(driver.as_mut()).undo(&[], &lock).await.unwrap();
            assert_eq!((undone.from_version, undone.to_version, undone.undone.name.as_str()), (2, 1, "sharing"));
            let difference = real.engine(driver.as_mut()).diff().await.unwrap();
            assert_eq!((difference.ledger, difference.drift.len()), (Some(1), 0), "{}: {:?}", real.store.backend, difference.drift);
            assert_eq!(real.engine(driver.as_mut()).undo(&[], &lock).await.unwrap().to_version, 0);
            assert_eq!(real.engine(driver.as_mut()).undo(&[], &lock).await.unwrap_err().code, Code::Usage);
            driver.close().await;
            real.migrate(real.connect().await, None).await.unwrap();
            real.whole("after undo").await;
        });
    }
}

#[test]
fn undo_says_what_would_be_lost_and_writes_nothing() {
    for store in Store::all() {
        let home = Home::with_history(common::HISTORY);
        home.migrated(&store);
        home.import(&store, &[]);
        let before = (store.rows(), store.sql("SELECT version FROM amx_history_ledger ORDER BY version;"));
        let failed = home.on(&store, &["migrate", "undo"]).fails("not_reversible", 2);
        let why = "V2 cannot be taken back: amx_history_runs.created_by, which it added, holds something in 15 rows";
        assert!(failed.stderr.contains(why), "{}", failed.stderr);
        assert_eq!((store.rows(), store.sql("SELECT version FROM amx_history_ledger ORDER BY version;")), before, "{}", store.backend);
    }
}

#[test]
fn undo_from_the_command_line_prints_its_statements_or_runs_them() {
    for store in Store::all() {
        let home = Home::new();
        home.on(&store, &["migrate", "--target", "1"]).ok();
        let statements = home.on(&store, &["migrate", "undo", "--dry-run"]).ok();
        assert!(statements.starts_with("DROP TABLE") && statements.matches("DROP TABLE").count() == 2, "{statements}");
        assert_eq!(
            home.on(&store, &["migrate", "undo"]).ok().trim(),
            format!("✓ {} is back from V1 at V0 on {}.", store.schema, store.backend)
        );
        home.on(&store, &["migrate", "undo"]).fails("usage", 2);
        // The store's id is the program's own.
        home.on(&store, &["migrate"]).ok();
        assert_eq!(home.on(&store, &["migrate", "undo", "--json"]).json()["to_version"], 1, "{}", store.backend);
        home.on(&store, &["migrate"]).ok();
    }
}

#[test]
fn undo_takes_back_what_a_script_made() {
    for store in Store::all() {
        let home = Home::new();
        store.sql(&home.run(&["dump-ddl", "--dialect", store.backend, "--schema", &store.schema]).ok());
        home.on(&store, &["migrate", "undo"]).ok();
        assert_eq!(store.sql("SELECT version FROM amx_history_ledger;"), "1\n", "{}", store.backend);
        home.on(&store, &["migrate"]).ok();
        home.on(&store, &["diff"]).ok();
    }
}

#[test]
fn undo_waits_for_a_reader_no_longer_than_it_is_told_and_gives_way_to_a_writer() {
    for store in [Store::postgresql(), Store::mysql()].into_iter().flatten() {
        let home = Home::new();
        home.migrated(&store);
        let real = Real::of(store);
        block_for_real(async {
            // A reader in a transaction that goes on holds its lock on the table's definition.
            let mut reader = real.connect().await;
            let runs = real.set.dialect.table(&real.schema, "amx_history_runs");
            let begin = if real.store.backend == "mysql" { "START TRANSACTION" } else { "BEGIN" };
            reader.execute(begin, &[]).await.unwrap();
            reader.query(&format!("SELECT count(*) FROM {runs}"), &[], &[Kind::Integer]).await.unwrap();
            let home = &home;
            let store = &real.store;
            let failed = tokio::task::block_in_place(|| home.on(store, &["migrate", "undo", "--lock-timeout", "1s"]));
            failed.fails("locked", 7);
            reader.execute("ROLLBACK", &[]).await.unwrap();
            reader.close().await;
        });
        home.on(&real.store, &["migrate"]).ok();
        home.on(&real.store, &["diff"]).ok();
    }
}

// --- the real engines

/// A store on a real engine with what a migration in the test's own process needs.
struct Real {
    store: Store,
    set: MigrationSet,
    schema: SchemaName,
    profile: Profile,
    home: tempfile::TempDir,
}

impl Real {
    fn of(store: Store) -> Real {
        let set = MigrationSet::embedded(store.backend.parse().unwrap()).unwrap();
        let schema = set.dialect.schema_name(&store.schema).unwrap();
        let profile = Profile::from_url(&store.url).unwrap();
        Real { store, set, schema, profile, home: tempfile::tempdir().unwrap() }
    }

    async fn connect(&self) -> Box<dyn Driver> {
        driver::connect(&self.profile, self.home.path(), Access::Create, driver::unheard()).await.unwrap()
    }

    async fn migrate(&self, mut driver: Box<dyn Driver>, target: Option<u32>) -> Result<Migrated, Error> {
        let lock = LockOptions { timeout: Duration::from_secs(30), ..options(std::process::id()) };
        let migrated = common::ended(self.engine(driver.as_mut()).migrate(target, &lock).await);
        if migrated.is_ok() {
            driver.close().await;
        }
        migrated
    }

    fn engine<'e>(&'e self, driver: &'e mut dyn Driver) -> Engine<'e> {
        Engine { driver, set: &self.set, schema: &self.schema, reporter: &Silent }
    }

    /// Requires that the store is what the model says, with each version in the ledger once.
    async fn whole(&self, context: &str) {
        let mut driver = self.connect().await;
        let difference = self.engine(driver.as_mut()).diff().await.unwrap();
        assert_eq!((difference.ledger, difference.drift.len()), (Some(2), 0), "{} {context}: {:?}", self.store.backend, difference.drift);
        let ledger = self.set.dialect.table(&self.schema, "amx_history_ledger");
        let rows = driver.query(&format!("SELECT count(*) FROM {ledger}"), &[], &[Kind::Integer]).await.unwrap();
        assert_eq!(rows[0][0].as_integer(), Some(2), "{} {context}", self.store.backend);
        driver.close().await;
    }
}

fn writes(sql: &str) -> bool {
    !sql.trim_start().starts_with("SELECT")
}

/// Ends a migration's process after its first write, its second, and so on to the last, each on an empty database, and lets the next run finish.
fn a_process_that_ends_after_any_write_is_finished_by_the_next(store: Store) {
    let real = Real::of(store);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut cuts = 0;
    for number in 1_u64.. {
        real.store.absent();
        let fired = Arc::new(AtomicBool::new(false));
        let (flag, mut written) = (fired.clone(), 0);
        let hook = move |moment, sql: &str| -> BoxFuture<'static, bool> {
            written += u64::from(matches!(moment, Moment::After(_)) && writes(sql));
            let dies = matches!(moment, Moment::After(_)) && writes(sql) && written == number;
            flag.fetch_or(dies, Ordering::SeqCst);
            Box::pin(std::future::ready(!dies))
        };
        runtime.block_on(async {
            let cut = real.migrate(Box::new(Watched::new(real.connect().await, Box::new(hook))), None).await;
            assert!(!fired.load(Ordering::SeqCst) || cut.is_err(), "{} after write {number}: nobody noticed", real.store.backend);
            let again = real.migrate(real.connect().await, None).await;
            assert!(again.is_ok(), "{} after write {number}: {:?}", real.store.backend, again.err());
            real.whole(&format!("after write {number}")).await;
        });
        if !fired.load(Ordering::SeqCst) {
            break;
        }
        cuts += 1;
    }
    real.store.absent();
    eprintln!("{}: {cuts} writes", real.store.backend);
    assert!(cuts > 20, "{}: {cuts}", real.store.backend);
}

#[test]
fn a_process_that_ends_after_any_write_to_sqlite_is_finished_by_the_next() {
    a_process_that_ends_after_any_write_is_finished_by_the_next(Store::sqlite());
}

#[test]
fn what_a_paused_holder_writes_after_its_lock_was_taken_is_refused_on_real_servers() {
    for store in [Store::postgresql(), Store::mysql()].into_iter().flatten() {
        let real = Arc::new(Real::of(store));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let (driver, pause) = pausing(real.connect().await, "INSERT INTO", "amx_history_ledger");
            let old = tokio::spawn({
                let real = real.clone();
                async move { real.migrate(driver, None).await }
            });
            pause.reached().await;
            let mut driver = real.connect().await;
            let (before, after) = real.engine(driver.as_mut()).release_lock().await.unwrap();
            assert!(before.held && after.fence == before.fence + 1, "{before:?} {after:?}");
            pause.go_on();
            let old = old.await.unwrap();
            assert_eq!(old.unwrap_err().code, Code::Locked, "{}", real.store.backend);
            real.migrate(driver, None).await.unwrap();
            real.whole("after a paused holder").await;
        });
        real.store.absent();
    }
}

/// A pause of a connection.
struct Pause {
    reached: Arc<tokio::sync::Notify>,
    resumed: Arc<tokio::sync::Notify>,
}

impl Pause {
    async fn reached(&self) {
        tokio::time::timeout(Duration::from_secs(20), self.reached.notified()).await.expect("the pause is reached");
    }

    fn go_on(&self) {
        self.resumed.notify_one();
    }
}

/// A connection that stops before the first statement that begins and goes on so.
fn pausing(inner: Box<dyn Driver>, begins: &'static str, with: &'static str) -> (Box<dyn Driver>, Pause) {
    let pause = Pause { reached: Arc::default(), resumed: Arc::default() };
    let (reached, resumed) = (pause.reached.clone(), pause.resumed.clone());
    let mut due = true;
    let hook = move |moment, sql: &str| -> BoxFuture<'static, bool> {
        let now = due && matches!(moment, Moment::Before(_)) && sql.starts_with(begins) && sql.contains(with);
        due &= !now;
        let (reached, resumed) = (reached.clone(), resumed.clone());
        Box::pin(async move {
            if now {
                reached.notify_one();
                resumed.notified().await;
            }
            true
        })
    };
    (Box::new(Watched::new(inner, Box::new(hook))), pause)
}

#[test]
fn a_schema_that_another_session_makes_at_the_same_moment_is_no_error() {
    // Nothing is locked there before the schema is made, which the lock's table is in.
    let Some(store) = Store::on(Backend::Redshift) else { return };
    let name = store.schema.to_lowercase();
    std::thread::scope(|scope| {
        scope.spawn(|| store.execute(&format!("CREATE SCHEMA {name}; SELECT pg_sleep(2)")));
        let at_it = format!("SELECT pid::text FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE '%{name}%'");
        common::eventually(|| !store.query(&at_it, &[Kind::Text]).is_empty());
        Home::new().on(&store, &["migrate"]).ok();
    });
    Home::new().on(&store, &["diff"]).ok();
}

#[test]
fn an_index_of_ours_that_is_invalid_is_in_the_way_of_its_version() {
    let Some(store) = Store::postgresql() else { return };
    let home = Home::new();
    home.on(&store, &["migrate", "--target", "1"]).ok();
    // As CREATE INDEX CONCURRENTLY leaves one that failed.
    store.sql("CREATE INDEX ix_amx_history_runs_started_at ON amx_history_runs (started_at, run_id);");
    store.sql(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = (current_schema() || '.ix_amx_history_runs_started_at')::regclass;",
    );
    let failed = home.on(&store, &["migrate"]).fails("drift", 3);
    assert!(failed.stderr.contains("V2 was not recorded"), "{}", failed.stderr);
    assert_eq!(store.sql("SELECT max(version) FROM amx_history_ledger;"), "1\n");
    store.sql("DROP INDEX ix_amx_history_runs_started_at;");
    home.on(&store, &["migrate"]).ok();
    home.on(&store, &["diff"]).ok();
}

#[test]
fn an_index_is_made_concurrently_while_one_process_holds_the_lock_and_another_waits_for_it() {
    let Some(store) = Store::postgresql() else { return };
    let real = Arc::new(Real::of(store));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        real.migrate(real.connect().await, Some(1)).await.unwrap();
        let (driver, pause) = pausing(real.connect().await, "SET LOCAL", "lock_timeout");
        let holder = tokio::spawn({
            let real = real.clone();
            async move { real.migrate(driver, None).await }
        });
        pause.reached().await;
        let waiter = tokio::spawn({
            let real = real.clone();
            async move { real.migrate(real.connect().await, None).await }
        });
        let made = tokio::task::spawn_blocking({
            let real = real.clone();
            move || real.store.sql("SET statement_timeout = '20s'; \nCREATE INDEX CONCURRENTLY ix_by_hand ON amx_history_runs (who);")
        });
        made.await.unwrap();
        assert!(!waiter.is_finished());
        pause.go_on();
        let (holder, waiter) = (holder.await.unwrap().unwrap(), waiter.await.unwrap().unwrap());
        assert_eq!((holder.applied.len(), waiter.applied.len()), (1, 0));
    });
    real.store.absent();
}

#[test]
fn sixteen_processes_behind_a_transaction_pool_apply_each_version_once() {
    let Some(store) = Store::pooled() else { return };
    let home = Home::new();
    let args = ["migrate", "--json", "--lock-timeout", "60s", "--url", &store.url, "--schema", &store.schema];
    let children: Vec<_> =
        (0..PROCESSES).map(|_| home.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()).collect();
    let mut applied = 0;
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let done: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        applied += done["applied"].as_array().unwrap().len();
    }
    assert_eq!(applied, 2);
    home.on(&store, &["migrate", "--check"]).ok();
}

#[test]
fn a_history_arrives_and_is_read_through_a_transaction_pool() {
    let Some(store) = Store::pooled() else { return };
    let home = Home::with_history(common::HISTORY);
    home.migrated(&store);
    assert_eq!(home.import(&store, &[])["runs_imported"], 15);
    assert_eq!(home.import(&store, &[])["runs_skipped"], 15);
    assert_eq!(home.hashes(&store).len(), 15);
}
