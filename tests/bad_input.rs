//! Bad input of every kind: each ends with its code, its exit status and a hint, without a panic, and the next run finishes.

mod common;
use common::files::{Part, amx_cli, edit, value};
use common::role::Role;
use common::user::{limited, unprivileged};
use common::{EXTREME, HISTORY, Home, Store, ran};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// Imports the real file and requires that all of it is there.
#[track_caller]
fn finished(store: &Store) {
    Home::with_history(HISTORY).on(store, &["migrate-from-local", "--yes"]).ok();
    assert_eq!(store.counts(), (15, 210), "{}", store.backend);
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

// --- files that are no history

#[test]
fn a_source_that_is_no_history_is_named_and_nothing_is_written() {
    let whole = std::fs::read(HISTORY).unwrap();
    let files = Home::new();
    files.write("text", "run_id,who\n1,ann\n");
    files.write("empty", "");
    std::fs::write(files.path("magic"), b"SQLite format 3\0").unwrap();
    std::fs::write(files.path("zeros"), [b"SQLite format 3\0".as_slice(), &[0; 8000]].concat()).unwrap();
    std::fs::write(files.path("head"), &whole[..5000]).unwrap();
    std::fs::create_dir(files.path("folder")).unwrap();
    edit(&files.path("another"), "CREATE TABLE customers (id INTEGER)");
    std::fs::write(files.path("no-results"), &whole).unwrap();
    edit(&files.path("no-results"), "DROP TABLE run_results");
    std::fs::write(files.path("no-column"), &whole).unwrap();
    edit(&files.path("no-column"), "ALTER TABLE run_results RENAME COLUMN confidence TO other");
    for store in Store::all() {
        let home = Home::new();
        home.migrated(&store);
        for name in ["text", "empty", "magic", "zeros", "head", "folder", "another", "no-results", "no-column"] {
            let source = files.path(name);
            let ran = home.on(&store, &["migrate-from-local", "--yes", "--source", source.to_str().unwrap()]);
            let ran = ran.fails("local_store_corrupt", 2);
            assert!(ran.stderr.contains(name), "{}", ran.stderr);
        }
        home.on(&store, &["migrate-from-local", "--yes", "--source", files.path("nowhere").to_str().unwrap()]).fails("usage", 2);
        assert_eq!(store.counts(), (0, 0), "{}", store.backend);
        finished(&store);
    }
}

#[test]
fn a_home_whose_history_is_no_history_says_so() {
    let store = Store::sqlite();
    Home::new().migrated(&store);
    let home = Home::new();
    home.write("history.db", "not a database at all");
    home.on(&store, &["migrate-from-local", "--yes"]).fails("local_store_corrupt", 2);
    assert_eq!(home.read("history.db"), "not a database at all");
    let home = Home::new();
    std::fs::create_dir(home.path("history.db")).unwrap();
    home.on(&store, &["migrate-from-local", "--yes"]).fails("local_store_corrupt", 2);
    let home = Home::with_history(HISTORY);
    home.write("amx-schema.db", "not a database at all");
    home.on(&store, &["migrate-from-local", "--yes"]).fails("local_store_corrupt", 2);
    for sql in ["CREATE TABLE customers (id INTEGER)", "CREATE TABLE analysis_runs (id INTEGER); CREATE TABLE run_results (id INTEGER)"] {
        std::fs::remove_file(home.path("amx-schema.db")).unwrap();
        edit(&home.path("amx-schema.db"), sql);
        home.on(&store, &["migrate-from-local", "--yes"]).fails("local_store_corrupt", 2);
        assert_eq!(
            value(&home.path("amx-schema.db"), "SELECT count(*) FROM sqlite_master WHERE name LIKE '%amx%'"),
            "0",
            "it was written to"
        );
    }
    assert_eq!(store.counts(), (0, 0));
    finished(&store);
}

#[test]
fn a_file_that_is_cut_off_or_damaged_in_the_middle_is_told_and_what_landed_is_whole() {
    let whole = std::fs::read(HISTORY).unwrap();
    for store in Store::all() {
        let home = Home::with_history(HISTORY);
        home.migrated(&store);
        for part in [2, 3, 5] {
            std::fs::write(home.path("history.db"), &whole[..whole.len() / 4096 * part / 6 * 4096]).unwrap();
            home.on(&store, &["migrate-from-local", "--yes"]).fails("local_store_corrupt", 2);
        }
        // A page of noise in every fifth place.
        let mut damaged = whole.clone();
        damaged.chunks_mut(4096).skip(20).step_by(5).for_each(|page| page.fill(0xA5));
        std::fs::write(home.path("history.db"), damaged).unwrap();
        home.on(&store, &["migrate-from-local", "--yes"]).fails("local_store_corrupt", 2);
        std::fs::write(home.path("history.db"), &whole).unwrap();
        home.import(&store, &[]);
        assert_eq!(store.counts(), (15, 210), "{}", store.backend);
    }
}

#[test]
fn a_file_without_read_right_is_an_io_error() {
    for store in Store::all().into_iter().filter(|store| store.backend != "sqlite") {
        let home = Home::with_history(HISTORY);
        home.migrated(&store);
        mode(&home.path("history.db"), 0o000);
        let args = ["migrate-from-local", "--yes", "--url", &store.url, "--schema", &store.schema];
        unprivileged(&home, &args).fails("io", 1);
        mode(&home.path("history.db"), 0o600);
        unprivileged(&home, &args).ok();
        assert_eq!(store.counts(), (15, 210), "{}", store.backend);
    }
}

#[test]
fn a_home_without_write_right_is_an_io_error() {
    for store in Store::all().into_iter().filter(|store| store.backend != "sqlite") {
        let home = Home::with_history(HISTORY);
        home.migrated(&store);
        let args = ["migrate-from-local", "--yes", "--url", &store.url, "--schema", &store.schema];
        mode(home.dir.path(), 0o555);
        unprivileged(&home, &args).fails("io", 1);
        assert_eq!(store.counts(), (0, 0), "{}", store.backend);
        mode(home.dir.path(), 0o755);
        unprivileged(&home, &args).ok();
        for name in ["amx-schema.db", "amx-schema.db-wal", "amx-schema.db-shm"] {
            if home.path(name).exists() {
                mode(&home.path(name), 0o444);
            }
        }
        mode(&home.path("amx-schema.db"), 0o444);
        unprivileged(&home, &args).fails("io", 1);
    }
}

#[test]
fn the_file_with_bad_values_is_told_and_left_alone() {
    for store in Store::all() {
        let home = Home::with_history(EXTREME);
        home.migrated(&store);
        let ran = home.on(&store, &["migrate-from-local", "--yes"]).fails("rows_failed", 1);
        assert!(
            ran.stderr.lines().any(|line| line.starts_with("warning: run_") && line.contains("target_qname is too long")),
            "{}",
            ran.stderr
        );
        assert!(!ran.stderr.bytes().any(|byte| byte < 0x20 && byte != b'\n' && byte != b'\t'), "control characters reach the terminal");
        let before = std::fs::read(EXTREME).unwrap();
        assert!(std::fs::read(home.path("history.db")).unwrap() == before);
        let rows = store.rows();
        home.on(&store, &["migrate-from-local", "--yes"]).fails("rows_failed", 1);
        assert_eq!(store.rows(), rows, "{}", store.backend);
    }
}

#[test]
fn every_kind_of_bad_value_is_named_with_its_run_object_row_and_reason() {
    // What is set on the second row, and the word that its reason has.
    let bad = [
        ("confidence = 'sure'", "confidence"),
        ("confidence = NULL", "confidence"),
        ("chosen_description = 'a' || char(0) || 'b'", "NUL"),
        ("chosen_description = CAST(x'ff41' AS TEXT)", "UTF-8"),
        ("chosen_description = x'0102'", "bytes"),
        ("reasoning = x'0102'", "bytes"),
        ("asset_kind = 'sequence', column_name = NULL", "asset_kind"),
        ("table_name = printf('%.*c', 701, 'x')", "too long"),
        ("applied_at = 'yesterday'", "applied_at"),
        ("applied_at = 1e300", "applied_at"),
    ];
    for (set, word) in bad {
        let (store, home) = (Store::sqlite(), Home::new());
        let file = home.path("history.db");
        amx_cli(&file, &[Part { runs: 3, results: 3, bytes: 20 }]);
        // An older file's columns may hold null.
        let loose =
            "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = replace(sql, 'confidence TEXT NOT NULL', 'confidence TEXT')
            WHERE name = 'run_results'; PRAGMA writable_schema = RESET;";
        edit(&file, &format!("{loose} UPDATE run_results SET {set} WHERE id = 5"));
        home.migrated(&store);
        let ran = home.on(&store, &["migrate-from-local", "--yes", "--json"]);
        let report = ran.json();
        assert_eq!((ran.code, store.counts()), (1, (2, 6)), "{set}");
        let failures = report["failures"].as_array().unwrap();
        assert_eq!(failures.len(), 1, "{set}: {report}");
        assert!(failures[0]["reason"].as_str().unwrap().contains(word), "{set}: {report}");
        assert_eq!(
            (failures[0]["local_id"].as_i64(), failures[0]["run_id"].as_str()),
            (Some(5), Some("run_2026-01-01_00-00-002")),
            "{set}"
        );
        home.on(&store, &["migrate-from-local", "--yes", "--skip-errors"]).fails("rows_failed", 1);
        assert_eq!(store.counts(), (3, 8), "{set}");
    }
    for (set, word) in [("status = 'odd'", "status"), ("started_at = 'noon'", "started_at"), ("llm_model = 'a' || char(0)", "llm_model")] {
        let (store, home) = (Store::sqlite(), Home::new());
        let file = home.path("history.db");
        amx_cli(&file, &[Part { runs: 3, results: 3, bytes: 20 }]);
        edit(&file, &format!("UPDATE analysis_runs SET {set} WHERE id = 2"));
        home.migrated(&store);
        for more in [&[][..], &["--skip-errors"]] {
            let ran = home.on(&store, &[&["migrate-from-local", "--yes", "--json"], more].concat());
            let report = ran.json();
            assert_eq!((ran.code, store.counts()), (1, (2, 6)), "{set}");
            assert!(report["failures"][0]["reason"].as_str().unwrap().contains(word), "{set}: {report}");
            assert_eq!(report["failures"][0]["target_qname"], serde_json::Value::Null);
        }
    }
}

// --- names

#[test]
fn a_schema_name_that_no_engine_should_be_given_is_refused() {
    let long = "a".repeat(200);
    let names = ["a\"b", "a'b", "a`b", "a;DROP TABLE x", "a b", " a", "a ", "", "1a", "a.b", "a-b", "müşteri", "a\nb", "a\\b", "$a", &long];
    for store in Store::all() {
        for name in names {
            let home = Home::with_history(HISTORY);
            // SQLite has no schemas; any name that looks like one is passed over.
            for command in [&["migrate"][..], &["enable", "--yes"], &["migrate-from-local", "--yes"]] {
                if store.backend != "sqlite" || name.len() < 200 {
                    home.run(&[command, &["--url", &store.url, &format!("--schema={name}")]].concat()).fails("identifier_invalid", 2);
                }
            }
        }
    }
}

#[test]
fn a_schema_name_that_is_a_reserved_word_is_refused() {
    for store in Store::all() {
        for word in ["select", "TABLE", "Order"] {
            Home::new().run(&["migrate", "--url", &store.url, "--schema", word]).fails("identifier_invalid", 2);
        }
    }
}

// --- configuration

#[test]
fn a_configuration_that_is_wrong_is_told() {
    let commands: [&[&str]; 4] =
        [&["migrate"], &["enable", "--yes"], &["migrate-from-local", "--yes"], &["history", "list", "--profile", "a"]];
    let home = Home::with_history(HISTORY);
    for text in [
        "- a\n- b\n",
        "just text",
        "12",
        "db_profiles: [a, b]\nactive_db_profile: a\n",
        "db_profiles: {a: {backend: [}}\n",
        "a: b: c\n",
        "\t- x",
    ] {
        home.write("config.yml", text);
        for command in commands {
            home.run(command).fails("config_invalid", 2);
        }
        assert_eq!(home.read("config.yml"), text);
    }
    home.write("config.yml", "active_db_profile: a\ndb_profiles: {b: {backend: sqlite, path: /tmp/x.db}}\n");
    for command in commands {
        home.run(command).fails("profile_unknown", 2);
    }
    home.write(
        "config.yml",
        "db_profiles: {a: {backend: postgresql, host: localhost, password: 'env://AMX_TEST_NO_SUCH_NAME'}}\nactive_db_profile: a\n",
    );
    for command in commands {
        home.run(command).fails("secret_unavailable", 2);
    }
    home.write("config.yml", "db_profiles: {a: {backend: nosql}}\nactive_db_profile: a\n");
    for command in commands {
        home.run(command).fails("config_invalid", 2);
    }
}

#[test]
fn without_any_database_named_it_is_a_usage_error() {
    let home = Home::with_history(HISTORY);
    for command in [&["migrate"][..], &["enable", "--yes"], &["migrate-from-local", "--yes"]] {
        home.run(command).fails("usage", 2);
    }
}

// --- servers that cannot be used

/// Every command that talks to the store.
const COMMANDS: [&[&str]; 5] =
    [&["migrate"], &["migrate", "--check"], &["enable", "--yes"], &["migrate-from-local", "--yes"], &["history", "list"]];

#[test]
fn a_port_where_nothing_listens_is_unreachable() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let home = Home::with_history(HISTORY);
    for scheme in ["postgresql", "mysql"] {
        for command in COMMANDS {
            let url = format!("{scheme}://amx:geheim@127.0.0.1:{port}/analytics");
            let ran = home.run(&[command, &["--url", &url]].concat()).fails("unreachable", 5);
            assert!(!ran.stderr.contains("geheim"), "{}", ran.stderr);
        }
    }
}

