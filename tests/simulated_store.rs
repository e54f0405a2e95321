//! What a store does on the engines that cannot be run here, in the test's own process: the import, recording, pulling and reading over the
//! simulated engine with Oracle's and SQL Server's abilities. It says nothing about their SQL.

mod common;
#[path = "common/simulated.rs"]
mod simulated;

use amx_schema::dialect::{Backend, SchemaName};
use amx_schema::driver::{self, Access, Driver};
use amx_schema::error::Error;
use amx_schema::history::{Run, RunResult};
use amx_schema::migration::{Engine, MigrationSet};
use amx_schema::model::Model;
use amx_schema::profile::Profile;
use amx_schema::report::Silent;
use amx_schema::store::amx_cli::AmxCliFile;
use amx_schema::store::local::LocalStore;
use amx_schema::store::outbox::Place;
use amx_schema::store::reading::Reading;
use amx_schema::store::shared::{RunFilter, SharedStore};
use amx_schema::store::source::{Person, Source};
use amx_schema::store::sqlite_file::fingerprint;
use amx_schema::sync::OnConflict;
use amx_schema::sync::flush::Link;
use amx_schema::sync::import::{Importer, Options, Report, SourceFile, Unchanged};
use amx_schema::sync::pull::{self, Puller};
use amx_schema::sync::record::{Recorder, Sent, Shared};
use common::files::{add_result, add_run, edit, empty_amx_cli};
use common::{EXTREME, HISTORY, Home, Store, ended, lock_options};
use serde_json::{Value, json};
use simulated::Simulated;
use std::collections::BTreeMap;
use std::future::Future;

/// Each behaviour as a test of its own on both.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod oracle {
            $(#[test] fn $name() { super::$name(amx_schema::dialect::Backend::Oracle); })*
        }
        mod sqlserver {
            $(#[test] fn $name() { super::$name(amx_schema::dialect::Backend::SqlServer); })*
        }
    };
}

on_both![
    a_history_arrives_as_it_does_on_sqlite_and_a_second_import_adds_nothing,
    a_row_that_cannot_be_stored_costs_its_run_unless_it_is_left_out,
    what_changed_in_a_file_is_updated,
    a_state_goes_forward_only,
    another_run_of_a_taken_id_is_a_conflict,
    a_dry_run_writes_nothing,
    two_who_import_one_file_at_once_add_each_row_once,
    an_answer_that_is_lost_doubles_nothing,
    what_is_recorded_is_in_the_store_at_once,
    what_is_recorded_while_the_store_is_away_is_sent_once_later,
    a_teammates_runs_and_changes_are_pulled_once,
    anyone_may_update_anyones_run,
    an_empty_text_stays_apart_from_none,
    results_are_in_the_order_of_their_bytes,
    runs_are_listed_by_who_state_and_scope,
];

fn schema() -> SchemaName {
    Backend::Sqlite.dialect().unwrap().schema_name("AMX").unwrap()
}

fn block<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(work)
}

fn set(engine: &Simulated) -> MigrationSet {
    MigrationSet::rendered_in(Model::embedded().unwrap(), engine.dialect).unwrap()
}

/// A store that was just migrated.
fn migrated(backend: Backend) -> Simulated {
    let engine = Simulated::new(backend);
    let mut driver = engine.session();
    let set = set(&engine);
    block(async {
        let mut migration = Engine { driver: driver.as_mut(), set: &set, schema: &schema(), reporter: &Silent };
        ended(migration.migrate(None, &lock_options()).await).unwrap();
    });
    engine.writes();
    engine
}

/// Somebody with a home of their own.
struct Member {
    home: Home,
    person: Person,
}

impl Member {
    fn new(who: &str) -> Member {
        Member { home: Home::new(), person: Person { who: who.into(), hostname: "laptop".into() } }
    }

    /// With a history file of so many runs with so many results each.
    fn with_runs(who: &str, runs: u64, results: u64) -> Member {
        let member = Member::new(who);
        let mut file = empty_amx_cli(&member.home.path("history.db"));
        let transaction = file.transaction().unwrap();
        for _ in 0..runs {
            let run = add_run(&transaction, None);
            (0..results).for_each(|at| add_result(&transaction, run, at, &format!("run {run} row {at}")));
        }
        transaction.commit().unwrap();
        member
    }

    fn with_file(who: &str, file: &str) -> Member {
        Member { home: Home::with_history(file), ..Member::new(who) }
    }

