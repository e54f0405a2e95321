//! `dump-ddl`: what a DBA is handed, and what it makes of a real engine.

mod common;
mod lint;
use amx_schema::dialect::Backend;
use common::{HISTORY, Home, Store, ran, snapshot};

/// What the first line calls each backend.
const NAMES: [(&str, &str); 9] = [
    ("postgresql", "PostgreSQL"),
    ("mysql", "MySQL"),
    ("sqlserver", "SQL Server"),
    ("oracle", "Oracle"),
    ("snowflake", "Snowflake"),
    ("bigquery", "BigQuery"),
    ("databricks", "Databricks"),
    ("redshift", "Redshift"),
    ("sqlite", "SQLite"),
];

fn dump(args: &[&str]) -> String {
    Home::new().run(&[&["dump-ddl"], args].concat()).ok()
}

#[test]
fn the_script_of_each_dialect_is_as_reviewed() {
    for (dialect, _) in NAMES {
        snapshot(&format!("dump-ddl.{dialect}"), &dump(&["--dialect", dialect]));
    }
}

#[test]
fn the_versioned_script_of_each_dialect_is_as_reviewed() {
    for (dialect, _) in NAMES {
        snapshot(&format!("dump-ddl.{dialect}.versioned"), &dump(&["--dialect", dialect, "--versioned"]));
    }
}

#[test]
fn the_first_line_names_the_dialect() {
    for (dialect, name) in NAMES {
        for more in [&[][..], &["--versioned"], &["--schema", "team"]] {
            let first = format!("-- AMX history-store bootstrap DDL ({name} dialect)");
            assert_eq!(dump(&[&["--dialect", dialect], more].concat()).lines().next(), Some(first.as_str()));
        }
    }
}

#[test]
fn the_same_call_gives_the_same_bytes() {
    for (dialect, _) in NAMES {
        for more in [&[][..], &["--versioned"]] {
            let args = [&["--dialect", dialect], more].concat();
            assert_eq!(dump(&args), dump(&args), "{dialect}");
        }
    }
}

#[test]
fn an_alias_gives_what_its_dialect_gives() {
    for (alias, dialect) in
        [("pg", "postgresql"), ("postgres", "postgresql"), ("mssql", "sqlserver"), ("mariadb", "mysql"), ("BigQuery", "bigquery")]
    {
        assert_eq!(dump(&["--dialect", alias]), dump(&["--dialect", dialect]), "{alias}");
    }
}

#[test]
fn it_needs_no_home_and_makes_none() {
    for (dialect, _) in NAMES {
        let home = Home::new();
        let absent = home.path("absent");
        ran(home.command(&["dump-ddl", "--dialect", dialect]).env("AMX_HOME", &absent)).ok();
        assert!(!absent.exists(), "{dialect}");
    }
}

#[test]
fn a_config_that_cannot_be_read_does_not_matter_where_the_dialect_is_given() {
    let home = Home::new();
    home.write("config.yml", "db_profiles: [\n");
    home.run(&["dump-ddl", "--dialect", "snowflake"]).ok();
    home.run(&["dump-ddl"]).fails("config_invalid", 2);
}

#[test]
fn without_a_dialect_the_active_profile_says_which() {
    let home = Home::new();
    home.write("config.yml", "db_profiles: {dw: {backend: snowflake, account: a, user: u, database: D}}\nactive_db_profile: dw\n");
    assert_eq!(home.run(&["dump-ddl"]).ok(), dump(&["--dialect", "snowflake"]));
}

#[test]
fn a_file_is_written_instead_of_stdout() {
    let home = Home::new();
    let file = home.path("store.sql");
    let written = home.run(&["dump-ddl", "--dialect", "oracle", "-o", file.to_str().unwrap()]);
    assert_eq!(written.ok(), "");
    assert_eq!(std::fs::read_to_string(file).unwrap(), dump(&["--dialect", "oracle"]));
    home.run(&["dump-ddl", "--dialect", "oracle", "-o", home.path("no/such/store.sql").to_str().unwrap()]).fails("io", 1);
}