#[test]
fn a_server_that_hangs_up_or_talks_something_else_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for (at, client) in listener.incoming().enumerate() {
            if at % 2 == 1 {
                let _ = std::io::Write::write_all(&mut client.unwrap(), b"HTTP/1.1 400 Bad Request\r\n\r\n");
            }
        }
    });
    let home = Home::with_history(HISTORY);
    for scheme in ["postgresql", "mysql"] {
        for _ in 0..2 {
            let ran = home.run(&["history", "list", "--url", &format!("{scheme}://amx:x@127.0.0.1:{port}/analytics")]);
            assert!([1, 5].contains(&ran.code) && !ran.stderr.contains("panicked"), "{} {}", ran.code, ran.stderr);
            assert!(ran.stderr.contains("hint: "), "{}", ran.stderr);
        }
    }
}

#[test]
fn a_wrong_password_is_auth_failed_and_is_not_echoed() {
    for store in Store::all().into_iter().filter(|store| store.backend != "sqlite") {
        let home = Home::with_history(HISTORY);
        let role = Role::without_rights(&store);
        for command in COMMANDS {
            let ran = home.run(&[command, &["--url", &role.url_with("falsches")]].concat()).fails("auth_failed", 5);
            assert!(!ran.stderr.contains("falsches"), "{}", ran.stderr);
        }
    }
}

