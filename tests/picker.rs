//! What `amx-schema` asks at a terminal: the chooser, the menu, and the wizard of a new profile.

mod common;
use common::terminal::{CTRL_C, ENTER, ESCAPE, Terminal};
use common::{HISTORY, Home, Store, snapshot};

/// The three profiles of the documents.
const PROFILES: &str = "db_profiles:
  default: {backend: postgresql, host: localhost, user: u, database: postgres}
  prod-pg: {backend: postgresql, host: db-prod.eu-west-1.rds.amazonaws.com, user: u, database: analytics}
  dev-snowflake: {backend: snowflake, account: xy12345.eu-west-1, user: u, database: DEV}
active_db_profile: default
";

fn steady(home: &Home, screen: &str) -> String {
    screen.replace(&home.dir.path().display().to_string(), "HOME")
}

fn with_config(config: &str) -> Home {
    let home = Home::new();
    home.write("config.yml", config);
    home
}

/// A home whose enabled store is a SQLite file in it.
fn enabled() -> Home {
    let home = Home::with_history(HISTORY);
    home.write("config.yml", "db_profiles: {team: {backend: sqlite, path: shared.db}}\nactive_db_profile: team\n");
    home.run(&["enable", "--yes"]).ok();
    home
}

// --- the chooser

#[test]
fn the_chooser_is_as_the_documents_show_it() {
    let home = with_config(PROFILES);
    let mut terminal = Terminal::start(&home, &[]);
    terminal.asks("> ").line("2");
    terminal.asks("Schema name for the audit table (default: AMX): ").line("AMX");
    let (status, screen) = terminal.ends();
    assert_eq!(status, 0, "{screen}");
    snapshot("picker.choose", &steady(&home, &screen));
    let added = "history_store_enabled: false\nhistory_store_profile: prod-pg\nhistory_store_schema: AMX\n";
    assert_eq!(home.read("config.yml").strip_prefix(PROFILES), Some(added));
}

#[test]
fn enter_alone_takes_the_default_schema_and_a_wrong_answer_is_asked_again() {
    let home = with_config(PROFILES);
    let mut terminal = Terminal::start(&home, &[]);
    terminal
        .asks("> ")
        .line("seven")
        .shows("give a number from 1 to 3")
        .asks("> ")
        .line("7")
        .shows("give a number from 1 to 3")
        .asks("> ")
        .line("1");
    terminal.asks("Schema name for the audit table (default: AMX): ").line("no-name").shows("cannot be a schema name");
    terminal.asks("Schema name for the audit table (default: AMX): ").keys(ENTER);
    let (status, screen) = terminal.ends();
    assert!(status == 0 && screen.contains("✓ Will create AMX.amx_history_runs / amx_history_results in localhost/postgres"), "{screen}");
}

#[test]
fn a_backend_that_cannot_host_a_store_is_refused() {
    let home = with_config("db_profiles: {lake: {backend: duckdb, path: x}}\n");
    let mut terminal = Terminal::start(&home, &[]);
    terminal.asks("> ").line("1");
    let (status, screen) = terminal.ends();
    assert!(status == 4 && screen.contains("error[external_history_store_unsupported]"), "{status}: {screen}");
    assert!(!home.read("config.yml").contains("history_store"));
}

#[test]
fn a_member_gives_a_command_instead_of_a_number() {
    let (lead, store) = (Home::new(), Store::sqlite());
    lead.migrated(&store);
    let home = with_config(&format!("db_profiles: {{prod-pg: {{backend: sqlite, path: {}}}}}\n", &store.url["sqlite://".len()..]));
    let mut terminal = Terminal::start(&home, &["shell"]);
    terminal.asks("> ").line("/history-store").shows("[1] prod-pg").asks("> ");
    terminal.line("/history-store enable --profile prod-pg --schema AMX").shows("✓ History store now points at: ").asks("> ");
    terminal.line("/disable").asks("Proceed? [y/N]: ").line("y").shows("✓ History store disabled.").asks("> ");
    terminal.line("/history-store").shows("[1] prod-pg").asks("> ").line("/run sales").shows("that is AMX's own command").asks("> ");
    terminal.line("/history-store").shows("[1] prod-pg").asks("> ").line("/history show x").shows("error[run_unknown]").asks("> ");
    terminal.line("/exit");
    assert_eq!(terminal.ends().0, 0);
}

