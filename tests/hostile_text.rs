//! Text that somebody else stored cannot drive the terminal of whoever reads it, nor pass for a line of the program's own.

mod common;
use common::files::edit;
use common::team::{member, with};
use common::terminal::{ENTER, Terminal};
use common::typescript::Size;
use common::{HISTORY, Home, Ran, Store, ran, run_with};
use serde_json::{Value, json};

/// The title is set, the screen emptied, a colour set by a control character of one code point, the order of the line turned, what stands before it
/// erased, and an error forged.
const HOSTILE: &str = "\u{1b}]0;t\u{7}\u{1b}[2J\u{9b}1m\u{202e}\u{8}\u{7f}\r\nerror[forged]: x";
const RUN: &str = "run_2026-05-03_15-44-001";
const OTHER: &str = "run_2026-05-03_15-44-002";
const SIZE: Size = Size { rows: 60, columns: 200 };

fn is_hidden(c: char) -> bool {
    c.is_control() || "\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}".contains(c)
}

/// Requires that nothing of what was said drives a terminal or forges a line.
#[track_caller]
fn is_harmless(ran: &Ran, why: &str) {
    for text in [&ran.stdout, &ran.stderr] {
        assert!(!text.chars().any(|c| is_hidden(c) && c != '\n'), "{why}: {text:?}");
        assert!(!text.lines().any(|line| line.starts_with("error[forged]")), "{why}: {text}");
    }
}

/// A home of a member of the team, whose teammate has stored hostile text in every column of text that there is.
fn beside_a_hostile_teammate(store: &Store) -> Home {
    let teammate = member(store);
    let run = |run_id: &str, started_at: &str| {
        let hostile = json!(format!("a{HOSTILE}"));
        let fields = ["scope", "llm_provider", "llm_model", "db_backend", "who", "client_version"];
        let fields: Vec<String> = fields.iter().map(|name| format!("\"{name}\":{hostile}")).collect();
        format!("{{\"op\":\"run\",\"run_id\":\"{run_id}\",\"started_at\":\"{started_at}\",{}}}\n", fields.join(","))
    };
    let results = json!({"op": "results", "run_id": RUN, "results": [
        {"target_qname": format!("a.{HOSTILE}"), "target_kind": "TABLE", "description": HOSTILE, "alternatives": [], "confidence": "high"},
        {"target_qname": format!("a.{HOSTILE}.c"), "target_kind": "COLUMN", "description": HOSTILE, "alternatives": [], "confidence": "low"},
    ]});
    let input = format!(
        "{}{}{}{results}\n",
        run(RUN, "2026-05-03T15:44:00Z"),
        run(OTHER, "2026-05-03T15:45:00Z"),
        run("run_bare", "2026-05-03T15:46:00Z")
    );
    run_with(&mut teammate.command(&["record"]), &input).ok();
    let text = format!("'a{HOSTILE}'");
    store.sql(&format!(
        "UPDATE amx_history_runs SET applied_by = {text}, created_by = {text}, hostname = {text}, applied_at = started_at;
         UPDATE amx_history_results SET created_by = {text}, hostname = {text}, applied = '1';
         UPDATE amx_history_origins SET created_by = {text}, hostname = {text};
         UPDATE amx_history_runs SET run_id = {text} WHERE run_id = 'run_bare';"
    ));
    Home::new()
}

#[test]
fn what_a_teammate_stored_drives_no_terminal() {
    for store in Store::all() {
        let home = beside_a_hostile_teammate(&store);
        let enabled = home.on(&store, &["enable", "--yes"]);
        is_harmless(&enabled, store.backend);
        assert!(enabled.ok().contains("a\\u{1b}]0;t"), "{}", store.backend);
        let hostile_run = format!("a{HOSTILE}");
        // Twice: what comes from the store, and what comes from the cache after the pull.
        for named in [&["--url", &store.url, "--schema", &store.schema][..], &[]] {
            for args in [
                &["history", "list"][..],
                &["history", "show", RUN],
                &["history", "show", &hostile_run],
                &["history", "compare", RUN, OTHER],
                &["history", "compare", RUN, &hostile_run],
                &["history", "export", RUN, "--all"],
                &["inspect"],
                &["diff"],
            ] {
                let shown = home.run(&[args, named].concat());
                is_harmless(&shown, &format!("{} {args:?}", store.backend));
            }
            for args in [&["pull-from-shared"][..], &["history", "sync"], &["verify"], &["status"], &["session", "list"]] {
                is_harmless(&home.run(args), &format!("{} {args:?}", store.backend));
            }
        }
        let shown = home.run(&["history", "show", RUN]).ok();
        assert!(
            shown.contains("who       a\\u{1b}]0;t\\u{7}\\u{1b}[2J\\u{9b}1m\\u{202e}\\u{8}\\u{7f}\\u{d} error[forged]: x on a"),
            "{shown}"
        );
    }
}