#[test]
fn a_database_that_is_not_there_is_told() {
    for store in Store::all().into_iter().filter(|store| store.backend != "sqlite") {
        let url = store.url.replace("/analytics", "/no_such_database");
        let ran = Home::new().run(&["history", "list", "--url", &url]);
        assert!([2, 5].contains(&ran.code) && ran.stderr.contains("hint: ") && ran.stderr.contains("no_such_database"), "{}", ran.stderr);
    }
}

// --- rights

#[test]
fn a_role_without_rights_is_refused_everything() {
    for store in Store::all().into_iter().filter(|store| store.backend != "sqlite") {
        let home = Home::with_history(HISTORY);
        let role = Role::without_rights(&store);
        let (url, schema) = (role.url(), store.schema.clone());
        for command in [&["migrate"][..], &["enable", "--yes"]] {
            home.run(&[command, &["--url", &url, "--schema", &schema]].concat()).fails("permission_denied", 6);
        }
        home.migrated(&store);
        for command in COMMANDS {
            home.run(&[command, &["--url", &url, "--schema", &schema]].concat()).fails("permission_denied", 6);
        }
        assert_eq!(store.counts(), (0, 0), "{}", store.backend);
        assert!(!home.path("config.yml").exists(), "enable failed and wrote its configuration all the same");
        finished(&store);
    }
}