#[test]
fn enter_alone_leaves_the_chooser_with_nothing_changed() {
    let home = with_config(PROFILES);
    let mut terminal = Terminal::start(&home, &[]);
    terminal.asks("> ").keys(ENTER);
    let (status, screen) = terminal.ends();
    assert!(status == 0 && screen.contains("Nothing was changed."), "{screen}");
    assert_eq!(home.read("config.yml"), PROFILES);
}

#[test]
fn an_interrupted_choice_changes_nothing() {
    let home = with_config(PROFILES);
    let mut terminal = Terminal::start(&home, &["shell"]);
    terminal.asks("> ").line("/history-store").shows("[3]").asks("> ");
    terminal.keys(CTRL_C).shows("error[interrupted]").asks("> ").line("/exit");
    assert_eq!((terminal.ends().0, home.read("config.yml")), (0, PROFILES.into()));
}

#[test]
fn ctrl_c_at_a_question_ends_in_interrupted() {
    let home = with_config(PROFILES);
    let mut terminal = Terminal::start(&home, &[]);
    terminal.asks("> ").keys(CTRL_C);
    let (status, screen) = terminal.ends();
    assert!(status == 130 && screen.contains("error[interrupted]"), "{status}: {screen}");
    let home = enabled();
    let mut terminal = Terminal::start(&home, &["disable"]);
    terminal.asks("Proceed? [y/N]: ").keys(CTRL_C);
    let (status, screen) = terminal.ends();
    assert!(status == 130 && screen.contains("error[interrupted]"), "{status}: {screen}");
    assert!(home.read("config.yml").contains("history_store_enabled: true"));
}

#[test]
fn without_a_profile_the_way_to_one_is_named() {
    let (status, screen) = Terminal::start(&Home::new(), &[]).ends();
    assert!(status == 2 && screen.contains("/add-db-profile"), "{screen}");
}

#[test]
fn what_was_chosen_is_enabled_and_only_that() {
    for store in [Some(Store::sqlite()), Store::postgresql(), Store::mysql()].into_iter().flatten() {
        let home = with_config("db_profiles: {mine: {backend: sqlite, path: mine.db}}\nactive_db_profile: mine\n");
        home.run(&["profile", "add", "team", "--from-url", &store.url]).ok();
        let mut terminal = Terminal::start(&home, &["shell"]);
        terminal.asks("> ").line("/history-store").shows("[2] team").asks("> ").line("2");
        if store.backend != "sqlite" {
            terminal.asks("Schema name for the audit table (default: AMX): ").line(&store.schema);
        }
        terminal.shows("✓ Will create").asks("> ");
        // Everything but enable goes to the active profile still.
        assert!(home.run(&["dump-ddl"]).ok().contains("(SQLite dialect)"));
        terminal.line("/history-store enable").asks("Proceed? [y/N]: ").line("y").shows("✓ History store enabled.").asks("> ");
        terminal.line("/exit");
        let (ended, screen) = terminal.ends();
        assert_eq!(ended, 0);
        if store.backend == "postgresql" {
            let place = url::Url::parse(&store.url).unwrap();
            let place = format!("{}:{}{}", place.host_str().unwrap(), place.port().unwrap(), place.path());
            let screen = steady(&home, &screen).replace(&place, "PLACE").replace(&store.schema, "AMX");
            snapshot("picker.enable", &screen.replace(&store.schema.to_lowercase(), "amx"));
        }
        let status = home.run(&["status", "--json"]).json();
        assert_eq!((&status["active_store"], &status["profile"], &status["shared_runs"]), (&"shared".into(), &"team".into(), &0.into()));
        assert!(!home.path("mine.db").exists());
    }
}

// --- the menu

