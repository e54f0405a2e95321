//! `enable`, `migrate`, `status`, `disable`, `profile` and `config` as a user types them, on every real engine.

mod common;
use common::{HISTORY, Home, Store, eventually, ran};
use futures_util::FutureExt;
use std::os::unix::fs::PermissionsExt;

/// A config as AMX and a person leave it.
const CONFIG: &str = "# mine\nllm_profiles: {main: {provider: openai}}   # kept\ndb_profiles:\n  # the team's\n  team:\n    backend: BACKEND\nFIELDS\nactive_db_profile: team\nlast: 1\n";

/// A home whose profile `team` is a store.
fn home_with_profile(store: &Store) -> Home {
    let home = Home::new();
    let fields = match store.backend {
        "sqlite" => format!("    path: {}", store.url.trim_start_matches("sqlite://")),
        _ => {
            let url = url::Url::parse(&store.url).unwrap();
            format!(
                "    host: {}\n    port: {}\n    user: {}\n    password: {}\n    database: {}",
                url.host_str().unwrap(),
                url.port().unwrap(),
                url.username(),
                url.password().unwrap(),
                url.path().trim_start_matches('/')
            )
        }
    };
    home.write("config.yml", &CONFIG.replace("BACKEND", store.backend).replace("FIELDS", &fields));
    home
}

fn enable(home: &Home, store: &Store) -> String {
    home.run(&["enable", "--profile", "team", "--schema", &store.schema, "--yes"]).ok()
}

#[test]
fn enable_creates_the_store_and_keeps_everything_else_of_the_config() {
    for store in Store::all() {
        let home = home_with_profile(&store);
        let before = home.read("config.yml");
        assert!(enable(&home, &store).starts_with("✓ History store enabled. Future /run / /apply will write to"), "{}", store.backend);
        let after = home.read("config.yml");
        assert!(after.starts_with(&before), "{after}");
        let added = format!("history_store_enabled: true\nhistory_store_profile: team\nhistory_store_schema: {}\n", store.schema);
        assert_eq!(after.strip_prefix(&before), Some(added.as_str()));
        assert_eq!(home.path("config.yml").metadata().unwrap().permissions().mode() & 0o777, 0o600);
        home.run(&["migrate", "--check"]).ok();
    }
}

#[test]
fn enable_on_a_store_that_is_up_to_date_asks_and_creates_nothing() {
    for store in Store::all() {
        enable(&home_with_profile(&store), &store);
        let member = home_with_profile(&store);
        let said = member.run(&["enable", "--profile", "team", "--schema", &store.schema]);
        assert!(!said.stderr.contains("About to create"), "{}", said.stderr);
        assert!(said.ok().starts_with("✓ History store now points at: "));
    }
}

#[test]
fn enable_without_a_terminal_wants_yes_and_leaves_nothing_behind() {
    for store in Store::all() {
        let home = home_with_profile(&store);
        let before = home.read("config.yml");
        home.run(&["enable", "--schema", &store.schema]).fails("confirmation_required", 2);
        assert_eq!(home.read("config.yml"), before);
        assert!(!home.path("history.db").exists());
        home.on(&store, &["migrate", "--check"]).fails("pending_migrations", 3);
    }
    let store = Store::sqlite();
    home_with_profile(&store).run(&["enable"]).fails("confirmation_required", 2);
    assert!(!std::path::Path::new(store.url.trim_start_matches("sqlite://")).exists());
}

#[test]
fn enable_names_teammates_runs_and_own_runs_that_are_not_shared() {
    for store in Store::all() {
        let lead = Home::with_history(HISTORY);
        lead.migrated(&store);
        lead.import(&store, &[]);
        let member = home_with_profile(&store);
        std::fs::copy(common::EXTREME, member.path("history.db")).unwrap();
        let said = ran(member.command(&["enable", "--profile", "team", "--schema", &store.schema, "--json"]).env("AMX_USER", "bob"));
        let said = said.json();
        assert_eq!(said["teammates"][0]["who"], "tester", "{said}");
        assert_eq!((&said["teammates"][0]["runs"], &said["local_runs_not_shared"]), (&15.into(), &8.into()));
    }
}

