//! `docs/schema` says what `--json` writes: each command runs for real, on every real engine, and its document is held against its schema.
//!
//! That alone would not show that a schema is narrow. So each schema must refuse what was changed in a document, and may allow nothing that
//! no command here has written.

mod common;
use common::files::{Part, add_own_run, add_result, add_run, amx_cli, edit, empty_amx_cli, own};
use common::keyring::{self, Keyring};
use common::team::{answers, result, run, state};
use common::{HISTORY, Home, Ran, Store};
use futures_util::FutureExt;
use jsonschema::Validator;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// Every command with the schemas of what it writes with `--json`, or why it has none.
const COMMANDS: &[(&str, Result<&[&str], &str>)] = &[
    ("completions", Err("a script for a shell")),
    ("config show", Ok(&["config-show"])),
    ("diff", Ok(&["diff"])),
    ("disable", Ok(&["disable"])),
    ("dump-ddl", Ok(&["dump-ddl"])),
    ("enable", Ok(&["enable"])),
    ("flush-pending", Ok(&["flush-pending"])),
    ("generate", Ok(&["generate"])),
    ("history compare", Ok(&["history-compare"])),
    ("history export", Ok(&["history-export", "history-export-file"])),
    ("history list", Ok(&["history-list"])),
    ("history show", Ok(&["history-show"])),
    ("history sync", Ok(&["history-sync"])),
    ("inspect", Ok(&["inspect"])),
    ("man", Err("a page for man")),
    ("migrate", Ok(&["migrate", "migrate-dry-run"])),
    ("migrate lock release", Ok(&["migrate-lock"])),
    ("migrate lock status", Ok(&["migrate-lock"])),
    ("migrate undo", Ok(&["migrate-undo", "migrate-dry-run"])),
    ("migrate-from-local", Ok(&["migrate-from-local"])),
    ("profile add", Ok(&["profile-add"])),
    ("profile list", Ok(&["profile-list"])),
    ("profile remove", Ok(&["profile-remove"])),
    ("profile test", Ok(&["profile-test"])),
    ("profile to-keyring", Ok(&["profile-to-keyring"])),
    ("pull-from-shared", Ok(&["pull-from-shared"])),
    ("record", Ok(&["record"])),
    ("session list", Ok(&["session-list"])),
    ("session new", Ok(&["session-new"])),
    ("session resume", Ok(&["session-show"])),
    ("session show", Ok(&["session-show"])),
    ("shell", Err("the documents of the commands that it runs")),
    ("status", Ok(&["status"])),
    ("verify", Ok(&["verify"])),
];

/// The one of what every command writes to stderr.
const ERROR: &str = "error";

/// The schemas of `docs/schema`, by name.
static SCHEMAS: LazyLock<BTreeMap<String, (Value, Validator)>> = LazyLock::new(|| {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let json = files.filter(|path| path.extension().is_some_and(|ending| ending == "json"));
    let read = |path: PathBuf| {
        let schema: Value =
            serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let validator = jsonschema::draft202012::options().should_validate_formats(true).build(&schema);
        let validator = validator.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path.file_stem().unwrap().to_str().unwrap().to_string(), (schema, validator))
    };
    json.map(read).collect()
});

/// What the commands wrote on SQLite, which is always there.
static ON_SQLITE: LazyLock<Seen> = LazyLock::new(|| {
    let mut seen = Seen::default();
    without_a_store(&mut seen);
    sessions_are_kept(&mut seen);
    on_a_store(&mut seen, &Store::sqlite());
    on_a_keyring(&mut seen);
    seen
});

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema")
}

/// The documents that commands wrote.
#[derive(Default)]
struct Seen {
    documents: Vec<Document>,
}

struct Document {
    schema: &'static str,
    /// The call that wrote it.
    call: String,
    value: Value,
}

impl Seen {
    /// Runs a command with `--json`, requires its exit status, and keeps what it wrote.
    #[track_caller]
    fn run(&mut self, schema: &'static str, exit: i32, home: &Home, args: &[&str]) -> Value {
        let ran = home.run(&[args, &["--json"]].concat());
        let call = format!("{args:?}");
        self.keep_error(exit, &ran, &call);
        let value = ran.json();
        self.documents.push(Document { schema, call, value: value.clone() });
        value
    }

