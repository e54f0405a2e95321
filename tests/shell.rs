//! The shell at a terminal and fed with a script.

mod common;
use common::terminal::{CTRL_C, CTRL_D, TAB, Terminal, UP};
use common::{HISTORY, Home, Ran, Store, ran, snapshot};
use std::io::{Seek, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

/// A home whose enabled store is a SQLite file in it.
fn enabled() -> Home {
    let home = Home::new();
    home.write("config.yml", "db_profiles:\n  team:\n    backend: sqlite\n    path: shared.db\nactive_db_profile: team\n");
    home.run(&["enable", "--yes"]).ok();
    home
}

/// The shell with these lines for its stdin.
fn script(home: &Home, flags: &[&str], lines: &str) -> Ran {
    let mut input = tempfile::tempfile().unwrap();
    input.write_all(lines.as_bytes()).unwrap();
    input.rewind().unwrap();
    ran(home.command(&[&["shell"], flags].concat()).stdin(input))
}

fn at_prompt(home: &Home) -> Terminal {
    let mut terminal = Terminal::start(home, &["shell"]);
    terminal.asks("> ");
    terminal
}

/// What does not stay the same from run to run.
fn steady(home: &Home, screen: &str) -> String {
    screen.replace(&home.dir.path().display().to_string(), "HOME")
}

// --- a script

#[test]
fn each_slash_form_does_what_its_command_does() {
    let home = enabled();
    for (slash, plain) in [
        ("/history-store status", &["status"][..]),
        ("/db/history-store status --json", &["status", "--json"]),
        ("/db history-store dump-ddl", &["dump-ddl"]),
        ("history-store diff", &["diff"]),
        ("/status", &["status"]),
        ("/history list --limit 5", &["history", "list", "--limit", "5"]),
        ("/db-profiles", &["profile", "list", "--names"]),
        ("/profile list", &["profile", "list"]),
        ("/config show", &["config", "show"]),
        ("/db inspect", &["inspect"]),
        ("/db/inspect --json", &["inspect", "--json"]),
        ("/history-store", &[]),
        ("/help migrate", &["help", "migrate"]),
    ] {
        assert_eq!(script(&home, &[], &format!("{slash}\n")).ok(), home.run(plain).ok(), "{slash}");
    }
}

#[test]
fn lines_are_run_one_after_the_other_and_comments_passed_over() {
    let home = Home::with_history(HISTORY);
    home.write("config.yml", "db_profiles: {team: {backend: sqlite, path: shared.db}}\nactive_db_profile: team\n");
    let said = script(
        &home,
        &["--yes"],
        "# as the documents have it\n\n/history-store enable\n/history-store migrate-from-local\n/history list --limit 2 --json\n/exit\n/run\n",
    );
    assert!(said.stdout.contains("✓ History store enabled.") && said.stdout.contains("\"run_2026-11-21_14-28-015\""), "{said:?}");
    assert_eq!(said.code, 0, "what follows /exit is not run");
}

#[test]
fn a_script_stops_at_its_first_failure_with_that_exit_status() {
    let home = enabled();
    let stopped = script(&home, &[], "/config show\n/history show run_x\n/status\n").fails("run_unknown", 2);
    assert!(stopped.stdout.contains("history_store_enabled") && !stopped.stdout.contains("History store:"), "{stopped:?}");
    let checked = script(&home, &[], "/migrate --check --url sqlite:///nowhere/at/all.db\n/status\n").fails("pending_migrations", 3);
    assert!(!checked.stdout.contains("History store:"), "{checked:?}");
    script(&home, &[], "/frobnicate\n").fails("usage", 2);
}

#[test]
fn a_pipe_to_grep_keeps_the_lines_that_hold_the_word() {
    let home = enabled();
    assert_eq!(
        script(&home, &[], "/config show | grep history_store\n").ok(),
        "history_store_enabled: true\nhistory_store_profile: team\nhistory_store_schema: AMX\n"
    );
    assert_eq!(script(&home, &[], "/config show | grep nothing-like-it\n").ok(), "");
    script(&home, &[], "/config show | wc -l\n").fails("usage", 2);
}

#[test]
fn the_flags_of_the_shell_hold_for_its_commands_unless_they_give_their_own() {
    let (home, other) = (enabled(), Home::new());
    let with = |flags: &[&str], line: &str| script(&other, flags, &format!("{line}\n"));
    let path = home.dir.path().display().to_string();
    assert!(with(&["--home", &path], "/status").ok().starts_with("History store: shared"));
    assert!(with(&[], "/status").ok().starts_with("History store: disabled"));
    assert!(with(&["--json"], "/status").ok().starts_with('{'));
    let own = other.dir.path().display().to_string();
    assert!(with(&["--home", &path], &format!("/status --home {own}")).ok().starts_with("History store: disabled"));
    let (first, second) = (Store::sqlite(), Store::sqlite());
    home.migrated(&first);
    with(&["--url", &first.url], "/history list").ok();
    with(&["--url", &first.url], &format!("/history list --url {}", second.url)).fails("store_missing", 2);
    with(&["--url", &first.url], "/history list --profile nobody").fails("profile_unknown", 2);
}

#[test]
fn the_commands_of_amx_itself_are_named_as_such() {
    for command in ["/run sales --review-all", "/run-apply", "/apply", "/ask where are addresses?", "/rerun", "/db/tables", "run"] {
        let said = script(&Home::new(), &[], &format!("{command}\n")).fails("usage", 2);
        assert!(said.stderr.contains("that is AMX's own command"), "{}", said.stderr);
    }
}

/// Every line that begins with a slash in the documents that the program is made after.
const DOCUMENTED: [&str; 37] = [
    "/history-store",
    "/history-store enable",
    "/history-store enable --profile prod-pg --schema AMX",
    "/history-store migrate-from-local",
    "/history-store migrate-from-local --skip-errors",
    "/history-store pull-from-shared",
    "/history-store flush-pending",
    "/history-store disable",
    "/history-store dump-ddl",
    "/history-store status",
    "/history-store migrate --check",
    "/history-store diff",
    "/db/history-store",
    "/db history-store dump-ddl",
    "/db-profiles",
    "/add-db-profile",
    "/db inspect",
    "/config show",
    "/config show | grep history_store",
    "/config reload",
    "/history list",
    "/history list --limit 5",
    "/history show run_2026-05-03_15-44-002",
    "/history show --hash run_2026-05-03_15-44-002",
    "/history compare run_2026-05-03_15-44-002 run_2026-05-03_11-08-001 --filter sales.customer",
    "/history sync",
    "/session list",
    "/session show --id 3",
    "/session new",
    "/session resume 3",
    "/run sales --review-all",
    "/run review",
    "/run-apply --profiling-mode metadata",
    "/apply",
    "/ask",
    "/help",
    "/exit",
];

#[test]
fn every_documented_line_is_a_command_or_of_amx_itself() {
    for line in DOCUMENTED {
        let said = script(&Home::new(), &[], &format!("{line}\n"));
        let of_amx = said.stderr.contains("that is AMX's own command");
        // Where there is no terminal, the wizard names what to give instead; and a home without a profile has nothing to begin a session under.
        let lacking = ["no database is named", "a session belongs to the profile that is in use"];
        let known =
            !said.stderr.contains("error[usage]") || line == "/add-db-profile" || lacking.iter().any(|what| said.stderr.contains(what));
        assert!(of_amx || known, "{line}: {}", said.stderr);
    }
}

#[test]
fn a_shell_within_the_shell_is_refused() {
    let said = script(&Home::new(), &[], "shell\n").fails("usage", 2);
    assert!(said.stderr.contains("this is the shell already"));
}

#[test]
fn config_reload_says_which_store_is_in_use_now() {
    let home = enabled();
    let said = script(&home, &[], "/config reload\n/disable\n/config reload\n").ok();
    let lines: Vec<&str> = said.lines().filter(|line| line.contains("read again")).collect();
    assert!(lines[0].contains("History store: amx_history_* in ") && lines[1].contains("History store: disabled"), "{said}");
}

#[test]
fn ctrl_c_ends_a_script_at_its_command() {
    let (silent, home) = (std::net::TcpListener::bind("127.0.0.1:0").unwrap(), Home::new());
    let url = format!("postgresql://u@{}/db", silent.local_addr().unwrap());
    let mut input = tempfile::tempfile().unwrap();
    input.write_all(b"/diff\n/config show\n").unwrap();
    input.rewind().unwrap();
    let mut command = home.command(&["shell", "--url", &url]);
    let child = command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _held = silent.accept().unwrap();
    assert!(Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap().success());
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), ended.stdout.len()), (Some(130), 0));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("error[interrupted]"));
}