#[test]
fn the_menu_begins_with_status_and_enter_shows_it() {
    let home = enabled();
    let mut terminal = Terminal::start(&home, &[]);
    terminal.choose("Status");
    let (status, screen) = terminal.ends();
    assert_eq!(status, 0);
    snapshot("picker.status", &steady(&home, &screen));
}

#[test]
fn escape_leaves_the_menu_with_nothing_done() {
    let home = enabled();
    let before = home.read("config.yml");
    let mut terminal = Terminal::start(&home, &[]);
    terminal.offers("What to do:").keys(ESCAPE);
    let (status, _) = terminal.ends();
    assert_eq!((status, home.read("config.yml")), (0, before));
}

#[test]
fn disable_is_asked_for_and_no_is_the_default() {
    for (answer, then) in [("", "true"), ("y", "false")] {
        let home = enabled();
        let mut terminal = Terminal::start(&home, &[]);
        terminal.choose("Disable");
        terminal.asks("Proceed? [y/N]: ").line(answer);
        assert_eq!(terminal.ends().0, 0);
        assert!(home.read("config.yml").contains(&format!("history_store_enabled: {then}")));
    }
}

#[test]
fn ddl_is_asked_for_where_the_store_is_there() {
    for (answer, written) in [("n", false), ("y", true)] {
        let home = enabled();
        let mut terminal = Terminal::start(&home, &[]);
        terminal.choose("Dump DDL");
        terminal.asks("amx_history_* is there already. Write its DDL all the same? [y/N]: ").line(answer);
        let (status, screen) = terminal.ends();
        assert_eq!((status, screen.contains("CREATE TABLE")), (0, written), "{screen}");
    }
    let home = enabled();
    std::fs::remove_file(home.path("shared.db")).unwrap();
    home.write("shared.db", "");
    let mut terminal = Terminal::start(&home, &[]);
    terminal.choose("Dump DDL");
    let (status, screen) = terminal.ends();
    assert!(status == 0 && screen.contains("CREATE TABLE") && !screen.contains("all the same"), "{screen}");
}

#[test]
fn migrate_from_local_asks_as_the_typed_command_does() {
    let home = enabled();
    let mut terminal = Terminal::start(&home, &[]);
    terminal.choose("Migrate from local");
    terminal.shows("Found 15 runs in").offers("[y/N]:").line("y");
    let (status, screen) = terminal.ends();
    assert!(status == 0 && screen.contains("15 runs imported"), "{screen}");
}

#[test]
fn queued_writes_are_flushed_dropped_or_left_as_one_says() {
    let home = enabled();
    let file = rusqlite::Connection::open(home.path("amx-schema.db")).unwrap();
    file.execute(
        "INSERT INTO local_outbox (run_id, item, body, queued_at) VALUES ('run_1', 'run_1.run', '{}', '2026-01-01T00:00:00Z')",
        [],
    )
    .unwrap();
    let mut terminal = Terminal::start(&home, &[]);
    terminal.choose("Flush pending");
    terminal.shows("  Drop").offers("What to do with the queued write:").keys(ENTER);
    let (status, screen) = terminal.ends();
    assert_eq!(status, 0);
    snapshot("picker.flush-left", &steady(&home, &screen));
    let queued: i64 = file.query_row("SELECT count(*) FROM local_outbox", [], |row| row.get(0)).unwrap();
    assert_eq!(queued, 1);
}

#[test]
fn a_named_database_or_json_is_answered_with_the_status_and_no_question() {
    let home = enabled();
    for args in [&["--json"][..], &["--profile", "team"]] {
        let (status, screen) = Terminal::start(&home, args).ends();
        assert!(status == 0 && !screen.contains("What to do"), "{screen}");
    }
}

// --- a new profile