    /// The same on a store by its URL.
    #[track_caller]
    fn on(&mut self, schema: &'static str, exit: i32, home: &Home, store: &Store, args: &[&str]) -> Value {
        self.run(schema, exit, home, &[args, &["--url", &store.url, "--schema", &store.schema]].concat())
    }

    /// Records lines with `--json`, and keeps each answer.
    #[track_caller]
    fn record(&mut self, exit: i32, home: &Home, lines: &[String], more: &[&str]) -> Vec<Value> {
        let ran = home.record(lines, &[more, &["--json"]].concat());
        let call = format!("record {lines:?}");
        self.keep_error(exit, &ran, &call);
        let answers = answers(&ran);
        self.documents.extend(answers.iter().map(|value| Document { schema: "record", call: call.clone(), value: value.clone() }));
        answers
    }

    /// Runs a command that ends before it has a result, and keeps its error.
    #[track_caller]
    fn refused(&mut self, exit: i32, home: &Home, args: &[&str]) {
        let ran = home.run(&[args, &["--json"]].concat());
        assert_eq!(ran.stdout, "", "{args:?}");
        self.keep_error(exit, &ran, &format!("{args:?}"));
    }

    #[track_caller]
    fn keep_error(&mut self, exit: i32, ran: &Ran, call: &str) {
        assert_eq!(ran.code, exit, "{call}: {}\n{}", ran.stdout, ran.stderr);
        if exit != 0 {
            let value = serde_json::from_str(ran.stderr.lines().last().unwrap()).unwrap();
            self.documents.push(Document { schema: ERROR, call: call.into(), value });
        }
    }

    #[track_caller]
    fn hold(&self) {
        for Document { schema, call, value } in &self.documents {
            let (_, validator) = &SCHEMAS[*schema];
            let wrong: Vec<String> = validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
            assert!(wrong.is_empty(), "{call} does not write what {schema}.json says:\n{}\n{value:#}", wrong.join("\n"));
        }
    }
}

// --- what the commands write

/// The commands that need no store.
fn without_a_store(seen: &mut Seen) {
    let home = Home::new();
    seen.run("status", 0, &home, &[]);
    seen.run("status", 0, &home, &["status"]);
    seen.run("config-show", 0, &home, &["config", "show"]);
    seen.run("profile-list", 0, &home, &["profile", "list"]);
    home.write("empty.db", "");
    seen.run("inspect", 0, &home, &["inspect", "--url", &format!("sqlite://{}", home.path("empty.db").display())]);
    seen.run("disable", 0, &home, &["disable"]);
    seen.run("history-list", 0, &home, &["history", "list"]);
    seen.refused(2, &home, &["history", "show", "run_1"]);
    seen.refused(2, &home, &["migrate"]);
    seen.refused(2, &home, &["frobnicate"]);
    for backend in amx_schema::dialect::Backend::ALL {
        seen.run("dump-ddl", 0, &home, &["dump-ddl", "--dialect", backend.word()]);
        seen.run("dump-ddl", 0, &home, &["dump-ddl", "--dialect", backend.word(), "--versioned", "--schema", "Team_1"]);
    }
    let file = home.path("store.sql").display().to_string();
    seen.run("dump-ddl", 0, &home, &["dump-ddl", "--dialect", "oracle", "-o", &file]);

    home.write(
        "config.yml",
        "active_db_profile: s\ndb_profiles: {s: {backend: snowflake, account: a, user: u, password: geheim}, o: {backend: oracle, host: h, service_name: x}, c: {backend: clickhouse, host: h}, bad: {backend: abacus}}\n",
    );
    seen.run("config-show", 0, &home, &["config", "show"]);
    seen.run("profile-list", 0, &home, &["profile", "list"]);
    seen.refused(4, &home, &["enable", "--yes", "--profile", "c"]);
    seen.run("dump-ddl", 0, &home, &["dump-ddl"]);

    let dir = home.path("migrations");
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations"), &dir);
    let dir = dir.display().to_string();
    seen.run("generate", 0, &home, &["generate", "--check", "--dir", &dir]);
    // Oracle's files are not released, so that one may be made again.
    std::fs::remove_file(home.path("migrations/oracle/V2__sharing.sql")).unwrap();
    seen.refused(3, &home, &["generate", "--check", "--dir", &dir]);
    seen.run("generate", 0, &home, &["generate", "--dir", &dir]);
    let model = home.read("migrations/model.yaml").replace("One AMX run per row.", "One run of AMX per row.");
    home.write("migrations/model.yaml", &model);
    seen.refused(2, &home, &["generate", "--dir", &dir]);
    seen.run("generate", 0, &home, &["generate", "--dir", &dir, "--name", "clearer"]);
}