#[test]
fn enable_by_url_adds_a_profile_and_warns_of_the_plain_password() {
    for store in Store::all() {
        let home = Home::new();
        let said = home.on(&store, &["enable", "--yes"]);
        assert_eq!(
            said.stderr.contains("warning: the password of the URL is now in plain text"),
            store.backend != "sqlite",
            "{}",
            said.stderr
        );
        said.ok();
        home.run(&["history", "list"]).ok();
        assert!(home.run(&["profile", "list"]).ok().contains("shared store"));
    }
}

#[test]
fn migrate_applies_each_version_once_and_says_which() {
    for store in Store::all() {
        let home = Home::new();
        let first = home.on(&store, &["migrate", "--json"]).json();
        let versions: Vec<_> = first["applied"].as_array().unwrap().iter().map(|applied| applied["version"].as_u64().unwrap()).collect();
        assert_eq!(versions, [1, 2], "{}", store.backend);
        assert_eq!((&first["from_version"], &first["to_version"], &first["backend"]), (&0.into(), &2.into(), &store.backend.into()));
        let second = home.on(&store, &["migrate", "--json"]).json();
        assert_eq!((&second["applied"], &second["pending"]), (&serde_json::json!([]), &serde_json::json!([])));
    }
}

#[test]
fn migrate_check_exits_3_until_nothing_is_pending() {
    for store in Store::all() {
        let home = Home::new();
        home.on(&store, &["migrate", "--check"]).fails("pending_migrations", 3);
        home.on(&store, &["migrate", "--target", "1"]).ok();
        let checked = home.on(&store, &["migrate", "--check", "--json"]);
        assert_eq!(checked.json()["pending"], serde_json::json!([{"version": 2, "name": "sharing"}]), "{}", store.backend);
        assert_eq!(checked.code, 3);
        home.on(&store, &["migrate"]).ok();
        home.on(&store, &["migrate", "--check"]).ok();
    }
}

#[test]
fn other_commands_write_nothing_on_a_store_with_pending_migrations() {
    for store in Store::all() {
        let home = Home::with_history(HISTORY);
        home.on(&store, &["migrate-from-local", "--yes"]).fails("store_missing", 2);
        home.on(&store, &["migrate", "--target", "1"]).ok();
        home.on(&store, &["migrate-from-local", "--yes"]).fails("pending_migrations", 3);
        home.on(&store, &["history", "list"]).fails("pending_migrations", 3);
        assert_eq!(home.on(&store, &["status", "--json"]).json()["pending_migrations"], 1, "{}", store.backend);
    }
}

#[test]
fn dry_run_writes_the_statements_and_changes_nothing() {
    for store in Store::all() {
        let home = Home::new();
        let script = home.on(&store, &["migrate", "--dry-run"]).ok();
        assert!(script.contains("CREATE TABLE") && script.contains("amx_history_origins"), "{script}");
        home.on(&store, &["migrate", "--check"]).fails("pending_migrations", 3);
        home.on(&store, &["migrate"]).ok();
        assert_eq!(home.on(&store, &["migrate", "--dry-run"]).ok(), "", "{}", store.backend);
    }
}

#[test]
fn rows_that_v1_had_are_filled_by_v2() {
    for store in Store::all() {
        let home = Home::new();
        home.on(&store, &["migrate", "--target", "1"]).ok();
        store.sql(
            "INSERT INTO amx_history_runs (run_id, who, started_at, scope, llm_provider, llm_model, db_backend, state)
             VALUES ('run_1', 'ann', '2026-01-01 10:00:00', 's', 'p', 'm', 'b', 'reviewed');
             INSERT INTO amx_history_results (run_id, target_qname, target_kind, confidence, applied) VALUES ('run_1', 's.t', 'TABLE', 'high', '0');",
        );
        home.on(&store, &["migrate"]).ok();
        let filled = "SELECT created_by, origin, writer, landing FROM amx_history_runs;
             SELECT origin, writer, landing FROM amx_history_results; SELECT origin, landed, epoch FROM amx_history_origins;";
        assert_eq!(store.sql(filled), "ann\tv1\tv1\t1\nv1\tv1\t1\nv1\t1\tv1\n", "{}", store.backend);
    }
}