#[test]
fn the_wizard_asks_for_each_field_and_hides_the_password() {
    let Some(store) = Store::postgresql() else { return };
    let url = url::Url::parse(&store.url).unwrap();
    let home = Home::new();
    let mut terminal = Terminal::start(&home, &["shell"]);
    terminal
        .asks("> ")
        .line("/add-db-profile")
        .choose("postgresql")
        .asks("Database host (e.g. db.example.com): ")
        .line(url.host_str().unwrap());
    terminal.asks("Port [5432]: ").line(&url.port().unwrap().to_string());
    terminal.asks("User: ").line(url.username());
    terminal.asks("Password: ").line(url.password().unwrap_or("x"));
    terminal.asks("Database: ").line(url.path().trim_start_matches('/'));
    terminal.offers("TLS mode:").keys(ENTER);
    terminal.asks("File of the authority's certificates (Enter: the operating system's): ").keys(ENTER);
    terminal.asks("Profile name [default]: ").line("prod-pg");
    terminal.asks("Test the connection now? [y/N]: ").line("y").shows("answers.").asks("> ");
    terminal.line("/db-profiles").asks("> ").line("/exit");
    let (status, screen) = terminal.ends();
    assert_eq!(status, 0);
    assert!(!screen.contains(&format!(" {}", url.password().unwrap_or("x"))), "{screen}");
    let place = format!("{}:{}{}", url.host_str().unwrap(), url.port().unwrap(), url.path());
    let steady = steady(&home, &screen)
        .replace(&place, "PLACE")
        .replace(&format!("Port: {}", url.port().unwrap()), "Port: PORT")
        .replace(&format!("Database: {}", url.path().trim_start_matches('/')), "Database: NAME")
        .replace(&format!("User: {}", url.username()), "User: USER");
    snapshot("profile.wizard", &steady);
}

#[test]
fn the_wizard_writes_the_fields_of_the_backend() {
    let home = Home::new();
    let mut terminal = Terminal::start(&home, &["profile", "add"]);
    terminal.choose("sqlite").asks("File (e.g. /srv/shared.db): ").keys(ENTER).shows("this is needed");
    terminal.asks("File (e.g. /srv/shared.db): ").line("shared.db");
    terminal.asks("Profile name [default]: ").keys(ENTER);
    terminal.asks("Test the connection now? [y/N]: ").keys(ENTER);
    assert_eq!(terminal.ends().0, 0);
    assert_eq!(home.read("config.yml"), "db_profiles:\n  default:\n    backend: sqlite\n    path: shared.db\n");
}

#[test]
fn a_name_that_was_given_is_not_asked_for_and_must_be_free() {
    let home = with_config("db_profiles: {here: {backend: sqlite, path: a.db}}\n");
    let (status, screen) = Terminal::start(&home, &["profile", "add", "here"]).ends();
    assert!(status == 2 && screen.contains("there is a profile `here` already"), "{screen}");
    let mut terminal = Terminal::start(&home, &["profile", "add", "team"]);
    terminal.choose("snowflake").asks("Account (e.g. xy12345.eu-west-1): ").line("xy12345.eu-west-1");
    terminal.asks("User: ").line("u").asks("Password: ").keys(ENTER).asks("File of the private key: ").line("~/key.p8");
    terminal.asks("Database: ").line("DEV").asks("Warehouse: ").keys(ENTER).asks("Role: ").keys(ENTER);
    terminal.asks("Test the connection now? [y/N]: ").line("y");
    let (status, screen) = terminal.ends();
    assert!(status == 2 && screen.contains("error[config_invalid]") && screen.contains("key.p8"), "{screen}");
    assert!(home.run(&["profile", "list"]).ok().contains("xy12345.eu-west-1/DEV"));
}

#[test]
fn an_interrupted_wizard_adds_nothing() {
    let home = Home::new();
    let mut terminal = Terminal::start(&home, &["profile", "add"]);
    terminal.choose("postgresql").asks("Database host (e.g. db.example.com): ").keys(CTRL_C);
    let (status, screen) = terminal.ends();
    assert!(status == 130 && screen.contains("error[interrupted]"), "{status}: {screen}");
    assert!(!home.path("config.yml").exists());
}

#[test]
fn without_a_terminal_the_wizard_names_what_to_give() {
    Home::new().run(&["profile", "add"]).fails("usage", 2);
    Home::new().run(&["profile", "add", "x"]).fails("usage", 2);
}
