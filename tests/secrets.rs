//! `docs/secrets.md`: where a password may be, that moving it loses nothing, and that none is ever shown. The keyring is a real one.

mod common;
use common::keyring::Keyring;
use common::{Home, Store, ran, run_with, snapshot};
use std::os::unix::net::UnixListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// The password of the test servers' user.
const PASSWORD: &str = "secret";

/// A keyring, and a home with the profile `prod-pg` on the real server with this line for its password.
fn set_up(password: &str) -> Option<(Keyring, Home)> {
    let home = home_on_postgresql(password)?;
    Some((Keyring::start()?, home))
}

fn home_on_postgresql(password: &str) -> Option<Home> {
    let store = Store::postgresql()?;
    let url = url::Url::parse(&store.url).unwrap();
    assert_eq!(url.password(), Some(PASSWORD));
    let home = Home::new();
    home.write(
        "config.yml",
        &format!(
            "# AMX\ndb_profiles:\n  prod-pg:\n    backend: postgresql\n    host: {}\n    port: {}\n    user: {}\n    {password} # mine\n    database: {}\n",
            url.host_str().unwrap(),
            url.port().unwrap(),
            url.username(),
            url.path().trim_start_matches('/'),
        ),
    );
    Some(home)
}

const TEST: [&str; 3] = ["profile", "test", "prod-pg"];
const MOVE: [&str; 3] = ["profile", "to-keyring", "prod-pg"];

/// A profile that nothing is behind, with its password on stdin.
const ADD: [&str; 7] = ["profile", "add", "later", "--backend=postgresql", "--set=host=db.example.com", "--keyring", "--password-stdin"];

// --- reading

#[test]
fn what_amx_stored_is_found_by_its_own_reference() {
    let Some((keyring, home)) = set_up("password: keyring:db_profiles/prod-pg/password") else { return };
    keyring.run(&home, &TEST).fails("secret_unavailable", 2);
    keyring.store("db_profiles/prod-pg/password", PASSWORD);
    keyring.run(&home, &TEST).ok();
    keyring.store("db_profiles/prod-pg/password", "another");
    keyring.run(&home, &TEST).fails("auth_failed", 5);
}

#[test]
fn our_form_finds_an_entry_of_ours_of_a_person_and_of_amx_in_this_order() {
    let Some((keyring, home)) = set_up("password: keyring://amx/prod-pg/password") else { return };
    let missing = keyring.run(&home, &TEST).fails("secret_unavailable", 2).stderr;
    assert!(missing.contains("keyring://amx/prod-pg/password") && missing.contains("env://NAME or file://PATH"), "{missing}");
    keyring.store("db_profiles/prod-pg/password", PASSWORD);
    keyring.run(&home, &TEST).ok();
    keyring.store("prod-pg/password", "another");
    keyring.run(&home, &TEST).fails("auth_failed", 5);
    keyring.store("//amx/prod-pg/password", PASSWORD);
    keyring.run(&home, &TEST).ok();
}

#[test]
fn where_no_keyring_works_the_command_says_so_at_once() {
    let home = Home::new();
    home.write("config.yml", "db_profiles: {prod-pg: {backend: postgresql, password: 'keyring://amx/prod-pg/password'}}\n");
    let started = Instant::now();
    for address in ["unix:path=/nonexistent/bus", "autolaunch:", "nonsense", ""] {
        let failed = ran(home.command(&TEST).env("DBUS_SESSION_BUS_ADDRESS", address).env("XDG_RUNTIME_DIR", home.dir.path()));
        let said = failed.fails("secret_unavailable", 2).stderr;
        assert!(said.contains("no keyring can be reached") && said.contains("env://NAME or file://PATH"), "{said}");
    }
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
}

