//! The rows of the trouble tables of the documents that no other suite holds, against the real servers: what the program says, and that doing
//! what it says helps. `docs/troubleshooting.md` lists all of them.

mod common;
use common::files::edit;
use common::role::Role;
use common::team::{Line, answers, member, member_by, result, run, state, words};
use common::terminal::Terminal;
use common::{HISTORY, Home, Ran, Store};
use std::time::{Duration, Instant};

const AT: &str = "2026-05-03T15:44:02.123456Z";

fn servers() -> Vec<Store> {
    [Store::postgresql(), Store::mysql()].into_iter().flatten().collect()
}

/// What a hint tells to run, for that user.
#[track_caller]
fn hinted(ran: &Ran, role: &Role<'_>) -> String {
    let told = ran.stderr.split_once("have the DBA run: ").and_then(|(_, rest)| rest.lines().next());
    told.unwrap_or_else(|| panic!("no statements: {}", ran.stderr)).replace("<user>", role.name())
}

/// A home whose config has the store as the profile `prod-pg`, not enabled.
fn newcomer(store: &Store) -> Home {
    let home = Home::new();
    home.run(&["profile", "add", "prod-pg", "--from-url", &store.url]).ok();
    home
}

// --- enable

#[test]
fn who_may_not_create_a_schema_is_told_what_the_dba_does_and_enables_after_it() {
    for store in servers() {
        let role = Role::without_rights(&store);
        store.absent();
        let home = Home::new();
        let enable = |home: &Home| home.run(&["enable", "--yes", "--url", &role.url(), "--schema", &store.schema]);
        let refused = enable(&home).fails("permission_denied", 6);
        let create = format!("CREATE SCHEMA {};", store.schema);
        assert!(refused.stderr.contains(&create) && refused.stderr.contains("amx-schema dump-ddl"), "{}", refused.stderr);
        // The DBA does, without more rights for the user than to make tables there.
        store.sql(&match store.backend {
            "postgresql" => format!("{create} GRANT USAGE, CREATE ON SCHEMA {} TO {};", store.schema, role.name()),
            _ => format!(
                "{create} GRANT SELECT, INSERT, UPDATE, CREATE, ALTER, INDEX, REFERENCES ON `{}`.* TO {}; -- CREATE DATABASE",
                store.schema,
                role.name()
            ),
        });
        enable(&home).ok();
        home.recorded(&[run("run_1", AT)]);
        assert_eq!(store.counts(), (1, 0), "{}", store.backend);
    }
}

#[test]
fn who_may_not_create_tables_in_a_schema_that_is_there_is_told_both_ways_on() {
    let Some(store) = Store::postgresql() else { return };
    let role = Role::without_rights(&store);
    store.sql(&format!("CREATE SCHEMA {0}; GRANT USAGE ON SCHEMA {0} TO {1};", store.schema, role.name()));
    let enable = |home: &Home| home.run(&["enable", "--yes", "--url", &role.url(), "--schema", &store.schema]);
    let refused = enable(&Home::new()).fails("permission_denied", 6);
    assert!(refused.stderr.contains("let this user create tables") && refused.stderr.contains("dump-ddl"), "{}", refused.stderr);
    store.sql(&Home::new().run(&["dump-ddl", "--dialect", "postgresql", "--schema", &store.schema]).ok());
    role.grant("SELECT, INSERT, UPDATE");
    assert!(enable(&Home::new()).ok().contains("History store now points at"));
}

#[test]
fn a_backend_that_cannot_host_a_store_is_refused_with_the_reason_and_another_to_pick() {
    let home = Home::new();
    home.write("config.yml", "db_profiles: {c: {backend: clickhouse, host: h}, d: {backend: duckdb, path: x}}\n");
    for name in ["c", "d"] {
        let refused = home.run(&["enable", "--profile", name, "--yes"]).fails("external_history_store_unsupported", 4);
        assert!(refused.stderr.contains("does not update single rows in a transaction"), "{}", refused.stderr);
        assert!(
            refused.stderr.contains("hint: pick a profile on another backend; PostgreSQL is the recommended host"),
            "{}",
            refused.stderr
        );
    }
}

// --- who sees what

#[test]
fn a_machine_whose_store_is_disabled_says_so_and_sees_its_own_file() {
    let store = Store::sqlite();
    let (lead, other) = (member(&store), member(&store));
    lead.recorded(&[run("run_1", AT), result("run_1", "first")]);
    other.pulled();
    other.run(&["disable"]).ok();
    lead.recorded(&[result("run_1", "second")]);
    let description = |home: &Home| home.run(&["history", "show", "run_1", "--json"]).json()["results"][0]["description"].clone();
    assert_eq!((description(&lead), description(&other)), ("second".into(), "first".into()));
    let shown = |home: &Home| home.run(&["config", "show"]).ok();
    assert!(shown(&lead).contains("history_store_enabled: true\n") && shown(&other).contains("history_store_enabled: false\n"));
    assert_eq!(other.run(&["status", "--json"]).json()["active_store"], "file");
    assert!(other.run(&["status"]).ok().starts_with("History store: disabled (per-user local file in "));
    other.run(&["enable"]).ok();
    assert_eq!(description(&other), "second");
}

