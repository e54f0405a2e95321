//! `pull-from-shared` and `history sync` on every real engine: nothing is missed, nothing is pushed back, and it costs what has changed.

mod common;
#[path = "common/watched.rs"]
#[allow(dead_code)]
mod watched;

use amx_schema::driver::{Access, connect};
use amx_schema::migration::MigrationSet;
use amx_schema::profile::Profile;
use amx_schema::report::Silent;
use amx_schema::store::local::LocalStore;
use amx_schema::store::outbox::Place;
use amx_schema::store::shared::SharedStore;
use amx_schema::sync::pull::Puller;
use common::files::{Part, amx_cli};
use common::proxy::{Fate, Proxy};
use common::role::Role;
use common::team::{Line, RUN, copied, copy_into, enable, member, member_by, result, result_for, run, state, with, words};
use common::{Home, Store};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use watched::{Moment, Watched};

const AT: &str = "2026-05-03T15:44:02.123456Z";
const LATER: &str = "2026-05-04T08:10:00.000000Z";

/// The hash of a run as a home sees it.
fn hash(home: &Home, run_id: &str) -> String {
    home.run(&["history", "show", run_id, "--hash"]).ok()
}

#[test]
fn new_and_changed_rows_come_and_are_counted() {
    for store in Store::all() {
        let (ann, bob) = (member(&store), member(&store));
        ann.recorded(&[run("run_1", AT), result("run_1", "one"), run("run_2", AT)]);
        assert_eq!(bob.pulled(), [2, 0, 1, 0], "{}", store.backend);
        assert_eq!(bob.pulled(), [0; 4]);
        ann.recorded(&[result("run_1", "two"), result_for("run_1", "sales.t.e", "new"), state("run_2", "failed"), run("run_3", AT)]);
        assert_eq!(bob.pulled(), [1, 2, 1, 1], "{}", store.backend);
        assert_eq!(bob.cached(), ann.cached(), "{}", store.backend);
        // The writer's own rows are in its cache already.
        assert_eq!(ann.pulled(), [0; 4], "{}", store.backend);
    }
}

#[test]
fn a_pull_says_what_it_brings_as_the_documentation_shows() {
    let store = Store::sqlite();
    let (ann, bob) = (member(&store), member(&store));
    bob.recorded(&[run("run_2026-05-03_15-44-002", AT)]);
    ann.recorded(&[run("run_2026-05-04_08-10-001", LATER), run("run_2026-05-04_17-22-002", LATER)]);
    store.sql("UPDATE amx_history_runs SET who = 'alice@acme.com', hostname = 'laptop' WHERE run_id LIKE '%2026-05-04%';");
    let said = bob.run(&["pull-from-shared"]);
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(|| insta::assert_snapshot!("pull-from-shared", format!("{}{}", said.stderr, said.stdout)));
}

#[test]
fn what_lands_late_comes_whatever_its_clock_says() {
    for store in Store::all() {
        let line = Line::to(&store);
        let (offline, ann, bob) = (line.member(), member(&store), member(&store));
        line.down();
        offline.recorded(&[run("run_old", "2020-01-01T00:00:00Z"), result("run_old", "old")]);
        offline.recorded(&[run("run_ahead", "2036-01-01T00:00:00Z")]);
        line.up();
        ann.recorded(&[run("run_new", LATER)]);
        assert_eq!(bob.pulled(), [1, 0, 0, 0], "{}", store.backend);
        assert_eq!(offline.flushed()["flushed"], 3);
        assert_eq!(bob.pulled(), [2, 0, 1, 0], "{}", store.backend);
    }
}

#[test]
fn what_others_and_a_copy_of_this_home_changed_of_its_runs_comes() {
    for store in Store::all() {
        let (ann, bob) = (member(&store), member(&store));
        ann.recorded(&[run("run_1", AT), result("run_1", "mine")]);
        let copy = copied(&ann);
        bob.recorded(&[result("run_1", "bob's"), state("run_1", "reviewed")]);
        assert_eq!(ann.pulled(), [0, 1, 0, 1], "{}", store.backend);
        copy.recorded(&[result("run_1", "the copy's"), run("run_2", AT)]);
        assert_eq!(ann.pulled(), [1, 1, 0, 1], "{}", store.backend);
        copy.pulled();
        assert_eq!(ann.cached(), copy.cached(), "{}", store.backend);
    }
}