#[test]
fn a_store_newer_than_this_build_is_left_alone() {
    for store in Store::all() {
        let home = Home::with_history(HISTORY);
        home.migrated(&store);
        store
            .sql("INSERT INTO amx_history_ledger (version, name, applied_on, checksum) VALUES (99, 'later', '2030-01-01T00:00:00Z', '1');");
        home.on(&store, &["migrate"]).fails("store_newer", 3);
        home.on(&store, &["migrate-from-local", "--yes"]).fails("store_newer", 3);
        assert_eq!(store.sql("SELECT count(*) FROM amx_history_runs;"), "0\n", "{}", store.backend);
    }
}

#[test]
fn a_version_that_was_applied_from_another_text_is_a_checksum_mismatch() {
    for store in Store::all() {
        let home = Home::new();
        home.migrated(&store);
        store.sql("UPDATE amx_history_ledger SET checksum = '1' WHERE version = 2;");
        home.on(&store, &["migrate"]).fails("checksum_mismatch", 3);
    }
}

#[test]
fn a_table_of_that_name_and_another_shape_is_drift() {
    for store in Store::all() {
        let home = Home::new();
        if store.backend == "postgresql" {
            store.shell(&format!("CREATE SCHEMA \"{}\";", store.schema.to_lowercase()));
        }
        store.sql("CREATE TABLE amx_history_runs (a INT);");
        home.on(&store, &["migrate"]).fails("drift", 3);
        store.sql("DROP TABLE amx_history_runs;");
        home.on(&store, &["migrate"]).ok();
    }
}

#[test]
fn a_lock_that_is_held_ends_in_locked_and_frees_with_its_holder() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for store in Store::all() {
        let home = Home::new();
        let profile = amx_schema::profile::Profile::from_url(&store.url).unwrap();
        let schema = profile.backend.dialect().unwrap().schema_name(&store.schema).unwrap();
        let connecting =
            amx_schema::driver::connect(&profile, home.dir.path(), amx_schema::driver::Access::Create, amx_schema::driver::unheard());
        let mut holder = runtime.block_on(connecting).unwrap();
        assert!(runtime.block_on(holder.try_lock(&format!("{}.amx_history", schema.folded))).unwrap());
        home.on(&store, &["migrate", "--lock-timeout", "300ms"]).fails("locked", 7);
        assert_eq!(home.on(&store, &["migrate", "lock", "status", "--json"]).json()["held"], true, "{}", store.backend);
        runtime.block_on(holder.close().boxed());
        eventually(|| home.on(&store, &["migrate", "lock", "status", "--json"]).json()["held"] == false);
        home.on(&store, &["migrate", "--lock-timeout", "20s"]).ok();
    }
}