    fn local(&self) -> LocalStore {
        LocalStore::open(self.home.dir.path()).unwrap()
    }

    fn place(&self) -> Place {
        Place { name: "team".into(), address: "there".into() }
    }

    async fn import(&self, driver: Box<dyn Driver>, engine: &Simulated, options: Options) -> (Report, Option<Error>) {
        let path = self.home.path("history.db");
        let file = AmxCliFile::open(&path, &self.person).unwrap();
        let owner = file.origin().unwrap();
        let unchanged = owner.map(|owner| Unchanged { fingerprint: fingerprint(&path).unwrap(), owner });
        let source: Box<dyn Source> = Box::new(file);
        let mut local = self.local();
        let importer = Importer {
            driver,
            connect: engine,
            dialect: engine.dialect,
            schema: &schema(),
            place: &self.place(),
            local: &mut local,
            person: &self.person,
            options,
            reporter: &Silent,
        };
        importer.run(vec![SourceFile { path, source, unchanged }]).await.unwrap()
    }

    fn imported(&self, engine: &Simulated, options: Options) -> Report {
        let (report, stopped) = block(self.import(engine.session(), engine, options));
        assert_eq!(stopped, None);
        report
    }

    fn recorded(&self, engine: &Simulated, operations: &[Value]) -> Vec<Sent> {
        let schema = schema();
        let lines: Vec<String> = operations.iter().map(Value::to_string).collect();
        let lines: Vec<&[u8]> = lines.iter().map(String::as_bytes).collect();
        block(async {
            let link = Link::new(engine, engine.dialect, &schema, self.place(), &self.person);
            let mut recorder = Recorder::new(self.local(), Shared::Enabled(Box::new(link)), &self.person);
            let answers = recorder.record(&lines).await.unwrap();
            recorder.close().await;
            answers.into_iter().map(|answer| answer.unwrap().shared).collect()
        })
    }

    /// Entries that were sent, and what is left.
    fn flushed(&self, engine: &Simulated) -> (u64, u64) {
        let schema = schema();
        block(async {
            let mut local = self.local();
            let mut link = Link::new(engine, engine.dialect, &schema, self.place(), &self.person);
            link.open(&mut local).await.unwrap();
            let drained = link.drain(&mut local, &Silent).await.unwrap();
            assert_eq!(drained.stopped, None);
            link.close().await;
            (drained.landed, local.outbox_state().unwrap().depth)
        })
    }

    /// Runs added and updated, results likewise.
    fn pulled(&self, engine: &Simulated) -> [u64; 4] {
        block(async {
            let mut driver = engine.session();
            let (schema, set) = (schema(), set(engine));
            let standing = SharedStore::new(driver.as_mut(), engine.dialect, &schema).standing(&set.model.ledger().name).await.unwrap();
            let mut local = self.local();
            let puller = Puller {
                driver: driver.as_mut(),
                dialect: engine.dialect,
                schema: &schema,
                place: &self.place(),
                local: &mut local,
                reporter: &Silent,
            };
            let pull::Report { runs_added, runs_updated, results_added, results_updated, .. } = puller.run(&standing, false).await.unwrap();
            [runs_added, runs_updated, results_added, results_updated]
        })
    }
}

const PLAIN: Options = Options { skip_errors: false, dry_run: false, on_conflict: OnConflict::Fail };

/// All that a store shows, by run.
async fn shown(driver: Box<dyn Driver>, dialect: &'static amx_schema::dialect::Dialect) -> BTreeMap<String, (Run, Vec<RunResult>)> {
    let mut reading = Reading::of_store(driver, dialect, schema());
    let mut all = BTreeMap::new();
    for listed in reading.list(&RunFilter::default(), None, 1_000).await.unwrap() {
        let run_id = listed.stored.run.run_id.clone();
        let mut results = vec![];
        let run = reading.read(&run_id, &mut |page| results.extend(page.into_iter().map(|stored| stored.result))).await.unwrap();
        all.insert(run_id, (run.run, results));
    }
    reading.close().await;
    all
}

fn shown_by(engine: &Simulated) -> BTreeMap<String, (Run, Vec<RunResult>)> {
    block(shown(engine.session(), engine.dialect))
}

