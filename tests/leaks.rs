//! That no secret is shown: every command, with a password that is searched for in all that the program says and writes, wherever the password
//! was given and whatever goes wrong.

mod common;
use common::role::Role;
use common::{HISTORY, Home, Store};
use std::collections::BTreeSet;
use std::io::{Read, Seek, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Not to be found anywhere.
const MARK: &str = "Xk7MARKq9";
/// The same where a test gives it as an argument, which every user of the machine sees.
const ARGUMENT: &str = "Zp3ARGUMENTw8";
/// A run of the fixture.
const RUN: &str = "run_2026-08-07_14-14-008";

/// Every command; `NAME` is the profile. Where all goes well they are a day's work, in this order.
const COMMANDS: [&[&str]; 45] = [
    &[],
    &["profile", "test", "NAME"],
    &["profile", "list"],
    &["profile", "list", "--json"],
    &["profile", "add", "NAME", "--backend=pg", "--set=password=env://AMX_TEST_MARK"],
    &["profile", "to-keyring", "NAME"],
    &["config", "show"],
    &["config", "show", "--json"],
    &["dump-ddl"],
    &["dump-ddl", "--versioned", "--json"],
    &["generate", "--check"],
    &["completions", "bash"],
    &["man"],
    &["migrate", "--check"],
    &["migrate", "--dry-run"],
    &["migrate"],
    &["migrate", "undo"],
    &["migrate", "lock", "status"],
    &["migrate", "lock", "release", "--yes"],
    &["enable", "--yes"],
    &["status"],
    &["status", "--check", "--json"],
    &["inspect"],
    &["diff"],
    &["migrate-from-local", "--dry-run"],
    &["migrate-from-local", "--yes"],
    &["record"],
    &["flush-pending"],
    &["pull-from-shared"],
    &["history", "sync", "--json"],
    &["history", "list"],
    &["history", "list", "--json"],
    &["history", "show", RUN],
    &["history", "compare", RUN, RUN],
    &["history", "export", RUN, "--all"],
    &["verify"],
    &["session", "new"],
    &["session", "list"],
    &["session", "show", "--id", "1"],
    &["session", "resume", "1"],
    &["shell"],
    &["flush-pending", "--drop", "--yes"],
    &["disable", "--yes"],
    &["profile", "remove", "NAME"],
    &["status", "--schema", "no schema; at all"],
];

/// What a command reads, where it reads.
fn input(args: &[&str]) -> &'static str {
    match args {
        ["record"] => "{\"op\":\"run\",\"scope\":\"s\",\"llm_provider\":\"p\",\"llm_model\":\"m\",\"db_backend\":\"b\"}\nnonsense\n",
        ["shell"] => "/status\n/history list\n/config show\n/config reload\n/db-profiles\n/profile test NAME\n/nonsense\n",
        _ => "",
    }
}

/// How the program gets its password.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Given {
    /// The text of a field in config.yml.
    Field,
    /// `env://`.
    Env,
    /// `file://`.
    File,
    /// In the URL that is `AMX_URL`.
    AmxUrl,
    /// In `--url`. There it is in a command line, but nowhere else.
    Argument,
}

/// What is wrong: with the port, the login or a further field of the profile, or with what stands above it in config.yml.
struct Fault {
    name: &'static str,
    given: Given,
    port: Option<u16>,
    login: &'static str,
    more: &'static str,
    above: &'static str,
}

const SOUND: Fault = Fault { name: "nothing is wrong", given: Given::Field, port: None, login: "", more: "", above: "" };

const FAULTS: [Fault; 8] = [
    Fault { name: "a wrong login", login: "nobody", given: Given::AmxUrl, ..SOUND },
    Fault { name: "a wrong login", login: "nobody", given: Given::File, ..SOUND },
    Fault { name: "nothing listens", port: Some(1), given: Given::Env, ..SOUND },
    Fault { name: "no TLS where it is asked for", more: "sslmode: require", given: Given::Argument, ..SOUND },
    Fault { name: "an authority that is not there", more: "sslmode: verify-ca, sslrootcert: /x.pem, ssl_ca: /x.pem", ..SOUND },
    Fault { name: "fields that make no sense", more: "sslmode: oops, database: [a]", ..SOUND },
    Fault { name: "bad YAML above", above: "a: b: c\n", ..SOUND },
    Fault { name: "a bad value above", above: "history_store_enabled: [x]\nhistory_store_profile: {}\n", ..SOUND },
];