#[test]
fn a_role_that_may_only_read_enables_and_reads_and_is_told_what_to_ask_for_when_it_imports() {
    for store in Store::all().into_iter().filter(|store| store.backend != "sqlite") {
        let home = Home::with_history(HISTORY);
        home.migrated(&store);
        finished(&store);
        let role = Role::without_rights(&store);
        role.grant("SELECT");
        let url = role.url();
        let reader = Home::new();
        amx_cli(&reader.path("history.db"), &[Part { runs: 2, results: 2, bytes: 30 }]);
        let said = reader.run(&["enable", "--url", &url, "--schema", &store.schema]).ok();
        assert!(said.contains("History store now points at"), "{said}");
        reader.run(&["history", "list", "--url", &url, "--schema", &store.schema]).ok();
        reader.run(&["migrate", "--check", "--url", &url, "--schema", &store.schema]).ok();
        let ran = reader.run(&["migrate-from-local", "--yes", "--url", &url, "--schema", &store.schema]).fails("permission_denied", 6);
        assert!(ran.stderr.contains("GRANT"), "{}", ran.stderr);
        assert_eq!(store.counts(), (15, 210), "{}", store.backend);
        role.grant("SELECT, INSERT, UPDATE");
        reader.run(&["migrate-from-local", "--yes", "--url", &url, "--schema", &store.schema]).ok();
        assert_eq!(store.counts(), (17, 214), "{}", store.backend);
    }
}

