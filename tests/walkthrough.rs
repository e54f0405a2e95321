//! The three documents that the program is made after, walked through as a new user does who types their command blocks in a terminal: two
//! machines, a lead's and a member's, and a database on the real PostgreSQL. The snapshots `walk.*` are what these people see.

mod common;
use chrono::{TimeDelta, Utc};
use common::files::{edit, own};
use common::proxy::Proxy;
use common::team::{answers, result_for, run, state, with, words};
use common::terminal::{ENTER, ESCAPE, Terminal};
use common::{HISTORY, Home, Ran, Store, make_writable, ran, run_with};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

const ALICE: &str = "alice@acme.com";
const BOB: &str = "bob@acme.com";

/// A database of the walk's own, so that the schema in it can be called AMX as in the documents, behind a line that can be cut.
struct Office {
    proxy: Proxy,
    store: Store,
    admin: String,
    name: String,
}

impl Office {
    fn open() -> Option<Office> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let mut store = Store::postgresql()?;
        let name = format!("walk_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        store.sql(&format!("CREATE DATABASE {name};"));
        let mut url = url::Url::parse(&store.url).unwrap();
        url.set_path(&name);
        let admin = std::mem::replace(&mut store.url, url.to_string());
        store.schema = "AMX".into();
        Some(Office { proxy: Proxy::to(&store), store, admin, name })
    }

    /// Where the database is, by the line that can be cut.
    fn url(&self) -> url::Url {
        url::Url::parse(&self.proxy.url(&self.store)).unwrap()
    }

    fn down(&self) {
        self.proxy.cut(1, i64::MAX);
    }

    fn up(&self) {
        self.proxy.cut(1, 0);
    }

    /// What a screen shows, without what differs from run to run. The database stands under the name that the documents give it.
    fn snapshot(&self, name: &str, text: &str) {
        let (url, hostname) = (self.url(), std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap());
        let text = text
            .replace(&format!("{}:{}", url.host_str().unwrap(), url.port().unwrap()), "db-prod.eu-west-1.rds.amazonaws.com")
            .replace(&format!("host: {}\n    port: {}", url.host_str().unwrap(), url.port().unwrap()), "host: HOST\n    port: PORT")
            .replace(
                &format!("Database host (e.g. db.example.com): {}", url.host_str().unwrap()),
                "Database host (e.g. db.example.com): HOST",
            )
            .replace(&format!("Port: {}", url.port().unwrap()), "Port: PORT")
            .replace(&self.name, "analytics")
            .replace(&format!("@{})", hostname.trim()), "@HOST)")
            .replace(&format!(" on {}", hostname.trim()), " on HOST");
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("../snapshots");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.add_filter(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", "TIME");
        // A line that is cut may be found so by the one or the other.
        settings.add_filter(r"the database cannot be reached: [^;\n]+", "the database cannot be reached: CAUSE");
        settings.add_filter(r"last attempt \d+[smhd] ago", "last attempt [N] ago");
        settings.add_filter(r"(, the oldest|, last tried) (just now|\d+ \w+ ago)", "$1 [N] ago");
        settings.add_filter(r"(?m)^(started   |active    )\S.*$", "${1}TIME");
        settings.bind(|| insta::assert_snapshot!(format!("walk.{name}"), text));
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        self.store.url.clone_from(&self.admin);
        self.store.shell(&format!("DROP DATABASE {} WITH (FORCE);", self.name));
    }
}

/// Someone's machine: the home folder of a person, with `~/.amx` in it, and the password of the database in the environment.
struct Machine {
    home: Home,
    who: &'static str,
}

impl Machine {
    fn of(who: &'static str) -> Machine {
        let home = Home::new();
        std::fs::create_dir(home.path(".amx")).unwrap();
        Machine { home, who }
    }

