//! `history`: the list and its filters, a run, two runs side by side, and what is read where the store is away.

use crate::behaviours;
use crate::common::team::{member, result_for, run, state};
use crate::common::{Home, Store};
use serde_json::Value;

behaviours![
    a_list_is_newest_first_and_goes_on_after_a_run,
    a_list_is_filtered_by_person_scope_and_state,
    objects_come_in_the_order_of_their_bytes,
    a_list_counts_descriptions_that_are_neither_null_nor_empty,
    two_runs_are_compared_object_by_object,
    a_run_that_is_not_there_is_unknown,
    accepted_descriptions_are_exported,
    times_are_read_to_the_microsecond,
];

fn listed(home: &Home, store: &Store, more: &[&str]) -> Vec<String> {
    let ran = home.on(store, &[&["history", "list", "--json"], more].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran.json().as_array().unwrap().iter().map(|run| run["run_id"].as_str().unwrap().into()).collect()
}

fn a_list_is_newest_first_and_goes_on_after_a_run(store: &Store) {
    let ann = member(store);
    let lines: Vec<String> = (1..=5).map(|at| run(&format!("run_{at}"), &format!("2026-05-0{}T00:00:00Z", at.min(4)))).collect();
    ann.record(&lines, &[]).ok();
    assert_eq!(listed(&ann, store, &[]), ["run_5", "run_4", "run_3", "run_2", "run_1"]);
    assert_eq!(listed(&ann, store, &["--limit", "2"]), ["run_5", "run_4"]);
    assert_eq!(listed(&ann, store, &["--limit", "2", "--after", "run_4"]), ["run_3", "run_2"]);
    assert_eq!(listed(&ann, store, &["--after", "run_5"]), ["run_4", "run_3", "run_2", "run_1"]);
}

fn a_list_is_filtered_by_person_scope_and_state(store: &Store) {
    let ann = member(store);
    let scoped = |id: &str, scope: &str, who: &str| {
        run(id, "2026-05-03T00:00:00Z")
            .replace("\"sales\"", &format!("\"{scope}\""))
            .replace("{\"op\"", &format!("{{\"who\":\"{who}\",\"op\""))
    };
    ann.record(
        &[
            scoped("run_1", "sales.customer, hr", "ann"),
            scoped("run_2", "sales_x", "bob"),
            scoped("run_3", "hr.sales", "bob"),
            scoped("run_4", "Sales", "Ann"),
            state("run_2", "applied"),
        ],
        &[],
    )
    .ok();
    assert_eq!(listed(&ann, store, &["--scope", "sales"]), ["run_1"]);
    assert_eq!(listed(&ann, store, &["--scope", "hr"]), ["run_3", "run_1"]);
    assert_eq!(listed(&ann, store, &["--who", "ann"]), ["run_1"]);
    assert_eq!(listed(&ann, store, &["--state", "applied"]), ["run_2"]);
    assert_eq!(listed(&ann, store, &["--who", "bob", "--state", "running"]), ["run_3"]);
}

/// Objects whose order differs by bytes, by UTF-16 units and by the rules of a language.
const OBJECTS: [&str; 9] = ["A.b", "B.a", "a.B", "a.a", "a_b", "ab", "z", "\u{e9}", "\u{fb01}"];

fn objects_come_in_the_order_of_their_bytes(store: &Store) {
    let ann = member(store);
    let mut objects: Vec<&str> = OBJECTS.into_iter().chain(["\u{1F600}", "e\u{301}"]).collect();
    let mut lines = vec![run("run_1", "2026-05-03T00:00:00Z")];
    lines.extend(objects.iter().rev().map(|object| result_for("run_1", object, object)));
    ann.record(&lines, &[]).ok();
    objects.sort();
    let shown = ann.on(store, &["history", "show", "run_1", "--json"]).json();
    let there: Vec<&str> = shown["results"].as_array().unwrap().iter().map(|result| result["target_qname"].as_str().unwrap()).collect();
    assert_eq!(there, objects);
}

fn a_list_counts_descriptions_that_are_neither_null_nor_empty(store: &Store) {
    let ann = member(store);
    let none = result_for("run_1", "sales.c", "x").replace("\"description\":\"x\"", "\"description\":null");
    ann.record(
        &[run("run_1", "2026-05-03T00:00:00Z"), result_for("run_1", "sales.a", "text"), result_for("run_1", "sales.b", ""), none],
        &[],
    )
    .ok();
    let list = ann.on(store, &["history", "list", "--json"]).json();
    assert_eq!((&list[0]["ok"], &list[0]["fail"]), (&1.into(), &2.into()), "{list}");
    let shown = ann.on(store, &["history", "show", "run_1", "--json"]).json();
    let texts: Vec<&Value> = shown["results"].as_array().unwrap().iter().map(|result| &result["description"]).collect();
    assert_eq!(texts, [&Value::from("text"), &Value::from(""), &Value::Null]);
}

fn two_runs_are_compared_object_by_object(store: &Store) {
    let ann = member(store);
    ann.record(
        &[
            run("run_1", "2026-05-03T00:00:00Z"),
            run("run_2", "2026-05-04T00:00:00Z"),
            result_for("run_1", "sales.a", "one"),
            result_for("run_2", "sales.a", "one"),
            result_for("run_1", "sales.b", "left"),
            result_for("run_2", "sales.b", "right"),
            result_for("run_1", "sales.c", "alone"),
            result_for("run_2", "hr.d", "alone"),
        ],
        &[],
    )
    .ok();
    let compared = ann.on(store, &["history", "compare", "run_1", "run_2", "--filter", "sales", "--json"]).json();
    let statuses: Vec<&str> = compared.as_array().unwrap().iter().map(|row| row["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["same", "diff", "left_only"], "{compared}");
}

fn a_run_that_is_not_there_is_unknown(store: &Store) {
    let ann = member(store);
    ann.on(store, &["history", "show", "run_9"]).fails("run_unknown", 2);
}

fn accepted_descriptions_are_exported(store: &Store) {
    let ann = member(store);
    let applied = "{\"op\":\"update\",\"run_id\":\"run_1\",\"state\":\"applied\",\"applied\":[\"sales.a\"]}".to_string();
    ann.record(
        &[run("run_1", "2026-05-03T00:00:00Z"), result_for("run_1", "sales.a", "yes"), result_for("run_1", "sales.b", "no"), applied],
        &[],
    )
    .ok();
    let exported = ann.on(store, &["history", "export", "run_1", "--format", "csv"]).ok();
    assert!(exported.contains("yes") && !exported.contains("no\n"), "{exported}");
}

fn times_are_read_to_the_microsecond(store: &Store) {
    let ann = member(store);
    let times = ["1999-12-31T23:59:59.999999Z", "2026-03-29T01:30:00.000001Z", "2100-02-28T12:00:00.100000Z"];
    let lines: Vec<String> = times.iter().enumerate().map(|(at, time)| run(&format!("run_{at}"), time)).collect();
    ann.record(&lines, &[]).ok();
    for (at, time) in times.iter().enumerate() {
        let shown = ann.on(store, &["history", "show", &format!("run_{at}"), "--json"]).json();
        assert_eq!(&shown["run"]["started_at"], time);
    }
}