#[test]
fn a_member_imports_with_select_insert_and_update_alone() {
    for store in Store::all().into_iter().filter(|store| store.backend != "sqlite") {
        let home = Home::with_history(HISTORY);
        home.migrated(&store);
        let role = Role::without_rights(&store);
        role.grant("SELECT, INSERT, UPDATE");
        let url = role.url();
        home.run(&["migrate-from-local", "--yes", "--url", &url, "--schema", &store.schema]).ok();
        assert_eq!(store.counts(), (15, 210), "{}", store.backend);
    }
}

#[test]
fn a_role_that_may_not_create_schemas_enables_in_one_of_its_own() {
    let Some(store) = Store::postgresql() else { return };
    let role = Role::without_rights(&store);
    role.own_schema();
    let home = Home::with_history(HISTORY);
    let url = role.url();
    home.run(&["enable", "--yes", "--url", &url, "--schema", &store.schema]).ok();
    home.run(&["migrate-from-local", "--yes"]).ok();
    assert_eq!(store.counts(), (15, 210));
}

#[test]
fn a_sqlite_store_without_write_right_is_permission_denied() {
    let (store, home) = (Store::sqlite(), Home::with_history(HISTORY));
    home.migrated(&store);
    let path = Path::new(store.url.trim_start_matches("sqlite://"));
    for folder in [Some(path.parent().unwrap()), None].into_iter().flatten() {
        mode(folder, 0o755);
    }
    mode(path, 0o444);
    let args = ["migrate-from-local", "--yes", "--url", &store.url];
    unprivileged(&home, &args).fails("permission_denied", 6);
    unprivileged(&home, &["history", "list", "--url", &store.url]).ok();
    finished(&store);
}