fn sessions_are_kept(seen: &mut Seen) {
    seen.run("session-list", 0, &Home::new(), &["session", "list"]);
    let home = Home::with_history(HISTORY);
    home.write("config.yml", "active_db_profile: prod-pg\ndb_profiles: {prod-pg: {host: h}}\n");
    seen.run("session-new", 0, &home, &["session", "new"]);
    seen.run("session-new", 0, &home, &["session", "new", "--title", "Orders"]);
    seen.run("session-show", 0, &home, &["session", "resume", "1"]);
    seen.run("session-show", 0, &home, &["session", "resume", "a4"]);
    seen.run("session-show", 0, &home, &["session", "show", "--id", "a1"]);
    seen.refused(2, &home, &["session", "resume", "a2"]);
    seen.refused(2, &home, &["session", "show", "--id", "9"]);
    // What an older AMX, or a broken one, leaves out.
    edit(
        &home.path("history.db"),
        "DROP INDEX idx_chat_sessions_profile_active; ALTER TABLE chat_sessions DROP COLUMN db_profile;
         UPDATE chat_sessions SET started_at = 'x', last_active_at = 'x'; UPDATE chat_turns SET turn_index = 'x', role = x'00', created_at = 'x'",
    );
    seen.run("session-list", 0, &home, &["session", "list"]);
    seen.run("session-show", 0, &home, &["session", "show", "--id", "a1"]);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        match entry.path().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => drop(std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
        }
    }
}

/// A store from nothing to one in use.
fn on_a_store(seen: &mut Seen, store: &Store) {
    a_store_is_made(seen, store);
    a_lock_is_held(seen, store);
    runs_are_copied(seen, store);
    histories_are_read(seen, store);
    runs_are_recorded(seen, store);
    a_store_is_enabled(seen, store);
    a_store_differs(seen, store);
    a_store_is_out_of_reach(seen);
}

fn a_store_is_made(seen: &mut Seen, store: &Store) {
    let home = Home::with_history(HISTORY);
    seen.on("migrate", 3, &home, store, &["migrate", "--check"]);
    seen.on("migrate-dry-run", 0, &home, store, &["migrate", "--dry-run"]);
    seen.on("status", 0, &home, store, &["status"]);
    seen.refused(2, &home, &["diff", "--url", &store.url, "--schema", &store.schema]);
    seen.on("migrate", 0, &home, store, &["migrate", "--target", "1"]);
    seen.on("migrate-dry-run", 0, &home, store, &["migrate", "undo", "--dry-run"]);
    seen.on("migrate-undo", 0, &home, store, &["migrate", "undo"]);
    seen.on("migrate", 0, &home, store, &["migrate", "--target", "1"]);
    seen.on("migrate", 3, &home, store, &["migrate", "--check"]);
    seen.on("migrate-dry-run", 0, &home, store, &["migrate", "--dry-run"]);
    seen.on("status", 0, &home, store, &["status"]);
    seen.on("diff", 0, &home, store, &["diff"]);
    seen.refused(3, &home, &["migrate-from-local", "--yes", "--url", &store.url, "--schema", &store.schema]);
    seen.on("migrate", 0, &home, store, &["migrate"]);
    seen.on("migrate", 0, &home, store, &["migrate"]);
    seen.on("migrate", 0, &home, store, &["migrate", "--check"]);
    seen.on("migrate", 0, &home, store, &["migrate", "--baseline", "2"]);
    let none = seen.on("migrate-dry-run", 0, &home, store, &["migrate", "--dry-run"]);
    assert_eq!(none, json!([]));
    seen.on("diff", 0, &home, store, &["diff"]);
    seen.on("status", 0, &home, store, &["status"]);
    seen.on("history-list", 0, &home, store, &["history", "list"]);
}