    /// With the profiles of the documents. `prod-pg` leads to the office's database; its password is not in the file.
    fn with_profiles(self, office: &Office) -> Machine {
        let url = office.url();
        self.home.write(
            ".amx/config.yml",
            &format!(
                "db_profiles:
  default:
    backend: postgresql
    host: localhost
    database: postgres
  prod-pg:
    backend: postgresql
    host: {}
    port: {}
    user: {}
    password: env://AMX_DB_PASSWORD
    database: {}
  dev-snowflake:
    backend: snowflake
    account: xy12345.eu-west-1
    user: amx
    database: DEV
active_db_profile: prod-pg
",
                url.host_str().unwrap(),
                url.port().unwrap(),
                url.username(),
                office.name
            ),
        );
        self
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.home.command(args);
        command.env("HOME", self.home.dir.path()).env_remove("AMX_HOME");
        command.env("AMX_USER", self.who).env("AMX_DB_PASSWORD", "secret");
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        ran(&mut self.command(args))
    }

    /// What AMX does for `/run` and `/apply`: it records. Gives what became of each line.
    #[track_caller]
    fn records(&self, lines: &[String]) -> Vec<String> {
        let ran = run_with(&mut self.command(&["record"]), &lines.iter().map(|line| format!("{line}\n")).collect::<String>());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        words(&answers(&ran), "shared").into_iter().map(str::to_string).collect()
    }

    fn shell(&self) -> Terminal {
        Terminal::tall(&self.home, &self.command(&["shell"]))
    }

    /// A shell in which each of these is typed, and what it shows at the end.
    fn types(&self, commands: &[&str]) -> String {
        let mut shell = self.shell();
        for command in commands {
            shell.command(command);
        }
        ended(shell)
    }