#[test]
fn a_config_that_says_enabled_meanwhile_counts_in_the_same_shell() {
    let Some(store) = Store::postgresql() else { return };
    let lead = member(&store);
    lead.recorded(&[run("run_of_the_lead", AT)]);
    let home = newcomer(&store);
    home.recorded(&[run("run_of_my_own", AT)]);
    let mut terminal = Terminal::start(&home, &["shell"]);
    terminal.command("/history list").shows("run_of_my_own").asks("> ");
    assert!(!terminal.screen().contains("run_of_the_lead"));
    let enabled = format!("history_store_enabled: true\nhistory_store_profile: prod-pg\nhistory_store_schema: {}\n", store.schema);
    home.write("config.yml", &(home.read("config.yml") + &enabled));
    terminal.command("/config reload").shows(&format!("✓ config.yml was read again. History store: {}.amx_history_* in ", store.schema));
    terminal.command("/history list").shows("run_of_the_lead").asks("> ");
    terminal.command("/exit");
    assert_eq!(terminal.ends().0, 0);
}

#[test]
fn a_schema_name_in_another_case_is_the_same_store_or_is_told() {
    for store in servers() {
        let (lead, mate) = (Home::new(), Home::new());
        let lower = store.schema.to_lowercase();
        let enable = |home: &Home, schema: &str| home.run(&["enable", "--yes", "--url", &store.url, "--schema", schema]);
        enable(&lead, &lower).ok();
        lead.recorded(&[run("run_1", AT)]);
        let other = enable(&mate, &store.schema);
        match store.backend {
            "postgresql" => {
                other.ok();
                assert!(mate.run(&["history", "list"]).ok().contains("run_1"));
            }
            _ => {
                let told = other.fails("schema_case", 2);
                assert!(told.stderr.contains(&format!("use --schema {lower}")), "{}", told.stderr);
                enable(&mate, &lower).ok();
                assert!(mate.run(&["history", "list"]).ok().contains("run_1"));
                store.sql(&format!("DROP DATABASE `{lower}`; -- CREATE DATABASE"));
            }
        }
    }
}

#[test]
fn one_person_under_two_names_is_shown_under_both_until_amx_user_is_set() {
    let store = Store::sqlite();
    let (laptop, desktop) = (member(&store), member(&store));
    let record = |home: &Home, who: Option<&str>, run_id: &str| {
        let mut command = home.command(&["record"]);
        match who {
            Some(who) => command.env("AMX_USER", who),
            None => command.env_remove("AMX_USER"),
        };
        common::run_with(&mut command, &format!("{}\n{}\n", run(run_id, AT), result(run_id, "d"))).ok();
    };
    record(&laptop, Some("alice@acme.com"), "run_1");
    record(&desktop, None, "run_2");
    let login = desktop.run(&["history", "show", "run_2", "--json"]).json()["run"]["who"].as_str().unwrap().to_string();
    let listed = laptop.run(&["history", "list"]).ok();
    assert!(listed.contains("alice@acme.com") && listed.contains(&login), "{listed}");
    let compared = laptop.run(&["history", "compare", "run_1", "run_2"]).ok();
    assert!(compared.contains("alice (") && compared.contains(&format!("{login} (")), "{compared}");
    record(&desktop, Some("alice@acme.com"), "run_3");
    assert_eq!(laptop.run(&["history", "list", "--who", "alice@acme.com", "--json"]).json().as_array().unwrap().len(), 2);
}

// --- rights

#[test]
fn who_may_only_read_is_told_the_grants_and_they_suffice() {
    for store in servers() {
        member(&store).recorded(&[run("run_1", AT)]);
        let role = Role::without_rights(&store);
        role.grant("SELECT");
        let home = member_by(&store, &role.url());
        home.pulled();
        let recorded = home.record(&[run("run_2", AT), result("run_2", "d"), state("run_1", "reviewed")], &[]);
        assert_eq!((recorded.code, words(&answers(&recorded), "shared")), (0, vec!["queued"; 3]), "{}", recorded.stderr);
        let warned = recorded.stderr.contains("warning: the database user may not write to the store: ");
        assert!(warned && recorded.stderr.contains("denied") && recorded.stderr.contains("queued"), "{}", recorded.stderr);
        let flushed = home.run(&["flush-pending"]).fails("permission_denied", 6);
        store.sql(&hinted(&flushed, &role));
        assert_eq!((home.flushed()["flushed"].as_u64(), store.counts()), (Some(3), (2, 1)), "{}", store.backend);
    }
}