fn a_lock_is_held(seen: &mut Seen, store: &Store) {
    let home = Home::new();
    seen.on("migrate-lock", 0, &home, store, &["migrate", "lock", "status"]);
    store.sql("UPDATE amx_history_lock SET who = 'ann', hostname = 'laptop', pid = 7, since = '2026-11-21T10:00:00Z', fence = fence + 1;");
    let profile = amx_schema::profile::Profile::from_url(&store.url).unwrap();
    let schema = profile.backend.dialect().unwrap().schema_name(&store.schema).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let connecting =
        amx_schema::driver::connect(&profile, home.dir.path(), amx_schema::driver::Access::Write, amx_schema::driver::unheard());
    let mut holder = runtime.block_on(connecting).unwrap();
    assert!(runtime.block_on(holder.try_lock(&format!("{}.amx_history", schema.folded))).unwrap());
    let held = seen.on("migrate-lock", 0, &home, store, &["migrate", "lock", "status"]);
    assert_eq!((&held["held"], &held["holder"]["who"]), (&true.into(), &"ann".into()), "{}", store.backend);
    if store.backend != "sqlite" {
        // The writer of a file keeps the row to itself.
        seen.on("migrate-lock", 0, &home, store, &["migrate", "lock", "release"]);
    }
    runtime.block_on(holder.close().boxed());
    seen.on("migrate-lock", 0, &home, store, &["migrate", "lock", "release"]);
}

fn runs_are_copied(seen: &mut Seen, store: &Store) {
    const IMPORT: [&str; 2] = ["migrate-from-local", "--yes"];
    seen.on("migrate-from-local", 0, &Home::new(), store, &IMPORT);
    let home = Home::with_history(HISTORY);
    seen.on("migrate-from-local", 0, &home, store, &["migrate-from-local", "--dry-run"]);
    seen.on("verify", 3, &home, store, &["verify"]);
    seen.on("migrate-from-local", 0, &home, store, &IMPORT);
    seen.on("verify", 0, &home, store, &["verify", "--repair"]);
    seen.on("verify", 0, &Home::new(), store, &["verify"]);
    seen.on("migrate-from-local", 0, &home, store, &IMPORT);

    // Rows that cannot be stored: a run, a result with an id, and one without.
    let (file, installation) = own(home.dir.path());
    for run_id in ["run_bad_1", "run_bad_2", "run_good"] {
        add_own_run(&file, &installation, run_id, "2026-02-01T08:00:00.000000Z");
    }
    edit(
        &file,
        "UPDATE amx_history_runs SET who = 'a' || char(0) WHERE run_id = 'run_bad_1';
         UPDATE amx_history_results SET confidence = 'sure' WHERE run_id = 'run_bad_2';",
    );
    let bad = seen.on("migrate-from-local", 1, &home, store, &IMPORT);
    assert!(bad["failures"].as_array().unwrap().len() > 1, "{bad}");
    seen.on("migrate-from-local", 1, &home, store, &[&IMPORT[..], &["--skip-errors"]].concat());

    // Two homes whose runs have one id and are not the same.
    let [first, second] = [0.0, 3.0].map(|later| {
        let home = Home::new();
        let file = empty_amx_cli(&home.path("history.db"));
        let run = add_run(&file, Some(1_767_225_600.25 + later));
        add_result(&file, run, 0, &format!("of {later}"));
        home
    });
    seen.on("migrate-from-local", 0, &first, store, &IMPORT);
    let conflict = seen.on("migrate-from-local", 1, &second, store, &IMPORT);
    assert_eq!(conflict["conflicts"].as_array().unwrap().len(), 1, "{conflict}");
    seen.on("migrate-from-local", 0, &second, store, &[&IMPORT[..], &["--on-conflict", "skip"]].concat());
    seen.on("migrate-from-local", 0, &second, store, &[&IMPORT[..], &["--on-conflict", "rename"]].concat());
}