/// What a SQLite store shows into which that file was imported by the program.
fn shown_by_sqlite(file: &str) -> BTreeMap<String, (Run, Vec<RunResult>)> {
    let (home, store) = (Home::with_history(file), Store::sqlite());
    home.migrated(&store);
    home.import(&store, &[]);
    block(async {
        let profile = Profile::from_url(&store.url).unwrap();
        let driver = driver::connect(&profile, home.dir.path(), Access::Read, driver::unheard()).await.unwrap();
        shown(driver, Backend::Sqlite.dialect().unwrap()).await
    })
}

fn counts(engine: &Simulated) -> (usize, usize) {
    let shown = shown_by(engine);
    (shown.len(), shown.values().map(|(_, results)| results.len()).sum())
}

fn a_history_arrives_as_it_does_on_sqlite_and_a_second_import_adds_nothing(backend: Backend) {
    let (engine, ann) = (migrated(backend), Member::with_file("tester", HISTORY));
    let report = ann.imported(&engine, PLAIN);
    assert_eq!((report.runs_imported, report.results_imported), (15, 210));
    let there = shown_by(&engine);
    let mut wanted = shown_by_sqlite(HISTORY);
    // The machine is whoever imports; all else is the file's.
    for (run, results) in wanted.values_mut() {
        for attribution in results.iter_mut().map(|result| &mut result.attribution).chain([&mut run.attribution]) {
            attribution.hostname = attribution.hostname.as_ref().map(|_| "laptop".into());
        }
    }
    assert_eq!(there, wanted);
    engine.writes();
    let report = ann.imported(&engine, PLAIN);
    assert_eq!((report.runs_skipped, report.results_skipped, report.runs_imported), (15, 210, 0));
    assert_eq!(engine.writes(), 0);
    assert_eq!(shown_by(&engine), there);
}

fn a_row_that_cannot_be_stored_costs_its_run_unless_it_is_left_out(backend: Backend) {
    let (engine, ann) = (migrated(backend), Member::with_file("ann", EXTREME));
    let strict = ann.imported(&engine, PLAIN);
    assert!(strict.runs_failed > 0 && strict.runs_imported > 0, "{strict:?}");
    assert_eq!(counts(&engine).0 as u64, strict.runs_imported);
    let lenient = ann.imported(&engine, Options { skip_errors: true, ..PLAIN });
    assert_eq!(strict.failures, lenient.failures);
    assert!(lenient.runs_failed < strict.runs_failed, "{lenient:?}");
    let there = counts(&engine).0 as u64;
    assert_eq!(there, strict.runs_imported + lenient.runs_imported);
    assert_eq!(there + lenient.runs_failed, lenient.runs_found);
}

fn what_changed_in_a_file_is_updated(backend: Backend) {
    let (engine, ann) = (migrated(backend), Member::with_runs("ann", 3, 4));
    ann.imported(&engine, PLAIN);
    edit(
        &ann.home.path("history.db"),
        "UPDATE run_results SET chosen_description = 'new' WHERE run_id = 1 AND column_name IN ('c00001', 'c00002')",
    );
    let report = ann.imported(&engine, PLAIN);
    assert_eq!((report.runs_updated, report.runs_skipped, report.results_updated, report.results_skipped), (1, 2, 2, 10));
    let texts: Vec<_> = shown_by(&engine).into_values().next().unwrap().1.into_iter().map(|result| result.description.unwrap()).collect();
    assert_eq!(texts, ["run 1 row 0", "new", "new", "run 1 row 3"]);
}

fn a_state_goes_forward_only(backend: Backend) {
    let (engine, ann) = (migrated(backend), Member::with_runs("ann", 1, 1));
    for (word, then) in [("ready_for_review", "reviewed"), ("applied_partial", "applied"), ("running", "applied")] {
        edit(&ann.home.path("history.db"), &format!("UPDATE analysis_runs SET status = '{word}'"));
        ann.imported(&engine, PLAIN);
        assert_eq!(shown_by(&engine).into_values().next().unwrap().0.state.word(), then, "{word}");
    }
}

fn another_run_of_a_taken_id_is_a_conflict(backend: Backend) {
    let (engine, ann, bob) = (migrated(backend), Member::with_runs("ann", 1, 2), Member::with_runs("bob", 2, 2));
    edit(
        &bob.home.path("history.db"),
        "UPDATE analysis_runs SET llm_model = 'other'; UPDATE analysis_runs SET started_at = started_at + 1 WHERE id = 1",
    );
    ann.imported(&engine, PLAIN);
    let report = bob.imported(&engine, PLAIN);
    assert_eq!((report.conflicts.len(), report.runs_imported), (1, 1));
    assert_eq!(counts(&engine), (2, 4));
    for _ in 0..2 {
        let renamed = bob.imported(&engine, Options { on_conflict: OnConflict::Rename, ..PLAIN });
        assert_eq!(renamed.conflicts, []);
        assert_eq!(counts(&engine), (3, 6));
    }
}