#[test]
fn the_holder_of_the_lock_is_shown_and_its_fence_goes_up_when_it_is_released() {
    for store in [Store::postgresql(), Store::mysql()].into_iter().flatten() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let home = Home::new();
        home.migrated(&store);
        let profile = amx_schema::profile::Profile::from_url(&store.url).unwrap();
        let schema = profile.backend.dialect().unwrap().schema_name(&store.schema).unwrap();
        let connecting =
            amx_schema::driver::connect(&profile, home.dir.path(), amx_schema::driver::Access::Create, amx_schema::driver::unheard());
        let mut holder = runtime.block_on(connecting).unwrap();
        assert!(runtime.block_on(holder.try_lock(&format!("{}.amx_history", schema.folded))).unwrap());
        store.sql("UPDATE amx_history_lock SET who = 'ann', hostname = 'ci-7', pid = 42, since = '2026-11-21T10:00:00Z';");
        let said = home.on(&store, &["migrate", "lock", "status"]).ok();
        assert_eq!(said.trim(), format!("The lock of {} is held by ann on ci-7, process 42, since 2026-11-21T10:00:00Z.", store.schema));
        let before = home.on(&store, &["migrate", "lock", "status", "--json"]).json();
        let after = home.on(&store, &["migrate", "lock", "release", "--json"]);
        assert!(after.stderr.contains("the database frees the lock when that session ends"), "{}", after.stderr);
        let after = after.json();
        assert_eq!(after["fence"].as_i64(), before["fence"].as_i64().map(|fence| fence + 1));
        assert_eq!((&after["held"], &after["holder"]), (&true.into(), &serde_json::Value::Null), "{}", store.backend);
        runtime.block_on(holder.close().boxed());
        // The database frees it when it has seen the line closed.
        eventually(|| home.on(&store, &["migrate", "lock", "release"]).ok().ends_with("is free.\n"));
    }
}

#[test]
fn the_statements_of_a_version_that_was_changed_are_named() {
    for store in Store::all() {
        let home = Home::new();
        home.migrated(&store);
        let index = "SELECT step FROM amx_history_steps WHERE version = 2 ORDER BY step LIMIT 1";
        let step = store.sql(&format!("{index};"));
        store.sql(&format!(
            "UPDATE amx_history_ledger SET checksum = '1' WHERE version = 2;
            UPDATE amx_history_steps SET checksum = 'another' WHERE version = 2 AND step = {};",
            step.trim()
        ));
        let failed = home.on(&store, &["migrate"]).fails("checksum_mismatch", 3);
        assert!(failed.stderr.contains("; what differs: add columns to amx_history_runs ("), "{}: {}", store.backend, failed.stderr);
    }
}

#[test]
fn status_of_a_fresh_home_names_the_local_file() {
    let home = Home::with_history(HISTORY);
    let status = home.run(&["status", "--json"]).json();
    assert_eq!((&status["active_store"], &status["local_runs"], &status["outbox_depth"]), (&"file".into(), &15.into(), &0.into()));
    assert_eq!(status["reachable"], serde_json::Value::Null);
    assert!(!home.path("amx-schema.db").exists());
}

#[test]
fn status_of_an_enabled_store_tells_version_and_runs() {
    for store in Store::all() {
        let home = home_with_profile(&store);
        enable(&home, &store);
        let status = home.run(&["status", "--json"]).json();
        assert_eq!((&status["active_store"], &status["profile"]), (&"shared".into(), &"team".into()));
        assert_eq!((&status["reachable"], &status["schema_version"], &status["pending_migrations"]), (&true.into(), &2.into(), &0.into()));
        assert_eq!(status["store_id"].as_str().unwrap().len(), 36, "{status}");
        assert_eq!(status["shared_runs"], 0);
    }
}

#[test]
fn status_of_a_store_out_of_reach_exits_0_and_with_check_5() {
    let home = Home::new();
    home.write(
        "config.yml",
        "db_profiles: {far: {backend: postgresql, host: 127.0.0.1, port: 1, user: u}}\nhistory_store_enabled: true\nhistory_store_profile: far\n",
    );
    let status = home.run(&["status", "--json"]);
    assert_eq!((status.code, &status.json()["reachable"]), (0, &false.into()));
    home.run(&["status", "--check"]).fails("unreachable", 5);
}

#[test]
fn without_a_command_and_a_terminal_the_status_is_shown() {
    assert!(Home::new().run(&[]).ok().starts_with("History store: disabled"));
}

#[test]
fn disable_goes_back_to_the_local_file_and_touches_no_row() {
    for store in Store::all() {
        let home = home_with_profile(&store);
        std::fs::copy(HISTORY, home.path("history.db")).unwrap();
        enable(&home, &store);
        home.run(&["migrate-from-local", "--yes"]).ok();
        let said = home.run(&["disable"]).ok();
        assert!(said.starts_with("✓ History store disabled. /history now reads "), "{said}");
        assert!(home.read("config.yml").contains("history_store_enabled: false\nhistory_store_profile: team\n"));
        assert_eq!(home.run(&["status", "--json"]).json()["active_store"], "file");
        assert_eq!(store.sql("SELECT count(*) FROM amx_history_runs;"), "15\n", "{}", store.backend);
    }
}