#[test]
fn a_bus_that_never_answers_is_given_up() {
    let home = Home::new();
    home.write("config.yml", "db_profiles: {prod-pg: {backend: postgresql, password: 'keyring://amx/prod-pg/password'}}\n");
    // It is connected to, and nobody accepts.
    let _silent = UnixListener::bind(home.path("bus")).unwrap();
    let address = format!("unix:path={}", home.path("bus").display());
    let started = Instant::now();
    ran(home.command(&TEST).env("DBUS_SESSION_BUS_ADDRESS", address)).fails("secret_unavailable", 2);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[test]
fn a_keyring_that_nobody_unlocks_is_given_up() {
    let Some((mut keyring, home)) = set_up("password: keyring://amx/prod-pg/password") else { return };
    keyring.store("//amx/prod-pg/password", PASSWORD);
    keyring.lock();
    let before = home.read("config.yml");
    let started = Instant::now();
    let said = keyring.run(&home, &TEST).fails("secret_unavailable", 2).stderr;
    assert!(said.contains("locked") && said.contains("env://NAME or file://PATH"), "{said}");
    keyring.run_with(&home, &ADD, "geheim").fails("secret_unavailable", 2);
    assert!(started.elapsed() < Duration::from_secs(140), "{:?}", started.elapsed());
    assert_eq!(home.read("config.yml"), before);
}

// --- writing

#[test]
fn a_profile_is_added_with_its_password_in_the_keyring_alone() {
    let Some(keyring) = Keyring::start() else { return };
    let home = Home::new();
    let said = keyring.run_with(&home, &ADD, "geheim\n");
    assert_eq!((said.stderr.as_str(), said.stdout.lines().count()), ("", 1), "{said:?}");
    snapshot("profile-add.keyring", &(said.ok() + &home.read("config.yml")));
    assert_eq!(keyring.find("//amx/later/password").as_deref(), Some("geheim"));
}

#[test]
fn a_plain_password_moves_into_the_keyring_and_the_login_still_works() {
    let Some((keyring, home)) = set_up("password: secret") else { return };
    let before = home.read("config.yml");
    snapshot("profile-to-keyring", &keyring.run(&home, &MOVE).ok());
    assert_eq!(home.read("config.yml"), before.replace("password: secret", "password: keyring://amx/prod-pg/password"));
    keyring.run(&home, &TEST).ok();
    // There is nothing left to do.
    let again = keyring.run(&home, &[&MOVE[..], &["--json"]].concat());
    assert_eq!(again.json()["moved"], false, "{again:?}");
}

#[test]
fn a_password_of_digits_moves_as_it_is_written() {
    let Some((keyring, home)) = set_up("password: 123456") else { return };
    keyring.run(&home, &MOVE).ok();
    assert_eq!(keyring.find("//amx/prod-pg/password").as_deref(), Some("123456"));
}

#[test]
fn a_copy_that_stays_in_plain_text_is_named() {
    let Some((keyring, home)) = set_up("password: secret") else { return };
    home.write("config.yml", &format!("{}db:\n  password: secret\n", home.read("config.yml")));
    let said = keyring.run(&home, &MOVE).stderr;
    assert_eq!(said, "warning: the same secret is still in plain text in config.yml under db.password\n");
}

#[test]
fn a_new_password_replaces_the_one_in_the_keyring() {
    let Some((keyring, home)) = set_up("password: keyring://amx/prod-pg/password") else { return };
    keyring.store("//amx/prod-pg/password", "old");
    keyring.run(&home, &TEST).fails("auth_failed", 5);
    let before = home.read("config.yml");
    keyring.run_with(&home, &[&MOVE[..], &["--password-stdin"]].concat(), PASSWORD).ok();
    keyring.run(&home, &TEST).ok();
    assert_eq!(home.read("config.yml"), before);
}

#[test]
fn where_no_keyring_works_the_password_stays_where_it_was() {
    let home = Home::new();
    run_with(&mut home.command(&ADD), "geheim").fails("secret_unavailable", 2);
    assert!(!home.path("config.yml").exists());
    home.write("config.yml", "db_profiles: {prod-pg: {backend: postgresql, password: geheim}}\n");
    let before = home.read("config.yml");
    home.run(&MOVE).fails("secret_unavailable", 2);
    assert_eq!(home.read("config.yml"), before);
}

#[test]
fn another_secret_in_the_same_place_is_kept() {
    let Some((keyring, home)) = set_up("password: secret") else { return };
    let before = home.read("config.yml");
    keyring.store("//amx/prod-pg/password", "of another home");
    keyring.run(&home, &MOVE).fails("usage", 2);
    assert_eq!(home.read("config.yml"), before);
    assert_eq!(keyring.find("//amx/prod-pg/password").as_deref(), Some("of another home"));
}

#[test]
fn an_entry_is_taken_back_where_the_configuration_cannot_be_written() {
    let Some(keyring) = Keyring::start() else { return };
    let home = Home::new();
    home.write("config.yml", "base: &base {x: {backend: sqlite, path: x.db}}\ndb_profiles: *base\n");
    let before = home.read("config.yml");
    keyring.run_with(&home, &ADD, "geheim").fails("config_invalid", 2);
    assert_eq!((home.read("config.yml"), keyring.find("//amx/later/password")), (before, None));
}

#[test]
fn a_profile_takes_its_own_entry_with_it_and_no_other() {
    let Some(keyring) = Keyring::start() else { return };
    let home = Home::new();
    keyring.store("db_profiles/later/password", "of AMX");
    keyring.run_with(&home, &ADD, "geheim").ok();
    keyring.run(&home, &["profile", "remove", "later"]).ok();
    assert_eq!(keyring.find("//amx/later/password"), None);
    assert_eq!(keyring.find("db_profiles/later/password").as_deref(), Some("of AMX"));
}

#[test]
fn entries_that_are_called_alike_are_one() {
    let Some((keyring, home)) = set_up("password: secret") else { return };
    keyring.run(&home, &MOVE).ok();
    // python-keyring makes a second one, for it has an attribute more.
    keyring.store("//amx/prod-pg/password", PASSWORD);
    keyring.run(&home, &TEST).ok();
    keyring.run_with(&home, &[&MOVE[..], &["--password-stdin"]].concat(), "another").ok();
    keyring.run(&home, &TEST).fails("auth_failed", 5);
    assert_eq!(keyring.run(&home, &["profile", "remove", "prod-pg"]).stderr, "");
    assert_eq!(keyring.find("//amx/prod-pg/password"), None);
}

#[test]
fn an_entry_that_another_profile_names_stays() {
    let Some(keyring) = Keyring::start() else { return };
    let home = Home::new();
    keyring.run_with(&home, &ADD, "geheim").ok();
    keyring.run(&home, &["profile", "add", "twin", "--backend=pg", "--set=password=keyring://amx/later/password"]).ok();
    keyring.run(&home, &["profile", "remove", "later"]).ok();
    assert_eq!(keyring.find("//amx/later/password").as_deref(), Some("geheim"));
}

#[test]
fn an_entry_that_cannot_be_removed_is_a_warning() {
    let Some(keyring) = Keyring::start() else { return };
    let home = Home::new();
    keyring.run_with(&home, &ADD, "geheim").ok();
    // Without the bus.
    let removed = home.run(&["profile", "remove", "later"]);
    assert!(removed.stderr.starts_with("warning: the secret of the profile is left in the keyring as keyring://amx/later/password: "));
    removed.ok();
    assert!(!home.read("config.yml").contains("later"));
}

// --- passwords that are in no argument

#[test]
fn a_password_comes_from_stdin_less_one_line_feed() {
    let home = Home::new();
    let add = ["profile", "add", "x", "--backend=pg", "--password-stdin", "--json"];
    let added = run_with(&mut home.command(&add), "a b\n\n");
    assert_eq!(added.json()["secret"], "plain");
    assert!(home.read("config.yml").contains(r#"password: "a b\n""#), "{}", home.read("config.yml"));
}

#[test]
fn a_reference_may_come_from_stdin_too() {
    let home = Home::new();
    let added = run_with(&mut home.command(&["profile", "add", "x", "--backend=pg", "--password-stdin", "--json"]), "env://PW\n");
    assert_eq!((added.json()["secret"].as_str(), added.stderr.as_str()), (Some("env"), ""));
}

#[test]
fn a_password_that_is_missing_given_twice_or_out_of_place_is_refused() {
    let home = Home::new();
    let twice = "pg://u:geheim@h/d";
    for (args, stdin) in [
        (vec!["--backend=pg", "--password-stdin"], ""),
        (vec!["--backend=pg", "--set=password=geheim", "--password-stdin"], "geheim"),
        (vec!["--from-url", twice, "--password-stdin"], "geheim"),
        (vec!["--backend=sqlite", "--set=path=x.db", "--password-stdin"], "geheim"),
        (vec!["--backend=sqlite", "--set=path=x.db", "--keyring"], ""),
        (vec!["--backend=pg", "--keyring"], ""),
        (vec!["--backend=pg", "--set=password=env://PW", "--keyring"], ""),
    ] {
        let failed = run_with(&mut home.command(&[&["profile", "add", "x"], &args[..]].concat()), stdin).fails("usage", 2);
        assert!(!failed.stderr.contains("geheim"), "{}", failed.stderr);
    }
    assert!(!home.path("config.yml").exists());
    home.write("config.yml", "db_profiles: {e: {password: 'env://PW'}, n: {host: h}, f: {backend: sqlite, path: x.db}}\n");
    for name in ["e", "n", "f"] {
        home.run(&["profile", "to-keyring", name]).fails("usage", 2);
    }
}

#[test]
fn a_person_types_a_password_unseen() {
    let home = Home::new();
    let program = format!("{} profile add x --backend=pg", env!("CARGO_BIN_EXE_amx-schema"));
    let mut command = std::process::Command::new("script");
    command.args(["-qec", &program, "/dev/null"]).env("AMX_HOME", home.dir.path());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(700));
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), b"geheim\r").unwrap();
    let output = child.wait_with_output().unwrap();
    let seen = String::from_utf8_lossy(&output.stdout);
    assert!(seen.contains("password of x (Enter for none)") && seen.contains("Profile x (postgresql)"), "{seen}");
    assert!(!seen.contains("geheim"), "{seen}");
    assert!(home.read("config.yml").contains("password: geheim"));
}

