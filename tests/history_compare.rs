//! `history compare`, on every real engine and in a terminal.

mod common;
use amx_schema::history::time_text;
use chrono::{TimeDelta, Utc};
use common::files::{edit, own};
use common::typescript::Size;
use common::{HISTORY, Home, Store, snapshot};

const ALICE: &str = "run_2026-05-03_15-44-002";
const BOB: &str = "run_2026-05-03_11-08-001";
const WIDE: Size = Size { rows: 50, columns: 200 };

/// A home whose own history has a run of that person, begun so long ago, with those descriptions.
fn add_run(home: &Home, run_id: &str, who: &str, ago: TimeDelta, texts: &[(&str, Option<&str>)]) {
    let (file, owner) = own(home.dir.path());
    let sql = |text: &str| format!("'{}'", text.replace('\'', "''"));
    edit(
        &file,
        &format!(
            "INSERT INTO amx_history_runs (run_id, who, started_at, scope, llm_provider, llm_model, db_backend, state, created_by, origin,
                writer, landing)
            VALUES ('{run_id}', '{who}', '{}', 'sales', 'openai', 'gpt-4o', 'oracle', 'reviewed', '{who}', '{owner}', '{owner}', 1)",
            time_text(Utc::now() - ago)
        ),
    );
    for (qname, text) in texts {
        edit(
            &file,
            &format!(
                "INSERT INTO amx_history_results (run_id, target_qname, target_kind, description, confidence, applied, origin, writer,
                    landing)
                VALUES ('{run_id}', {}, 'COLUMN', {}, 'high', 0, '{owner}', '{owner}', 1)",
                sql(qname),
                text.map_or_else(|| "NULL".into(), sql)
            ),
        );
    }
}

/// The two runs of the team's handbook.
fn of_alice_and_bob() -> Home {
    let home = Home::new();
    let alice = [
        ("sales.customer.c_first_name", Some("Given name of the customer")),
        ("sales.customer.c_last_name", Some("Surname of the customer")),
        ("sales.customer.x_legacy_status", Some("Legacy status flag, \"A\" or \"B\"")),
        ("sales.customer.x_note", Some("")),
        ("sales.customers", Some("Not of that table")),
    ];
    let bob = [
        ("sales.customer", Some("Customers,\none row each")),
        ("sales.customer.c_first_name", Some("First name of the customer")),
        ("sales.customer.c_last_name", Some("Surname of the customer")),
        ("sales.customer.x_legacy_status", None),
        ("sales.customer.x_note", None),
        ("sales.customer.x_unknown", None),
    ];
    add_run(&home, ALICE, "alice@acme.com", TimeDelta::minutes(125), &alice);
    add_run(&home, BOB, "bob@acme.com", TimeDelta::days(5), &bob);
    home
}

const COMPARE: [&str; 6] = ["history", "compare", ALICE, BOB, "--filter", "sales.customer"];

#[test]
fn descriptions_are_side_by_side_and_the_same_on_every_engine() {
    let home = of_alice_and_bob();
    snapshot("history.compare", &home.run(&COMPARE).ok());
    let local = home.run(&[&COMPARE[..], &["--json"]].concat()).ok();
    snapshot("history.compare.json", &local);
    for store in Store::all() {
        home.migrated(&store);
        home.import(&store, &[]);
        assert_eq!(home.on(&store, &[&COMPARE[..], &["--json"]].concat()).ok(), local, "{}", store.backend);
    }
}

#[test]
fn every_object_of_either_run_is_there_once_in_byte_order() {
    for store in Store::all() {
        let home = Home::with_history(HISTORY);
        home.migrated(&store);
        home.import(&store, &[]);
        let runs = ["run_2026-08-07_14-14-008", "run_2026-09-15_04-00-014"];
        let names = |value: &serde_json::Value| {
            let rows = value.as_array().unwrap().iter().map(|row| row["target_qname"].as_str().unwrap().to_string());
            rows.collect::<Vec<_>>()
        };
        let shown = runs.map(|run| names(&home.on(&store, &["history", "show", run, "--json"]).json()["results"]));
        let union: std::collections::BTreeSet<String> = shown.concat().into_iter().collect();
        let compared = home.on(&store, &["history", "compare", runs[0], runs[1], "--json"]).json();
        assert_eq!(names(&compared), union.into_iter().collect::<Vec<_>>(), "{}", store.backend);
    }
}

#[test]
fn a_filter_is_a_dotted_prefix() {
    let home = of_alice_and_bob();
    let count = |filter| home.run(&["history", "compare", ALICE, BOB, "--json", "--filter", filter]).json().as_array().unwrap().len();
    assert_eq!(["sales", "sales.customer", "sales.customers", "sales.cust", "sales.customer.x_note"].map(count), [7, 6, 1, 0, 1]);
}

#[test]
fn a_run_against_itself_is_the_same() {
    let home = of_alice_and_bob();
    let rows = home.run(&["history", "compare", BOB, BOB, "--json"]).json();
    assert!(rows.as_array().unwrap().iter().all(|row| row["status"] == "same"), "{rows}");
}

#[test]
fn runs_of_one_person_are_told_apart_by_their_ids() {
    let home = Home::new();
    add_run(&home, "run_1", "alice", TimeDelta::hours(2), &[("sales.t", Some("T"))]);
    add_run(&home, "run_2", "alice", TimeDelta::hours(3), &[]);
    snapshot("history.compare.one-person", &home.run(&["history", "compare", "run_1", "run_2"]).ok());
}

#[test]
fn a_run_that_is_not_there_is_unknown_on_either_side() {
    let home = of_alice_and_bob();
    for runs in [[ALICE, "run_x"], ["run_x", ALICE]] {
        let ran = home.run(&["history", "compare", runs[0], runs[1]]).fails("run_unknown", 2);
        assert_eq!(ran.stdout, "");
    }
}

// --- in a terminal

#[test]
fn words_that_differ_are_coloured_in_a_terminal() {
    let home = of_alice_and_bob();
    let shown = home.on_terminal(WIDE, &[], &COMPARE).ok();
    let row = shown.lines().find(|line| line.contains("c_first_name")).unwrap();
    let coloured = |colour: u8, word: &str| format!("\"\x1b[{colour}m\x1b[4m{word}\x1b[0m name of the customer\"");
    assert!(row.contains(&coloured(31, "Given")) && row.contains(&coloured(32, "First")), "{row:?}");
    assert_eq!(shown.matches("\x1b[0m").count(), 2, "{shown:?}");
}

#[test]
fn without_colours_a_terminal_shows_what_a_pipe_gets() {
    let home = of_alice_and_bob();
    let shown = home.on_terminal(WIDE, &[("NO_COLOR", "1")], &COMPARE).ok();
    assert_eq!(shown, home.run(&COMPARE).ok());
}

#[test]
fn long_texts_are_folded_to_the_width_of_a_terminal() {
    let home = of_alice_and_bob();
    let shown = home.on_terminal(Size { rows: 50, columns: 80 }, &[("NO_COLOR", "1")], &COMPARE).ok();
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    snapshot("history.compare.narrow", &shown);
}

#[test]
fn colours_do_not_break_where_a_line_is_folded() {
    let home = of_alice_and_bob();
    let size = Size { rows: 50, columns: 80 };
    let (coloured, plain) = (home.on_terminal(size, &[], &COMPARE).ok(), home.on_terminal(size, &[("NO_COLOR", "1")], &COMPARE).ok());
    assert_eq!(dialoguer::console::strip_ansi_codes(&coloured), plain);
}