#[test]
fn a_closed_stdout_ends_it_quietly() {
    let command = format!("'{}' dump-ddl --dialect sqlserver --versioned | head -1", env!("CARGO_BIN_EXE_amx-schema"));
    let done = ran(std::process::Command::new("bash").args(["-o", "pipefail", "-c", &command]));
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    assert_eq!(done.stdout, "-- AMX history-store bootstrap DDL (SQL Server dialect)\n");
}

#[test]
fn a_bigquery_dataset_is_made_in_the_location_that_is_given() {
    let script = dump(&["--dialect", "bigquery", "--location", "europe-west1"]);
    assert!(script.contains("\nSET @@location = 'europe-west1';\n"));
    assert!(script.contains("\nCREATE SCHEMA IF NOT EXISTS `AMX` OPTIONS (location = 'europe-west1');\n"));
    assert!(!script.contains("WARNING"));
}

#[test]
fn a_bigquery_dataset_without_a_location_is_warned_of() {
    assert!(dump(&["--dialect", "bigquery"]).contains("\n-- WARNING: no location was given"));
}

#[test]
fn a_location_that_is_none_is_refused() {
    for location in ["EU'", "EU; DROP", "EU\nx", "eu west", "`eu`", "eu\\"] {
        Home::new().run(&["dump-ddl", "--dialect", "bigquery", "--location", location]).fails("usage", 2);
    }
}

#[test]
fn backends_that_cannot_host_a_store_are_refused() {
    for backend in ["clickhouse", "duckdb", "ClickHouse"] {
        let refused = Home::new().run(&["dump-ddl", "--dialect", backend]).fails("external_history_store_unsupported", 4);
        assert_eq!(refused.stdout, "");
        let home = Home::new();
        home.write("config.yml", &format!("db_profiles: {{x: {{backend: {backend}, host: h, user: u}}}}\nactive_db_profile: x\n"));
        home.run(&["dump-ddl"]).fails("external_history_store_unsupported", 4);
    }
}

#[test]
fn a_word_that_is_no_backend_is_refused() {
    Home::new().run(&["dump-ddl", "--dialect", "access"]).fails("usage", 2);
}

#[test]
fn a_schema_name_that_is_none_is_refused_by_every_dialect() {
    let too_long = |dialect: &str| "a".repeat(dialect.parse::<Backend>().unwrap().dialect().unwrap().identifier.max + 1);
    let quotes = ["a'b", "a\"b", "a`b", "a[b]", "a]", "'", "a''b", "\\", "a\\'"];
    let others = [
        "",
        " ",
        " amx",
        "amx ",
        "a b",
        "a;b",
        "x; DROP TABLE y; --",
        "a--b",
        "a/*b",
        "a.b",
        "a-b",
        "$a",
        "1a",
        "é",
        "АМХ",
        "a\nb",
        "a\u{0}",
    ];
    for (dialect, _) in NAMES {
        let long = too_long(dialect);
        let hostile: Vec<_> = quotes.into_iter().chain(others).chain([long.as_str(), "{{ schema }}", "%s", "${x}"]).collect();
        for name in &hostile {
            let refused = dialect.parse::<Backend>().unwrap().dialect().unwrap().schema_name(name).unwrap_err();
            assert_eq!(refused.code.word(), "identifier_invalid", "{dialect}: {name:?}");
        }
        for name in ["a'b", "x; DROP TABLE y; --", "a b", "", &long] {
            let refused = Home::new().run(&["dump-ddl", "--dialect", dialect, "--schema", name]).fails("identifier_invalid", 2);
            assert_eq!(refused.stdout, "", "{dialect}: {name:?}");
            assert!(refused.stderr.lines().all(|line| line.len() < 300), "{}", refused.stderr);
        }
    }
}

#[test]
fn a_name_of_two_hundred_characters_is_refused_where_the_engine_takes_less() {
    let name = "a".repeat(200);
    for (dialect, max) in [("postgresql", 63), ("mysql", 64), ("sqlserver", 128), ("oracle", 128), ("redshift", 127)] {
        let refused = Home::new().run(&["dump-ddl", "--dialect", dialect, "--schema", &name]).fails("identifier_invalid", 2);
        assert!(refused.stderr.contains(&max.to_string()), "{}", refused.stderr);
        dump(&["--dialect", dialect, "--schema", &name[..max]]);
    }
}