fn a_dry_run_writes_nothing(backend: Backend) {
    let (engine, ann) = (migrated(backend), Member::with_runs("ann", 3, 4));
    let report = ann.imported(&engine, Options { dry_run: true, ..PLAIN });
    assert_eq!((report.runs_imported, report.results_imported, engine.writes()), (3, 12, 0));
    assert_eq!(counts(&engine), (0, 0));
}

fn two_who_import_one_file_at_once_add_each_row_once(backend: Backend) {
    let (engine, ann, bob) = (migrated(backend), Member::with_runs("ann", 20, 10), Member::new("bob"));
    std::fs::copy(ann.home.path("history.db"), bob.home.path("history.db")).unwrap();
    let both = async { tokio::join!(ann.import(engine.session(), &engine, PLAIN), bob.import(engine.session(), &engine, PLAIN)) };
    let ((one, stopped), (other, stopped_too)) = block(both);
    assert_eq!((stopped, stopped_too), (None, None));
    assert_eq!(one.runs_imported + other.runs_imported, 20, "{one:?} {other:?}");
    assert_eq!(counts(&engine), (20, 200));
}

fn an_answer_that_is_lost_doubles_nothing(backend: Backend) {
    let (engine, ann) = (migrated(backend), Member::with_runs("ann", 6, 5));
    for lost in [1, 3] {
        engine.lose_answers(lost);
        ann.imported(&engine, PLAIN);
        assert_eq!(counts(&engine), (6, 30));
    }
    let bob = Member::new("bob");
    engine.lose_answers(2);
    let start = run("run_bob");
    bob.recorded(&engine, &[start, result("run_bob", "a", json!("one")), result("run_bob", "a", json!("two"))]);
    bob.flushed(&engine);
    assert_eq!(bob.flushed(&engine), (0, 0));
    assert_eq!(counts(&engine), (7, 31));
    assert_eq!(Member::new("cy").pulled(&engine), [7, 0, 31, 0]);
}

fn run(run_id: &str) -> Value {
    json!({"op": "run", "run_id": run_id, "scope": "sales, crm.person", "llm_provider": "openai", "llm_model": "gpt-4o",
        "db_backend": "oracle", "started_at": "2026-05-03T15:44:02.123456Z"})
}

fn result(run_id: &str, object: &str, description: Value) -> Value {
    let result =
        json!({"target_qname": object, "target_kind": "TABLE", "description": description, "alternatives": [], "confidence": "high"});
    json!({"op": "results", "run_id": run_id, "results": [result]})
}

fn what_is_recorded_is_in_the_store_at_once(backend: Backend) {
    let (engine, ann) = (migrated(backend), Member::new("ann"));
    let reviewed = json!({"op": "update", "run_id": "run_1", "state": "reviewed"});
    let sent = ann.recorded(&engine, &[run("run_1"), result("run_1", "sales.t", json!("one")), reviewed]);
    assert_eq!(sent, [Sent::Written; 3]);
    let (run, results) = shown_by(&engine).remove("run_1").unwrap();
    assert_eq!((run.state.word(), results[0].description.as_deref()), ("reviewed", Some("one")));
    assert_eq!(run.started_at.to_rfc3339(), "2026-05-03T15:44:02.123456+00:00");
}

fn what_is_recorded_while_the_store_is_away_is_sent_once_later(backend: Backend) {
    let (engine, ann) = (migrated(backend), Member::new("ann"));
    engine.be_away(true);
    assert_eq!(ann.recorded(&engine, &[run("run_1"), result("run_1", "sales.t", json!("one"))]), [Sent::Queued; 2]);
    engine.be_away(false);
    assert_eq!(counts(&engine), (0, 0));
    assert_eq!(ann.flushed(&engine), (2, 0));
    assert_eq!(ann.flushed(&engine), (0, 0));
    assert_eq!(counts(&engine), (1, 1));
}