#[test]
fn who_may_only_read_is_told_the_same_grants_by_an_import() {
    for store in servers() {
        Home::new().migrated(&store);
        let role = Role::without_rights(&store);
        role.grant("SELECT");
        let home = Home::with_history(HISTORY);
        let import = || home.run(&["migrate-from-local", "--yes", "--url", &role.url(), "--schema", &store.schema]);
        let refused = import().fails("permission_denied", 6);
        store.sql(&hinted(&refused, &role));
        import().ok();
        assert_eq!(store.counts(), (15, 210), "{}", store.backend);
    }
}

#[test]
fn who_may_not_even_read_is_told_the_grants_of_a_reader() {
    let Some(store) = Store::postgresql() else { return };
    let home = Home::new();
    home.migrated(&store);
    let role = Role::without_rights(&store);
    // Without the schema's own right an engine hides its tables.
    store.sql(&format!("GRANT USAGE ON SCHEMA {} TO {};", store.schema, role.name()));
    let list = || home.run(&["history", "list", "--url", &role.url(), "--schema", &store.schema]);
    let refused = list().fails("permission_denied", 6);
    assert!(!refused.stderr.contains("INSERT"), "{}", refused.stderr);
    store.sql(&hinted(&refused, &role));
    list().ok();
}

// --- a store that is slow, and one that is away

#[test]
fn statistics_that_are_stale_are_named_in_status_with_what_to_run() {
    let Some(store) = Store::postgresql() else { return };
    let home = member(&store);
    let stale = || home.run(&["status", "--json"]).json()["stale_statistics"].as_array().unwrap().len();
    assert_eq!(stale(), 0);
    store.sql(
        "ALTER TABLE amx_history_runs SET (autovacuum_enabled = false); ALTER TABLE amx_history_results SET (autovacuum_enabled = false);
         INSERT INTO amx_history_runs (run_id, who, started_at, scope, llm_provider, llm_model, db_backend, state)
         SELECT 'run_' || n, 'ann', now(), 's', 'p', 'm', 'b', 'reviewed' FROM generate_series(1, 2000) n;
         INSERT INTO amx_history_results (run_id, target_qname, target_kind, confidence, applied)
         SELECT 'run_' || n, 's.t', 'TABLE', 'high', false FROM generate_series(1, 2000) n;",
    );
    // The server counts what changed a moment later.
    let started = Instant::now();
    while stale() < 2 && started.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(100));
    }
    let status = home.run(&["status"]).ok();
    let line = status.lines().find(|line| line.starts_with("Statistics:")).unwrap_or_else(|| panic!("{status}"));
    let (_, analyze) = line.split_once("run ").unwrap();
    assert_eq!(analyze.matches("ANALYZE ").count(), 2, "{line}");
    store.sql(analyze);
    while stale() > 0 && started.elapsed() < Duration::from_secs(40) {
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(!home.run(&["status"]).ok().contains("Statistics:"));
}

#[test]
fn an_outbox_that_climbs_is_shown_with_its_age_its_last_failure_and_what_drains_it() {
    for store in servers() {
        let line = Line::to(&store);
        let home = line.member();
        home.recorded(&[run("run_1", AT)]);
        for depth in 1..=3 {
            line.while_down(|| home.recorded(&[result("run_1", &format!("text {depth}"))]));
            let status = home.run(&["status", "--json"]).json();
            assert_eq!(status["outbox_depth"], depth, "{}: {status}", store.backend);
        }
        edit(
            &home.file(),
            "UPDATE local_outbox SET queued_at = '2026-01-01T00:00:00.000000Z' WHERE id = (SELECT min(id) FROM local_outbox)",
        );
        let status = home.run(&["status"]).ok();
        for part in
            ["Outbox:        3 queued, the oldest ", "last tried ", "Last failure:  the database cannot be reached", "flush-pending"]
        {
            assert!(status.contains(part), "{}: no {part:?}: {status}", store.backend);
        }
        home.run(&["flush-pending"]).ok();
        let status = home.run(&["status"]).ok();
        assert!(status.contains("Outbox:        0 queued") && !status.contains("flush-pending"), "{}: {status}", store.backend);
    }
}

#[test]
fn a_bad_row_that_stops_its_run_is_named_with_the_flag_that_leaves_it_out() {
    let Some(store) = Store::postgresql() else { return };
    let home = Home::with_history(common::EXTREME);
    home.migrated(&store);
    let first = home.on(&store, &["migrate-from-local", "--yes"]).fails("rows_failed", 1);
    assert!(first.stderr.contains("run again with --skip-errors"), "{}", first.stderr);
    let (runs, _) = store.counts();
    let second = home.on(&store, &["migrate-from-local", "--yes", "--skip-errors"]).fails("rows_failed", 1);
    assert!(second.stderr.contains("(row ") && store.counts().0 > runs, "{}", second.stderr);
}