fn histories_are_read(seen: &mut Seen, store: &Store) {
    // What another client may leave out.
    let time = if store.backend == "sqlite" { "2026-01-01T10:00:00.000000Z" } else { "2026-01-01 10:00:00" };
    store.sql(&format!(
        "INSERT INTO amx_history_runs (run_id, who, started_at, scope, llm_provider, llm_model, db_backend, state)
         VALUES ('run_bare', 'ann', '{time}', 's', 'p', 'm', 'b', 'unknown'), ('run_bare_2', 'ann', '{time}', 's', 'p', 'm', 'b', 'running');
         INSERT INTO amx_history_results (run_id, target_qname, target_kind, confidence, applied) VALUES ('run_bare_2', 's.t', 'TABLE', 'high', '0');",
    ));
    let home = Home::with_history(HISTORY);
    let listed = seen.on("history-list", 0, &home, store, &["history", "list", "--limit", "1000"]);
    for run in listed.as_array().unwrap() {
        seen.on("history-show", 0, &home, store, &["history", "show", run["run_id"].as_str().unwrap()]);
    }
    assert!(listed.as_array().unwrap().len() > 15, "{listed}");
    let local = seen.run("history-list", 0, &home, &["history", "list"]);
    seen.run("history-show", 0, &home, &["history", "show", local[0]["run_id"].as_str().unwrap()]);
    seen.refused(2, &home, &["history", "show", "run_x", "--url", &store.url, "--schema", &store.schema]);

    for runs in [["run_2026-08-07_14-14-008", "run_2026-09-15_04-00-014"], ["run_bare", "run_bare"]] {
        seen.on("history-compare", 0, &home, store, &["history", "compare", runs[0], runs[1]]);
        seen.on("history-export", 0, &home, store, &["history", "export", runs[0], runs[1]]);
    }
    let file = home.path("out.json").display().to_string();
    seen.on("history-export-file", 0, &home, store, &["history", "export", "run_bare_2", "--all", "-o", &file]);
}

fn runs_are_recorded(seen: &mut Seen, store: &Store) {
    const AT: &str = "2026-02-01T08:00:00Z";
    let on = ["--url", &store.url, "--schema", &store.schema];
    let lines = [
        "{}".to_string(),
        run("run_r", AT),
        result("run_r", "d"),
        state("run_r", "reviewed"),
        state("run_r", "running"),
        state("run_x", "failed"),
    ];
    seen.record(1, &Home::new(), &lines, &on);
    seen.record(0, &Home::new(), &[run("run_r", AT)], &[]);

    // What waits for a store that is away is for another one here.
    let home = Home::new();
    let queued = seen.record(0, &home, &[run("run_q", AT)], &["--url", "postgresql://u@127.0.0.1:1/db"]);
    assert_eq!(queued[0]["shared"], "queued");
    seen.on("flush-pending", 1, &home, store, &["flush-pending"]);
    seen.on("history-sync", 1, &home, store, &["history", "sync"]);
    seen.on("status", 0, &home, store, &["status"]);
    seen.refused(2, &home, &["flush-pending"]);
    seen.run("flush-pending", 0, &home, &["flush-pending", "--drop", "--yes"]);
    seen.run("flush-pending", 0, &home, &["flush-pending"]);
    seen.on("history-sync", 0, &home, store, &["history", "sync"]);
    let conflict = seen.record(1, &home, &[run("run_r", "2026-02-01T09:00:00Z")], &on);
    assert_eq!(conflict[0]["shared"], "conflict");
    seen.on("flush-pending", 1, &home, store, &["flush-pending"]);
    seen.on("flush-pending", 0, &home, store, &["flush-pending", "--rename"]);
    seen.on("pull-from-shared", 0, &home, store, &["pull-from-shared"]);
    seen.on("pull-from-shared", 0, &home, store, &["pull-from-shared", "--all"]);
    seen.refused(2, &home, &["pull-from-shared"]);
}

fn a_store_is_enabled(seen: &mut Seen, store: &Store) {
    // One home makes a store of its own, another one comes to a store where teammates are.
    let other = match store.backend {
        "postgresql" => Store::postgresql().unwrap(),
        "mysql" => Store::mysql().unwrap(),
        _ => Store::sqlite(),
    };
    let home = Home::new();
    amx_cli(&home.path("history.db"), &[Part { runs: 2, results: 1, bytes: 30 }]);
    seen.refused(2, &home, &["enable", "--url", &other.url, "--schema", &other.schema]);
    let made = seen.on("enable", 0, &home, &other, &["enable", "--yes"]);
    assert_eq!((&made["created"], &made["teammates"]), (&true.into(), &json!([])));
    let found = seen.on("enable", 0, &home, store, &["enable"]);
    assert!(found["created"] == false && found["local_runs_not_shared"] != 0 && found["teammates"] != json!([]), "{found}");

    let (file, _) = own(home.dir.path());
    edit(
        &file,
        "INSERT INTO local_outbox (run_id, item, body, queued_at, last_attempt_at) VALUES ('run_1', 'run', '{}', '2026-02-01T08:00:00.000000Z',
         '2026-02-01T08:00:01.000000Z')",
    );
    let status = seen.run("status", 0, &home, &["status"]);
    assert_eq!((&status["outbox_depth"], &status["active_store"]), (&1.into(), &"shared".into()));
    seen.run("profile-list", 0, &home, &["profile", "list"]);
    seen.run("config-show", 0, &home, &["config", "show"]);
    let name = found["profile"].as_str().unwrap();
    seen.refused(2, &home, &["profile", "remove", name]);
    seen.run("disable", 0, &home, &["disable"]);
    seen.run("profile-add", 0, &home, &["profile", "add", "again", "--from-url", &store.url]);
    seen.run("profile-test", 0, &home, &["profile", "test", "again"]);
    seen.run("profile-remove", 0, &home, &["profile", "remove", "again"]);
}