/// A home with a profile `NAME` of that server, whose password is the mark.
struct Case<'a> {
    home: Home,
    given: Given,
    url: url::Url,
    schema: &'a str,
}

impl<'a> Case<'a> {
    fn new(store: &'a Store, user: &str, fault: &Fault) -> Case<'a> {
        let given = fault.given;
        let mut url = url::Url::parse(&store.url).unwrap();
        url.set_username(if fault.login.is_empty() { user } else { fault.login }).unwrap();
        url.set_password(Some(MARK)).unwrap();
        url.set_port(fault.port.or(url.port())).unwrap();
        if let (true, Some((name, value))) = (matches!(given, Given::AmxUrl | Given::Argument), fault.more.split_once(": ")) {
            url.query_pairs_mut().append_pair(name, value);
        }
        let home = Home::with_history(HISTORY);
        let password = match given {
            Given::Field => MARK,
            Given::File => "file://password",
            _ => "env://AMX_TEST_MARK",
        };
        home.write("password", &format!("{MARK}\n"));
        let more = if fault.more.is_empty() { String::new() } else { format!(", {}", fault.more) };
        home.write(
            "config.yml",
            &format!(
                "{}active_db_profile: NAME\ndb_profiles:\n  NAME: {{backend: {}, host: {}, port: {}, user: {}, database: {}, \
                    password: {password}{more}}}\n",
                fault.above,
                store.backend,
                url.host_str().unwrap(),
                url.port().unwrap(),
                url.username(),
                url.path().trim_start_matches('/'),
            ),
        );
        Case { home, given, url, schema: &store.schema }
    }

    /// Runs every command, and searches what each of them said and, at the end, all that they wrote. Gives how many went well.
    #[track_caller]
    fn shows_nothing(&self, why: &str) -> usize {
        let before = self.home.read("config.yml").matches(MARK).count();
        let mut went_well = 0;
        for args in COMMANDS {
            let named =
                matches!(args.first(), Some(&"enable" | &"migrate")) && self.given != Given::AmxUrl && self.given != Given::Argument;
            let mut all = args.to_vec();
            all.extend_from_slice(&["-vv"]);
            if !args.contains(&"--schema") {
                all.extend_from_slice(&["--schema", self.schema]);
            }
            if named {
                all.extend_from_slice(&["--profile", "NAME"]);
            }
            let url = self.url.as_str();
            if self.given == Given::Argument {
                all.extend_from_slice(&["--url", url]);
            }
            let mut command = self.home.command(&all);
            command.env("AMX_TEST_MARK", MARK);
            if self.given == Given::AmxUrl {
                command.env("AMX_URL", url);
            }
            let why = format!("{why}, {:?}: {args:?}", self.given);
            went_well += usize::from(is_silent(&mut command, input(args), self.given != Given::Argument, &why));
        }
        let after = std::fs::read_to_string(self.home.path("config.yml")).unwrap().matches(MARK).count();
        assert!(after <= before, "{why}: config.yml has it {after} times instead of {before}");
        for file in files(self.home.dir.path()).iter().filter(|file| !file.ends_with("config.yml") && !file.ends_with("password")) {
            let found = std::fs::read(file).unwrap().windows(MARK.len()).any(|part| part == MARK.as_bytes());
            assert!(!found, "{why}, {:?}: {}", self.given, file.display());
        }
        went_well
    }
}

/// Runs the program with all that it can say, and looks for the mark in that, and meanwhile in its command line and those of what it starts.
/// Says whether it ended well.
#[track_caller]
fn is_silent(command: &mut Command, input: &str, watched: bool, why: &str) -> bool {
    let [mut stdin, stdout, stderr] = std::array::from_fn(|_| tempfile::tempfile().unwrap());
    stdin.write_all(input.as_bytes()).unwrap();
    stdin.rewind().unwrap();
    command.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full").stdin(stdin);
    let mut child = command.stdout(stdout.try_clone().unwrap()).stderr(stderr.try_clone().unwrap()).spawn().unwrap();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).unwrap_or_default();
        for process in children.split_whitespace().map(str::to_string).chain([child.id().to_string()]).filter(|_| watched) {
            let line = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
            assert!(!String::from_utf8_lossy(&line).contains(MARK), "{why}: in a command line");
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    for mut file in [stdout, stderr] {
        let mut bytes = vec![];
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(MARK) && !text.contains("panicked"), "{why}: {text}");
    }
    assert!(status.code().is_some_and(|code| code != 101), "{why}: {status}");
    status.success()
}

