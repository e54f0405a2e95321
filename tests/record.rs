//! `record` as AMX writes through it, on every real engine: what is answered, what is kept, and what no kill can take away.

mod common;
use common::chance::Chance;
use common::proxy::Proxy;
use common::team::{Line, RUN, answers, enable, member, member_by, result, result_for, run, state, with, words};
use common::{Home, Store};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

const AT: &str = "2026-05-03T15:44:02.123456Z";

#[test]
fn every_operation_is_answered_in_order_and_is_in_the_store() {
    for store in Store::all() {
        let home = member(&store);
        let applied =
            r#"{"op":"update","run_id":"run_1","applied":["sales.t.c"],"finished_at":"2026-05-03T15:50:00Z","metadata":{"n":1.50}}"#;
        let answered = home.recorded(&[&run("run_1", AT), &result("run_1", "d"), &state("run_1", "reviewed"), applied]);
        let answer = |op: &str| json!({ "run_id": "run_1", "op": op, "local": true, "shared": "written" });
        assert_eq!(answered, [answer("run"), answer("results"), answer("update"), answer("update")], "{}", store.backend);
        let shown = home.on(&store, &["history", "show", "run_1", "--json"]).json();
        let (run, result) = (&shown["run"], &shown["results"][0]);
        assert_eq!((&run["state"], &run["applied_by"]), (&json!("reviewed"), &json!("tester")), "{}", store.backend);
        assert_eq!((&run["started_at"], &run["finished_at"]), (&json!(AT), &json!("2026-05-03T15:50:00.000000Z")));
        assert_eq!((&run["metadata_json"], &result["applied"]), (&json!(r#"{"n":1.50}"#), &json!(true)));
        assert_eq!((&result["description"], &result["alternatives"]), (&json!("d"), &json!(r#"[{"text":"x","logprob":-0.5}]"#)));
        assert_eq!(home.flushed()["depth_before"], 0);
    }
}

#[test]
fn run_ids_are_minted_by_the_start_and_counted_per_day() {
    let home = Home::new();
    let at = |at: &str| with(RUN, &format!(r#""started_at":"{at}""#));
    let days = ["2026-05-03T15:44:02Z", "2026-05-03T23:59:59.9999999Z", "2026-05-04T00:05:00+02:00", "2026-05-04T10:00:00Z"];
    let answered = home.recorded(&days.map(at));
    assert_eq!(
        words(&answered, "run_id"),
        ["run_2026-05-03_15-44-001", "run_2026-05-04_00-00-001", "run_2026-05-03_22-05-002", "run_2026-05-04_10-00-002"]
    );
    let now = home.recorded(&[RUN]);
    let id = now[0]["run_id"].as_str().unwrap();
    assert!(id.starts_with("run_20") && id.ends_with("-001") && id.len() == "run_2026-05-03_15-44-001".len(), "{id}");
}

#[test]
fn eight_processes_of_one_home_mint_no_id_twice() {
    for store in Store::all() {
        let home = member(&store);
        let line = with(RUN, &format!(r#""started_at":"{AT}""#));
        let answered: Vec<Value> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..8).map(|_| scope.spawn(|| home.recorded(&[&line, &line, &line]))).collect();
            all.into_iter().flat_map(|one| one.join().unwrap()).collect()
        });
        let ids: BTreeSet<&str> = words(&answered, "run_id").into_iter().collect();
        assert_eq!((ids.len(), *ids.last().unwrap()), (24, "run_2026-05-03_15-44-024"), "{}", store.backend);
        home.flushed();
        assert_eq!(store.counts().0, 24, "{}", store.backend);
    }
}

#[test]
fn an_id_that_another_home_has_minted_is_minted_again_before_the_answer() {
    for store in Store::all() {
        let (ann, bob) = (member(&store), member(&store));
        let line = with(RUN, &format!(r#""started_at":"{AT}""#));
        let answered = ann.recorded(&[&line]);
        assert_eq!(words(&answered, "run_id"), ["run_2026-05-03_15-44-001"]);
        let other = line.replace("sales", "finance");
        let answered = bob.recorded(&[&other, &other]);
        let ids: BTreeSet<&str> = words(&answered, "run_id").into_iter().collect();
        assert_eq!(ids, BTreeSet::from(["run_2026-05-03_15-44-002", "run_2026-05-03_15-44-003"]), "{}", store.backend);
        assert_eq!(words(&answered, "shared"), ["written", "written"]);
        bob.recorded(&[result("run_2026-05-03_15-44-002", "d")]);
        assert_eq!(store.counts(), (3, 1), "{}", store.backend);
        assert_eq!(bob.local("SELECT count(*) FROM local_outbox"), "0");
    }
}

#[test]
fn an_id_of_which_nobody_was_told_is_minted_again_by_whoever_sends_it() {
    for store in [Store::postgresql(), Store::mysql()].into_iter().flatten() {
        let line = Line::to(&store);
        let (ann, bob) = (member(&store), line.member());
        let minted = |second: &str| with(RUN, &format!(r#""started_at":"2026-05-03T15:44:{second}Z""#));
        ann.recorded(&[minted("02")]);
        let answered = line.while_down(|| bob.recorded(&[minted("03")]));
        assert_eq!(words(&answered, "run_id"), ["run_2026-05-03_15-44-001"]);
        // As it is where the process ends between its write and its answer.
        bob.local("UPDATE local_outbox SET minted = 1");
        assert_eq!(bob.flushed()["failures"], json!([]));
        assert_eq!(
            store.sql("SELECT run_id FROM amx_history_runs ORDER BY run_id;"),
            "run_2026-05-03_15-44-001\nrun_2026-05-03_15-44-002\n"
        );
    }
}

#[test]
fn what_is_written_to_a_teammates_run_goes_there_though_an_untold_one_has_its_id_here() {
    for store in [Store::postgresql(), Store::mysql()].into_iter().flatten() {
        for pulls in [false, true] {
            let line = Line::to(&store);
            let (ann, bob) = (member(&store), line.member());
            let hour = if pulls { "16" } else { "15" };
            let minted = |second: &str| with(RUN, &format!(r#""started_at":"2026-05-03T{hour}:44:{second}Z""#));
            let theirs = words(&ann.recorded(&[minted("02")]), "run_id")[0].to_string();
            let mine = line.while_down(|| words(&bob.recorded(&[minted("03")]), "run_id")[0].to_string());
            bob.local("UPDATE local_outbox SET minted = 1");
            if mine != theirs {
                // The second round of a home counts on.
                bob.local(&format!("UPDATE local_outbox SET run_id = '{theirs}', body = replace(body, '{mine}', '{theirs}')"));
                bob.local(&format!("UPDATE amx_history_runs SET run_id = '{theirs}' WHERE run_id = '{mine}'"));
            }
            line.while_down(|| bob.recorded(&[result(&theirs, "for ann's run"), state(&theirs, "reviewed")]));
            if pulls {
                bob.pulled();
            }
            assert_eq!(bob.flushed()["failures"], json!([]), "{}", store.backend);
            assert_eq!((store.description(&theirs).as_str(), store.state(&theirs).as_str()), ("for ann's run", "reviewed"));
            let of_day = format!("SELECT count(*) FROM amx_history_runs WHERE run_id LIKE 'run_2026-05-03_{hour}%'");
            assert_eq!(store.number(&of_day), 2);
        }
    }
}

#[test]
fn a_run_that_is_given_again_is_the_same_run() {
    for store in Store::all() {
        let home = member(&store);
        let without_start = with(RUN, r#""run_id":"run_1""#);
        home.recorded(&[&without_start, &result("run_1", "d"), &state("run_1", "applied")]);
        let before = store.rows();
        let answered = home.recorded(&[&without_start, &result("run_1", "d")]);
        assert_eq!(words(&answered, "shared"), ["written", "written"], "{}", store.backend);
        assert_eq!(store.rows(), before, "{}", store.backend);
    }
}

#[test]
fn every_row_says_who_wrote_it_and_where() {
    for store in Store::all() {
        let home = member(&store);
        let line = with(&run("run_1", AT), r#""client_version":"0.20.1","local_id":17"#);
        home.recorded(&[&line, &result("run_1", "d"), &result_for("run_1", "sales.t.e", "e")]);
        let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        let hostname = hostname.trim();
        let found = store.sql("SELECT who, created_by, hostname, client_version, local_id FROM amx_history_runs;");
        assert_eq!(found.trim(), format!("tester\ttester\t{hostname}\t0.20.1\t17"), "{}", store.backend);
        let found = store.sql("SELECT created_by, hostname, client_version, local_id FROM amx_history_results ORDER BY target_qname;");
        let version = concat!("amx-schema ", env!("CARGO_PKG_VERSION"));
        assert_eq!(found.trim(), format!("tester\t{hostname}\t{version}\t1\ntester\t{hostname}\t{version}\t2"), "{}", store.backend);
    }
}

#[test]
fn a_state_goes_forward_and_may_skip() {
    for store in Store::all() {
        let home = member(&store);
        let ran = home.record(
            &[
                &run("run_1", AT),
                &state("run_1", "applied"),
                &state("run_1", "applied"),
                &state("run_1", "reviewed"),
                &state("run_1", "failed"),
                &result("run_1", "after"),
            ],
            &[],
        );
        let ran = ran.fails("rows_failed", 1);
        let answered = answers(&ran);
        let errors: Vec<_> = answered.iter().map(|answer| (answer["line"].as_u64(), answer["error"]["code"].as_str())).collect();
        let wrong = |line| (Some(line), Some("state_invalid"));
        assert_eq!(errors, [(None, None), (None, None), (None, None), wrong(4), wrong(5), (None, None)], "{}", store.backend);
        assert_eq!((store.state("run_1").as_str(), store.description("run_1").as_str()), ("applied", "after"));
    }
}

#[test]
fn a_run_that_nobody_has_is_unknown() {
    for store in Store::all() {
        let ran = member(&store).record(&[state("run_1", "reviewed"), result("run_1", "d")], &[]).fails("rows_failed", 1);
        let codes: Vec<Value> = answers(&ran).iter().map(|answer| answer["error"]["code"].clone()).collect();
        assert_eq!(codes, ["run_unknown", "run_unknown"], "{}", store.backend);
        assert_eq!(store.counts(), (0, 0));
    }
}

#[test]
fn bad_lines_are_answered_with_their_number_and_the_rest_is_taken() {
    let store = Store::sqlite();
    let home = member(&store);
    let mut input = vec![];
    let mut line = |bytes: &[u8]| {
        input.extend_from_slice(bytes);
        input.push(b'\n');
    };
    line(run("run_1", AT).as_bytes());
    line(br#"{"op":"run","scoope":"sales"}"#);
    line(b"{\"op\":\"run\"");
    line(br#"{"op":"run","scope":7}"#);
    line(br#"{"op":"run","scope":"a\u0000b"}"#);
    line(b"{\"op\":\"run\",\"scope\":\"\xff\"}");
    line(b"   ");
    line(result("run_1", "d").replace("high", "sure").as_bytes());
    line(&[b"{\"op\":\"run\",\"scope\":\"", vec![b'x'; 64 << 20].as_slice(), b"\"}"].concat());
    line(result("run_1", "taken").as_bytes());
    let ran = home.record_bytes(&input, &[]).fails("rows_failed", 1);
    let answered = answers(&ran);
    let bad = answered.iter().filter(|answer| answer["error"]["code"] == "bad_record").map(|answer| answer["line"].as_u64().unwrap());
    assert_eq!(bad.collect::<Vec<_>>(), [2, 3, 4, 5, 6, 8, 9]);
    assert_eq!(answered.len(), 9);
    assert_eq!((&answered[8]["op"], &answered[8]["shared"]), (&json!("results"), &json!("written")));
    let said: Vec<&str> = answered.iter().filter_map(|answer| answer["error"]["message"].as_str()).collect();
    for (said, wanted) in said.iter().zip(["scoope", "EOF", "invalid type", "NUL", "UTF-8", "confidence", "longer than"]) {
        assert!(said.contains(wanted), "{said} should say {wanted}");
    }
    assert_eq!((store.counts(), store.description("run_1").as_str()), ((1, 1), "taken"));
}

#[test]
fn without_a_store_everything_is_kept_here() {
    let home = Home::new();
    let answered = home.recorded(&[run("run_1", AT), result("run_1", "d"), state("run_1", "reviewed")]);
    assert_eq!(words(&answered, "shared"), ["disabled"; 3]);
    assert_eq!(home.local("SELECT count(*) FROM local_outbox"), "0");
    assert_eq!(home.local("SELECT state FROM amx_history_runs"), "reviewed");
}

#[test]
fn where_the_store_is_out_of_reach_writes_are_queued_with_one_warning() {
    for store in Store::all() {
        let line = Line::to(&store);
        let home = line.member();
        let runs: Vec<String> = (0..1000).map(|n| run(&format!("run_{n}"), AT)).collect();
        let started = Instant::now();
        let ran = line.while_down(|| home.record(&runs, &[]));
        assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
        assert_eq!((ran.code, ran.stderr.matches("warning: ").count()), (0, 1), "{}: {}", store.backend, ran.stderr);
        assert_eq!(words(&answers(&ran), "shared"), ["queued"; 1000]);
        assert_eq!(home.flushed()["flushed"], 1000);
        assert_eq!(store.counts().0, 1000, "{}", store.backend);
    }
}

#[test]
fn a_server_that_never_answers_is_waited_for_once() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgresql://u@127.0.0.1:{}/db?sslmode=disable", silent.local_addr().unwrap().port());
    let home = Home::new();
    let started = Instant::now();
    let ran = home.record(&(0..1200).map(|n| run(&format!("run_{n}"), AT)).collect::<Vec<_>>(), &["--url", &url]);
    assert_eq!((ran.code, ran.stderr.matches("warning: ").count()), (0, 1), "{}", ran.stderr);
    assert!(started.elapsed() < Duration::from_secs(25), "{:?}", started.elapsed());
}

#[test]
fn on_a_store_with_pending_migrations_writes_are_queued() {
    for store in Store::all() {
        let home = Home::new();
        home.on(&store, &["migrate", "--target", "1"]).ok();
        let on = ["--url", &store.url, "--schema", &store.schema];
        let ran = home.record(&[run("run_1", AT), result("run_1", "d")], &on);
        assert_eq!((ran.code, ran.stderr.matches("warning: ").count()), (0, 1), "{}: {}", store.backend, ran.stderr);
        assert_eq!(words(&answers(&ran), "shared"), ["queued", "queued"]);
        home.migrated(&store);
        let ran = home.record(&[state("run_1", "reviewed")], &on);
        assert_eq!(words(&answers(&ran), "shared"), ["written"]);
        assert_eq!((store.counts(), store.state("run_1").as_str()), ((1, 1), "reviewed"), "{}", store.backend);
    }
}

#[test]
fn anyone_may_update_anyones_run() {
    for store in Store::all() {
        let (ann, bob) = (member(&store), member(&store));
        ann.recorded(&[run("run_1", AT), result("run_1", "ann's")]);
        let origin = store.sql("SELECT origin FROM amx_history_runs;");
        // Bob has never pulled.
        let applied = r#"{"op":"update","run_id":"run_1","state":"applied","applied":["sales.t.c"]}"#;
        let answered = bob.recorded(&[applied, &result("run_1", "bob's")]);
        assert_eq!(words(&answered, "shared"), ["written", "written"], "{}", store.backend);
        assert_eq!((store.state("run_1").as_str(), store.description("run_1").as_str()), ("applied", "bob's"));
        assert_eq!(store.sql("SELECT origin FROM amx_history_runs;"), origin);
        ann.pulled();
        assert_eq!(ann.cached(), bob.cached(), "{}", store.backend);
    }
}

#[test]
fn a_run_from_before_the_store_was_enabled_arrives_whole_with_its_first_update() {
    for store in Store::all() {
        let home = Home::new();
        home.recorded(&[run("run_1", AT), result("run_1", "early"), result_for("run_1", "sales.t.e", "early too")]);
        common::team::enable(&home, &store, &store.url);
        let answered = home.recorded(&[state("run_1", "reviewed")]);
        assert_eq!(words(&answered, "shared"), ["written"], "{}", store.backend);
        assert_eq!((store.counts(), store.state("run_1").as_str()), ((1, 2), "reviewed"), "{}", store.backend);
    }
}

#[test]
fn what_is_written_while_the_store_is_disabled_waits_for_the_store_that_has_its_run() {
    for store in Store::all() {
        let (ann, bob) = (member(&store), member(&store));
        ann.recorded(&[run("run_1", AT), result("run_1", "ann's")]);
        bob.pulled();
        bob.run(&["disable"]).ok();
        let answered = bob.recorded(&[result("run_1", "bob's"), state("run_1", "reviewed"), run("run_2", AT)]);
        assert_eq!(words(&answered, "shared"), ["disabled"; 3]);
        ann.recorded(&[result_for("run_1", "sales.t.e", "ann's later one")]);
        enable(&bob, &store, &store.url);
        bob.pulled();
        assert_eq!(bob.flushed()["flushed"], 2, "a run that the store never had is for migrate-from-local");
        assert_eq!((store.description("run_1").as_str(), store.state("run_1").as_str()), ("bob's", "reviewed"), "{}", store.backend);
    }
}

#[test]
fn an_answer_comes_after_it_is_kept() {
    for store in Store::all() {
        let home = member(&store);
        let mut stream = home.stream();
        for n in 0..5 {
            let answer = stream.told(&run(&format!("run_{n}"), AT));
            assert_eq!(answer["shared"], "written", "{}", store.backend);
            assert_eq!(home.local("SELECT count(*) FROM amx_history_runs"), (n + 1).to_string());
            assert_eq!(store.counts().0, n + 1, "{}", store.backend);
        }
        assert_eq!(stream.end(), 0);
    }
}

#[test]
fn nothing_that_was_acknowledged_is_lost_when_record_is_killed() {
    let mut chance = Chance::new();
    for store in Store::all() {
        let home = member(&store);
        let mut acknowledged = vec![];
        for round in 0..6 {
            let mut stream = home.stream();
            let until = chance.below(120);
            let mut given = 0;
            // A few lines ahead of the answers, so that it dies with work at hand.
            for n in 0..until {
                let id = format!("run_{round}_{n}");
                if !(stream.give(&run(&id, AT)) && stream.give(&result(&id, &id))) {
                    break;
                }
                given += 2;
                if given > 20 {
                    acknowledged.extend(stream.answer());
                }
            }
            std::thread::sleep(Duration::from_millis(chance.below(30) as u64));
            acknowledged.extend((0..chance.below(20)).filter(|_| given > 40).filter_map(|_| stream.answer()));
            stream.kill();
        }
        home.flushed();
        let runs: BTreeSet<String> = store.sql("SELECT run_id FROM amx_history_runs;").lines().map(str::to_string).collect();
        let results: BTreeSet<String> = store.sql("SELECT description FROM amx_history_results;").lines().map(str::to_string).collect();
        for answer in &acknowledged {
            let kept = if answer["op"] == "run" { &runs } else { &results };
            assert!(kept.contains(answer["run_id"].as_str().unwrap()), "{}: {answer}", store.backend);
        }
        assert_eq!((runs.len() as i64, results.len() as i64), store.counts());
        home.pulled();
        assert_eq!(home.local("SELECT count(*) FROM amx_history_runs"), runs.len().to_string(), "{}", store.backend);
    }
}

#[test]
fn a_kill_between_the_local_and_the_shared_write_loses_nothing() {
    for store in [Store::postgresql(), Store::mysql()].into_iter().flatten() {
        let proxy = Proxy::to(&store);
        let home = member_by(&store, &proxy.url(&store));
        let mut kept = (0, 0);
        for messages in (1..60).step_by(3) {
            let id = format!("run_{messages}");
            home.write("lines", &format!("{}\n{}\n", run(&id, AT), result(&id, &id)));
            let file = home.path("lines").display().to_string();
            let mut command = home.command(&["record", &file]);
            let child = proxy.kill_after(messages, || command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
            let ended = { child }.wait().unwrap();
            let here = |table: &str| i64::from(home.local(&format!("SELECT count(*) FROM {table} WHERE run_id = '{id}'")) == "1");
            kept = (kept.0 + here("amx_history_runs"), kept.1 + here("amx_history_results"));
            if ended.success() {
                break;
            }
        }
        proxy.kill_after(i64::MAX, || std::process::Command::new("true").spawn().unwrap()).wait().unwrap();
        home.flushed();
        assert!(kept.1 > 1, "{kept:?}");
        assert_eq!(store.counts(), kept, "{}", store.backend);
    }
}

#[allow(dead_code)]
#[path = "../examples/record.rs"]
mod example;

#[tokio::test(flavor = "multi_thread")]
async fn the_example_of_the_library_records_a_run() {
    let store = Store::sqlite();
    let home = Home::new();
    home.migrated(&store);
    let answers = example::record_a_run(home.dir.path(), &store.url).await.unwrap();
    assert!(answers.iter().all(|answer| answer.shared == amx_schema::sync::record::Sent::Written), "{answers:?}");
    let shown = home.on(&store, &["history", "show", &answers[0].run_id, "--json"]).json();
    assert_eq!((&shown["run"]["who"], &shown["run"]["state"]), (&json!("alice@acme.com"), &json!("reviewed")));
    assert_eq!(shown["results"][0]["description"], "One customer per row.");
}
