//! `session`: our own chat sessions and those of a real amx-cli file, and the guard that keeps each with its profile.

mod common;
use common::files::{edit, empty_amx_cli, own, value};
use common::user::unprivileged;
use common::{EXTREME, HISTORY, Home};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

/// A home with two profiles, of which `prod-pg` is in use: the two that the sessions of the amx-cli files belong to.
fn home(history: Option<&str>) -> Home {
    let home = history.map_or_else(Home::new, Home::with_history);
    activate(&home, "prod-pg");
    home
}

fn activate(home: &Home, profile: &str) {
    let profiles = "db_profiles:\n  prod-pg: {backend: postgresql, host: h}\n  dev-snowflake: {backend: snowflake, account: a}\n";
    home.write("config.yml", &format!("active_db_profile: {profile}\n{profiles}"));
}

fn ids(home: &Home, which: impl Fn(&Value) -> bool) -> Vec<String> {
    let listed = home.run(&["session", "list", "--json"]).json();
    listed.as_array().unwrap().iter().filter(|one| which(one)).map(|one| one["id"].as_str().unwrap().into()).collect()
}

fn current(home: &Home) -> Vec<String> {
    ids(home, |one| one["current"] == true)
}

/// The files of a home but for those that SQLite makes to read a file in WAL mode.
fn files(home: &Home) -> BTreeSet<String> {
    let names = std::fs::read_dir(home.dir.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| !name.ends_with("-wal") && !name.ends_with("-shm")).collect()
}