#[test]
fn names_that_others_gave_their_tables_and_columns_drive_no_terminal() {
    for store in [Some(Store::sqlite()), Store::postgresql()].into_iter().flatten() {
        let home = Home::new();
        home.migrated(&store);
        store.sql(&format!("CREATE TABLE \"a{HOSTILE}\" (a INT); ALTER TABLE amx_history_runs ADD COLUMN \"c{HOSTILE}\" INT;"));
        for args in [&["inspect"][..], &["diff"], &["migrate", "--check"]] {
            let shown = home.on(&store, args);
            is_harmless(&shown, &format!("{} {args:?}", store.backend));
            assert!(args == ["migrate", "--check"] || shown.stdout.contains("\\u{1b}]0;t"), "{args:?}: {shown:?}");
        }
    }
}

#[test]
fn json_has_it_as_escapes_and_gives_it_back_unchanged() {
    let store = Store::sqlite();
    let home = beside_a_hostile_teammate(&store);
    let shown = home.on(&store, &["history", "show", RUN, "--json"]);
    is_harmless(&shown, "show");
    assert!(shown.stdout.contains("\\u001b]0;t\\u0007\\u001b[2J\\u009b1m\\u202e\\b\\u007f\\r\\nerror[forged]: x"), "{}", shown.stdout);
    assert_eq!(shown.json()["run"]["who"], format!("a{HOSTILE}"));
    for args in [&["history", "list"][..], &["history", "compare", RUN, OTHER], &["history", "export", RUN, "--all"], &["inspect"]] {
        let listed = home.on(&store, &[args, &["--json"]].concat());
        is_harmless(&listed, &format!("{args:?}"));
        listed.json();
    }
}

#[test]
fn an_error_repeats_what_was_typed_on_its_one_line_and_harmlessly() {
    let home = Home::with_history(HISTORY);
    let user = format!("--profile={HOSTILE}");
    for args in [
        &["history", "show", HOSTILE][..],
        &["history", "list", "--state", HOSTILE],
        &["history", "list", "--limit", HOSTILE],
        &["session", "show", "--id", HOSTILE],
        &["session", "resume", HOSTILE],
        &["profile", "test", HOSTILE],
        &["dump-ddl", "--dialect", HOSTILE],
        &["migrate", "--url", "sqlite://x.db", "--schema", HOSTILE],
        &["migrate", "--url", HOSTILE],
        &["migrate-from-local", "--source", HOSTILE],
        &["record", HOSTILE],
        &["status", &user],
        &[HOSTILE],
    ] {
        let failed = home.run(args);
        is_harmless(&failed, &format!("{args:?}"));
        assert!(failed.code != 0 && failed.stderr.lines().count() == 2, "{args:?}: {failed:?}");
        let failed = home.run(&[&["--json"], args].concat());
        is_harmless(&failed, &format!("{args:?}"));
        let error: Value = serde_json::from_str(&failed.stderr).unwrap();
        assert!(failed.stderr.lines().count() == 1 && error["error"]["message"].is_string(), "{args:?}: {failed:?}");
    }
}

#[test]
fn the_answers_of_record_are_harmless() {
    let home = Home::new();
    let op = |fields: Value| format!("{fields}\n");
    let input = op(json!({"op": HOSTILE})) + &op(json!({"op": "update", "run_id": HOSTILE})) + &op(json!({"op": "run", HOSTILE: 1}));
    let ran = run_with(&mut home.command(&["record"]), &input);
    is_harmless(&ran, "record");
    let answers: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(answers.len() == 3 && answers[0]["error"]["message"].as_str().unwrap().contains(HOSTILE), "{answers:?}");
}

