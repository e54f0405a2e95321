//! `record`, `flush-pending` and `pull-from-shared`: how writes travel between people.

use crate::behaviours;
use crate::common::proxy::Proxy;
use crate::common::team::{answers, enable, member, result, result_for, run, state, words};
use crate::common::{Home, Store};
use amx_schema::dialect::Backend;

behaviours![
    what_is_recorded_is_in_the_store_at_once,
    what_is_recorded_while_the_store_is_away_is_sent_once_later not on &[(Backend::Sqlite, "there is no line that could break")],
    what_a_teammate_recorded_is_pulled_once,
    a_change_is_pulled_as_a_change,
    anyone_may_update_anyones_run,
    a_later_text_replaces_an_earlier_one,
    another_run_of_a_taken_id_goes_into_quarantine,
    two_people_who_write_at_once_lose_nothing,
    many_changes_at_once_land_together,
    a_home_that_is_new_gets_everything,
];

const START: &str = "2026-05-03T15:44:02.123456Z";

fn description(home: &Home, run_id: &str, object: &str) -> Option<String> {
    let shown = home.run(&["history", "show", run_id, "--json"]).json();
    let results = shown["results"].as_array().unwrap().clone();
    results.iter().find(|result| result["target_qname"] == object).and_then(|result| result["description"].as_str().map(str::to_string))
}