#[test]
fn a_sqlite_store_that_is_no_database_is_told_and_left_alone() {
    let home = Home::with_history(HISTORY);
    home.write("shared.db", "customers and orders, a letter to nobody, no database at all\n");
    let url = format!("sqlite://{}", home.path("shared.db").display());
    for command in COMMANDS {
        home.run(&[command, &["--url", &url]].concat()).fails("store_missing", 2);
    }
    assert!(home.read("shared.db").starts_with("customers"));
    for command in [&["migrate-from-local", "--yes"][..], &["history", "list"], &["migrate"]] {
        let ran = home.run(&[command, &["--url", &format!("sqlite://{}", home.dir.path().display())]].concat());
        assert!(ran.code != 0 && ran.stderr.contains("hint: ") && !ran.stderr.contains("panicked"), "{}", ran.stderr);
        let ran = home.run(&[command, &["--url", "sqlite:///no/such/folder/shared.db"]].concat());
        assert!(ran.code != 0 && ran.stderr.contains("hint: ") && !ran.stderr.contains("panicked"), "{}", ran.stderr);
    }
}

// --- a disk that is full

#[test]
fn a_full_disk_under_the_store_is_an_io_error_and_the_next_run_finishes() {
    for kib in [160, 300, 700, 1500] {
        let (store, home) = (Store::sqlite(), Home::new());
        amx_cli(&home.path("history.db"), &[Part { runs: 900, results: 3, bytes: 600 }]);
        home.migrated(&store);
        ran(&mut limited(kib, &home.command(&["migrate-from-local", "--yes", "--url", &store.url]))).fails("io", 1);
        let (runs, results) = store.counts();
        assert!(runs < 900 && results == 3 * runs, "{kib}: {runs} runs, {results} results");
        home.import(&store, &[]);
        assert_eq!(store.counts(), (900, 2700), "{kib}");
    }
}

#[test]
fn a_full_disk_under_the_local_store_is_an_io_error_and_the_next_run_finishes() {
    for store in Store::all().into_iter().filter(|store| store.backend != "sqlite") {
        let home = Home::new();
        amx_cli(&home.path("history.db"), &[Part { runs: 1200, results: 2, bytes: 60 }]);
        home.migrated(&store);
        let mut refused = 0;
        for kib in [1, 16, 64, 120, 200, 280] {
            for name in ["amx-schema.db", "amx-schema.db-wal", "amx-schema.db-shm"] {
                let _ = std::fs::remove_file(home.path(name));
            }
            let ran =
                ran(&mut limited(kib, &home.command(&["migrate-from-local", "--yes", "--url", &store.url, "--schema", &store.schema])));
            if ran.code != 0 {
                ran.fails("io", 1);
                refused += 1;
            }
        }
        assert!(refused > 2, "{}", store.backend);
        home.import(&store, &[]);
        assert_eq!(store.counts(), (1200, 2400), "{}", store.backend);
    }
}

#[test]
fn a_full_disk_under_a_migration_is_an_io_error_and_the_next_one_finishes() {
    for kib in [1, 8, 20, 40] {
        let (store, home) = (Store::sqlite(), Home::new());
        ran(&mut limited(kib, &home.command(&["migrate", "--url", &store.url]))).fails("io", 1);
        home.migrated(&store);
        home.on(&store, &["migrate", "--check"]).ok();
    }
}

// --- a reader that has seen enough

#[test]
fn a_closed_stdout_ends_quietly() {
    let (store, home) = (Store::sqlite(), Home::new());
    amx_cli(&home.path("history.db"), &[Part { runs: 2000, results: 1, bytes: 30 }]);
    home.migrated(&store);
    home.import(&store, &[]);
    for command in
        ["history list --limit 2000", "history list --limit 2000 --json", "dump-ddl --dialect oracle", "migrate-from-local --yes --json"]
    {
        let mut bash = Command::new("bash");
        let pipe = format!("\"$0\" {command} --url {} | head -0; exit ${{PIPESTATUS[0]}}", store.url);
        bash.args(["-c", &pipe, env!("CARGO_BIN_EXE_amx-schema")]).env("AMX_HOME", home.dir.path()).env_remove("AMX_URL");
        let ran = ran(&mut bash);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{command}");
    }
}
