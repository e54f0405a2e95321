//! The outbox on every real engine: what is queued arrives once and in order, or is kept with a reason.

mod common;
use common::proxy::Proxy;
use common::role::Role;
use common::team::{Line, enable, member, member_by, result, result_for, run, state, words};
use common::{Home, Store};
use serde_json::{Value, json};
use std::process::Stdio;

const AT: &str = "2026-05-03T15:44:02.123456Z";
const LATER: &str = "2026-05-03T16:00:00.000000Z";

/// A home with one run in the store whose further writes wait.
fn queued(line: &Line<'_>, lines: &[String]) -> Home {
    let home = line.member();
    home.recorded(&[run("run_0", AT)]);
    let answered = line.while_down(|| home.recorded(lines));
    assert!(words(&answered, "shared").iter().all(|word| *word == "queued"), "{answered:?}");
    home
}

fn items(report: &Value) -> Vec<&str> {
    words(report["failures"].as_array().unwrap(), "item")
}

#[test]
fn a_flush_sends_what_is_queued_and_names_each_item() {
    for store in Store::all() {
        let line = Line::to(&store);
        let lines = [
            result("run_0", "one"),
            state("run_0", "reviewed"),
            run("run_2026-05-13_14-30-001", LATER),
            result("run_2026-05-13_14-30-001", "two"),
        ];
        let home = queued(&line, &lines);
        let said = home.run(&["flush-pending"]);
        assert_eq!(said.code, 0, "{}", said.stderr);
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("../snapshots");
        settings.set_prepend_module_to_snapshot(false);
        settings.add_filter(r"last attempt \d+s ago", "last attempt [N]s ago");
        settings.bind(|| insta::assert_snapshot!("flush-pending", format!("{}{}", said.stderr, said.stdout)));
        assert_eq!((store.counts(), store.state("run_0").as_str()), ((2, 2), "reviewed"), "{}", store.backend);
        let again = home.flushed();
        assert_eq!(
            again,
            json!({ "depth_before": 0, "flushed": 0, "failed": 0, "dropped": 0, "depth_after": 0, "failures": [] }),
            "{}",
            store.backend
        );
    }
}

#[test]
fn writes_of_a_run_arrive_in_the_order_in_which_they_were_made() {
    for store in Store::all() {
        let line = Line::to(&store);
        // More than one batch holds.
        let mut lines: Vec<String> = (0..1100).map(|n| result("run_0", &format!("text {n}"))).collect();
        lines.push(state("run_0", "reviewed"));
        lines.push(state("run_0", "applied"));
        let home = queued(&line, &lines);
        assert_eq!(home.flushed()["flushed"], 1102);
        assert_eq!((store.description("run_0").as_str(), store.state("run_0").as_str()), ("text 1099", "applied"), "{}", store.backend);
        home.pulled();
        assert_eq!(home.local("SELECT description FROM amx_history_results"), "text 1099");
    }
}