#[test]
fn reserved_words_and_the_engines_own_schemas_are_refused() {
    let refused = [
        ("postgresql", ["select", "User", "pg_catalog", "pg_temp", "information_schema"]),
        ("mysql", ["select", "Rank", "mysql", "performance_schema", "sys"]),
        ("sqlserver", ["select", "User", "sys", "db_owner", "INFORMATION_SCHEMA"]),
        ("oracle", ["select", "Level", "SYS", "system", "XDB"]),
        ("snowflake", ["select", "Account", "ILIKE", "qualify", "INFORMATION_SCHEMA"]),
        ("bigquery", ["select", "Hash", "QUALIFY", "rows", "INFORMATION_SCHEMA"]),
        ("databricks", ["anti", "Minus", "USING", "builtin", "INFORMATION_SCHEMA"]),
        ("redshift", ["select", "Tag", "SNAPSHOT", "pg_internal", "catalog_history"]),
        ("sqlite", ["select", "Table", "INDEX", "order", "sqlite_master"]),
    ];
    for (dialect, names) in refused {
        for name in names {
            Home::new().run(&["dump-ddl", "--dialect", dialect, "--schema", name]).fails("identifier_invalid", 2);
        }
    }
}

#[test]
fn a_schema_name_is_folded_as_the_engine_folds_it_and_then_quoted() {
    let folded = [
        ("postgresql", "\"team_1\"."),
        ("mysql", "`Team_1`."),
        ("sqlserver", "[Team_1]."),
        ("oracle", "\"TEAM_1\"."),
        ("snowflake", "\"TEAM_1\"."),
        ("bigquery", "`Team_1`."),
        ("databricks", "`team_1`."),
        ("redshift", "\"team_1\"."),
    ];
    for (dialect, written) in folded {
        let script = dump(&["--dialect", dialect, "--schema", "Team_1"]);
        assert!(script.contains(written), "{dialect}");
        assert!(
            !script.contains("AMX\"") && !script.contains("amx\"") && !script.contains("[AMX]") && !script.contains("`AMX`"),
            "{dialect}"
        );
    }
    assert!(!dump(&["--dialect", "sqlite", "--schema", "Team_1"]).contains("Team_1"));
}

#[test]
fn every_statement_of_a_script_can_be_told_from_the_next() {
    for (dialect, _) in NAMES {
        let backend = dialect.parse().unwrap();
        for more in [&[][..], &["--versioned"]] {
            let script = dump(&[&["--dialect", dialect], more].concat());
            let statements = lint::statements(backend, &script).unwrap();
            assert!(statements.len() > 7, "{dialect}: {}", statements.len());
            for statement in statements {
                assert!(!statement.contains("\n\n"), "{dialect}: two statements in one:\n{statement}");
            }
        }
    }
}

#[test]
fn privileges_are_comments_and_give_nobody_more_than_they_need() {
    for (dialect, _) in NAMES {
        let script = dump(&["--dialect", dialect]);
        let grants: Vec<_> = script.lines().filter(|line| line.contains("GRANT ")).collect();
        assert_eq!(grants.is_empty(), dialect == "sqlite", "{dialect}");
        for grant in grants {
            assert!(grant.starts_with("-- GRANT "), "{grant}");
            assert!(!grant.contains("DELETE") && !grant.contains("ALL") && !grant.contains("CREATE"), "{grant}");
        }
    }
}

/// A script run as a DBA runs it.
#[track_caller]
fn run_squashed(store: &Store) {
    store.sql(&dump(&["--dialect", store.backend, "--schema", &store.schema]));
}

