//! `inspect` on every real engine.

mod common;
use common::role::Role;
use common::{HISTORY, Home, Store};
use serde_json::Value;

fn table<'a>(inspected: &'a Value, name: &str) -> &'a Value {
    let tables = inspected["tables"].as_array().unwrap();
    tables.iter().find(|table| table["name"] == name).unwrap_or_else(|| panic!("no {name} in {inspected:#}"))
}

#[test]
fn the_store_s_schema_stands_under_the_name_that_the_user_gave_it() {
    for store in Store::all() {
        let home = Home::with_history(HISTORY);
        home.migrated(&store);
        home.import(&store, &[]);
        let inspected = home.on(&store, &["inspect", "--json"]).json();
        let own: Vec<&Value> = inspected["schemas"].as_array().unwrap().iter().filter(|schema| schema["store"] == true).collect();
        assert_eq!((own.len(), &own[0]["name"]), (1, &store.schema.as_str().into()), "{}", store.backend);
        assert_eq!(own[0]["tables"].as_u64().unwrap() as usize, inspected["tables"].as_array().unwrap().len());
        let (runs, results) = (table(&inspected, "amx_history_runs"), table(&inspected, "amx_history_results"));
        assert_eq!((&runs["kind"], &runs["rows"]), (&"table".into(), &15.into()), "{}", store.backend);
        assert_eq!(
            results["rows"].as_i64().unwrap(),
            store.sql("SELECT count(*) FROM amx_history_results;").trim().parse::<i64>().unwrap()
        );
        let first = &runs["columns"][0];
        assert_eq!((&first["name"], &first["null"]), (&"run_id".into(), &false.into()), "{}", store.backend);
    }
}

#[test]
fn other_schemas_are_listed_and_the_engine_s_own_are_not() {
    for store in [Store::postgresql(), Store::mysql()].into_iter().flatten() {
        let other = if store.backend == "mysql" { Store::mysql() } else { Store::postgresql() }.unwrap();
        let home = Home::new();
        home.migrated(&other);
        let inspected = home.on(&store, &["inspect", "--json"]).json();
        let names: Vec<&str> = inspected["schemas"].as_array().unwrap().iter().map(|schema| schema["name"].as_str().unwrap()).collect();
        assert!(names.iter().any(|name| name.eq_ignore_ascii_case(&other.schema)), "{names:?}");
        assert!(!names.iter().any(|name| ["pg_catalog", "information_schema", "mysql", "sys", "performance_schema"].contains(name)));
        assert_eq!(inspected["tables"], serde_json::json!([]));
        assert!(home.on(&store, &["inspect"]).ok().contains(&format!("{} here yet", store.schema)));
    }
}

#[test]
fn names_that_other_programs_gave_are_counted_as_they_are() {
    for (store, quote) in
        [(Store::sqlite(), '"')].into_iter().chain(Store::postgresql().map(|s| (s, '"'))).chain(Store::mysql().map(|s| (s, '`')))
    {
        let home = Home::new();
        home.migrated(&store);
        let name = format!("Odd {quote}{quote} 'name'");
        store.sql(&format!("CREATE TABLE {quote}{name}{quote} (a INT); INSERT INTO {quote}{name}{quote} VALUES (1), (2);"));
        let inspected = home.on(&store, &["inspect", "--json"]).json();
        assert_eq!(table(&inspected, &format!("Odd {quote} 'name'"))["rows"], 2, "{}", store.backend);
    }
}

#[test]
fn tables_that_this_user_may_not_read_are_listed_without_a_count() {
    for store in [Store::postgresql(), Store::mysql()].into_iter().flatten() {
        let home = Home::new();
        home.migrated(&store);
        let role = Role::without_rights(&store);
        role.grant("INSERT");
        let inspected = home.run(&["inspect", "--json", "--url", &role.url(), "--schema", &store.schema]).json();
        let runs = table(&inspected, "amx_history_runs");
        assert_eq!(runs["rows"], Value::Null, "{}", store.backend);
        assert_eq!(runs["columns"][0]["name"], "run_id", "{}", store.backend);
    }
}

#[test]
fn a_view_without_its_table_does_no_harm() {
    let (store, home) = (Store::sqlite(), Home::new());
    home.migrated(&store);
    store.sql("CREATE VIEW broken AS SELECT * FROM nowhere;");
    assert_eq!(table(&home.on(&store, &["inspect", "--json"]).json(), "broken")["kind"], "view");
}

#[test]
fn inspect_answers_on_a_store_with_pending_migrations_and_changes_nothing() {
    for store in Store::all() {
        let home = Home::new();
        home.on(&store, &["migrate", "--target", "1"]).ok();
        home.on(&store, &["inspect"]).ok();
        home.on(&store, &["migrate", "--check"]).fails("pending_migrations", 3);
    }
    let (store, home) = (Store::sqlite(), Home::new());
    home.on(&store, &["inspect"]).fails("store_missing", 2);
    assert!(!std::path::Path::new(store.url.trim_start_matches("sqlite://")).exists());
}

#[test]
fn what_a_person_sees() {
    let (store, home) = (Store::sqlite(), Home::with_history(HISTORY));
    home.migrated(&store);
    home.import(&store, &[]);
    let said = home.on(&store, &["inspect"]).ok().replace(store.url.trim_start_matches("sqlite://"), "shared.db");
    insta::with_settings!({ snapshot_path => "../snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("inspect.sqlite", said);
    });
}