#[test]
fn help_tells_the_slash_forms_too() {
    let said = script(&Home::new(), &[], "/help\n").ok();
    assert!(said.contains("migrate-from-local") && said.contains("/db inspect"), "{said}");
}

// --- at a terminal

#[test]
fn a_session_at_the_prompt() {
    let home = enabled();
    let mut terminal = at_prompt(&home);
    terminal.line("/db-profiles").asks("> ");
    terminal.line("/config show | grep history_store").asks("> ");
    terminal.line("/history show run_x").asks("> ");
    terminal.line("/run sales").asks("> ");
    terminal.line("/exit");
    let (status, screen) = terminal.ends();
    assert_eq!(status, 0);
    snapshot("shell.session", &steady(&home, &screen));
}

#[test]
fn tab_completes_a_command_and_lists_where_there_are_more() {
    let home = enabled();
    let mut terminal = at_prompt(&home);
    terminal.keys("/history-store dump").keys(TAB).asks("> /history-store dump-ddl ");
    terminal.keys(CTRL_C).asks("> ");
    terminal.keys("/history-store enable --profile t").keys(TAB).asks("> /history-store enable --profile team ");
    terminal.keys(CTRL_C).asks("> ");
    terminal.keys("/hist").keys(TAB).asks("> /history");
    terminal.keys(TAB).shows("/history-store");
    terminal.keys(CTRL_C).asks("> ").keys(CTRL_D);
    assert_eq!(terminal.ends().0, 0);
}