fn what_is_recorded_is_in_the_store_at_once(store: &Store) {
    let ann = member(store);
    let ran = ann.record(&[run("run_1", START), result("run_1", "one"), state("run_1", "reviewed")], &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(words(&answers(&ran), "shared"), ["written", "written", "written"], "{}", ran.stderr);
    let shown = Home::new().on(store, &["history", "show", "run_1", "--json"]).json();
    assert_eq!((&shown["run"]["state"], &shown["results"][0]["description"]), (&"reviewed".into(), &"one".into()), "{shown}");
    assert_eq!(shown["run"]["started_at"], START);
}

fn what_is_recorded_while_the_store_is_away_is_sent_once_later(store: &Store) {
    let ann = member(store);
    // Nobody listens there.
    let away = Proxy::to(store);
    away.weather(crate::common::proxy::Weather::Refused);
    let home = Home::new();
    enable(&home, store, &store.url);
    let config = home.read("config.yml");
    home.write("config.yml", &config.replace(&port(&store.url), &port(&away.url(store))));
    let ran = home.record(&[run("run_1", START), result("run_1", "one")], &[]);
    assert_eq!(words(&answers(&ran), "shared"), ["queued", "queued"], "{}", ran.stderr);
    assert_eq!(store.count("amx_history_runs"), 0);
    home.write("config.yml", &config);
    assert_eq!(home.flushed()["depth_after"], 0);
    assert_eq!(home.flushed()["flushed"], 0);
    assert_eq!((store.count("amx_history_runs"), store.count("amx_history_results")), (1, 1));
    assert_eq!(description(&ann, "run_1", "sales.t.c").as_deref(), Some("one"));
}

/// The digits of a URL's port.
fn port(url: &str) -> String {
    let after = ["127.0.0.1:", "127.0.0.1%3A", "port="].iter().find_map(|mark| url.find(mark).map(|at| at + mark.len())).unwrap();
    url[after..].chars().take_while(char::is_ascii_digit).collect()
}

fn what_a_teammate_recorded_is_pulled_once(store: &Store) {
    let (ann, bob) = (member(store), member(store));
    ann.record(&[run("run_1", START), result("run_1", "one"), run("run_2", START), result("run_2", "two")], &[]).ok();
    assert_eq!(bob.pulled(), [2, 0, 2, 0]);
    assert_eq!(bob.pulled(), [0, 0, 0, 0]);
    assert_eq!(ann.pulled(), [0, 0, 0, 0]);
}

fn a_change_is_pulled_as_a_change(store: &Store) {
    let (ann, bob) = (member(store), member(store));
    ann.record(&[run("run_1", START), result("run_1", "one")], &[]).ok();
    bob.pulled();
    ann.record(&[result("run_1", "two"), state("run_1", "applied")], &[]).ok();
    assert_eq!(bob.pulled(), [0, 1, 0, 1]);
    assert_eq!(bob.local("SELECT description FROM amx_history_results"), "two");
}

fn anyone_may_update_anyones_run(store: &Store) {
    let (ann, bob) = (member(store), member(store));
    ann.record(&[run("run_1", START), result("run_1", "one")], &[]).ok();
    bob.pulled();
    let ran = bob.record(&[state("run_1", "applied"), result("run_1", "bob's")], &[]);
    assert_eq!(words(&answers(&ran), "shared"), ["written", "written"], "{}", ran.stderr);
    assert_eq!(ann.pulled(), [0, 1, 0, 1]);
    assert_eq!(description(&ann, "run_1", "sales.t.c").as_deref(), Some("bob's"));
}

fn a_later_text_replaces_an_earlier_one(store: &Store) {
    let ann = member(store);
    ann.record(&[run("run_1", START), result("run_1", "one"), result("run_1", ""), result_for("run_1", "sales.u", "u")], &[]).ok();
    assert_eq!(description(&ann, "run_1", "sales.t.c").as_deref(), Some(""));
    assert_eq!(store.count("amx_history_results"), 2);
}

fn another_run_of_a_taken_id_goes_into_quarantine(store: &Store) {
    let (ann, bob) = (member(store), member(store));
    ann.record(&[run("run_1", START)], &[]).ok();
    let other = run("run_1", "2026-05-04T00:00:00Z").replace("gpt-4o", "other");
    let ran = bob.record(&[other], &[]);
    assert_eq!(words(&answers(&ran), "shared"), ["conflict"], "{}", ran.stderr);
    assert_eq!(store.count("amx_history_runs"), 1);
    bob.run(&["flush-pending", "--rename"]).ok();
    assert_eq!(store.count("amx_history_runs"), 2);
}

fn two_people_who_write_at_once_lose_nothing(store: &Store) {
    let homes = [member(store), member(store)];
    std::thread::scope(|scope| {
        for (who, home) in homes.iter().enumerate() {
            scope.spawn(move || {
                let ids: Vec<String> = (0..10).map(|at| format!("run_{who}_{at}")).collect();
                let lines: Vec<String> = ids.iter().flat_map(|id| [run(id, START), result(id, "text")]).collect();
                assert_eq!(home.record(&lines, &[]).code, 0);
            });
        }
    });
    homes.iter().for_each(|home| drop(home.flushed()));
    assert_eq!((store.count("amx_history_runs"), store.count("amx_history_results")), (20, 20));
    assert_eq!(homes[0].pulled()[0], 10);
}

fn many_changes_at_once_land_together(store: &Store) {
    let ann = member(store);
    let objects: Vec<String> = (0..300).map(|at| format!("sales.t.c{at:03}")).collect();
    let lines = |text: &str| objects.iter().map(|object| result_for("run_1", object, text)).collect::<Vec<_>>();
    ann.record(&[vec![run("run_1", START)], lines("one")].concat(), &[]).ok();
    ann.record(&lines("two"), &[]).ok();
    let shown = Home::new().on(store, &["history", "show", "run_1", "--json"]).json();
    let results = shown["results"].as_array().unwrap();
    assert_eq!(results.len(), 300);
    assert!(results.iter().all(|result| result["description"] == "two"));
}

fn a_home_that_is_new_gets_everything(store: &Store) {
    let ann = member(store);
    ann.record(&[run("run_1", START), result("run_1", "one"), state("run_1", "applied")], &[]).ok();
    let bob = member(store);
    assert_eq!(bob.pulled_with(&["--all"]), [1, 0, 1, 0]);
    let hash = |home: &Home| home.run(&["history", "show", "run_1", "--hash"]).ok();
    assert_eq!(hash(&ann), hash(&bob));
}
