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
