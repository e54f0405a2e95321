//! What is read back while the shared store is away, and what this machine has written that the store has not.

mod common;
use common::team::{Line, enable, member, result, run, state};
use common::{Home, Store};
use serde_json::{Value, json};

const AT: &str = "2026-05-03T15:44:02Z";
const LATER: &str = "2026-05-03T16:44:02Z";

/// Each run of the list, with whether it is pending.
fn listed(home: &Home) -> Vec<(String, bool)> {
    let listed = home.run(&["history", "list", "--json"]);
    assert_eq!(listed.code, 0, "{}", listed.stderr);
    let row = |run: &Value| (run["run_id"].as_str().unwrap().to_string(), run["pending"] == true);
    listed.json().as_array().unwrap().iter().map(row).collect()
}

fn pair(run_id: &str, pending: bool) -> (String, bool) {
    (run_id.into(), pending)
}

fn stores() -> impl Iterator<Item = Store> {
    [Store::postgresql(), Store::mysql()].into_iter().flatten()
}

#[test]
fn where_the_store_is_away_the_cache_answers_with_a_warning() {
    for store in stores() {
        let line = Line::to(&store);
        let (ann, bob) = (member(&store), line.member());
        ann.recorded(&[run("run_1", AT), result("run_1", "d"), run("run_2", LATER)]);
        bob.pulled();
        let show = || bob.run(&["history", "show", "run_1", "--hash"]);
        let (online, hash) = (listed(&bob), show().ok());
        line.while_down(|| {
            assert_eq!((listed(&bob), show().stdout), (online, hash));
            let said = show();
            assert!(
                said.stderr.starts_with("warning: the database cannot be reached") && said.stderr.contains("local cache"),
                "{}",
                said.stderr
            );
            assert_eq!(bob.run(&["history", "compare", "run_1", "run_2", "--json"]).json()[0]["status"], "left_only");
        });
    }
}

#[test]
fn a_store_that_is_named_is_read_alone() {
    for store in stores() {
        let line = Line::to(&store);
        let home = line.member();
        line.while_down(|| {
            home.recorded(&[run("run_1", AT)]);
            let url = line.proxy.as_ref().unwrap().url(&store);
            home.run(&["history", "list", "--url", &url, "--schema", &store.schema]).fails("unreachable", 5);
        });
        assert_eq!(home.on(&store, &["history", "list", "--json"]).json(), json!([]));
        home.on(&store, &["history", "show", "run_1"]).fails("run_unknown", 2);
    }
}

#[test]
fn what_waits_is_listed_and_shown_online_and_offline() {
    for store in stores() {
        let line = Line::to(&store);
        let home = line.member();
        home.recorded(&[run("run_1", AT)]);
        line.while_down(|| {
            home.recorded(&[state("run_1", "reviewed"), run("run_2", LATER), result("run_2", "d")]);
            assert_eq!(listed(&home), [pair("run_2", true), pair("run_1", true)]);
        });
        assert_eq!(listed(&home), [pair("run_2", true), pair("run_1", true)]);
        let shown = home.run(&["history", "show", "run_2", "--json"]).json();
        assert_eq!(shown["results"][0]["description"], "d");
        assert_eq!(home.run(&["history", "show", "run_1", "--json"]).json()["run"]["state"], "running", "the shared run is shown");
        let after = home.run(&["history", "list", "--after", "run_2", "--json"]).json();
        assert_eq!(after[0]["run_id"], "run_1");
        home.flushed();
        assert_eq!(listed(&home), [pair("run_2", false), pair("run_1", false)]);
    }
}

#[test]
fn a_run_in_conflict_is_listed_beside_the_one_that_is_shared() {
    for store in stores() {
        let line = Line::to(&store);
        let (ann, bob) = (member(&store), line.member());
        line.while_down(|| bob.recorded(&[run("run_1", LATER), result("run_1", "bob's")]));
        ann.recorded(&[run("run_1", AT), result("run_1", "ann's")]);
        bob.run(&["flush-pending"]).fails("conflict", 1);
        bob.pulled();
        let both = [pair("run_1", true), pair("run_1", false)];
        assert_eq!(listed(&bob), both);
        let description = || bob.run(&["history", "show", "run_1", "--json"]).json()["results"][0]["description"].clone();
        assert_eq!(description(), "ann's");
        line.while_down(|| {
            assert_eq!(listed(&bob), both);
            assert_eq!(description(), "ann's");
        });
    }
}

#[test]
fn what_waits_for_another_store_is_not_listed_as_this_ones() {
    for store in stores() {
        let other = Store::sqlite();
        let line = Line::to(&store);
        let home = line.member();
        line.while_down(|| home.recorded(&[run("run_1", AT)]));
        enable(&home, &other, &other.url);
        assert_eq!(listed(&home), []);
    }
}

#[test]
fn with_the_store_disabled_the_home_is_listed() {
    for store in stores() {
        let home = member(&store);
        home.recorded(&[run("run_1", AT)]);
        home.run(&["disable"]).ok();
        home.recorded(&[run("run_2", LATER)]);
        assert_eq!(listed(&home), [pair("run_2", false), pair("run_1", false)]);
    }
}