#[test]
fn what_a_pull_and_an_import_tell_as_they_go_is_harmless() {
    let (store, home) = (Store::sqlite(), Home::with_history(HISTORY));
    edit(
        &home.path("history.db"),
        &format!(
            "UPDATE run_results SET confidence = '{HOSTILE}', table_name = 'a{HOSTILE}' WHERE id < 4;
             UPDATE analysis_runs SET llm_model = '{HOSTILE}'"
        ),
    );
    home.migrated(&store);
    for args in [&["migrate-from-local", "--yes"][..], &["migrate-from-local", "--yes", "--skip-errors", "-vv"]] {
        let ran = home.on(&store, args).fails("rows_failed", 1);
        assert!(ran.stderr.contains("\\u{1b}]0;t"), "{ran:?}");
        is_harmless(&ran, "import");
    }
}

#[test]
fn an_export_is_as_stored_for_a_program_and_harmless_on_a_terminal() {
    let store = Store::sqlite();
    let home = beside_a_hostile_teammate(&store);
    let args = ["history", "export", RUN, "--all", "--format", "csv", "--url", &store.url];
    assert!(home.run(&args).ok().contains(HOSTILE));
    let shown = home.on_terminal(SIZE, &[], &args).ok();
    assert!(shown.contains("\\u{1b}]0;t") && !shown.chars().any(|c| is_hidden(c) && c != '\n'), "{shown:?}");
}

#[test]
fn a_list_on_a_terminal_and_through_a_pager_is_harmless() {
    let store = Store::sqlite();
    let home = beside_a_hostile_teammate(&store);
    for (rows, args) in [(60, &["history", "show", RUN][..]), (2, &["history", "show", RUN]), (60, &["history", "list"])] {
        let args = [args, &["--url", &store.url]].concat();
        let shown = home.on_terminal(Size { rows, ..SIZE }, &[("AMX_PAGER", "cat"), ("NO_COLOR", "1")], &args);
        is_harmless(&shown, &format!("{rows}"));
        assert!(shown.ok().contains("\\u{1b}]0;t"), "{args:?}");
    }
}

#[test]
fn the_colours_of_a_comparison_are_the_only_escapes() {
    let store = Store::sqlite();
    let home = beside_a_hostile_teammate(&store);
    let shown = home.on_terminal(SIZE, &[], &["history", "compare", RUN, OTHER, "--url", &store.url]).ok();
    let ours = ["\u{1b}[31m", "\u{1b}[32m", "\u{1b}[4m", "\u{1b}[0m"];
    let rest = ours.iter().fold(shown.clone(), |text, ours| text.replace(ours, ""));
    assert!(!rest.chars().any(|c| is_hidden(c) && c != '\n'), "{shown:?}");
}

#[test]
fn the_picker_shows_the_names_of_profiles_harmlessly() {
    let home = Home::new();
    home.write("config.yml", "db_profiles:\n  \"a\\e]0;t\\a\\e[2J\\x9b1m\": {backend: sqlite, path: \"x\\e[2J.db\"}\n");
    let mut terminal = Terminal::start(&home, &[]);
    terminal.asks("> ").keys(ENTER);
    let (status, screen) = terminal.ends();
    assert!(status == 0 && screen.contains("[1] a\\u{1b}]0;t\\u{7}\\u{1b}[2J\\u{9b}1m"), "{screen}");
    is_harmless(&home.run(&["profile", "list"]), "profile list");
    is_harmless(&home.run(&["config", "show"]), "config show");
}

#[test]
fn who_one_says_to_be_is_shown_harmlessly() {
    let home = Home::new();
    let mut command = home.command(&["record"]);
    run_with(command.env("AMX_USER", format!("a{HOSTILE}")), &(with(common::team::RUN, "\"run_id\":\"run_1\"") + "\n")).ok();
    is_harmless(&home.run(&["history", "list"]), "list");
    is_harmless(&ran(home.command(&["session", "new"]).env("AMX_USER", HOSTILE)), "session new");
}
