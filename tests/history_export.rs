//! `history export`, on every real engine.

mod common;
use common::files::edit;
use common::{HISTORY, Home, Store, snapshot};
use serde_json::Value;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Command, Stdio};

const OLDER: &str = "run_2026-08-07_14-14-008";
const NEWER: &str = "run_2026-09-15_04-00-014";

fn exported(home: &Home, args: &[&str]) -> Vec<Value> {
    home.run(&[&["history", "export", "--json"], args].concat()).json().as_array().unwrap().clone()
}

fn names(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["target_qname"].as_str().unwrap()).collect()
}

#[test]
fn each_form_is_as_reviewed_and_the_same_on_every_engine() {
    let home = Home::with_history(HISTORY);
    let stores = Store::all();
    for store in &stores {
        home.migrated(store);
        home.import(store, &[]);
    }
    for format in ["md", "json", "csv"] {
        let args = ["history", "export", OLDER, NEWER, "--format", format];
        let local = home.run(&args).ok();
        snapshot(&format!("history.export.{format}"), &local);
        for store in &stores {
            assert_eq!(home.on(store, &args).ok(), local, "{} {format}", store.backend);
        }
    }
    assert_eq!(home.run(&["history", "export", OLDER]).ok(), home.run(&["history", "export", OLDER, "--format", "md"]).ok());
    assert_eq!(home.run(&["history", "export", OLDER, "--json"]).ok(), home.run(&["history", "export", OLDER, "--format", "json"]).ok());
}

#[test]
fn what_is_applied_or_evaluated_accepted_or_custom_is_accepted() {
    for store in Store::all() {
        let home = Home::with_history(HISTORY);
        home.migrated(&store);
        home.import(&store, &[]);
        let listed = home.on(&store, &["history", "list", "--json"]).json();
        for run in listed.as_array().unwrap().iter().map(|run| run["run_id"].as_str().unwrap()) {
            let shown = home.on(&store, &["history", "show", run, "--json"]).json();
            let wanted = |row: &&Value| {
                let metadata: Value = serde_json::from_str(row["metadata_json"].as_str().unwrap_or("{}")).unwrap();
                let evaluation = metadata["evaluation"].as_str().unwrap_or_default();
                row["description"].as_str().is_some_and(|text| !text.is_empty())
                    && (row["applied"] == true || evaluation == "accepted" || evaluation == "custom")
            };
            let results = shown["results"].as_array().unwrap();
            let accepted: Vec<&str> = results.iter().filter(wanted).map(|row| row["target_qname"].as_str().unwrap()).collect();
            let rows = home.on(&store, &["history", "export", run, "--json"]).json();
            assert_eq!(names(rows.as_array().unwrap()), accepted, "{} {run}", store.backend);
        }
    }
}

#[test]
fn all_takes_every_description_but_an_empty_one() {
    let home = Home::with_history(HISTORY);
    edit(
        &home.path("history.db"),
        "UPDATE run_results SET chosen_description = '' WHERE id = (SELECT min(id) FROM run_results WHERE run_id = 8)",
    );
    let shown = home.run(&["history", "show", OLDER, "--json"]).json();
    let described =
        shown["results"].as_array().unwrap().iter().filter(|row| row["description"].as_str().is_some_and(|text| !text.is_empty()));
    let described: Vec<&str> = described.map(|row| row["target_qname"].as_str().unwrap()).collect();
    let (all, accepted) = (exported(&home, &[OLDER, "--all"]), exported(&home, &[OLDER]));
    assert_eq!(names(&all), described);
    assert!(accepted.len() < all.len() && all.len() < shown["results"].as_array().unwrap().len());
}

#[test]
fn of_several_runs_the_newest_has_the_last_word_on_an_object() {
    let home = Home::with_history(HISTORY);
    // One object that both have accepted, and one that only the older one has.
    edit(
        &home.path("history.db"),
        "DELETE FROM run_results WHERE run_id IN (8, 14);
         INSERT INTO run_results (run_id, saved_at, schema_name, table_name, column_name, source, confidence, alternatives_json, chosen_description, evaluation)
         VALUES (8, 1, 's', 't', 'both', 'c', 'high', '[]', 'older', 'accepted'), (8, 1, 's', 't', 'one', 'c', 'high', '[]', 'older', 'custom'),
                (14, 1, 's', 't', 'both', 'c', 'low', '[]', 'newer', 'accepted'), (14, 1, 's', 't', 'one', 'c', 'low', '[]', 'newer', 'skipped')",
    );
    for runs in [[OLDER, NEWER], [NEWER, OLDER]] {
        let texts = |more: &[&str]| {
            let rows = exported(&home, &[&runs[..], more].concat());
            rows.iter()
                .map(|row| format!("{} {}", row["target_qname"].as_str().unwrap(), row["description"].as_str().unwrap()))
                .collect::<Vec<_>>()
        };
        assert_eq!(texts(&[]), ["s.t.both newer", "s.t.one older"]);
        assert_eq!(texts(&["--all"]), ["s.t.both newer", "s.t.one newer"]);
    }
}