// --- plain text

#[test]
fn a_plain_password_is_warned_of_once_where_one_looks_at_it() {
    let Some(home) = home_on_postgresql("password: secret") else { return };
    for (args, warnings) in [
        (&TEST[..], 1),
        (&["config", "show"], 1),
        (&["enable", "--profile", "prod-pg"], 1),
        (&["profile", "list"], 0),
        (&["status", "--profile", "prod-pg"], 0),
    ] {
        let said = home.run(args);
        let plain = said.stderr.matches("warning: the password of profile prod-pg is in plain text in config.yml").count();
        assert_eq!(plain, warnings, "{args:?}: {}", said.stderr);
    }
}

// --- that no secret is shown

/// Not to be found anywhere.
const MARK: &str = "Xk7MARKq9";

/// Every command, with a password that is wrong, on databases that refuse in different ways.
#[test]
fn no_command_shows_a_password_wherever_it_fails() {
    let servers = [Store::postgresql(), Store::mysql()].into_iter().flatten();
    let mut profiles = String::new();
    for (number, store) in servers.enumerate() {
        let url = url::Url::parse(&store.url).unwrap();
        let (host, port, user) = (url.host_str().unwrap(), url.port().unwrap(), url.username());
        let fields = format!("backend: {}, host: {host}, user: {user}, database: analytics, password: {MARK}", store.backend);
        profiles += &format!("  login-{number}: {{{fields}, port: {port}}}\n");
        profiles += &format!("  port-{number}: {{{fields}, port: 1}}\n");
        profiles += &format!("  tls-{number}: {{{fields}, port: {port}, sslmode: verify-ca, ssl_ca: /x.pem, sslrootcert: /x.pem}}\n");
        profiles += &format!("  number-{number}: {{{fields}, port: oops}}\n");
    }
    profiles += &format!("  s: {{backend: snowflake, account: a, user: u, password: {MARK}}}\n");
    profiles += &format!("  d: {{backend: databricks, host: h, http_path: /p, access_token: {MARK}}}\n");
    profiles +=
        &format!("  k: {{backend: postgresql, password: 'keyring:'}}\n  b: {{backend: postgresql, sslmode: oops, password: [{MARK}]}}\n");
    let home = Home::with_history(common::HISTORY);
    home.write("config.yml", &format!("active_db_profile: s\ndb: {{password: {MARK}}}\ndb_profiles:\n{profiles}"));
    let names: Vec<String> = profiles.lines().map(|line| line.trim().split(':').next().unwrap().to_string()).collect();
    for (number, name) in names.iter().enumerate() {
        for args in [
            &["status"][..],
            &["status", "--check", "--json"],
            &["enable", "--yes"],
            &["migrate"],
            &["migrate", "--dry-run"],
            &["migrate", "lock", "status"],
            &["diff"],
            &["migrate-from-local", "--yes"],
            &["history", "list"],
            &["dump-ddl"],
        ] {
            is_never_seen(&home, &[args, &["--profile", name]].concat(), None);
        }
        is_never_seen(&home, &["profile", "test", name], None);
        is_never_seen(&home, &["profile", "to-keyring", name], None);
        if number == 0 {
            for args in [&["profile", "list"][..], &["profile", "list", "--json"], &["config", "show"], &["config", "show", "--json"], &[]]
            {
                is_never_seen(&home, args, None);
            }
        }
    }
    for url in [
        format!("postgresql://u:{MARK}@127.0.0.1:1/d"),
        format!("postgresql://u:{MARK}@127.0.0.1:1:2/d"),
        format!("postgresql://u:x/{MARK}@127.0.0.1/d"),
        format!("mysql://u:{MARK}@127.0.0.1:1/d?sslmode={MARK}"),
    ] {
        for args in [&["status"][..], &["enable", "--yes"], &["migrate"], &["--help"], &["nonsense"]] {
            is_never_seen(&home, args, Some(&url));
        }
    }
    let stray = |path: &std::path::Path| {
        path.is_file()
            && !path.ends_with("config.yml")
            && std::fs::read(path).unwrap().windows(MARK.len()).any(|part| part == MARK.as_bytes())
    };
    let left: Vec<_> = std::fs::read_dir(home.dir.path()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| stray(path)).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_password_in_a_misplaced_argument_is_not_repeated() {
    let home = Home::new();
    let url = format!("postgresql://u:{MARK}@h/d");
    let field = format!("password={MARK}");
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
        assert!(failed.code == 2 && !failed.stderr.contains(MARK), "{args:?}: {failed:?}");
    }
}