fn a_teammates_runs_and_changes_are_pulled_once(backend: Backend) {
    let (engine, ann, bob) = (migrated(backend), Member::new("ann"), Member::new("bob"));
    ann.recorded(&engine, &[run("run_1"), result("run_1", "a", json!("one")), run("run_2"), result("run_2", "b", json!("two"))]);
    assert_eq!(bob.pulled(&engine), [2, 0, 2, 0]);
    assert_eq!(bob.pulled(&engine), [0; 4]);
    ann.recorded(&engine, &[result("run_1", "a", json!("other")), json!({"op": "update", "run_id": "run_1", "state": "applied"})]);
    assert_eq!(bob.pulled(&engine), [0, 1, 0, 1]);
    assert_eq!(ann.pulled(&engine), [0; 4]);
    engine.writes();
    bob.pulled(&engine);
    assert_eq!(engine.writes(), 0, "a pull writes nothing there");
}

fn anyone_may_update_anyones_run(backend: Backend) {
    let (engine, ann, bob) = (migrated(backend), Member::new("ann"), Member::new("bob"));
    ann.recorded(&engine, &[run("run_1"), result("run_1", "a", json!("ann's"))]);
    let sent =
        bob.recorded(&engine, &[json!({"op": "update", "run_id": "run_1", "state": "applied"}), result("run_1", "a", json!("bob's"))]);
    assert_eq!(sent, [Sent::Written; 2]);
    let (run, results) = shown_by(&engine).remove("run_1").unwrap();
    assert_eq!((run.state.word(), results[0].description.as_deref(), run.who.as_str()), ("applied", Some("bob's"), "ann"));
}

fn an_empty_text_stays_apart_from_none(backend: Backend) {
    let (engine, ann, bob) = (migrated(backend), Member::new("ann"), Member::new("bob"));
    ann.recorded(
        &engine,
        &[run("run_1"), result("run_1", "a", json!("")), result("run_1", "b", Value::Null), result("run_1", "c", json!(" "))],
    );
    let texts = |results: Vec<RunResult>| results.into_iter().map(|result| result.description).collect::<Vec<_>>();
    let wanted = [Some(String::new()), None, Some(" ".into())];
    assert_eq!(texts(shown_by(&engine).remove("run_1").unwrap().1), wanted);
    bob.pulled(&engine);
    let cached = block(async {
        let mut reading = Reading::of_home(bob.home.dir.path(), &bob.person, None).unwrap();
        let mut results = vec![];
        reading.read("run_1", &mut |page| results.extend(page.into_iter().map(|stored| stored.result))).await.unwrap();
        reading.close().await;
        results
    });
    assert_eq!(texts(cached), wanted);
}

fn results_are_in_the_order_of_their_bytes(backend: Backend) {
    let (engine, ann) = (migrated(backend), Member::new("ann"));
    let mut objects = ["b", "B", "a", "Z", "ä", "é", "e\u{301}", "\u{1F600}", "\u{FF21}", "a.b", "a-b", "a b", "İ", "_"];
    let mut operations = vec![run("run_1")];
    operations.extend(objects.iter().map(|object| result("run_1", object, json!("text"))));
    ann.recorded(&engine, &operations);
    objects.sort_unstable();
    let there: Vec<String> = shown_by(&engine).remove("run_1").unwrap().1.into_iter().map(|result| result.target_qname).collect();
    assert_eq!(there, objects);
}

fn runs_are_listed_by_who_state_and_scope(backend: Backend) {
    let (engine, ann, bob) = (migrated(backend), Member::new("ann"), Member::new("bob"));
    ann.recorded(&engine, &[run("run_1"), json!({"op": "update", "run_id": "run_1", "state": "applied"})]);
    bob.recorded(&engine, &[run("run_2")]);
    let listed = |filter: RunFilter| {
        block(async {
            let mut reading = Reading::of_store(engine.session(), engine.dialect, schema());
            let listed = reading.list(&filter, None, 10).await.unwrap();
            reading.close().await;
            listed.into_iter().map(|run| run.stored.run.run_id).collect::<Vec<_>>()
        })
    };
    let none = RunFilter::default();
    assert_eq!(listed(none.clone()), ["run_2", "run_1"]);
    assert_eq!(listed(RunFilter { who: Some("ann".into()), ..none.clone() }), ["run_1"]);
    assert_eq!(listed(RunFilter { state: Some("running".into()), ..none.clone() }), ["run_2"]);
    assert_eq!(listed(RunFilter { scope: Some("crm".into()), who: Some("bob".into()), ..none.clone() }), ["run_2"]);
    for scope in ["cr", "person", "sal", "crm.person.id"] {
        assert_eq!(listed(RunFilter { scope: Some(scope.into()), ..none.clone() }), [""; 0], "{scope}");
    }
}