#[test]
fn ctrl_c_clears_the_line_and_ctrl_d_ends_the_shell() {
    let home = Home::new();
    let mut terminal = at_prompt(&home);
    terminal.keys("/frobnicate").asks("> /frobnicate");
    terminal.keys(CTRL_C).asks("> ");
    terminal.keys(CTRL_D);
    let (status, screen) = terminal.ends();
    assert_eq!(status, 0);
    assert!(!screen.contains("error["), "{screen}");
}

#[test]
fn ctrl_c_at_a_question_ends_the_command_and_not_the_shell() {
    let home = enabled();
    let mut terminal = at_prompt(&home);
    terminal.line("/history-store disable").asks("Proceed? [y/N]: ").keys(CTRL_C).shows("error[interrupted]").asks("> ");
    terminal.line("/config show | grep history_store_enabled").shows("history_store_enabled: true").asks("> ");
    terminal.line("/exit");
    assert_eq!(terminal.ends().0, 0);
}

#[test]
fn ctrl_c_at_a_running_command_ends_the_command_and_not_the_shell() {
    let home = Home::new();
    // A server that takes the connection and never says a word.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    home.write(
        "config.yml",
        &format!("db_profiles: {{p: {{backend: postgresql, host: 127.0.0.1, port: {port}, user: u}}}}\nactive_db_profile: p\n"),
    );
    let mut terminal = at_prompt(&home);
    terminal.line("/diff");
    let held = silent.accept().unwrap();
    terminal.keys(CTRL_C).shows("error[interrupted]").asks("> ");
    drop(held);
    terminal.line("/db-profiles").asks("> ").line("/exit");
    assert_eq!(terminal.ends().0, 0);
}

#[test]
fn sigterm_ends_the_shell() {
    for line in ["", "/status"] {
        let home = enabled();
        let mut terminal = at_prompt(&home);
        if !line.is_empty() {
            terminal.line(line).shows("Outbox").asks("> ");
        }
        terminal.signal("TERM");
        let (status, screen) = terminal.ends();
        assert_eq!(status, 130, "{screen}");
    }
}

#[test]
fn the_history_is_kept_for_its_owner_alone_and_without_secrets() {
    let home = enabled();
    let mut terminal = at_prompt(&home);
    terminal.line("/db-profiles").asks("> ");
    terminal.line("/profile add p --backend mysql --set host=127.0.0.1 --set password=hunter2").shows("Profile p").asks("> ");
    terminal.line("/profile add q --from-url mysql://u:hunter2@127.0.0.1/d").shows("Profile q").asks("> ");
    terminal.keys(CTRL_D);
    assert_eq!(terminal.ends().0, 0);
    let history = home.path("shell_history");
    assert_eq!(history.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let kept = home.read("shell_history");
    assert!(kept.contains("/db-profiles") && !kept.contains("hunter2"), "{kept}");
    let mut again = at_prompt(&home);
    again.keys(UP).asks("> /db-profiles");
    again.keys(CTRL_C).asks("> ").keys(CTRL_D);
    assert_eq!(again.ends().0, 0);
}