/// Every file in a folder and those below it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// A login of the store's server whose password is the mark, and that may do all that a lead does.
fn lead(store: &Store) -> Role<'_> {
    let role = Role::without_rights(store);
    let name = role.name();
    let grants = match store.backend {
        "postgresql" => format!("ALTER ROLE {name} PASSWORD '{MARK}'; GRANT CREATE ON DATABASE analytics TO {name};"),
        _ => format!("SET PASSWORD FOR {name} = PASSWORD('{MARK}'); GRANT ALL ON `{}`.* TO {name}; -- CREATE DATABASE", store.schema),
    };
    // PostgreSQL refuses one of two that are given something on a database at the same moment.
    common::eventually(|| store.shell(&grants).code == 0);
    role
}

fn servers() -> Vec<Store> {
    [Store::postgresql(), Store::mysql()].into_iter().flatten().collect()
}

#[test]
fn no_command_shows_a_password_that_is_right() {
    let servers = servers();
    for (given, store) in [Given::Field, Given::Env, Given::AmxUrl, Given::Argument].into_iter().zip(servers.iter().cycle()) {
        let role = lead(store);
        let went_well = Case::new(store, role.name(), &Fault { given, ..SOUND }).shows_nothing(store.backend);
        assert!(went_well > 30, "{given:?}, {}: {went_well} of {} went well", store.backend, COMMANDS.len());
        store.absent();
    }
}

#[test]
fn no_command_shows_a_password_wherever_it_fails() {
    let servers = servers();
    for (fault, store) in FAULTS.iter().zip(servers.iter().cycle()) {
        let role = lead(store);
        let went_well = Case::new(store, role.name(), fault).shows_nothing(fault.name);
        assert!(went_well < 30, "{}: {went_well} of {} went well", fault.name, COMMANDS.len());
    }
}

#[test]
fn no_command_shows_the_secret_of_a_backend_that_is_not_reached() {
    let home = Home::with_history(HISTORY);
    let profiles = [
        format!("backend: snowflake, account: a, user: u, host: 127.0.0.1, port: 1, password: {MARK}"),
        format!("backend: databricks, host: '127.0.0.1:1', http_path: /sql/1.0/warehouses/a, access_token: {MARK}"),
        format!("backend: databricks, host: '127.0.0.1:1', http_path: /sql/1.0/warehouses/a, client_id: c, client_secret: {MARK}"),
        format!("backend: mssql, host: 127.0.0.1, port: 1, user: u, database: d, password: {MARK}"),
        format!("backend: redshift, host: 127.0.0.1, port: 1, user: u, database: d, password: {MARK}"),
        format!("backend: oracle, host: 127.0.0.1, port: 1, user: u, service_name: s, password: {MARK}"),
        format!("backend: postgresql, password: [{MARK}]"),
        format!("backend: postgresql, port: oops, password: {MARK}"),
        format!("backend: nosql, password: {MARK}"),
        "backend: postgresql, password: 'keyring:'".into(),
    ];
    for profile in profiles {
        home.write("config.yml", &format!("db: {{password: {MARK}}}\nactive_db_profile: NAME\ndb_profiles:\n  NAME: {{{profile}}}\n"));
        for args in [&["profile", "test", "NAME"][..], &["profile", "list"], &["config", "show"], &["status", "--check"], &["migrate"]] {
            is_silent(&mut home.command(&[args, &["-vv"]].concat()), "", true, &profile.replace(MARK, "***"));
        }
    }
}