/// A profile whose password is plain, then in the keyring.
fn on_a_keyring(seen: &mut Seen) {
    let Some(keyring) = Keyring::start() else { return };
    let home = Home::new();
    let add = ["profile", "add", "k", "--backend=pg", "--set=password=geheim", "--json"];
    for (schema, args) in [
        ("profile-add", &add[..]),
        ("profile-to-keyring", &["profile", "to-keyring", "k", "--json"]),
        ("profile-to-keyring", &["profile", "to-keyring", "k", "--json"]),
    ] {
        let ran = keyring.run(&home, args);
        seen.documents.push(Document { schema, call: format!("{args:?}"), value: ran.json() });
    }
    seen.refused(2, &home, &["profile", "to-keyring", "nobody"]);
}

fn a_store_differs(seen: &mut Seen, store: &Store) {
    store.sql(match store.backend {
        "mysql" => "DROP INDEX ix_amx_history_runs_landing ON amx_history_runs; ALTER TABLE amx_history_runs ADD COLUMN stage VARCHAR(9);",
        _ => "DROP INDEX ix_amx_history_runs_landing; ALTER TABLE amx_history_runs ADD COLUMN stage VARCHAR(9);",
    });
    seen.on("diff", 3, &Home::new(), store, &["diff"]);
    store.sql("CREATE VIEW busy AS SELECT who FROM amx_history_runs;");
    let inspected = seen.on("inspect", 0, &Home::new(), store, &["inspect"]);
    assert!(inspected["tables"].as_array().unwrap().iter().any(|table| table["rows"].as_i64() > Some(0)), "{inspected}");
    store.sql("DROP VIEW busy;");
    store.sql(
        "DROP TABLE amx_history_results; INSERT INTO amx_history_ledger (version, name, applied_on, checksum) VALUES (99, 'l', 'x', '1');",
    );
    seen.on("diff", 3, &Home::new(), store, &["diff"]);
    seen.on("status", 0, &Home::new(), store, &["status"]);
    seen.refused(3, &Home::new(), &["migrate", "--url", &store.url, "--schema", &store.schema]);
}

fn a_store_is_out_of_reach(seen: &mut Seen) {
    let far = "postgresql://u@127.0.0.1:1/db";
    seen.run("status", 0, &Home::new(), &["status", "--url", far]);
    seen.run("status", 5, &Home::new(), &["status", "--check", "--url", far]);
    seen.refused(5, &Home::new(), &["migrate", "--check", "--url", far]);
}

// --- the schemas

#[test]
fn what_is_written_on_sqlite_is_what_the_schemas_say() {
    ON_SQLITE.hold();
}

#[test]
fn what_is_written_on_a_server_is_what_the_schemas_say() {
    for store in [Store::postgresql(), Store::mysql()].into_iter().flatten() {
        let mut seen = Seen::default();
        on_a_store(&mut seen, &store);
        seen.hold();
    }
}

#[test]
fn every_command_has_a_schema_or_a_reason_for_none() {
    let found: BTreeSet<String> = commands(&[]).into_iter().collect();
    let known: BTreeSet<String> = COMMANDS.iter().map(|(command, _)| command.to_string()).collect();
    assert_eq!(found, known, "give a new command its schema in docs/schema and its line in COMMANDS");
    let named: BTreeSet<&str> = COMMANDS.iter().filter_map(|(_, schemas)| schemas.ok()).flatten().copied().chain([ERROR]).collect();
    assert_eq!(SCHEMAS.keys().map(String::as_str).collect::<BTreeSet<_>>(), named);
    let readme = std::fs::read_to_string(folder().join("README.md")).unwrap();
    for (command, schemas) in COMMANDS {
        assert!(readme.contains(&format!("`{command}")), "docs/schema/README.md leaves out {command}");
        for schema in schemas.iter().copied().flatten() {
            assert!(readme.contains(&format!("({schema}.json)")), "docs/schema/README.md leaves out {schema}.json");
        }
    }
}