#[test]
fn the_local_history_is_read_while_no_store_is_enabled_and_says_the_same() {
    let home = Home::with_history(HISTORY);
    let store = Store::sqlite();
    home.migrated(&store);
    home.import(&store, &[]);
    let (local, shared) = (home.run(&["history", "list", "--json"]).json(), home.on(&store, &["history", "list", "--json"]).json());
    assert_eq!(local, shared);
    for run in local.as_array().unwrap() {
        let id = run["run_id"].as_str().unwrap();
        let hash = |ran: common::Ran| ran.ok();
        assert_eq!(hash(home.run(&["history", "show", id, "--hash"])), hash(home.on(&store, &["history", "show", id, "--hash"])));
    }
    let page = home.run(&["history", "list", "--json", "--limit", "2", "--after", "run_2026-09-15_04-00-014"]).json();
    assert_eq!(page[0]["run_id"], "run_2026-09-08_17-43-013");
    home.run(&["history", "show", "run_x"]).fails("run_unknown", 2);
}

#[test]
fn profiles_are_added_listed_tested_and_removed() {
    for store in Store::all() {
        let home = Home::new();
        home.run(&["profile", "add", "team", "--from-url", &store.url]).ok();
        let listed = home.run(&["profile", "list", "--json"]).json();
        assert_eq!((&listed[0]["name"], &listed[0]["backend"]), (&"team".into(), &store.backend.into()));
        if store.backend != "sqlite" {
            home.run(&["profile", "test", "team"]).ok();
        }
        home.run(&["profile", "remove", "team"]).ok();
        home.run(&["profile", "test", "team"]).fails("profile_unknown", 2);
    }
}

#[test]
fn the_profile_of_the_enabled_store_is_not_removed() {
    let store = Store::sqlite();
    let home = home_with_profile(&store);
    enable(&home, &store);
    home.run(&["profile", "remove", "team"]).fails("usage", 2);
}

#[test]
fn backends_that_cannot_host_a_store_are_refused() {
    let home = Home::new();
    home.write("config.yml", "db_profiles: {c: {backend: clickhouse, host: h}, d: {backend: duckdb, path: x}}\n");
    for name in ["c", "d"] {
        home.run(&["enable", "--profile", name, "--yes"]).fails("external_history_store_unsupported", 4);
    }
}

#[test]
fn config_show_writes_a_setting_a_line() {
    let home = Home::new();
    home.write("config.yml", "history_store_enabled: true\ndb_profiles:\n  p:\n    backend: postgresql\n    password: geheim\n");
    assert_eq!(
        home.run(&["config", "show"]).ok(),
        "history_store_enabled: true\ndb_profiles.p.backend: postgresql\ndb_profiles.p.password: ***\n"
    );
}

#[test]
fn an_error_is_one_json_document_where_json_is_asked_for() {
    let refused = Home::new().run(&["history", "show", "x", "--profile", "nobody", "--json"]);
    let error: serde_json::Value = serde_json::from_str(&refused.stderr).unwrap();
    assert_eq!((refused.code, error["error"]["code"].as_str()), (2, Some("profile_unknown")));
    assert_eq!(refused.stdout, "");
}

#[test]
fn a_wrong_call_ends_in_usage() {
    let home = Home::new();
    home.run(&["migrate", "--no-such-flag"]).fails("usage", 2);
    home.run(&["frobnicate"]).fails("usage", 2);
    home.run(&["migrate", "--url", "gopher://x"]).fails("usage", 2);
    home.run(&["migrate", "--target", "9", "--url", "sqlite:///tmp/none.db"]).fails("usage", 2);
}