#[track_caller]
fn assert_up_to_date(store: &Store) {
    let home = Home::new();
    home.on(store, &["migrate", "--check"]).ok();
    assert!(home.on(store, &["status"]).ok().contains("up to date"), "{}", store.backend);
    assert_eq!(home.on(store, &["status", "--json"]).json()["pending_migrations"], 0);
    assert_eq!(home.on(store, &["migrate", "--json"]).json()["applied"].as_array().map(Vec::len), Some(0));
}

#[test]
fn after_the_script_the_store_is_up_to_date() {
    for store in Store::all() {
        run_squashed(&store);
        assert_up_to_date(&store);
    }
}

#[test]
fn the_script_can_be_run_twice() {
    for store in Store::all() {
        run_squashed(&store);
        let ledger = store.sql("SELECT * FROM amx_history_ledger;");
        run_squashed(&store);
        assert_eq!(store.sql("SELECT * FROM amx_history_ledger;"), ledger, "{}", store.backend);
        assert_up_to_date(&store);
    }
}

#[test]
fn after_the_versioned_script_on_an_empty_store_it_is_up_to_date() {
    for store in Store::all() {
        store.sql(&dump(&["--dialect", store.backend, "--schema", &store.schema, "--versioned"]));
        assert_up_to_date(&store);
    }
}

#[test]
fn a_store_that_the_script_made_can_be_used() {
    for store in Store::all() {
        run_squashed(&store);
        let home = Home::with_history(HISTORY);
        assert_eq!(home.import(&store, &[])["runs_imported"], 15, "{}", store.backend);
        assert_eq!(home.hashes(&store).len(), 15);
    }
}

#[test]
fn the_script_leaves_a_store_that_is_up_to_date_as_it_is() {
    for store in Store::all() {
        let home = Home::with_history(HISTORY);
        home.migrated(&store);
        home.import(&store, &[]);
        let (catalog, hashes) = (catalog(&store), home.hashes(&store));
        run_squashed(&store);
        assert_eq!(self::catalog(&store), catalog, "{}", store.backend);
        assert_eq!(home.hashes(&store), hashes);
    }
}

#[test]
fn the_catalog_is_the_one_that_migrate_makes() {
    for (by_script, by_migrate) in Store::all().into_iter().zip(Store::all()) {
        run_squashed(&by_script);
        Home::new().migrated(&by_migrate);
        assert_eq!(catalog(&by_script), catalog(&by_migrate), "{}", by_script.backend);
    }
}

#[test]
fn the_catalog_of_the_versioned_script_is_the_one_that_migrate_makes() {
    for (by_script, by_migrate) in Store::all().into_iter().zip(Store::all()) {
        by_script.sql(&dump(&["--dialect", by_script.backend, "--schema", &by_script.schema, "--versioned"]));
        Home::new().migrated(&by_migrate);
        assert_eq!(catalog(&by_script), catalog(&by_migrate), "{}", by_script.backend);
    }
}