#[test]
fn nothing_is_pushed_back() {
    for store in Store::all() {
        let (ann, bob) = (member(&store), member(&store));
        ann.recorded(&[run("run_1", AT), result("run_1", "one")]);
        let all = || store.rows() + &store.sql("SELECT * FROM amx_history_origins ORDER BY 1;");
        let before = all();
        bob.pulled();
        bob.local("UPDATE amx_history_results SET description = 'edited'");
        bob.pulled();
        bob.run(&["history", "sync"]).ok();
        bob.flushed();
        assert_eq!(bob.local("SELECT count(*) FROM local_outbox"), "0");
        assert_eq!(all(), before, "{}", store.backend);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_with_nothing_new_is_one_statement() {
    for store in Store::all() {
        let home = member(&store);
        home.recorded(&[run("run_1", AT), result("run_1", "one")]);
        let teammate = member(&store);
        teammate.recorded(&[run("run_2", AT)]);
        home.pulled();
        let profile = Profile::from_url(&store.url).unwrap();
        let set = MigrationSet::embedded(profile.backend).unwrap();
        let schema = set.dialect.schema_name(&store.schema).unwrap();
        let count = Arc::new(AtomicU64::new(0));
        let counted = count.clone();
        let driver = connect(&profile, home.dir.path(), Access::Read, amx_schema::driver::unheard()).await.unwrap();
        let mut driver = Watched::new(
            driver,
            Box::new(move |moment, _| {
                counted.fetch_add(u64::from(matches!(moment, Moment::Before(_))), Ordering::SeqCst);
                Box::pin(std::future::ready(true))
            }),
        );
        let standing = SharedStore::new(&mut driver, set.dialect, &schema).standing(&set.model.ledger().name).await.unwrap();
        let mut local = LocalStore::open(home.dir.path()).unwrap();
        let place = Place { name: "here".into(), address: "here".into() };
        let puller =
            Puller { driver: &mut driver, dialect: set.dialect, schema: &schema, place: &place, local: &mut local, reporter: &Silent };
        let report = puller.run(&standing, false).await.unwrap();
        assert_eq!((report.runs_added, report.runs_updated, count.load(Ordering::SeqCst)), (0, 0, 1), "{}", store.backend);
    }
}

#[test]
fn rows_of_the_cache_that_were_edited_come_back() {
    for store in Store::all() {
        let (ann, bob) = (member(&store), member(&store));
        let lines = [run("run_1", AT), result("run_1", "one"), result_for("run_1", "sales.t.e", "two"), run("run_2", AT), run("run_3", AT)];
        ann.recorded(&lines);
        bob.pulled();
        let before = bob.cached();
        bob.local(
            "UPDATE amx_history_results SET description = 'edited' WHERE target_qname = 'sales.t.c';
             DELETE FROM amx_history_results WHERE target_qname = 'sales.t.e'; DELETE FROM amx_history_runs WHERE run_id = 'run_2';
             UPDATE amx_history_runs SET state = 'applied' WHERE run_id = 'run_3'",
        );
        let [added, updated, ..] = bob.pulled();
        assert_eq!((added, updated, bob.cached()), (1, 2, before), "{}", store.backend);
        // The owner's too.
        ann.local("DELETE FROM amx_history_results; DELETE FROM amx_history_runs");
        ann.pulled();
        assert_eq!(ann.cached(), bob.cached(), "{}", store.backend);
    }
}

#[test]
fn own_writes_that_wait_stay_on_top_of_what_comes() {
    for store in Store::all() {
        let line = Line::to(&store);
        let (ann, bob) = (line.member(), member(&store));
        ann.recorded(&[run("run_1", AT), result("run_1", "one"), result_for("run_1", "sales.t.e", "one")]);
        line.down();
        ann.recorded(&[result("run_1", "mine waits"), state("run_1", "reviewed"), run("run_own", AT)]);
        line.up();
        bob.recorded(&[result("run_1", "bob's"), result_for("run_1", "sales.t.e", "bob's")]);
        for more in [&[][..], &["--all"]] {
            ann.pulled_with(more);
            let found = ann.local("SELECT description FROM amx_history_results ORDER BY target_qname");
            assert_eq!(found, "mine waits\nbob's", "{} {more:?}", store.backend);
            assert_eq!(ann.local("SELECT run_id, state FROM amx_history_runs ORDER BY 1"), "run_1\treviewed\nrun_own\trunning");
        }
        ann.flushed();
        bob.pulled();
        assert_eq!(bob.cached(), ann.cached(), "{}", store.backend);
        assert_eq!(store.description("run_1"), "mine waits");
    }
}

#[test]
fn all_reads_everything_again_and_forgets_what_the_store_no_longer_has() {
    for store in Store::all() {
        let (ann, bob) = (member(&store), member(&store));
        ann.recorded(&[run("run_1", AT), run("run_2", AT), result("run_2", "d")]);
        bob.recorded(&[run("run_own", AT)]);
        bob.pulled();
        store.sql("DELETE FROM amx_history_runs WHERE run_id IN ('run_1', 'run_own');");
        assert_eq!(bob.pulled(), [0; 4], "{}", store.backend);
        assert_eq!(bob.pulled_with(&["--all"]), [0; 4], "{}", store.backend);
        assert_eq!(bob.local("SELECT run_id FROM amx_history_runs ORDER BY 1"), "run_2\nrun_own", "{}", store.backend);
    }
}

const TABLES: [&str; 3] = ["amx_history_runs", "amx_history_results", "amx_history_origins"];

/// Keeps the rows of a store, as a backup does.
fn backup(store: &Store) {
    for table in TABLES {
        store.sql(&format!("CREATE TABLE kept_{table} AS SELECT * FROM {table};"));
    }
}

fn restore(store: &Store) {
    store.sql("DELETE FROM amx_history_results; DELETE FROM amx_history_runs; DELETE FROM amx_history_origins;");
    for table in TABLES {
        store.sql(&format!("INSERT INTO {table} SELECT * FROM kept_{table};"));
    }
}

#[test]
fn after_the_shared_database_was_restored_nothing_is_missing() {
    for store in Store::all() {
        let (ann, bob) = (member(&store), member(&store));
        ann.recorded(&[run("run_1", AT), result("run_1", "one")]);
        bob.recorded(&[run("run_b", AT)]);
        backup(&store);
        ann.recorded(&[result("run_1", "two"), state("run_1", "reviewed"), run("run_2", LATER)]);
        ann.recorded(&[result("run_2", "d")]);
        bob.pulled();
        bob.recorded(&[state("run_2", "applied")]);
        ann.pulled();
        let before = ann.cached();
        restore(&store);
        assert_eq!(bob.pulled(), [0; 4]);
        // The first writes after it find out.
        ann.recorded(&[run("run_3", LATER)]);
        bob.recorded(&[run("run_4", LATER)]);
        assert_eq!((store.counts(), store.description("run_1").as_str()), ((5, 2), "two"), "{}", store.backend);
        assert_eq!(store.state("run_2"), "applied", "{}", store.backend);
        for home in [&ann, &bob] {
            home.pulled();
        }
        assert_eq!(ann.cached(), bob.cached(), "{}", store.backend);
        assert!(before.lines().all(|line| ann.cached().contains(line)), "{before}\n{}", ann.cached());
        for run_id in ["run_1", "run_2"] {
            assert_eq!(hash(&ann, run_id), hash(&bob, run_id), "{}", store.backend);
        }
        let newcomer = member(&store);
        newcomer.pulled();
        assert_eq!(newcomer.cached(), ann.cached(), "{}", store.backend);
        // And from there on all is as ever.
        ann.recorded(&[state("run_3", "failed")]);
        assert_eq!(bob.pulled(), [0, 1, 0, 0], "{}", store.backend);
    }
}

#[test]
fn a_store_that_is_restored_while_a_record_is_under_way_gets_back_what_it_lost() {
    for store in Store::all() {
        let (ann, bob) = (member(&store), member(&store));
        let mut stream = ann.stream();
        stream.told(&run("run_1", AT));
        backup(&store);
        stream.told(&run("run_2", AT));
        stream.told(&result("run_2", "d"));
        bob.pulled();
        restore(&store);
        assert_eq!(stream.told(&run("run_3", AT))["shared"], "written", "{}", store.backend);
        assert_eq!(stream.end(), 0);
        assert_eq!((store.counts(), store.description("run_2").as_str()), ((3, 1), "d"), "{}", store.backend);
        bob.pulled();
        assert_eq!(bob.cached(), ann.cached(), "{}", store.backend);
    }
}

#[test]
fn a_store_that_is_restored_while_an_import_is_under_way_gets_back_what_it_lost() {
    for store in [Store::postgresql(), Store::mysql()].into_iter().flatten() {
        let (proxy, store) = (Proxy::to(&store), Arc::new(store));
        let ann = member_by(&store, &proxy.url(&store));
        ann.recorded(&[run("run_1", AT)]);
        backup(&store);
        ann.recorded(&[run("run_2", AT)]);
        // More batches than what is lost, so that the count is past what was known of it when the import ends.
        let source = ann.path("source.db");
        amx_cli(&source, &[Part { runs: 2600, results: 1, bytes: 20 }]);
        let (line, behind) = (proxy.clone(), Arc::clone(&store));
        let set_back = move || {
            line.cut_all();
            restore(&behind);
        };
        proxy.at_message(2, b"COMMIT", Fate::After(Box::new(set_back)));
        let import = ["migrate-from-local", "--yes", "--source", source.to_str().unwrap()];
        ann.run(&import).ok();
        assert!(!proxy.spare(), "{}: the store was not restored", store.backend);
        ann.flushed();
        ann.run(&import).ok();
        assert_eq!(store.sql("SELECT count(*) FROM amx_history_runs WHERE run_id = 'run_2';").trim(), "1", "{}", store.backend);
        assert_eq!(store.counts(), (2602, 2600), "{}", store.backend);
    }
}

#[test]
fn an_older_copy_of_a_home_that_is_put_back_goes_on() {
    for store in Store::all() {
        let (ann, bob) = (member(&store), member(&store));
        let line = with(RUN, &format!(r#""started_at":"{AT}""#));
        ann.recorded(std::slice::from_ref(&line));
        let kept = copied(&ann);
        ann.recorded(&[&line, &result("run_2026-05-03_15-44-001", "later")]);
        copy_into(kept.dir.path(), ann.dir.path());
        for name in ["history.db-wal", "history.db-shm"] {
            let _ = std::fs::remove_file(ann.path(name));
        }
        let other = line.replace(AT, "2026-05-03T15:44:30Z");
        // Its counter of the day was put back with it, and the store has that id.
        let answered = ann.recorded(&[other]);
        assert_eq!((words(&answered, "run_id"), words(&answered, "shared")), (vec!["run_2026-05-03_15-44-003"], vec!["written"]));
        ann.pulled();
        bob.pulled();
        assert_eq!((store.counts(), ann.cached()), ((3, 1), bob.cached()), "{}", store.backend);
    }
}

#[test]
fn two_copies_of_one_home_both_go_on() {
    for store in Store::all() {
        let line = Line::to(&store);
        let home = line.member();
        home.recorded(&[run("run_1", AT)]);
        let copy = copied(&home);
        let minted = with(RUN, &format!(r#""started_at":"{AT}""#));
        for n in 0..3 {
            home.recorded(&[&run(&format!("run_a{n}"), AT), &result("run_1", &format!("a{n}")), &minted]);
            copy.recorded(&[&run(&format!("run_b{n}"), AT), &result("run_1", &format!("b{n}")), &minted.replace(AT, LATER)]);
        }
        // Both away at the same time, with one id for two runs.
        line.down();
        home.recorded(&[run("run_both", AT), result("run_both", "the home's"), run("run_a", AT)]);
        copy.recorded(&[run("run_both", LATER), result("run_both", "the copy's"), run("run_b", AT)]);
        line.up();
        home.flushed();
        copy.run(&["flush-pending"]).fails("conflict", 1);
        assert_eq!(store.description("run_both"), "the home's");
        let renamed = copy.run(&["flush-pending", "--rename", "--json"]);
        assert_eq!((renamed.code, &renamed.json()["depth_after"]), (0, &0.into()), "{}", renamed.stdout);
        let bob = member(&store);
        for one in [&home, &copy, &bob] {
            one.pulled();
        }
        // Six that were minted, six and two with a given id, one for both, its renamed one, and the first.
        assert_eq!(store.counts().0, 17, "{}", store.backend);
        assert_eq!((home.cached(), copy.cached()), (bob.cached(), bob.cached()), "{}", store.backend);
    }
}

#[test]
fn copies_of_one_home_get_back_what_a_restored_store_lost_of_both() {
    for store in Store::all() {
        let home = member(&store);
        home.recorded(&[run("run_1", AT)]);
        let copy = copied(&home);
        backup(&store);
        home.recorded(&[run("run_a", AT), result("run_a", "a")]);
        copy.recorded(&[run("run_b", AT), result("run_b", "b")]);
        restore(&store);
        home.recorded(&[run("run_c", AT)]);
        copy.recorded(&[run("run_d", AT)]);
        assert_eq!(store.counts(), (5, 2), "{}", store.backend);
        let epoch = || store.sql("SELECT epoch FROM amx_history_origins;");
        let before = epoch();
        home.recorded(&[run("run_e", AT)]);
        copy.recorded(&[run("run_f", AT)]);
        assert_eq!(epoch(), before, "{}", store.backend);
    }
}

#[test]
fn with_two_stores_in_turn_nothing_is_missed_and_nothing_goes_to_the_wrong_one() {
    for store in Store::all() {
        let other = Store::sqlite();
        let line = Line::to(&store);
        let home = line.member();
        let url = line.proxy.as_ref().map_or(store.url.clone(), |proxy| proxy.url(&store));
        let (ann, bob) = (member(&store), member(&other));
        home.recorded(&[run("run_here", AT), result("run_here", "here")]);
        // It waits for the first store, and the second one has another run of that id.
        line.while_down(|| home.recorded(&[run("run_wait", AT), result("run_wait", "waits")]));
        ann.recorded(&[run("run_ann", AT)]);
        bob.recorded(&[run("run_bob", AT), run("run_wait", LATER), result("run_wait", "bob's")]);
        for _ in 0..2 {
            enable(&home, &other, &other.url);
            home.pulled();
            assert_eq!(home.local("SELECT description FROM amx_history_results WHERE run_id = 'run_wait'"), "bob's", "{}", store.backend);
            assert_eq!(home.local("SELECT count(*) FROM amx_history_runs WHERE run_id = 'run_ann'"), "0");
            enable(&home, &store, &url);
            home.pulled();
            assert_eq!(home.local("SELECT description FROM amx_history_results WHERE run_id = 'run_wait'"), "waits", "{}", store.backend);
            assert_eq!(home.local("SELECT count(*) FROM amx_history_runs WHERE run_id = 'run_bob'"), "0");
        }
        enable(&home, &other, &other.url);
        home.recorded(&[run("run_there", AT)]);
        ann.recorded(&[state("run_ann", "reviewed")]);
        enable(&home, &store, &url);
        bob.recorded(&[state("run_bob", "reviewed")]);
        assert_eq!(home.flushed()["flushed"], 2, "{}", store.backend);
        home.pulled();
        assert_eq!(home.local("SELECT state FROM amx_history_runs WHERE run_id = 'run_ann'"), "reviewed");
        assert_eq!(store.sql("SELECT run_id FROM amx_history_runs ORDER BY 1;").trim(), "run_ann\nrun_here\nrun_wait");
        enable(&home, &other, &other.url);
        home.pulled();
        assert_eq!(home.local("SELECT state FROM amx_history_runs WHERE run_id = 'run_bob'"), "reviewed");
        assert_eq!(other.sql("SELECT run_id FROM amx_history_runs ORDER BY 1;").trim(), "run_bob\nrun_there\nrun_wait");
        assert_eq!(other.description("run_wait"), "bob's");
    }
}

#[test]
fn a_reader_needs_select_alone() {
    for store in [Store::postgresql(), Store::mysql()].into_iter().flatten() {
        member(&store).recorded(&[run("run_1", AT), result("run_1", "one")]);
        let role = Role::without_rights(&store);
        role.grant("SELECT");
        let reader = member_by(&store, &role.url());
        assert_eq!(reader.pulled(), [1, 0, 1, 0], "{}", store.backend);
        reader.run(&["history", "sync"]).ok();
        assert_eq!(store.number("SELECT count(*) FROM amx_history_origins"), 1);
    }
}

#[test]
fn a_pull_that_is_killed_goes_on_from_there() {
    for store in [Store::postgresql(), Store::mysql()].into_iter().flatten() {
        let ann = member(&store);
        // More than one window of numbers.
        let mut stream = ann.stream();
        for n in 0..70 {
            stream.told(&run(&format!("run_{n}"), AT));
            stream.told(&result(&format!("run_{n}"), "d"));
        }
        assert_eq!(stream.end(), 0);
        let proxy = Proxy::to(&store);
        let bob = member_by(&store, &proxy.url(&store));
        let mut cut = 0;
        for messages in (1..).step_by(4) {
            let mut command = bob.command(&["pull-from-shared"]);
            let mut child = proxy.kill_after(messages, || command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
            if child.wait().unwrap().success() {
                break;
            }
            cut += 1;
        }
        proxy.kill_after(i64::MAX, || std::process::Command::new("true").spawn().unwrap()).wait().unwrap();
        assert!(cut > 2, "{}: {cut}", store.backend);
        bob.pulled();
        assert_eq!(bob.cached(), ann.cached(), "{}", store.backend);
    }
}

#[test]
fn history_sync_sends_and_brings() {
    for store in Store::all() {
        let line = Line::to(&store);
        let (ann, bob) = (line.member(), member(&store));
        ann.recorded(&[run("run_1", AT)]);
        line.while_down(|| ann.recorded(&[state("run_1", "reviewed")]));
        bob.recorded(&[run("run_2", AT)]);
        let report = ann.run(&["history", "sync", "--json"]).json();
        assert_eq!((&report["flushed"]["flushed"], &report["pulled"]["runs_added"]), (&1.into(), &1.into()), "{report}");
        bob.pulled();
        assert_eq!(ann.cached(), bob.cached(), "{}", store.backend);
    }
}