#[test]
fn a_url_that_cannot_be_read_is_not_repeated() {
    let home = Home::new();
    for url in [
        format!("postgresql://u:{MARK}@127.0.0.1:1:2/d"),
        format!("postgresql://u:x/{MARK}@127.0.0.1/d"),
        format!("postgresql://u:{MARK}@/d"),
        format!("postgresql://u:{MARK}"),
        format!("postgresql:u:{MARK}@h/d"),
        format!("nosql://u:{MARK}@h/d"),
        format!("mysql://u:{MARK}@127.0.0.1:1/d?sslmode={MARK}"),
        MARK.to_string(),
    ] {
        for args in [&["status"][..], &["enable", "--yes"], &["migrate"], &["--help"], &["nonsense"]] {
            is_silent(home.command(&[args, &["-vv"]].concat()).env("AMX_URL", &url), "", true, &url.replace(MARK, "***"));
        }
    }
}

#[test]
fn every_command_that_there_is_is_among_them() {
    let tried: BTreeSet<String> = COMMANDS.iter().flat_map(|args| (0..=args.len()).map(|end| args[..end].join(" "))).collect();
    let home = Home::new();
    let mut waiting = vec![vec![]];
    while let Some(command) = waiting.pop() {
        let help = home.run(&[&command[..], &["--help"]].concat()).ok();
        let listed = help.split_once("Commands:\n").map_or("", |(_, listed)| listed.split("\n\n").next().unwrap());
        for word in listed.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).filter(|word| !["", "help"].contains(word))
        {
            let inner = [&command[..], &[&*word.to_string().leak()]].concat();
            assert!(tried.contains(&inner.join(" ")), "{inner:?} is not tried");
            waiting.push(inner);
        }
    }
}

#[test]
fn a_password_in_a_misplaced_argument_is_not_repeated() {
    let home = Home::new();
    let url = format!("postgresql://u:{ARGUMENT}@h/d");
    let field = format!("password={ARGUMENT}");
    for args in [
        &[url.as_str()][..],
        &["status", &url],
        &["status", "--profile", "x", "--url", &url],
        &["status", "--profile", &url],
        &["profile", "test", &url],
        &["migrate", "--url", "sqlite://x.db", "--schema", &url],
        &["profile", "add", "x", &field],
        &["profile", "add", "x", "--backend=pg", &format!("--sett={field}")],
        &["profile", "add", "x", &format!("--backend={url}")],
        &["history", "list", "--limit", &field],
        &["dump-ddl", "--dialect", &url],
    ] {
        let failed = home.run(args);
        assert!(failed.code == 2 && !failed.stderr.contains(ARGUMENT), "{args:?}: {failed:?}");
    }
}

#[test]
fn the_program_leaves_no_core_dump() {
    let home = Home::new();
    home.write("config.yml", "db_profiles: {x: {backend: postgresql, password: 'file://pipe'}}\n");
    assert!(Command::new("mkfifo").arg(home.path("pipe")).status().unwrap().success());
    // It waits for its password, after it was started with the highest limit that the tests may give.
    let start = "ulimit -c unlimited 2>/dev/null || ulimit -S -c \"$(ulimit -H -c)\"; exec \"$0\" profile test x";
    let mut command = Command::new("sh");
    command.args(["-c", start, env!("CARGO_BIN_EXE_amx-schema")]).env("AMX_HOME", home.dir.path()).current_dir(home.dir.path());
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let limits = format!("/proc/{}/limits", child.id());
    let started = Instant::now();
    let is_off = || {
        let text = std::fs::read_to_string(&limits).unwrap();
        let core: Vec<_> = text.lines().find(|line| line.starts_with("Max core file size")).unwrap().split_whitespace().collect();
        core[4..6] == ["0", "0"]
    };
    while !is_off() {
        assert!(started.elapsed() < Duration::from_secs(10), "{}", std::fs::read_to_string(&limits).unwrap());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(Command::new("kill").args(["-s", "ABRT", &child.id().to_string()]).status().unwrap().success());
    let ended = child.wait().unwrap();
    assert!(ended.signal().is_some() && !ended.core_dumped(), "{ended}");
    assert!(files(home.dir.path()).iter().all(|file| !file.file_name().unwrap().to_string_lossy().starts_with("core")));
}