/// What an engine's catalog says of a store, with the schema's own name left out.
fn catalog(store: &Store) -> String {
    let queries: &[&str] = match store.backend {
        "postgresql" => &[
            "SELECT table_name, ordinal_position, column_name, data_type, character_maximum_length, datetime_precision, collation_name,
                is_nullable, column_default FROM information_schema.columns WHERE table_schema = 'SCHEMA' ORDER BY 1, 2",
            "SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'SCHEMA'::regnamespace ORDER BY 1, 2",
            "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'SCHEMA' ORDER BY 1, 2",
            "SELECT c.relname, d.objsubid, d.description FROM pg_description d JOIN pg_class c ON c.oid = d.objoid
                WHERE c.relnamespace = 'SCHEMA'::regnamespace ORDER BY 1, 2",
        ],
        "mysql" => &[
            "SELECT table_name, engine, row_format, table_collation, table_comment FROM information_schema.tables WHERE table_schema = 'SCHEMA' ORDER BY 1",
            "SELECT table_name, ordinal_position, column_name, column_type, is_nullable, collation_name, column_default, column_comment
                FROM information_schema.columns WHERE table_schema = 'SCHEMA' ORDER BY 1, 2",
            "SELECT table_name, index_name, seq_in_index, column_name, non_unique, collation, sub_part FROM information_schema.statistics
                WHERE table_schema = 'SCHEMA' ORDER BY 1, 2, 3",
            "SELECT table_name, constraint_name, column_name, ordinal_position, referenced_table_name, referenced_column_name
                FROM information_schema.key_column_usage WHERE table_schema = 'SCHEMA' ORDER BY 1, 2, 4",
        ],
        _ => &[
            "SELECT t.name, c.cid, c.name, c.type, c.\"notnull\", c.dflt_value, c.pk FROM sqlite_master t, pragma_table_info(t.name) c
                WHERE t.type = 'table' ORDER BY 1, 2",
            "SELECT t.name, i.name, i.\"unique\", i.origin, c.seqno, c.name FROM sqlite_master t, pragma_index_list(t.name) i, pragma_index_info(i.name) c
                WHERE t.type = 'table' ORDER BY 1, 2, 5",
            "SELECT t.name, f.* FROM sqlite_master t, pragma_foreign_key_list(t.name) f WHERE t.type = 'table' ORDER BY 1, 2",
        ],
    };
    let schema = if store.backend == "postgresql" { store.schema.to_lowercase() } else { store.schema.clone() };
    let said: String = queries.iter().map(|query| store.sql(&format!("{};", query.replace("SCHEMA", &schema)))).collect();
    assert!(said.lines().count() > 40, "{said}");
    common::of_the_model(&said.replace(&schema, "SCHEMA"))
}

/// Runs each statement of the script by itself, as a shell does that goes on after an error. Says how many failed.
fn run_on_and_on(store: &Store) -> usize {
    let script = dump(&["--dialect", store.backend, "--schema", &store.schema]);
    let statements = lint::statements(store.backend.parse().unwrap(), &script).unwrap();
    statements.iter().filter(|statement| store.shell(&format!("{statement};")).code != 0).count()
}

/// A store at V1 with one run and one result.
fn first_version(store: &Store) -> Home {
    let home = Home::new();
    home.on(store, &["migrate", "--target", "1"]).ok();
    let applied = if store.backend == "postgresql" { "FALSE" } else { "0" };
    store.sql(&format!(
        "INSERT INTO amx_history_runs (run_id, who, started_at, scope, llm_provider, llm_model, db_backend, state)
            VALUES ('run_1', 'alice', '2026-01-02 03:04:05', 's', 'p', 'm', 'b', 'applied');
         INSERT INTO amx_history_results (run_id, target_qname, target_kind, confidence, applied) VALUES ('run_1', 's.t', 'TABLE', 'high', {applied});"
    ));
    home
}

#[test]
fn no_version_is_claimed_on_a_store_that_lacks_its_columns() {
    for (store, other) in Store::all().into_iter().zip(Store::all()) {
        let home = first_version(&store);
        assert!(run_on_and_on(&store) > 0, "{}", store.backend);
        home.on(&store, &["migrate", "--check"]).fails("pending_migrations", 3);
        home.on(&store, &["migrate"]).ok();
        assert_up_to_date(&store);
        assert_eq!(store.sql("SELECT created_by, origin, writer, landing FROM amx_history_runs;"), "alice\tv1\tv1\t1\n");
        home.migrated(&other);
        assert_eq!(catalog(&store), catalog(&other), "{}: the script left something behind", store.backend);
    }
}

#[test]
fn a_script_that_ends_at_the_first_error_on_an_older_store_does_no_harm() {
    for store in Store::all() {
        let home = first_version(&store);
        store.shell(&dump(&["--dialect", store.backend, "--schema", &store.schema]));
        home.on(&store, &["migrate", "--check"]).fails("pending_migrations", 3);
        home.on(&store, &["migrate"]).ok();
        assert_up_to_date(&store);
    }
}

