//! `diff`, `migrate --baseline` and the adoption of tables that were made by hand, on every real engine.

mod common;
use common::role::Role;
use common::{HISTORY, Home, Store, snapshot};
use serde_json::{Value, json};

/// The differences that `diff` gives, and its exit status.
#[track_caller]
fn diff(store: &Store) -> (Vec<Value>, i32) {
    let ran = Home::new().on(store, &["diff", "--json"]);
    (ran.json()["drift"].as_array().unwrap().clone(), ran.code)
}

/// Class, kind and object of each difference.
#[track_caller]
fn found(store: &Store) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap().to_string();
    diff(store).0.iter().map(|drift| [&drift["class"], &drift["kind"], &drift["object"]].map(text).join(" ")).collect()
}

/// An empty store that is up to date.
fn migrated(store: Store) -> Store {
    Home::new().migrated(&store);
    store
}

/// A store at V1 without a ledger, made by hand in words of one's own. Its ways differ from ours and do no harm.
fn by_hand(store: &Store) {
    let [schema, key, long_key, text, time, truth, options] = match store.backend {
        "postgresql" => {
            let schema = format!("CREATE SCHEMA {};", store.schema.to_lowercase());
            let key = r#"VARCHAR(100) COLLATE "C""#;
            [schema, key.into(), r#"VARCHAR(700) COLLATE "C""#.into(), "VARCHAR".into(), "TIMESTAMPTZ".into(), "BOOL".into(), "".into()]
        }
        "mysql" => {
            let options = "DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin";
            ["", "VARCHAR(66)", "VARCHAR(700)", "LONGTEXT", "DATETIME(6)", "BOOL", options].map(String::from)
        }
        _ => ["", "VARCHAR(64)", "VARCHAR(700)", "TEXT", "TIMESTAMP", "BOOLEAN", ""].map(String::from),
    };
    store.sql(&format!(
        "{schema}
        CREATE TABLE amx_history_runs (run_id {key} NOT NULL PRIMARY KEY, who {text} NOT NULL, started_at {time} NOT NULL, finished_at {time} NULL,
            scope {text} NOT NULL, llm_provider {text} NOT NULL, llm_model {text} NOT NULL, db_backend {text} NOT NULL, state {text} NOT NULL,
            applied_at {time} NULL, applied_by {text}, metadata_json {text}) {options};
        CREATE TABLE amx_history_results (run_id {key} NOT NULL, target_qname {long_key} NOT NULL, target_kind {text} NOT NULL, description {text},
            alternatives {text}, confidence {text} NOT NULL, applied {truth} NOT NULL, applied_at {time} NULL, PRIMARY KEY (run_id, target_qname),
            CONSTRAINT ours FOREIGN KEY (run_id) REFERENCES amx_history_runs (run_id)) {options};
        CREATE INDEX ix_amx_history_results_run_id ON amx_history_results (run_id);
        CREATE INDEX ix_amx_history_results_target ON amx_history_results (target_qname);"
    ));
}

/// The tables of a store, to see that nothing was written.
fn tables(store: &Store) -> String {
    let (lower, given) = (store.schema.to_lowercase(), &store.schema);
    store.sql(&match store.backend {
        "sqlite" => "SELECT name FROM sqlite_master ORDER BY name;".into(),
        "postgresql" => format!("SELECT relname FROM pg_class WHERE relnamespace = '{lower}'::regnamespace ORDER BY 1;"),
        _ => format!("SELECT table_name FROM information_schema.tables WHERE table_schema = '{given}' ORDER BY 1;"),
    })
}

// --- diff

#[test]
fn a_fresh_store_does_not_differ() {
    for store in Store::all().into_iter().map(migrated) {
        assert_eq!(diff(&store), (vec![], 0), "{}", store.backend);
        let said = Home::new().on(&store, &["diff"]);
        assert_eq!(said.stderr, "");
        assert!(said.stdout.starts_with('✓') && said.stdout.ends_with("is what the model says at V2.\n"), "{}", said.stdout);
        assert_eq!(said.ok().lines().count(), 1);
    }
}

#[test]
fn a_store_that_the_script_made_does_not_differ() {
    for store in Store::all() {
        store.sql(&Home::new().run(&["dump-ddl", "--dialect", store.backend, "--schema", &store.schema]).ok());
        assert_eq!(diff(&store), (vec![], 0), "{}", store.backend);
    }
}

#[test]
fn a_store_in_use_does_not_differ() {
    for store in Store::all().into_iter().map(migrated) {
        Home::with_history(HISTORY).import(&store, &[]);
        assert_eq!(diff(&store), (vec![], 0), "{}", store.backend);
    }
}

#[test]
fn every_difference_is_a_row_with_its_class() {
    for store in Store::all().into_iter().map(migrated) {
        store.sql(match store.backend {
            "postgresql" => {
                r#"ALTER TABLE amx_history_runs ALTER who TYPE varchar, ALTER scope DROP NOT NULL, ALTER state TYPE varchar(20),
                       ALTER started_at TYPE timestamptz(0), ALTER origin TYPE varchar(64) COLLATE "und-x-icu", ALTER writer TYPE varchar(80) COLLATE "C",
                       ALTER llm_model SET DEFAULT 'none', ADD team text, ADD cost bigint NOT NULL DEFAULT 0, ADD stage text NOT NULL;
                   COMMENT ON TABLE amx_history_runs IS 'Ours.';
                   CREATE INDEX mine ON amx_history_runs (who);
                   DROP INDEX ix_amx_history_runs_landing;
                   ALTER TABLE amx_history_results DROP CONSTRAINT fk_amx_history_results_run_id, DROP CONSTRAINT amx_history_results_pkey,
                       DROP metadata_json, ALTER description SET NOT NULL;
                   DROP INDEX ix_amx_history_results_target;
                   CREATE INDEX ix_amx_history_results_target ON amx_history_results (target_kind, target_qname);
                   CREATE UNIQUE INDEX once ON amx_history_results (landing);
                   DROP TABLE amx_history_store;
                   CREATE TABLE amx_history_notes (note text);"#
            }
            "mysql" => {
                "ALTER TABLE amx_history_runs MODIFY who LONGTEXT COLLATE utf8mb4_general_ci NOT NULL COMMENT 'Who ran it: AMX_USER, or the OS user.',
                     MODIFY scope LONGTEXT COMMENT 'What it covered, such as sales or sales.customer; * for all.', MODIFY state VARCHAR(20) NOT NULL,
                     MODIFY started_at DATETIME NOT NULL, MODIFY origin VARCHAR(64) COLLATE utf8mb4_bin, MODIFY writer VARCHAR(80),
                     MODIFY metadata_json LONGTEXT CHARACTER SET latin1, ALTER llm_model SET DEFAULT 'none', ADD team TEXT,
                     ADD cost BIGINT NOT NULL DEFAULT 0, ADD stage TEXT NOT NULL, COMMENT 'Ours.', ADD INDEX mine (who(10)),
                     DROP INDEX ix_amx_history_runs_landing;
                 ALTER TABLE amx_history_results DROP FOREIGN KEY fk_amx_history_results_run_id, DROP PRIMARY KEY, DROP COLUMN metadata_json,
                     MODIFY description LONGTEXT NOT NULL, DROP INDEX ix_amx_history_results_target,
                     ADD INDEX ix_amx_history_results_target (target_qname(20)), ADD UNIQUE once (landing), ALTER INDEX ix_amx_history_results_run_id IGNORED;
                 DROP TABLE amx_history_store;
                 CREATE TABLE amx_history_notes (note text);"
            }
            _ => {
                "DROP TABLE amx_history_results; DROP TABLE amx_history_store; DROP TABLE amx_history_origins;
                 CREATE TABLE amx_history_results (run_id TEXT NOT NULL, target_qname TEXT COLLATE NOCASE NOT NULL, target_kind VARCHAR(20) NOT NULL,
                     description TEXT NOT NULL, alternatives TEXT, confidence TEXT, applied TEXT NOT NULL, applied_at REAL, created_by TEXT DEFAULT 'me',
                     hostname TEXT, client_version TEXT, local_id INTEGER, origin TEXT, writer TEXT, landing INTEGER, team TEXT,
                     cost INTEGER NOT NULL DEFAULT 0, stage TEXT NOT NULL, shout TEXT AS (upper(target_qname)), PRIMARY KEY (target_qname, run_id));
                 CREATE INDEX ix_amx_history_results_target ON amx_history_results (target_qname) WHERE applied;
                 CREATE INDEX ix_amx_history_results_run_id ON amx_history_results (run_id DESC);
                 CREATE UNIQUE INDEX once ON amx_history_results (landing);
                 CREATE INDEX mine ON amx_history_runs (who);
                 CREATE VIEW amx_history_origins AS SELECT 1 AS origin;
                 CREATE TABLE amx_history_notes (note TEXT);"
            }
        });
        let said = Home::new().on(&store, &["diff"]).fails("drift", 3);
        snapshot(&format!("diff.{}", store.backend), &format!("{}\n{}", said.stdout, said.stderr.replace(&store.schema, "SCHEMA")));
    }
}

#[test]
fn the_json_has_five_keys_a_difference_also_where_the_status_is_3() {
    for store in Store::all().into_iter().map(migrated) {
        store.sql(match store.backend {
            "mysql" => "DROP INDEX ix_amx_history_runs_landing ON amx_history_runs;",
            _ => "DROP INDEX ix_amx_history_runs_landing;",
        });
        let ran = Home::new().on(&store, &["diff", "--json"]);
        let drift = json!({"object": "amx_history_runs.ix_amx_history_runs_landing", "kind": "index", "class": "degraded",
            "expected": "(writer, landing)", "actual": null});
        assert_eq!((ran.json(), ran.code), (json!({"drift": [drift]}), 3), "{}", store.backend);
        let error: Value = serde_json::from_str(&ran.stderr).unwrap();
        assert_eq!(error["error"]["code"], "drift");
    }
}

#[test]
fn what_is_compatible_is_listed_and_the_status_is_0() {
    for store in Store::all().into_iter().map(migrated) {
        store.sql("ALTER TABLE amx_history_runs ADD COLUMN team VARCHAR(10); CREATE INDEX mine ON amx_history_runs (team);");
        assert_eq!(diff(&store).1, 0, "{}", store.backend);
        assert_eq!(
            found(&store),
            ["compatible column amx_history_runs.team", "compatible index amx_history_runs.mine"],
            "{}",
            store.backend
        );
        Home::new().on(&store, &["diff"]).ok();
    }
}

#[test]
fn a_key_that_does_not_compare_bytes_is_incompatible() {
    for store in Store::all() {
        by_hand(&store);
        store.sql(match store.backend {
            "postgresql" => {
                r#"CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false); DROP TABLE amx_history_results;
                   ALTER TABLE amx_history_runs ALTER run_id TYPE VARCHAR(64) COLLATE nocase;"#
            }
            "mysql" => "DROP TABLE amx_history_results; ALTER TABLE amx_history_runs MODIFY run_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL;",
            _ => {
                "DROP TABLE amx_history_results; CREATE TABLE r AS SELECT * FROM amx_history_runs; DROP TABLE amx_history_runs;
                 CREATE TABLE amx_history_runs (run_id TEXT NOT NULL COLLATE RTRIM PRIMARY KEY);"
            }
        });
        assert!(found(&store).contains(&"incompatible collation amx_history_runs.run_id".into()), "{}: {:?}", store.backend, found(&store));
    }
}

#[test]
fn an_invalid_index_on_postgresql_is_degraded() {
    for store in Store::postgresql().into_iter().map(migrated) {
        store.sql("UPDATE pg_index SET indisvalid = FALSE WHERE indexrelid = 'ix_amx_history_runs_landing'::regclass;");
        let (drift, code) = diff(&store);
        assert_eq!((drift[0]["class"].as_str(), drift[0]["actual"].as_str()), (Some("degraded"), Some("invalid (writer, landing)")));
        assert_eq!((drift.len(), code), (1, 3));
    }
}

#[test]
fn who_may_only_read_sees_as_much_as_the_owner() {
    for store in Store::all().into_iter().filter(|store| store.backend != "sqlite").map(migrated) {
        let role = Role::without_rights(&store);
        role.grant("SELECT");
        let by_role = || Home::new().run(&["diff", "--url", &role.url(), "--schema", &store.schema, "--json"]);
        assert_eq!((by_role().json(), by_role().code), (json!({"drift": []}), 0), "{}", store.backend);
        store.sql("ALTER TABLE amx_history_origins ADD team VARCHAR(10) NOT NULL; CREATE INDEX mine ON amx_history_runs (started_at);");
        assert_eq!(by_role().json()["drift"].as_array().unwrap(), &diff(&store).0, "{}", store.backend);
        assert_eq!(diff(&store).0.len(), 2);
    }
}

#[test]
fn a_store_that_may_not_be_read_is_a_missing_privilege() {
    for store in Store::all().into_iter().filter(|store| store.backend != "sqlite").map(migrated) {
        let role = Role::without_rights(&store);
        Home::new().run(&["diff", "--url", &role.url(), "--schema", &store.schema]).fails("permission_denied", 6);
    }
}

#[test]
fn an_older_store_is_compared_with_its_own_version() {
    for store in Store::all() {
        let home = Home::new();
        home.on(&store, &["migrate", "--target", "1"]).ok();
        let said = home.on(&store, &["diff"]);
        assert_eq!(said.stderr, "warning: the store is at V1 and this build at V2; compared with V1\n", "{}", store.backend);
        assert!(said.ok().ends_with("at V1.\n"));
    }
}

#[test]
fn a_newer_store_is_compared_with_the_newest_version_that_is_known() {
    for store in Store::all().into_iter().map(migrated) {
        store.sql(
            "INSERT INTO amx_history_ledger (version, name, applied_on, checksum) VALUES (99, 'later', '2030-01-01T00:00:00Z', '1');
             ALTER TABLE amx_history_runs ADD COLUMN later VARCHAR(10);",
        );
        let said = Home::new().on(&store, &["diff"]);
        assert_eq!(said.stderr, "warning: the store is at V99, which is newer than this build; compared with V2\n", "{}", store.backend);
        assert_eq!(said.code, 0);
        assert_eq!(found(&store), ["compatible column amx_history_runs.later"]);
    }
}

#[test]
fn a_store_that_is_not_there_is_missing() {
    for store in Store::all() {
        Home::new().on(&store, &["diff"]).fails("store_missing", 2);
        if store.backend != "sqlite" {
            // A schema without tables of ours.
            let quoted = if store.backend == "mysql" { store.schema.clone() } else { store.schema.to_lowercase() };
            store.shell(&format!("CREATE {} {quoted};", if store.backend == "mysql" { "DATABASE" } else { "SCHEMA" }));
            Home::new().on(&store, &["diff"]).fails("store_missing", 2);
        }
    }
}

// --- migrate --baseline

#[test]
fn tables_made_by_hand_are_taken_over_and_later_versions_applied() {
    for store in Store::all() {
        by_hand(&store);
        let home = Home::with_history(HISTORY);
        let said = home.on(&store, &["diff"]);
        assert_eq!(
            said.stderr,
            "warning: the store has no migration in its ledger; compared with V1, the newest of which it has something\n"
        );
        assert_eq!(said.code, 0, "{}: {}", store.backend, said.stdout);
        let taken = home.on(&store, &["migrate", "--baseline", "1", "--json"]);
        assert!(taken.stderr.contains("warning: "), "{}: what differs is not said: {}", store.backend, taken.stderr);
        let (from, to) = (&taken.json()["from_version"], &taken.json()["to_version"]);
        assert_eq!((from, to, &taken.json()["applied"]), (&json!(0), &json!(1), &json!([])), "{}", store.backend);
        assert_eq!(taken.json()["pending"], json!([{"version": 2, "name": "sharing"}]));
        assert_eq!(store.sql("SELECT version, name FROM amx_history_ledger;"), "1\ttables\n");
        let migrated = home.on(&store, &["migrate", "--json"]).json();
        assert_eq!((&migrated["from_version"], &migrated["to_version"]), (&json!(1), &json!(2)), "{}", store.backend);
        assert_eq!(diff(&store).1, 0, "{}", store.backend);
        assert_eq!(home.import(&store, &[])["runs_imported"], 15, "{}", store.backend);
        assert_eq!(home.hashes(&store).len(), 15);
    }
}

#[test]
fn taking_over_again_changes_nothing() {
    for store in Store::all() {
        by_hand(&store);
        let home = Home::new();
        home.on(&store, &["migrate", "--baseline", "1"]).ok();
        let ledger = store.sql("SELECT * FROM amx_history_ledger;");
        home.on(&store, &["migrate", "--baseline", "1"]).ok();
        assert_eq!(store.sql("SELECT * FROM amx_history_ledger;"), ledger, "{}", store.backend);
        home.on(&store, &["migrate"]).ok();
        home.on(&store, &["migrate", "--baseline", "1"]).ok();
        home.on(&store, &["migrate", "--baseline", "2"]).ok();
    }
}

#[test]
fn a_store_with_an_empty_ledger_is_taken_over_at_the_newest_version_with_its_rows_filled() {
    for store in Store::all().into_iter().map(migrated) {
        store.sql(
            "DELETE FROM amx_history_ledger;
             INSERT INTO amx_history_runs (run_id, who, started_at, scope, llm_provider, llm_model, db_backend, state)
             VALUES ('run_1', 'ann', '2026-01-01 10:00:00', 's', 'p', 'm', 'b', 'reviewed');",
        );
        let home = Home::new();
        let said = home.on(&store, &["migrate", "--baseline", "2"]);
        assert_eq!(said.stderr, "", "{}", store.backend);
        assert!(said.ok().contains("was made by hand and is taken over at V2"));
        home.on(&store, &["migrate", "--check"]).ok();
        assert_eq!(store.sql("SELECT origin, writer, landing FROM amx_history_runs;"), "v1\tv1\t1\n", "{}", store.backend);
        assert_eq!(store.sql("SELECT origin, landed, epoch FROM amx_history_origins;"), "v1\t1\tv1\n");
        assert_eq!(store.sql("SELECT COUNT(*) FROM amx_history_store WHERE item = 'store_id';"), "1\n");
    }
}

#[test]
fn tables_that_are_degraded_or_incompatible_are_not_taken_over_and_nothing_is_written() {
    for store in Store::all() {
        by_hand(&store);
        store.sql(match store.backend {
            "mysql" => {
                "DROP INDEX ix_amx_history_results_target ON amx_history_results; ALTER TABLE amx_history_runs DROP COLUMN applied_by;"
            }
            _ => "DROP INDEX ix_amx_history_results_target; ALTER TABLE amx_history_runs DROP COLUMN applied_by;",
        });
        let before = tables(&store);
        let refused = Home::new().on(&store, &["migrate", "--baseline", "1"]).fails("drift", 3);
        assert!(refused.stderr.contains("amx_history_runs.applied_by: column is missing; and 1 more\n"), "{}", refused.stderr);
        assert_eq!(tables(&store), before, "{}", store.backend);
        Home::new().on(&store, &["migrate", "--baseline", "2"]).fails("drift", 3);
        assert_eq!(tables(&store), before, "{}", store.backend);
    }
}

#[test]
fn a_store_whose_ledger_ends_at_an_older_version_is_not_taken_over() {
    for store in Store::all() {
        let home = Home::new();
        home.on(&store, &["migrate", "--target", "1"]).ok();
        home.on(&store, &["migrate", "--baseline", "2"]).fails("usage", 2);
        assert_eq!(store.sql("SELECT version FROM amx_history_ledger;"), "1\n", "{}", store.backend);
    }
}

#[test]
fn where_there_is_nothing_there_is_nothing_to_take_over() {
    for store in Store::all() {
        Home::new().on(&store, &["migrate", "--baseline", "1"]).fails("store_missing", 2);
        assert!(store.backend != "sqlite" || !std::path::Path::new(store.url.trim_start_matches("sqlite://")).exists());
    }
    let home = Home::new();
    home.run(&["migrate", "--baseline", "3", "--url", "sqlite:///tmp/none.db"]).fails("usage", 2);
    home.run(&["migrate", "--baseline", "1", "--check", "--url", "sqlite:///tmp/none.db"]).fails("usage", 2);
}

// --- enable and migrate on tables made by hand

#[test]
fn enable_and_migrate_take_over_tables_made_by_hand_and_say_what_differs() {
    for store in Store::all() {
        by_hand(&store);
        store.sql(match store.backend {
            "mysql" => "DROP INDEX ix_amx_history_results_target ON amx_history_results;",
            _ => "DROP INDEX ix_amx_history_results_target;",
        });
        let said = Home::new().on(&store, &["enable", "--yes"]);
        assert!(said.stderr.contains(" (compatible)\n"), "{}: {}", store.backend, said.stderr);
        said.ok();
        let left: Vec<_> = diff(&store).0.into_iter().filter(|drift| drift["class"] != "compatible").collect();
        assert_eq!(left, Vec::<Value>::new(), "{}", store.backend);
    }
}

#[test]
fn tables_of_a_wrong_shape_are_refused_by_enable_and_migrate_and_nothing_is_written() {
    for store in Store::all() {
        by_hand(&store);
        store.sql(match store.backend {
            "postgresql" => "ALTER TABLE amx_history_results ALTER applied TYPE text; DROP INDEX ix_amx_history_results_target;",
            "mysql" => "ALTER TABLE amx_history_results MODIFY applied VARCHAR(5) NOT NULL; DROP INDEX ix_amx_history_results_target ON amx_history_results;",
            _ => {
                "DROP INDEX ix_amx_history_results_target; ALTER TABLE amx_history_results DROP COLUMN applied;
                 ALTER TABLE amx_history_results ADD COLUMN applied TEXT NOT NULL DEFAULT '0';"
            }
        });
        let before = tables(&store);
        for call in [&["enable", "--yes"][..], &["migrate"], &["migrate", "--dry-run"], &["migrate", "--target", "1"]] {
            let home = Home::new();
            let refused = home.on(&store, call).fails("drift", 3);
            assert!(refused.stderr.contains("amx_history_results.applied: type is "), "{}", refused.stderr);
            assert_eq!(tables(&store), before, "{}: {call:?}", store.backend);
            assert!(!home.path("config.yml").exists());
        }
    }
}

#[test]
fn a_table_of_ours_without_its_columns_is_refused_and_nothing_is_written() {
    for store in Store::all() {
        by_hand(&store);
        store.sql("ALTER TABLE amx_history_runs DROP COLUMN applied_by;");
        let before = tables(&store);
        let refused = Home::new().on(&store, &["migrate"]).fails("drift", 3);
        assert!(refused.stderr.contains("amx_history_runs.applied_by: column is missing\n"), "{}", refused.stderr);
        assert_eq!(tables(&store), before, "{}", store.backend);
    }
}

#[test]
fn a_later_version_is_not_put_over_a_column_of_its_name_and_another_type() {
    for store in Store::all() {
        let home = Home::new();
        home.on(&store, &["migrate", "--target", "1"]).ok();
        store.sql("ALTER TABLE amx_history_runs ADD COLUMN landing VARCHAR(10);");
        let refused = home.on(&store, &["migrate"]).fails("drift", 3);
        assert!(refused.stderr.contains("amx_history_runs.landing: type is "), "{}", refused.stderr);
        assert_eq!(store.sql("SELECT version FROM amx_history_ledger;"), "1\n", "{}", store.backend);
    }
}

#[test]
fn a_store_that_was_left_half_made_is_finished_by_migrate() {
    for store in Store::all() {
        let home = Home::new();
        home.on(&store, &["migrate", "--target", "1"]).ok();
        store.sql(match store.backend {
            "mysql" => {
                "DELETE FROM amx_history_ledger; DROP TABLE amx_history_results; ALTER TABLE amx_history_runs ADD created_by LONGTEXT, ADD hostname LONGTEXT;"
            }
            _ => {
                "DELETE FROM amx_history_ledger; DROP INDEX ix_amx_history_results_target; ALTER TABLE amx_history_runs ADD created_by TEXT;
                  ALTER TABLE amx_history_runs ADD hostname TEXT;"
            }
        });
        home.on(&store, &["migrate"]).ok();
        let left: Vec<_> = diff(&store).0.into_iter().filter(|drift| drift["class"] != "compatible").collect();
        assert_eq!(left, Vec::<Value>::new(), "{}", store.backend);
    }
}