#[track_caller]
fn snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.add_filter(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", "TIME");
    settings.add_filter(r"tester on \S+", "tester on HOST");
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// Sets the sessions of the home's amx-cli file so many hours apart, the newest two hours ago.
fn some_hours_ago(home: &Home) {
    edit(
        &home.path("history.db"),
        "UPDATE chat_sessions SET last_active_at = unixepoch() - 3600 * (8 - id) - 60, started_at = unixepoch() - 3600 * (9 - id)",
    );
}

// --- what a person sees

#[test]
fn a_list_shows_the_sessions_of_both_programs_last_active_first() {
    let home = home(Some(HISTORY));
    some_hours_ago(&home);
    home.run(&["session", "new", "--title", "Orders\nof 2026 \u{1b}[31mred"]).ok();
    let (file, _) = own(home.dir.path());
    edit(&file, "UPDATE local_sessions SET last_active_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-61 minutes')");
    snapshot("session-list", &home.run(&["session", "list"]).ok());
}

#[test]
fn an_empty_list_says_how_to_begin() {
    snapshot("session-list.empty", &home(None).run(&["session", "list"]).ok());
}

#[test]
fn a_session_of_amx_is_shown_with_its_turns_in_order() {
    let home = home(Some(HISTORY));
    snapshot("session-show.amx", &home.run(&["session", "show", "--id", "a4"]).ok());
}

#[test]
fn an_own_session_is_begun_shown_and_resumed() {
    let home = home(None);
    let begun = home.run(&["session", "new", "--title", "Orders"]).ok();
    let shown = home.run(&["session", "show", "--id", "1"]).ok();
    let resumed = home.run(&["session", "resume", "1"]).ok();
    snapshot("session-own", &format!("{begun}--- show\n{shown}--- resume\n{resumed}"));
}

#[test]
fn resuming_a_session_of_amx_says_that_it_goes_on_in_amx() {
    let home = home(Some(HISTORY));
    edit(&home.path("history.db"), "DELETE FROM chat_turns WHERE session_id = 1 AND turn_index > 0");
    let resumed = home.run(&["session", "resume", "a1"]);
    snapshot("session-resume.amx", &format!("{}--- stderr\n{}", resumed.stdout, resumed.stderr));
}

#[test]
fn a_refusal_names_both_profiles_and_the_ways_on() {
    let home = home(Some(HISTORY));
    home.run(&["session", "new"]).ok();
    let of_amx = home.run(&["session", "resume", "a2"]).fails("session_profile_mismatch", 2).stderr;
    activate(&home, "dev-snowflake");
    let own = home.run(&["session", "resume", "1"]).fails("session_profile_mismatch", 2).stderr;
    home.write("config.yml", "db_profiles: {prod-pg: {host: h}}\n");
    let none = home.run(&["session", "resume", "1"]).fails("session_profile_mismatch", 2).stderr;
    let without = home.run(&["session", "new"]).fails("usage", 2).stderr;
    snapshot("session-refused", &format!("{of_amx}{own}{none}{without}"));
}

// --- whose a session is

#[test]
fn a_session_belongs_to_the_profile_that_was_in_use() {
    let home = home(None);
    assert_eq!(home.run(&["session", "new", "--json"]).json()["profile"], "prod-pg");
    activate(&home, "dev-snowflake");
    assert_eq!(home.run(&["session", "new", "--json"]).json()["profile"], "dev-snowflake");
    assert_eq!(home.run(&["session", "new", "--json", "--profile", "prod-pg"]).json()["profile"], "prod-pg");
}

#[test]
fn a_refused_resume_writes_nothing() {
    let home = home(Some(HISTORY));
    let before = files(&home);
    home.run(&["session", "resume", "a2"]).fails("session_profile_mismatch", 2);
    assert_eq!(files(&home), before);
    home.run(&["session", "new"]).ok();
    let was = home.run(&["session", "list", "--json"]).stdout;
    home.run(&["session", "resume", "1", "--profile", "dev-snowflake"]).fails("session_profile_mismatch", 2);
    assert_eq!(home.run(&["session", "list", "--json"]).stdout, was);
}

#[test]
fn a_session_is_resumed_under_its_profile_by_either_way_to_switch() {
    let home = home(Some(HISTORY));
    home.run(&["session", "resume", "a2", "--profile", "dev-snowflake"]).ok();
    activate(&home, "dev-snowflake");
    home.run(&["session", "resume", "a2"]).ok();
}

#[test]
fn a_session_of_another_profile_is_shown_all_the_same() {
    let home = home(Some(HISTORY));
    home.run(&["session", "new"]).ok();
    activate(&home, "dev-snowflake");
    for id in ["1", "a1", "a2"] {
        home.run(&["session", "show", "--id", id]).ok();
    }
    home.write("config.yml", "");
    home.run(&["session", "show", "--id", "1"]).ok();
}

#[test]
fn profiles_are_told_apart_by_case_as_amx_does() {
    let home = home(None);
    home.run(&["session", "new"]).ok();
    home.write("config.yml", "active_db_profile: Prod-PG\ndb_profiles: {Prod-PG: {host: h}}\n");
    home.run(&["session", "resume", "1"]).fails("session_profile_mismatch", 2);
}

#[test]
fn a_session_of_amx_without_a_profile_is_resumed_under_none() {
    let home = home(Some(HISTORY));
    edit(&home.path("history.db"), "DROP INDEX idx_chat_sessions_profile_active; ALTER TABLE chat_sessions DROP COLUMN db_profile");
    home.run(&["session", "show", "--id", "a1"]).ok();
    home.run(&["session", "resume", "a1"]).fails("session_profile_mismatch", 2);
}

#[test]
fn a_profile_that_cannot_host_a_store_has_sessions() {
    let home = home(None);
    home.write("config.yml", "active_db_profile: duck\ndb_profiles: {duck: {backend: duckdb}}\n");
    home.run(&["session", "new"]).ok();
    home.run(&["session", "resume", "1"]).ok();
}

#[test]
fn a_session_of_a_profile_that_is_not_there_is_not_begun() {
    let home = home(None);
    home.run(&["session", "new", "--profile", "prod"]).fails("profile_unknown", 2);
    activate(&home, "gone");
    home.run(&["session", "new"]).fails("profile_unknown", 2);
    assert_eq!(files(&home), BTreeSet::from(["config.yml".into()]));
}

#[test]
fn a_url_is_no_profile() {
    let home = home(Some(HISTORY));
    home.run(&["session", "new", "--url", "sqlite:///x.db"]).fails("usage", 2);
    home.run(&["session", "resume", "a1", "--url", "sqlite:///x.db"]).fails("usage", 2);
    home.run(&["session", "show", "--id", "a1", "--url", "sqlite:///x.db"]).ok();
}

// --- which session is current

#[test]
fn the_session_that_was_begun_or_resumed_last_is_the_current_one() {
    let home = home(Some(HISTORY));
    assert_eq!(current(&home), [""; 0]);
    home.run(&["session", "new"]).ok();
    home.run(&["session", "new"]).ok();
    assert_eq!(current(&home), ["2"]);
    home.run(&["session", "resume", "1"]).ok();
    assert_eq!(current(&home), ["1"]);
    home.run(&["session", "resume", "a1"]).ok();
    assert_eq!(current(&home), ["a1"]);
}

#[test]
fn each_profile_has_a_current_session_of_its_own() {
    let home = home(Some(HISTORY));
    home.run(&["session", "resume", "a1"]).ok();
    activate(&home, "dev-snowflake");
    assert_eq!(current(&home), [""; 0]);
    home.run(&["session", "resume", "a2"]).ok();
    assert_eq!(current(&home), ["a2"]);
    activate(&home, "prod-pg");
    assert_eq!(current(&home), ["a1"]);
}

#[test]
fn resuming_makes_an_own_session_the_last_active_one() {
    let home = home(None);
    home.run(&["session", "new"]).ok();
    home.run(&["session", "new"]).ok();
    assert_eq!(ids(&home, |_| true), ["2", "1"]);
    home.run(&["session", "resume", "1"]).ok();
    assert_eq!(ids(&home, |_| true), ["1", "2"]);
}

#[test]
fn an_id_is_never_given_twice() {
    let home = home(None);
    home.run(&["session", "new"]).ok();
    edit(&own(home.dir.path()).0, "DELETE FROM local_sessions");
    assert_eq!(home.run(&["session", "new", "--json"]).json()["id"], "2");
}

#[test]
fn processes_that_begin_and_resume_at_once_all_do() {
    let home = home(None);
    home.run(&["session", "new"]).ok();
    let begin = |at: usize| {
        let args: &[&str] = if at.is_multiple_of(2) { &["session", "new", "--json"] } else { &["session", "resume", "1", "--json"] };
        home.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let running: Vec<_> = (0..12).map(begin).collect();
    for one in running {
        let output = one.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(ids(&home, |_| true).into_iter().collect::<BTreeSet<_>>().len(), 7);
    assert_eq!(current(&home).len(), 1);
}

#[test]
fn a_session_that_is_not_there_is_unknown() {
    for home in [home(None), home(Some(HISTORY))] {
        for id in ["1", "a7", "a", "x", "007a", "-1", "99999999999999999999"] {
            home.run(&["session", "show", &format!("--id={id}")]).fails("session_unknown", 2);
            home.run(&["session", "resume", "--", id]).fails("session_unknown", 2);
        }
    }
}

// --- amx-cli's file

#[test]
fn the_sessions_of_both_amx_files_are_read_whole() {
    for file in [HISTORY, EXTREME] {
        let home = home(Some(file));
        let listed = home.run(&["session", "list", "--json"]).json();
        assert_eq!(listed.as_array().unwrap().len(), 6);
        for one in listed.as_array().unwrap() {
            let shown = home.run(&["session", "show", "--json", "--id", one["id"].as_str().unwrap()]).json();
            let indexes: Vec<_> = shown["turns"].as_array().unwrap().iter().map(|turn| turn["turn_index"].as_u64().unwrap()).collect();
            assert_eq!(indexes, (0..one["turns"].as_u64().unwrap()).collect::<Vec<_>>());
            assert!(one.as_object().unwrap().iter().all(|(key, value)| shown["session"][key] == *value), "{one} {shown}");
        }
    }
}

#[test]
fn times_are_exact_in_json() {
    let home = home(Some(HISTORY));
    let shown = home.run(&["session", "show", "--json", "--id", "a4"]).json();
    let session = &shown["session"];
    assert_eq!(session["started_at"], "2026-11-21T14:28:24.229747Z");
    assert_eq!(session["last_active_at"], "2026-11-21T14:28:24.249102Z");
    assert_eq!(session["ended_at"], "2026-11-21T14:28:24.249101Z");
}

#[test]
fn looking_at_and_resuming_leave_amx_s_file_as_it_is() {
    let home = home(Some(HISTORY));
    let before = std::fs::read(home.path("history.db")).unwrap();
    home.run(&["session", "list"]).ok();
    home.run(&["session", "show", "--id", "a1"]).ok();
    assert!(!home.path("amx-schema.db").exists());
    home.run(&["session", "resume", "a1"]).ok();
    assert_eq!(std::fs::read(home.path("history.db")).unwrap(), before);
    assert_eq!(value(&home.path("amx-schema.db"), "SELECT session FROM local_current_sessions"), "a1");
}

#[test]
fn control_characters_of_a_transcript_do_not_reach_the_terminal() {
    let home = home(Some(HISTORY));
    edit(
        &home.path("history.db"),
        "UPDATE chat_turns SET question = 'a' || char(27) || ']0;t' || char(7, 0) || 'b' || char(10) || '9  user', role = 'us' || char(10) || 'er'
            WHERE session_id = 1 AND turn_index = 0;
         UPDATE chat_sessions SET title = char(27) || '[2J' || char(10) || 'turns 99', db_profile = 'p' || char(27) WHERE id = 1",
    );
    for args in [&["session", "show", "--id", "a1"][..], &["session", "list"], &["session", "resume", "a1"]] {
        let ran = home.run(args);
        for text in [&ran.stdout, &ran.stderr] {
            assert!(!text.chars().any(|c| c.is_control() && c != '\n' && c != '\t'), "{text:?}");
        }
    }
    let shown = home.run(&["session", "show", "--id", "a1"]).ok();
    assert!(shown.contains("\n0  us er  ") && shown.contains("\n  a\\u{1b}]0;t\\u{7}\\u{0}b\n  9  user\n"), "{shown}");
    let json = home.run(&["session", "show", "--id", "a1", "--json"]).json();
    assert_eq!(json["turns"][0]["question"], "a\u{1b}]0;t\u{7}\0b\n9  user");
}

#[test]
fn a_column_that_an_older_amx_lacks_is_absent() {
    let home = home(None);
    let file = empty_amx_cli(&home.path("history.db"));
    file.execute_batch(
        "DROP TABLE chat_turns; DROP TABLE chat_sessions;
         CREATE TABLE chat_sessions (id INTEGER PRIMARY KEY, db_profile TEXT); INSERT INTO chat_sessions VALUES (1, 'prod-pg');
         CREATE TABLE chat_turns (session_id INTEGER, question TEXT); INSERT INTO chat_turns VALUES (1, 'first'), (1, 'second')",
    )
    .unwrap();
    let shown = home.run(&["session", "show", "--id", "a1", "--json"]).json();
    assert_eq!((&shown["session"]["started_at"], &shown["session"]["turns"]), (&Value::Null, &json!(2)));
    assert_eq!((&shown["turns"][0]["question"], &shown["turns"][1]["question"]), (&json!("first"), &json!("second")));
    home.run(&["session", "show", "--id", "a1"]).ok();
    home.run(&["session", "resume", "a1"]).ok();
}

#[test]
fn a_file_from_before_sessions_has_none() {
    let home = home(None);
    empty_amx_cli(&home.path("history.db")).execute_batch("DROP TABLE chat_turns; DROP TABLE chat_sessions").unwrap();
    assert_eq!(ids(&home, |_| true), [""; 0]);
    home.run(&["session", "show", "--id", "a1"]).fails("session_unknown", 2);
}

#[test]
fn values_of_another_kind_are_absent_and_broken_text_is_shown() {
    let home = home(Some(HISTORY));
    edit(
        &home.path("history.db"),
        "UPDATE chat_sessions SET title = x'00', started_at = 'soon', last_active_at = 9e99 WHERE id = 1;
         UPDATE chat_turns SET question = CAST(x'61ff62' AS TEXT) WHERE session_id = 1 AND turn_index = 0",
    );
    let shown = home.run(&["session", "show", "--id", "a1", "--json"]).json();
    let session = &shown["session"];
    assert_eq!([&session["title"], &session["started_at"], &session["last_active_at"]], [&Value::Null; 3]);
    assert_eq!(shown["turns"][0]["question"], "a\u{fffd}b");
    assert_eq!(ids(&home, |_| true).last().unwrap(), "a1");
}

// --- files

#[test]
fn looking_makes_no_file() {
    let empty = Home::new();
    empty.run(&["session", "list"]).ok();
    empty.run(&["session", "show", "--id", "1"]).fails("session_unknown", 2);
    assert_eq!(files(&empty), BTreeSet::new());
    let absent = Home { dir: tempfile::tempdir().unwrap() };
    std::fs::remove_dir(absent.dir.path()).unwrap();
    absent.run(&["session", "list"]).ok();
    assert!(!absent.dir.path().exists());
    std::fs::create_dir(absent.dir.path()).unwrap();
}

#[test]
fn a_store_from_before_sessions_has_none_until_one_is_begun() {
    let home = home(None);
    let (file, _) = own(home.dir.path());
    edit(&file, "DROP TABLE local_sessions; DROP TABLE local_current_sessions");
    assert_eq!(ids(&home, |_| true), [""; 0]);
    home.run(&["session", "new"]).ok();
    assert_eq!(ids(&home, |_| true), ["1"]);
}

#[test]
fn a_home_without_write_right_is_looked_at_and_a_resume_says_why_it_cannot_be() {
    let home = home(Some(HISTORY));
    home.run(&["session", "new"]).ok();
    let mode = |mode| std::fs::set_permissions(home.dir.path(), PermissionsExt::from_mode(mode)).unwrap();
    for name in ["history.db", "amx-schema.db"] {
        std::fs::set_permissions(home.path(name), PermissionsExt::from_mode(0o444)).unwrap();
    }
    mode(0o555);
    let listed = unprivileged(&home, &["session", "list", "--json"]);
    let shown = unprivileged(&home, &["session", "show", "--id", "1"]);
    let resumed = unprivileged(&home, &["session", "resume", "a1"]);
    let begun = unprivileged(&home, &["session", "new"]);
    mode(0o755);
    assert_eq!(listed.json().as_array().unwrap().len(), 7);
    shown.ok();
    resumed.fails("io", 1);
    begun.fails("io", 1);
}

#[test]
fn a_damaged_file_is_said_and_left_alone() {
    for name in ["history.db", "amx-schema.db"] {
        for bytes in [&b"not a database"[..], &[b"SQLite format 3\0".as_slice(), &[255; 4096]].concat()] {
            let home = home(None);
            std::fs::write(home.path(name), bytes).unwrap();
            for args in [&["session", "list"][..], &["session", "show", "--id", "1"], &["session", "new"], &["session", "resume", "1"]] {
                let refused = home.run(args).fails("local_store_corrupt", 2);
                assert!(!refused.stderr.contains("--source"), "{}", refused.stderr);
            }
            assert_eq!(std::fs::read(home.path(name)).unwrap(), bytes);
        }
    }
}

#[test]
fn the_local_store_of_a_session_is_its_owner_s_alone() {
    let home = home(None);
    home.run(&["session", "new"]).ok();
    assert_eq!(home.path("history.db").metadata().unwrap().permissions().mode() & 0o777, 0o600);
}