/// Runs the program with all that it can say, and looks for the mark in that and in every command line of this machine meanwhile.
#[track_caller]
fn is_never_seen(home: &Home, args: &[&str], url: Option<&str>) {
    let mut command = home.command(&[args, &["-vv"]].concat());
    command.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "1").envs(url.map(|url| ("AMX_URL", url)));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    loop {
        for process in std::fs::read_dir("/proc").unwrap().flatten() {
            let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            assert!(!String::from_utf8_lossy(&line).contains(MARK), "{args:?}: in a command line");
        }
        if child.try_wait().unwrap().is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let output = child.wait_with_output().unwrap();
    for text in [&output.stdout, &output.stderr] {
        let text = String::from_utf8_lossy(text);
        assert!(!text.contains(MARK), "{args:?} {}: {text}", url.is_some());
    }
}

#[test]
fn the_program_leaves_no_core_dump() {
    let home = Home::new();
    home.write("config.yml", "db_profiles: {x: {backend: postgresql, password: 'file://pipe'}}\n");
    assert!(std::process::Command::new("mkfifo").arg(home.path("pipe")).status().unwrap().success());
    // It waits for its password, after it was started with the highest limit that the tests may give.
    let start = "ulimit -c unlimited 2>/dev/null || ulimit -S -c \"$(ulimit -H -c)\"; exec \"$0\" profile test x";
    let mut command = std::process::Command::new("sh");
    command.args(["-c", start, env!("CARGO_BIN_EXE_amx-schema")]).env("AMX_HOME", home.dir.path());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
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
    child.kill().unwrap();
    child.wait().unwrap();
}