    fn config(&self) -> String {
        self.home.read(".amx/config.yml")
    }
}

/// What a shell shows once it was left.
fn ended(mut shell: Terminal) -> String {
    shell.command("/exit");
    let (status, screen) = shell.ends();
    assert_eq!(status, 0, "{screen}");
    screen
}

/// A run that began so long ago, with the descriptions of those objects and of so many more.
fn recorded(run_id: &str, ago: TimeDelta, scope: &str, texts: &[(&str, &str)], more: usize) -> Vec<String> {
    let started_at = amx_schema::history::time_text(Utc::now() - ago);
    let begun = run(run_id, &started_at).replace(r#""scope":"sales""#, &format!(r#""scope":"{scope}""#));
    let mut lines = vec![begun];
    lines.extend(texts.iter().map(|(object, text)| result_for(run_id, object, text)));
    let row = |at: usize| {
        format!(
            r#"{{"target_qname":"{scope}.t.c{at:04}","target_kind":"COLUMN","description":"Column {at}","alternatives":[],"confidence":"high"}}"#
        )
    };
    let rows: Vec<String> = (0..more).map(row).collect();
    lines.push(format!(r#"{{"op":"results","run_id":"{run_id}","results":[{}]}}"#, rows.join(",")));
    lines.push(state(run_id, "reviewed"));
    lines
}

const NEWEST: &str = "run_2026-05-03_15-44-002";
const OF_BOB: &str = "run_2026-05-03_14-12-001";
const OLDEST: &str = "run_2026-05-03_11-08-001";

/// The three runs of the documents, of whom they are.
fn of_alice() -> Vec<String> {
    let names = [
        ("sales.customer.c_first_name", "Given name of the customer"),
        ("sales.customer.c_last_name", "Surname of the customer"),
        ("sales.customer.x_legacy_status", "Legacy status flag"),
    ];
    let mut lines = recorded(NEWEST, TimeDelta::minutes(121), "sales", &names, 1216);
    lines.extend(recorded(OLDEST, TimeDelta::minutes(421), "sales (1 t)", &[], 18));
    lines
}

fn of_bob() -> Vec<String> {
    let names = [("sales.customer.c_first_name", "First name of the customer"), ("sales.customer.c_last_name", "Surname of the customer")];
    recorded(OF_BOB, TimeDelta::minutes(241), "catalog", &names, 45)
}

/// Chooses `prod-pg` and the schema AMX, and enables them.
fn enables(shell: &mut Terminal) {
    shell.command("/history-store").shows("[3] dev-snowflake").answers("> ", "2");
    shell.answers("Schema name for the audit table (default: AMX): ", "AMX").shows("✓ Will create");
    shell.command("/history-store enable").answers("Proceed? [y/N]: ", "y").shows("✓ History store enabled.");
}

// --- "Shared history store"

#[test]
fn the_page_on_the_shared_history_store() {
    let Some(office) = Office::open() else { return };
    let (lead, mate) = (Machine::of(ALICE).with_profiles(&office), Machine::of(BOB).with_profiles(&office));
    let history = lead.home.path(".amx/history.db");
    std::fs::copy(HISTORY, &history).unwrap();
    make_writable(&history);

    // 1. Enable. What it offers next is the second step, which is declined here.
    let mut shell = lead.shell();
    enables(&mut shell);
    let question = "Found 15 runs in ~/.amx/history.db. Copy to AMX.amx_history_*? [y/N]: ";
    shell.answers(question, "n").shows("Nothing was copied.");
    office.snapshot("1-enable", &ended(shell));
    // The sample config.
    office.snapshot("config", &lead.config());

    // 2. Migrate local history; a second time there is nothing to copy.
    let mut shell = lead.shell();
    for end in ["15 runs imported.", "every run is already there"] {
        shell.command("/history-store migrate-from-local").answers(question, "y").shows(end);
    }
    office.snapshot("2-migrate-from-local", &ended(shell));

    // Verify.
    let mut shell = lead.shell();
    shell.command("/history-store status").command("/history list --limit 5");
    let screen = ended(shell);
    // These runs lie at fixed times, so that how long ago that was depends on the day.
    insta::with_settings!({ filters => vec![(r"(?m)(\d+ \w+ ago|when|just now) +", "[when]  ")] }, { office.snapshot("verify", &screen) });

    // On a second machine after enabling.
    mate.run(&["enable", "--profile", "prod-pg", "--schema", "AMX"]).ok();
    let [ours, theirs] = [&lead, &mate].map(|machine| machine.run(&["history", "list", "--json"]).ok());
    assert_eq!(ours, theirs);

    // 3. Pull teammates' rows; then they are there offline too. The lead's own are in the cache from an earlier time.
    lead.run(&["pull-from-shared"]).ok();
    mate.records(&recorded("run_2026-12-04_08-10-001", TimeDelta::hours(3), "sales", &[("sales.orders", "One row each order")], 0));
    mate.records(&recorded("run_2026-12-12_17-22-004", TimeDelta::minutes(61), "sales", &[("sales.orders", "Orders")], 0));
    office.store.sql("UPDATE amx_history_runs SET hostname = 'desktop' WHERE who LIKE 'bob%';");
    office.snapshot("3-pull-from-shared", &lead.types(&["/history-store pull-from-shared"]));
    office.down();
    let offline = lead.types(&["/history list --limit 2"]);
    office.up();
    office.snapshot("3-offline", &offline);

    // 4. Disable.
    let mut shell = lead.shell();
    shell.command("/history-store disable").answers("Proceed? [y/N]: ", "y").shows("✓ History store disabled.");
    office.snapshot("4-disable", &ended(shell));
    assert_eq!(office.store.counts().0, 17);
    lead.run(&["enable"]).ok();

    // 5. Flush the outbox.
    let (first, second) = ("run_2026-12-13_14-22-003", "run_2026-12-13_14-30-001");
    lead.records(&[recorded(first, TimeDelta::minutes(20), "sales", &[], 0).remove(0)]);
    let object = |run_id: &str, name: &str| result_for(run_id, name, "One row each");
    let second_run = recorded(second, TimeDelta::minutes(12), "sales", &[], 0);
    let lines = [
        object(first, "sales.orders"),
        state(first, "reviewed"),
        object(first, "sales.items"),
        second_run[0].clone(),
        object(second, "sales.orders"),
        state(second, "reviewed"),
        object(second, "sales.items"),
    ];
    office.down();
    assert_eq!(lead.records(&lines), ["queued"; 7]);
    let climbing = lead.types(&["/history-store status"]);
    office.up();
    office.snapshot("5-status", &climbing);
    office.snapshot("5-flush-pending", &lead.types(&["/history-store flush-pending", "/history-store flush-pending"]));

    // 6. Dump the bootstrap DDL.
    office.snapshot("6-dump-ddl", &lead.types(&["/history-store dump-ddl"]));

    // Verified: the file that was copied may go.
    let before = lead.run(&["history", "list", "--limit", "100", "--json"]).ok();
    std::fs::remove_file(&history).unwrap();
    assert_eq!(lead.run(&["history", "list", "--limit", "100", "--json"]).ok(), before);
}

#[test]
fn what_one_machine_does_the_other_sees_as_the_table_says() {
    let Some(office) = Office::open() else { return };
    let (lead, mate) = (Machine::of(ALICE).with_profiles(&office), Machine::of(BOB).with_profiles(&office));
    for machine in [&lead, &mate] {
        machine.run(&["enable", "--profile", "prod-pg", "--schema", "AMX", "--yes"]).ok();
    }
    let sees = |what: &str| mate.run(&["history", "list", "--json"]).ok().contains(what);
    let applied = || mate.run(&["history", "show", "run_1", "--json"]).ok().matches("\"applied\": true").count();
    lead.records(&[run("run_1", "2026-05-03T15:44:02.000000Z"), result_for("run_1", "sales.t", "T")]);
    assert!(sees("\"running\""), "a run is visible at once");
    lead.records(&[state("run_1", "reviewed")]);
    assert!(sees("\"reviewed\""), "and a review with the next list");
    mate.run(&["history", "sync"]).ok();
    lead.records(&[with(&state("run_1", "applied"), r#""applied":["sales.t"]"#)]);
    assert_eq!((applied(), sees("\"applied\"")), (1, true));
    let (file, _) = own(&lead.home.path(".amx"));
    edit(&file, "UPDATE amx_history_runs SET who = 'mallory'");
    assert!(!sees("mallory") && !lead.run(&["history", "list"]).ok().contains("mallory"), "a local edit never is");
}

// --- "Team setup"

#[test]
fn the_page_on_the_setup_of_a_team() {
    let Some(office) = Office::open() else { return };
    let (lead, member) = (Machine::of(ALICE).with_profiles(&office), Machine::of(BOB));
    assert_eq!(lead.records(&of_alice())[0], "disabled");

    // 1 and 2. The lead picks the host, and creates the tables; what it offers next is taken.
    let mut shell = lead.shell();
    shell.command("/db-profiles").shows("default  prod-pg  dev-snowflake");
    enables(&mut shell);
    shell.answers("Found 2 runs in ~/.amx/history.db. Copy to AMX.amx_history_*? [y/N]: ", "y").shows("2 runs imported");
    office.snapshot("team-1-lead", &ended(shell));

    // 3. The member adds the profile, and points at the lead's store. What it offers next is taken, too.
    let url = office.url();
    let mut shell = member.shell();
    shell.command("/add-db-profile").choose("postgresql");
    shell.answers("Database host (e.g. db.example.com): ", url.host_str().unwrap());
    shell.answers("Port [5432]: ", &url.port().unwrap().to_string()).answers("User: ", url.username());
    shell.answers("Password: ", url.password().unwrap()).answers("Database: ", &office.name);
    shell.offers("TLS mode:").keys(ENTER);
    shell.asks("File of the authority's certificates (Enter: the operating system's): ").keys(ENTER);
    shell.answers("Profile name [default]: ", "prod-pg").answers("Test the connection now? [y/N]: ", "y").shows("answers.");
    office.snapshot("team-2-member-profile", &ended(shell));
    member.records(&of_bob());
    let mut shell = member.shell();
    shell.command("/history-store").shows("[1] prod-pg");
    shell.command("/history-store enable --profile prod-pg --schema AMX").shows("✓ History store now points at");
    shell.answers("Pull what is there (2 runs) into the local cache? [y/N]: ", "y").shows("2 rows added");
    shell.answers("Found 1 run in ~/.amx/history.db. Copy to AMX.amx_history_*? [y/N]: ", "y").shows("1 run imported");
    let screen = ended(shell);
    office.snapshot("team-3-member", &screen);
    for machine in [&lead, &member] {
        let keys = "history_store_enabled: true\nhistory_store_profile: prod-pg\nhistory_store_schema: AMX\n";
        assert!(machine.config().contains(keys), "{}", machine.config());
    }

    // 4. Everyone sees the same.
    office.snapshot("team-4-list", &member.types(&["/history list"]));
    let [ours, theirs] = [&lead, &member].map(|machine| machine.run(&["history", "list", "--json"]).ok());
    assert_eq!(ours, theirs);
    for run_id in [NEWEST, OF_BOB, OLDEST] {
        let typed = [format!("/history show {run_id} --hash"), format!("/history show --hash {run_id}")];
        let [ours, theirs] = [(&lead, &typed[0]), (&member, &typed[1])].map(|(machine, line)| machine.types(&[line]));
        let hash = |screen: &str| screen.lines().find(|line| line.len() == 64).map(str::to_string);
        assert!(hash(&ours).is_some() && hash(&ours) == hash(&theirs), "{ours}\n{theirs}");
    }

    // 5. What two people made of the same column.
    let compare = format!("/history compare {NEWEST} {OF_BOB} --filter sales.customer");
    office.snapshot("team-5-compare", &member.types(&[&compare]));
    office.snapshot("team-5-show", &member.types(&[&format!("/history show {OLDEST}")]));

    // Verify, and the first help in trouble.
    office.snapshot("team-6-inspect", &member.types(&["/db inspect"]));
    office.snapshot("team-7-config", &member.types(&["/config show | grep history_store", "/config reload"]));
}

// --- "Safety guards"

#[test]
fn the_page_on_the_guards() {
    let Some(office) = Office::open() else { return };
    let lead = Machine::of(ALICE).with_profiles(&office);
    lead.run(&["enable", "--profile", "prod-pg", "--schema", "AMX", "--yes"]).ok();

    // 1. A session of another profile is not resumed, and can be looked at.
    let mut shell = lead.shell();
    shell.command("/session new --title Orders").shows("Session 1");
    shell.asks("> ");
    lead.home.write(".amx/config.yml", &lead.config().replace("active_db_profile: prod-pg", "active_db_profile: dev-snowflake"));
    shell.command("/session resume 1").shows("error[session_profile_mismatch]");
    shell.command("/session show --id 1").shows("turns");
    office.snapshot("guard-1-session", &ended(shell));
    lead.home.write(".amx/config.yml", &lead.config().replace("active_db_profile: dev-snowflake", "active_db_profile: prod-pg"));

    // 2. The picker begins at Status, and asks before what is destructive; typed, the same commands do not ask (but disable, on a terminal).
    let run_id = "run_2026-12-13_14-22-003";
    lead.records(&recorded(run_id, TimeDelta::minutes(20), "sales", &[], 0)[..1]);
    office.down();
    lead.records(&[state(run_id, "reviewed")]);
    office.up();
    let mut shell = lead.shell();
    shell.command("/db/history-store").offers("> Status\n").keys(ENTER).shows("Outbox:");
    office.snapshot("guard-2-status", &ended(shell));
    for (item, question) in [
        ("Disable", "Proceed? [y/N]: "),
        ("Dump DDL", "AMX.amx_history_* is there already. Write its DDL all the same? [y/N]: "),
        ("Flush pending", "What to do with the queued write:"),
    ] {
        let mut shell = lead.shell();
        shell.command("/db/history-store").choose(item);
        match item {
            "Flush pending" => shell.offers(question).keys(ESCAPE),
            _ => shell.answers(question, ""),
        };
        shell.shows("Nothing was changed.");
        office.snapshot(&format!("guard-2-{}", item.to_lowercase().replace(' ', "-")), &ended(shell));
    }
    assert!(lead.run(&["dump-ddl"]).ok().contains("CREATE TABLE"));
    assert_eq!(lead.run(&["flush-pending", "--json"]).json()["flushed"], 1);
    assert!(lead.run(&["disable"]).ok().starts_with("✓ History store disabled."));

    // 3. Every row says who wrote it, where and with what.
    let bare = "created_by IS NULL OR hostname IS NULL OR client_version IS NULL OR local_id IS NULL";
    lead.run(&["enable"]).ok();
    lead.records(&[result_for(run_id, "sales.orders", "One row each order")]);
    let without =
        format!("SELECT (SELECT count(*) FROM amx_history_runs WHERE {bare}), (SELECT count(*) FROM amx_history_results WHERE {bare});");
    assert_eq!((office.store.counts(), office.store.sql(&without).trim()), ((1, 1), "0\t0"));
}