#[test]
fn no_version_is_claimed_while_rows_of_an_older_one_are_not_filled() {
    for store in Store::all() {
        let home = first_version(&store);
        // As a migration leaves it that was killed before its backfill, where DDL is not transactional.
        let dialect = store.backend.parse::<Backend>().unwrap();
        let versioned = dump(&["--dialect", store.backend, "--schema", &store.schema, "--versioned"]);
        for statement in lint::statements(dialect, &versioned).unwrap() {
            if !statement.starts_with("UPDATE") && !statement.starts_with("INSERT") {
                store.shell(&format!("{statement};"));
            }
        }
        home.on(&store, &["migrate", "--check"]).fails("pending_migrations", 3);
        run_squashed(&store);
        home.on(&store, &["migrate"]).ok();
        assert_up_to_date(&store);
        assert_eq!(
            store.sql("SELECT created_by, origin, writer, landing FROM amx_history_runs;"),
            "alice\tv1\tv1\t1\n",
            "{}",
            store.backend
        );
        assert_eq!(store.sql("SELECT origin, writer, landing FROM amx_history_results;"), "v1\tv1\t1\n", "{}", store.backend);
        assert_eq!(store.sql("SELECT origin, landed, epoch FROM amx_history_origins;"), "v1\t1\tv1\n", "{}", store.backend);
    }
}

#[test]
fn no_version_is_claimed_where_an_index_is_missing() {
    for store in Store::all() {
        run_squashed(&store);
        let table = if store.backend == "mysql" { " ON amx_history_runs" } else { "" };
        store.sql(&format!("DROP INDEX ix_amx_history_runs_landing{table}; DELETE FROM amx_history_ledger WHERE version = 2;"));
        let script = dump(&["--dialect", store.backend, "--schema", &store.schema]);
        let statements = lint::statements(store.backend.parse().unwrap(), &script).unwrap();
        for row in statements.iter().filter(|statement| statement.starts_with("INSERT INTO")) {
            store.sql(&format!("{row};"));
        }
        let home = Home::new();
        home.on(&store, &["migrate", "--check"]).fails("pending_migrations", 3);
        home.on(&store, &["migrate"]).ok();
        assert_up_to_date(&store);
    }
}

#[test]
fn the_privileges_of_the_script_are_enough_to_write_and_to_read() {
    for store in Store::all().into_iter().filter(|store| store.backend != "sqlite") {
        run_squashed(&store);
        let names = ["member", "reader"].map(|role| format!("{role}_{}", store.schema.to_lowercase()));
        let script = dump(&["--dialect", store.backend, "--schema", &store.schema]);
        let (_, section) = script.split_once("\n-- Privileges: ").unwrap();
        let grants: Vec<_> = section.lines().skip(1).map(|line| line.trim_start_matches("-- ")).collect();
        let grants = grants.join("\n").replace("<member>", &names[0]).replace("<reader>", &names[1]);
        let (make, drop) = match store.backend {
            "postgresql" => ("CREATE ROLE NAME LOGIN PASSWORD 'pass';", "DROP OWNED BY NAME CASCADE; DROP ROLE NAME;"),
            _ => ("CREATE USER NAME IDENTIFIED BY 'pass'; GRANT SELECT ON analytics.* TO NAME;", "DROP USER NAME;"),
        };
        names.iter().for_each(|name| std::mem::drop(store.sql(&make.replace("NAME", name))));
        store.sql(&grants);
        let runs = |name: &str, args: &[&str]| {
            let mut url = url::Url::parse(&store.url).unwrap();
            url.set_username(name).unwrap();
            url.set_password(Some("pass")).unwrap();
            Home::with_history(HISTORY).run(&[args, &["--url", url.as_str(), "--schema", &store.schema]].concat())
        };
        let said = [
            runs(&names[1], &["migrate", "--check"]),
            runs(&names[1], &["status"]),
            runs(&names[1], &["migrate-from-local", "--yes"]),
            runs(&names[0], &["migrate", "--check"]),
            runs(&names[0], &["migrate-from-local", "--yes"]),
            runs(&names[1], &["history", "list"]),
        ];
        names.iter().for_each(|name| std::mem::drop(store.shell(&drop.replace("NAME", name))));
        let codes = said.iter().map(|ran| ran.code).collect::<Vec<_>>();
        assert_eq!(codes, [0, 0, 6, 0, 0, 0], "{}: {said:#?}", store.backend);
    }
}