/// The commands that do something, as `--help` lists them.
fn commands(path: &[&str]) -> Vec<String> {
    let help = Home::new().run(&[path, &["--help"]].concat()).ok();
    let mut names = vec![];
    for line in help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty()) {
        // A description that is wrapped goes on further in.
        if let Some(name) = line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')) {
            names.push(name.split_whitespace().next().unwrap().to_string());
        }
    }
    let mut found: Vec<String> = names.iter().filter(|name| *name != "help").flat_map(|name| commands(&[path, &[name]].concat())).collect();
    let alone = help.lines().any(|line| line.starts_with("Usage:") && !line.ends_with("<COMMAND>"));
    if !path.is_empty() && alone {
        found.push(path.join(" "));
    }
    found
}

#[test]
fn each_schema_is_valid_and_says_everything_of_every_key() {
    for (name, (schema, _)) in SCHEMAS.iter() {
        assert!(jsonschema::draft202012::meta::is_valid(schema), "{name}");
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{name}");
        assert_eq!(schema["$id"], format!("urn:amx-schema:{name}"));
        assert!(schema["title"].is_string() && schema["description"].is_string(), "{name}");
        strict(name, schema);
    }
}

fn strict(at: &str, node: &Value) {
    if let Some(keys) = node["properties"].as_object() {
        assert_eq!(node["additionalProperties"], false, "{at}");
        let required: Vec<&str> = node["required"].as_array().unwrap().iter().map(|key| key.as_str().unwrap()).collect();
        assert_eq!(required, keys.keys().collect::<Vec<_>>(), "{at}");
        for (key, value) in keys {
            assert!(value["description"].as_str().is_some_and(|text| text.ends_with('.')), "{at}.{key} has no description");
            assert!(!types(value).is_empty() || value.get("const").is_some(), "{at}.{key} has no type");
        }
    }
    for (step, child) in children(node) {
        strict(&format!("{at}{step}"), child);
    }
}

/// The schemas right below a schema, by their place.
fn children(node: &Value) -> Vec<(String, &Value)> {
    let mut found = vec![];
    found.extend(node["properties"].as_object().into_iter().flatten().map(|(key, child)| (format!(".{key}"), child)));
    found.extend(node.get("items").map(|child| ("[]".to_string(), child)));
    found.extend(node["oneOf"].as_array().into_iter().flatten().enumerate().map(|(at, child)| (format!("|{at}"), child)));
    found.extend(node.get("additionalProperties").filter(|child| child.is_object()).map(|child| (".*".to_string(), child)));
    found
}

fn types(node: &Value) -> Vec<&str> {
    match &node["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().map(|word| word.as_str().unwrap()).collect(),
        _ => vec![],
    }
}

#[test]
fn the_error_schema_lists_the_codes_of_this_build() {
    let listed = &SCHEMAS[ERROR].0["properties"]["error"]["properties"]["code"]["enum"];
    let codes: Vec<&str> = amx_schema::error::Code::ALL.iter().map(|code| code.word()).collect();
    assert_eq!(*listed, json!(codes));
}

#[test]
fn a_backend_of_a_schema_is_one_of_the_nine() {
    let words: Vec<&str> = amx_schema::dialect::Backend::ALL.iter().map(|backend| backend.word()).collect();
    fn walk(at: &str, node: &Value, words: &[&str]) {
        for (step, child) in children(node) {
            if [".backend", ".dialect"].contains(&step.as_str()) {
                let listed: Vec<&str> = child["enum"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
                assert_eq!(listed, words, "{at}");
            }
            walk(&format!("{at}{step}"), child, words);
        }
    }
    SCHEMAS.iter().for_each(|(name, (schema, _))| walk(name, schema, &words));
}

// --- that the schemas are narrow

#[test]
fn a_document_with_a_changed_key_or_value_is_refused() {
    let mut refused = 0;
    for Document { schema, value, .. } in &ON_SQLITE.documents {
        let validator = &SCHEMAS[*schema].1;
        // The keys of a configuration are the user's own.
        let open = *schema == "config-show";
        for (what, changed) in changes(&short(value), open) {
            assert!(!validator.is_valid(&changed), "{schema}.json takes {what}:\n{changed:#}");
            refused += 1;
        }
    }
    assert!(refused > 1000, "{refused}");
}

/// A document with no more than two items a list.
fn short(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().take(2).map(short).collect(),
        Value::Object(keys) => keys.iter().map(|(key, value)| (key.clone(), short(value))).collect::<Map<_, _>>().into(),
        other => other.clone(),
    }
}