#[test]
fn text_that_a_reader_would_take_for_its_own_syntax_is_made_harmless() {
    let home = Home::with_history(HISTORY);
    edit(
        &home.path("history.db"),
        "DELETE FROM run_results WHERE run_id = 8;
         INSERT INTO run_results (run_id, saved_at, schema_name, table_name, column_name, source, confidence, alternatives_json, chosen_description, evaluation)
         VALUES (8, 1, 's', 't', 'formula', 'c', 'high', '[]', '=HYPERLINK(\"http://x\")', 'accepted'),
                (8, 1, 's', 't', 'lines', 'c', 'high', '[]', 'one | two' || char(13, 10) || '# three', 'accepted'),
                (8, 1, 's', 't', 'quoted, \"too\"', 'c', 'low', '[]', '<b>*bold*</b>', 'accepted'),
                (8, 1, '+s', 'a.b', NULL, 'c', 'low', '[]', '- the table', 'accepted')",
    );
    for format in ["md", "csv"] {
        snapshot(&format!("history.export.harmless.{format}"), &home.run(&["history", "export", OLDER, "--format", format]).ok());
    }
    let rows = exported(&home, &[OLDER]);
    assert!(rows.iter().any(|row| row["description"] == "=HYPERLINK(\"http://x\")"), "{rows:?}");
}

#[test]
fn where_nothing_is_accepted_the_form_is_empty_and_a_remark_says_so() {
    let home = Home::with_history(HISTORY);
    edit(&home.path("history.db"), "UPDATE run_results SET evaluation = NULL, db_applied_status = ''");
    for (format, empty) in
        [("md", ""), ("json", "[]\n"), ("csv", "target_qname,target_kind,description,confidence,run_id,who,applied_at\n")]
    {
        let ran = home.run(&["history", "export", OLDER, "--format", format]);
        assert_eq!((ran.stdout.as_str(), ran.code), (empty, 0));
        assert!(ran.stderr.contains("--all"), "{}", ran.stderr);
    }
}

#[test]
fn a_run_that_is_not_there_is_unknown_and_nothing_is_written() {
    let home = Home::with_history(HISTORY);
    let file = home.path("out.md").display().to_string();
    let ran = home.run(&["history", "export", OLDER, "run_x", "-o", &file]).fails("run_unknown", 2);
    assert_eq!(ran.stdout, "");
    assert!(!home.path("out.md").exists());
}

#[test]
fn json_and_another_form_are_refused_together() {
    let ran = Home::with_history(HISTORY).run(&["history", "export", OLDER, "--json", "--format", "csv"]);
    assert!(ran.code == 2 && ran.stdout.is_empty() && ran.stderr.contains("\"usage\""), "{ran:?}");
    Home::new().run(&["history", "export"]).fails("usage", 2);
}

// --- into a file

#[test]
fn a_file_gets_what_stdout_would() {
    let home = Home::with_history(HISTORY);
    let file = home.path("out.csv").display().to_string();
    let ran = home.run(&["history", "export", OLDER, "--format", "csv", "-o", &file]);
    assert!(ran.stdout.is_empty() && ran.stderr.contains(&file), "{ran:?}");
    assert_eq!(home.read("out.csv"), home.run(&["history", "export", OLDER, "--format", "csv"]).ok());
    let said = home.run(&["history", "export", OLDER, "--json", "-o", &file]).json();
    assert_eq!(said["descriptions"].as_u64(), Some(exported(&home, &[OLDER]).len() as u64));
    assert_eq!(home.read("out.csv"), home.run(&["history", "export", OLDER, "--json"]).ok());
}

#[test]
fn a_file_is_replaced_as_a_whole_and_keeps_its_mode_and_its_link() {
    let home = Home::with_history(HISTORY);
    home.write("real.md", "old");
    std::fs::set_permissions(home.path("real.md"), PermissionsExt::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("real.md", home.path("link.md")).unwrap();
    let before = std::fs::metadata(home.path("real.md")).unwrap().ino();
    home.run(&["history", "export", OLDER, "-o", &home.path("link.md").display().to_string()]).ok();
    let after = std::fs::metadata(home.path("real.md")).unwrap();
    assert!(after.ino() != before && after.mode() & 0o777 == 0o640);
    assert!(home.path("link.md").is_symlink() && home.read("real.md").starts_with("## "));
    let left: Vec<_> = std::fs::read_dir(home.dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with(".amx-schema")), "{left:?}");
}

#[test]
fn a_file_that_cannot_be_written_is_an_error() {
    let home = Home::with_history(HISTORY);
    let file = home.path("no-such-folder/out.md").display().to_string();
    home.run(&["history", "export", OLDER, "-o", &file]).fails("io", 1);
}

#[test]
fn what_is_no_file_is_written_to_and_not_replaced() {
    let home = Home::with_history(HISTORY);
    let pipe = home.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let reader = Command::new("cat").arg(&pipe).stdout(Stdio::piped()).spawn().unwrap();
    home.run(&["history", "export", OLDER, "-o", pipe.to_str().unwrap()]).ok();
    let read = String::from_utf8(reader.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(read, home.run(&["history", "export", OLDER]).ok());
}

#[test]
fn a_closed_stdout_ends_quietly() {
    let home = Home::with_history(HISTORY);
    let mut command = home.command(&["history", "export", OLDER]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()), (Some(0), ""));
}