#[test]
fn two_flushers_at_once_send_nothing_twice() {
    for store in Store::all() {
        let line = Line::to(&store);
        let lines: Vec<String> = (0..1500).map(|n| run(&format!("run_{n}_b"), AT)).collect();
        let home = queued(&line, &lines);
        let landed = || store.number("SELECT landed FROM amx_history_origins");
        let before = landed();
        let reports: Vec<Value> = std::thread::scope(|scope| {
            let both: Vec<_> = (0..2).map(|_| scope.spawn(|| home.flushed())).collect();
            both.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let flushed: u64 = reports.iter().map(|report| report["flushed"].as_u64().unwrap()).sum();
        // Two batches of a thousand at most, and each once.
        assert_eq!((flushed, landed() - before, store.counts().0), (1500, 2, 1501), "{}", store.backend);
    }
}

#[test]
fn what_was_committed_without_an_answer_is_recognised_and_a_later_edit_of_it_stays() {
    for store in [Store::postgresql(), Store::mysql()].into_iter().flatten() {
        let proxy = Proxy::to(&store);
        let (ann, bob) = (member_by(&store, &proxy.url(&store)), member(&store));
        ann.recorded(&[run("run_1", AT), result("run_1", "first")]);
        let (mut arrived, mut ended) = (0, false);
        let all = |count: i64| proxy.kill_after(count, || std::process::Command::new("true").spawn().unwrap()).wait();
        for messages in 1..80 {
            let (mine, theirs) = (format!("ann's {messages}"), format!("bob's {messages}"));
            proxy.cut(1, i64::MAX);
            ann.recorded(&[result("run_1", &mine)]);
            proxy.cut(1, 0);
            let mut command = ann.command(&["flush-pending"]);
            let mut flusher = proxy.kill_after(messages, || command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
            ended = flusher.wait().unwrap().success();
            all(i64::MAX).unwrap();
            // The server may still be at it.
            std::thread::sleep(std::time::Duration::from_millis(30));
            let landed = store.description("run_1") == mine;
            if landed {
                bob.recorded(&[result("run_1", &theirs)]);
            }
            ann.flushed();
            let wanted = if landed { &theirs } else { &mine };
            assert_eq!(store.description("run_1"), *wanted, "{} after {messages}", store.backend);
            if ended {
                break;
            }
            arrived += u32::from(landed);
        }
        assert!(ended && arrived > 0, "{}: {arrived}", store.backend);
        ann.pulled();
        bob.pulled();
        assert_eq!(ann.cached(), bob.cached(), "{}", store.backend);
    }
}

#[test]
fn a_value_that_the_store_refuses_holds_up_its_own_run_alone() {
    for store in Store::all() {
        let line = Line::to(&store);
        let long = "a description of more than twenty characters";
        let mut lines: Vec<String> = vec![];
        for n in 1..8 {
            lines.extend([run(&format!("run_{n}"), AT), result(&format!("run_{n}"), if n == 4 { long } else { "short" })]);
        }
        lines.extend([state("run_4", "reviewed"), state("run_5", "reviewed")]);
        let home = queued(&line, &lines);
        store.narrow();
        let ran = home.run(&["flush-pending", "--json"]);
        let report = ran.json();
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        assert!(ran.stderr.contains("flush_incomplete"), "{}", ran.stderr);
        assert_eq!(items(&report), ["run_4.results", "run_4.update"], "{}: {report}", store.backend);
        let reasons = words(report["failures"].as_array().unwrap(), "reason");
        assert!(reasons[0].contains("too long"), "{reasons:?}");
        assert_eq!(reasons[1], "it waits behind run_4.results");
        assert_eq!((report["flushed"].as_u64(), report["depth_after"].as_u64()), (Some(14), Some(2)));
        assert_eq!((store.counts(), store.state("run_5").as_str()), ((8, 6), "reviewed"), "{}", store.backend);
        // What comes later waits behind it.
        let answered = home.recorded(&[state("run_4", "applied"), state("run_6", "applied")]);
        assert_eq!(words(&answered, "shared"), ["queued", "written"], "{}", store.backend);
        store.widen();
        assert_eq!(home.flushed()["flushed"], 3);
        assert_eq!((store.description("run_4").as_str(), store.state("run_4").as_str()), (long, "applied"), "{}", store.backend);
    }
}

#[test]
fn a_run_whose_id_is_another_run_is_kept_in_quarantine_until_it_is_renamed() {
    for store in Store::all() {
        let line = Line::to(&store);
        let home = queued(&line, &[run("run_1", AT), result("run_1", "mine")]);
        let other = member(&store);
        other.recorded(&[run("run_1", LATER).replace("sales", "finance"), result("run_1", "theirs")]);
        let ran = home.run(&["flush-pending", "--json"]).fails_json("conflict", 1);
        assert_eq!(items(&ran.json()), ["run_1.run", "run_1.results"], "{}", store.backend);
        assert_eq!(store.description("run_1"), "theirs");
        // Whatever this home does next to that id.
        let ran = home.record(&[state("run_1", "reviewed"), result("run_1", "mine, later"), run("run_1", AT)], &[]).fails("conflict", 1);
        assert_eq!(words(&common::team::answers(&ran), "shared"), ["conflict"; 3], "{}", store.backend);
        home.run(&["flush-pending"]).fails("conflict", 1);
        let pulled = home.run(&["pull-from-shared"]);
        assert!(pulled.code == 0 && pulled.stderr.contains("run_1"), "{}", pulled.stderr);
        assert_eq!(home.local("SELECT description FROM amx_history_results WHERE run_id = 'run_1'"), "theirs");
        assert_eq!((store.state("run_1").as_str(), store.description("run_1").as_str()), ("running", "theirs"));

        let ran = home.run(&["flush-pending", "--rename", "--json"]);
        assert_eq!(ran.json()["depth_after"], 0, "{}: {}", store.backend, ran.stdout);
        let origin = home.local("SELECT id FROM local_installations");
        let renamed = format!("run_1-{}", &origin[..6]);
        assert_eq!(
            (store.description(&renamed).as_str(), store.state(&renamed).as_str()),
            ("mine, later", "reviewed"),
            "{}",
            store.backend
        );
        assert_eq!((store.description("run_1").as_str(), store.counts()), ("theirs", (3, 2)));
    }
}

trait FailsJson {
    fn fails_json(self, code: &str, exit: i32) -> Self;
}

impl FailsJson for common::Ran {
    #[track_caller]
    fn fails_json(self, code: &str, exit: i32) -> Self {
        let said: Value = serde_json::from_str(self.stderr.lines().last().unwrap_or_default()).unwrap_or_default();
        assert_eq!((&said["error"]["code"], self.code), (&json!(code), exit), "{}\n{}", self.stdout, self.stderr);
        self
    }
}

#[test]
fn another_owners_run_with_the_same_content_is_skipped_and_its_results_are_shared() {
    for store in Store::all() {
        let line = Line::to(&store);
        // More than one batch holds: its later part is known to be of the same run.
        let mut lines = vec![run("run_1", AT)];
        lines.extend((0..1005).map(|n| result_for("run_1", &format!("sales.t.c{n}"), "mine")));
        let home = queued(&line, &lines);
        let other = member(&store);
        other.recorded(&[run("run_1", AT), state("run_1", "applied")]);
        let origin = store.sql("SELECT origin FROM amx_history_runs WHERE run_id = 'run_1';");
        assert_eq!(home.flushed()["flushed"], 1006, "{}", store.backend);
        assert_eq!(store.sql("SELECT origin FROM amx_history_runs WHERE run_id = 'run_1';"), origin);
        assert_eq!((store.counts(), store.state("run_1").as_str()), ((2, 1005), "applied"), "{}", store.backend);
    }
}

#[test]
fn dropping_asks_and_empties_the_outbox() {
    let store = Store::sqlite();
    let line = Line::to(&store);
    let home = queued(&line, &[run("run_1", AT), result("run_0", "d")]);
    home.run(&["flush-pending", "--drop"]).fails("confirmation_required", 2);
    assert_eq!(home.local("SELECT count(*) FROM local_outbox"), "2");
    let report = home.run(&["flush-pending", "--drop", "--yes", "--json"]).json();
    assert_eq!(report, json!({ "depth_before": 2, "flushed": 0, "failed": 0, "dropped": 2, "depth_after": 0, "failures": [] }));
    assert_eq!(home.flushed()["depth_before"], 0);
    assert_eq!(store.counts(), (1, 0));
    // The run that was never sent is nowhere else.
    home.pulled();
    assert_eq!(home.local("SELECT count(*) FROM amx_history_runs WHERE run_id = 'run_1'"), "1");
}

#[test]
fn what_is_for_another_store_stays_and_is_named() {
    for store in Store::all() {
        let line = Line::to(&store);
        let home = queued(&line, &[result("run_0", "d")]);
        let other = Store::sqlite();
        enable(&home, &other, &other.url);
        home.recorded(&[run("run_b", AT)]);
        let ran = home.run(&["flush-pending", "--json"]).fails_json("flush_incomplete", 1);
        let report = ran.json();
        assert_eq!((items(&report), &report["failures"][0]["reason"]), (vec!["run_0.results"], &json!("it is for another store")));
        assert_eq!(other.counts(), (1, 0), "{}", store.backend);
        let url = line.proxy.as_ref().map_or(store.url.clone(), |proxy| proxy.url(&store));
        enable(&home, &store, &url);
        assert_eq!(home.flushed()["flushed"], 1);
        assert_eq!((store.counts(), store.description("run_0").as_str()), ((1, 1), "d"), "{}", store.backend);
    }
}

#[test]
fn a_user_who_may_not_write_keeps_what_is_queued_with_the_reason() {
    for store in [Store::postgresql(), Store::mysql()].into_iter().flatten() {
        member(&store).recorded(&[run("run_1", AT)]);
        let role = Role::without_rights(&store);
        role.grant("SELECT");
        let home = member_by(&store, &role.url());
        home.pulled();
        let ran = home.record(&[run("run_2", AT), state("run_1", "reviewed")], &[]);
        assert_eq!((ran.code, words(&common::team::answers(&ran), "shared")), (0, vec!["queued", "queued"]), "{}", ran.stderr);
        let ran = home.run(&["flush-pending", "--json"]).fails_json("permission_denied", 6);
        let report = ran.json();
        assert_eq!((report["failed"].as_u64(), report["depth_after"].as_u64()), (Some(2), Some(2)), "{}", store.backend);
        assert!(home.local("SELECT last_error FROM local_outbox").contains("denied"));
        assert_eq!(store.state("run_1"), "running");
        home.pulled();
        assert_eq!(home.local("SELECT run_id, state FROM amx_history_runs ORDER BY run_id"), "run_1\treviewed\nrun_2\trunning");
        role.grant("SELECT, INSERT, UPDATE");
        assert_eq!(home.flushed()["flushed"], 2, "{}", store.backend);
    }
}

#[test]
fn what_an_older_build_queued_is_sent_and_what_cannot_be_read_is_kept() {
    for store in Store::all() {
        let home = member(&store);
        home.recorded(&[run("run_1", AT), run("run_2", AT)]);
        let owner = home.local("SELECT id FROM local_installations");
        let store_id = store.sql("SELECT value FROM amx_history_store WHERE item = 'store_id';");
        let body = |run_id: &str, more: &str| format!(r#"{{"run_id":"{run_id}","owner":"{owner}","started_at":"{AT}"{more}}}"#);
        let add = |run_id: &str, body: &str| {
            home.local(&format!(
                "INSERT INTO local_outbox (store_id, run_id, item, body, queued_at) VALUES ('{}', '{run_id}', 'update', '{body}', '{AT}')",
                store_id.trim()
            ))
        };
        home.local("ALTER TABLE local_outbox DROP COLUMN place; ALTER TABLE local_outbox DROP COLUMN landing");
        add("run_1", &body("run_1", ""));
        add("run_1", &body("run_1", r#","state":"reviewed","later_key":1"#));
        add("run_2", "not json");
        add("run_2", &body("run_2", r#","state":"reviewed""#));
        add("run_1", &body("run_1", r#","state":"applied""#));
        let ran = home.run(&["flush-pending", "--json"]).fails_json("flush_incomplete", 1);
        let report = ran.json();
        assert_eq!((report["flushed"].as_u64(), items(&report)), (Some(3), vec!["run_2.update", "run_2.update"]), "{}", store.backend);
        assert!(report["failures"][0]["reason"].as_str().unwrap().contains("cannot be read"), "{report}");
        assert_eq!((store.state("run_1").as_str(), store.state("run_2").as_str()), ("applied", "running"), "{}", store.backend);
    }
}

#[test]
fn an_outbox_of_a_home_with_no_store_enabled_is_told() {
    let store = Store::sqlite();
    let line = Line::to(&store);
    let home = queued(&line, &[result("run_0", "d")]);
    home.run(&["disable"]).ok();
    home.run(&["flush-pending"]).fails("store_missing", 2);
    assert_eq!(home.local("SELECT count(*) FROM local_outbox"), "1");
}