/// A document with one key more, one less, one under another name, and one value of another type, for each key and value.
fn changes(value: &Value, open: bool) -> Vec<(String, Value)> {
    let mut found = vec![];
    match value {
        Value::Object(keys) => {
            if !open {
                let mut more = keys.clone();
                more.insert("surplus".into(), Value::Null);
                found.push(("a surplus key".into(), more.into()));
            }
            for key in keys.keys() {
                let mut less = keys.clone();
                let taken = less.shift_remove(key).unwrap();
                let mut renamed = less.clone();
                renamed.insert(format!("{key}_"), taken.clone());
                if !open {
                    found.extend([(format!("no {key}"), less.into()), (format!("{key}_ for {key}"), renamed.into())]);
                }
                for (what, changed) in changes(&taken, open) {
                    let mut with = keys.clone();
                    with[key] = changed;
                    found.push((format!("{key}: {what}"), with.into()));
                }
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                for (what, changed) in changes(item, open) {
                    let mut with = items.clone();
                    with[at] = changed;
                    found.push((format!("[{at}]: {what}"), with.into()));
                }
            }
        }
        _ => {}
    }
    // No key may hold a list of lists, and none a fraction.
    found.extend([json!([[]]), json!(0.5)].map(|other| (format!("{other} for {value}"), other)));
    found
}

#[test]
fn a_schema_allows_no_type_and_no_length_of_a_list_that_was_not_seen() {
    let mut seen: BTreeSet<(String, String)> = BTreeSet::new();
    for Document { schema, value, .. } in &ON_SQLITE.documents {
        note(schema, &SCHEMAS[*schema].0, value, &mut seen);
    }
    let mut never = vec![];
    for (name, (schema, _)) in SCHEMAS.iter() {
        allowed(name, schema, &mut |at, what| {
            if !seen.contains(&(at.to_string(), what.to_string())) {
                never.push(format!("{at} may be {what}, and never was"));
            }
        });
    }
    // Only PostgreSQL can fall behind with its statistics; tests/trouble.rs makes it.
    never.retain(|what| !what.starts_with("status.stale_statistics"));
    // Keys that are enforced keep rows from being there twice; tests/conformance holds what is written elsewhere against the schema.
    never.retain(|what| !what.starts_with("verify.duplicates"));
    if !keyring::is_there() {
        never.retain(|what| !what.starts_with("profile-to-keyring") && !what.starts_with("profile-add.secret"));
    }
    assert!(never.is_empty(), "{}", never.join("\n"));
}

fn note(at: &str, node: &Value, value: &Value, seen: &mut BTreeSet<(String, String)>) {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(items) if items.is_empty() => "empty array",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    seen.insert((at.into(), kind.into()));
    for (step, child) in children(node) {
        let at = format!("{at}{step}");
        match (step.as_str(), value) {
            ("[]", Value::Array(items)) => items.iter().for_each(|item| note(&at, child, item, seen)),
            (".*", Value::Object(keys)) => keys.values().for_each(|item| note(&at, child, item, seen)),
            (step, value) if step.starts_with('|') && jsonschema::draft202012::is_valid(child, value) => note(&at, child, value, seen),
            (step, Value::Object(keys)) => {
                if let Some(item) = keys.get(&step[1..]) {
                    note(&at, child, item, seen);
                }
            }
            _ => {}
        }
    }
}

fn allowed(at: &str, node: &Value, each: &mut impl FnMut(&str, &str)) {
    for kind in types(node) {
        each(at, kind);
        if kind == "array" {
            each(at, "empty array");
        }
    }
    for (step, child) in children(node) {
        allowed(&format!("{at}{step}"), child, each);
    }
}
