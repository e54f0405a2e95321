//! What the program makes is its user's alone, and no link leads it to a file of somebody else.

mod common;
use common::team::RUN;
use common::user::unprivileged;
use common::{HISTORY, Home, ran, run_with};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

/// Whoever is neither root nor the one whom the tests run the program as.
const ANOTHER: u32 = 1;

/// The program with a umask that takes nothing away.
fn open_to_all(home: &Home, args: &[&str]) -> Command {
    let given = home.command(args);
    let mut command = Command::new("sh");
    command.args(["-c", "umask 000; exec \"$0\" \"$@\""]).arg(given.get_program()).args(args);
    for (name, value) in given.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.stdin(Stdio::null());
    command
}

/// Requires of all that is in a folder that nobody but its owner may do anything with it, and gives the names.
#[track_caller]
fn all_private(folder: &Path) -> Vec<String> {
    let mut names = vec![];
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let data = std::fs::symlink_metadata(&path).unwrap();
        let wanted = if data.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(data.mode() & 0o777, wanted, "{}", path.display());
        names.push(path.file_name().unwrap().to_string_lossy().into_owned());
        if data.is_dir() {
            names.extend(all_private(&path));
        }
    }
    names
}

#[test]
fn all_that_is_made_is_its_owner_s_alone_whatever_the_umask() {
    let outer = Home::new();
    let url = format!("sqlite://{}", outer.path("shared.db").display());
    let within = outer.path("new/home");
    let run = |args: &[&str], input: &str| {
        let args = [args, &["--home", within.to_str().unwrap()]].concat();
        run_with(&mut open_to_all(&outer, &args), input)
    };
    run(&["profile", "add", "p", "--from-url", &url], "").ok();
    run(&["enable", "--profile", "p", "--yes"], "").ok();
    run(&["record"], &format!("{RUN}\n")).ok();
    run(&["flush-pending"], "").ok();
    run(&["history", "sync"], "").ok();
    run(&["session", "new", "--profile", "p"], "").ok();
    std::fs::copy(HISTORY, outer.path("copy.db")).unwrap();
    std::fs::set_permissions(outer.path("copy.db"), PermissionsExt::from_mode(0o600)).unwrap();
    run(&["migrate-from-local", "--source", outer.path("copy.db").to_str().unwrap(), "--yes"], "").ok();
    run(&["disable", "--yes"], "").ok();
    let made = all_private(outer.dir.path());
    for name in ["shared.db", "new", "home", "config.yml", "history.db", "history.lock"] {
        assert!(made.contains(&name.to_string()), "{made:?}");
    }
}

#[test]
fn what_is_beside_an_open_local_store_is_its_owner_s_alone() {
    let home = Home::new();
    let mut child = open_to_all(&home, &["record"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.as_mut().unwrap(), "{RUN}").unwrap();
    common::eventually(|| home.path("history.db-wal").metadata().is_ok_and(|data| data.len() > 0));
    let made = all_private(home.dir.path());
    assert!(made.contains(&"history.db-shm".to_string()), "{made:?}");
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_file_that_o_names_has_the_umask_of_its_user_and_nothing_is_left_beside_it() {
    for args in [&["dump-ddl", "--dialect", "oracle"][..], &["history", "export", "run_2026-08-07_14-14-008"]] {
        for (umask, mode) in [("022", 0o644), ("077", 0o600)] {
            let (home, folder) = (Home::with_history(HISTORY), tempfile::tempdir().unwrap());
            let file = folder.path().join("out");
            let given = home.command(&[args, &["-o", file.to_str().unwrap()]].concat());
            let mut command = Command::new("sh");
            command.args(["-c", &format!("umask {umask}; exec \"$0\" \"$@\"")]).arg(given.get_program()).args(given.get_args());
            ran(command.env("AMX_HOME", home.dir.path()).stdin(Stdio::null())).ok();
            assert_eq!(file.metadata().unwrap().mode() & 0o777, mode, "{args:?}");
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "{args:?}");
        }
    }
}

#[test]
fn ddl_that_cannot_be_written_leaves_the_file_as_it_was() {
    let home = Home::new();
    home.write("out.sql", "old");
    let file = home.path("out.sql").display().to_string();
    // A disk with room for one block.
    let limited = "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$@\"";
    let mut command = Command::new("bash");
    command.args(["-c", limited, env!("CARGO_BIN_EXE_amx-schema"), "dump-ddl", "--dialect", "oracle", "-o", &file]);
    ran(command.env("AMX_HOME", home.dir.path()).stdin(Stdio::null())).fails("io", 1);
    assert_eq!(home.read("out.sql"), "old");
    assert_eq!(std::fs::read_dir(home.dir.path()).unwrap().count(), 1);
}

// --- links

/// Whether the tests may give files to others.
fn is_root() -> bool {
    let is = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    if !is {
        eprintln!("skipped: only root can make files of another user");
    }
    is
}

/// A folder that everyone may enter.
fn open_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    folder
}

const STORED: &str = "history_store_enabled: false\n";

#[test]
fn a_link_of_one_s_own_to_a_file_of_one_s_own_is_followed() {
    let (home, folder) = (Home::new(), open_folder());
    for (name, file) in [("config.yml", "c"), ("history.db", "h")] {
        symlink(folder.path().join(file), home.path(name)).unwrap();
    }
    home.run(&["profile", "add", "p", "--backend=sqlite", "--set=path=x.db"]).ok();
    home.run(&["session", "new", "--profile", "p"]).ok();
    assert!(home.path("config.yml").is_symlink() && home.path("history.db").is_symlink());
    all_private(folder.path());
    let linked = folder.path().join("home");
    symlink(home.dir.path(), &linked).unwrap();
    assert!(home.run(&["profile", "list", "--home", linked.to_str().unwrap()]).ok().contains('p'));
}

#[test]
fn a_link_to_a_file_of_another_is_not_followed() {
    if !is_root() {
        return;
    }
    for (name, args) in [
        ("config.yml", &["profile", "list"][..]),
        ("config.yml", &["profile", "add", "p", "--backend=sqlite", "--set=path=x.db"]),
        ("history.db", &["session", "list"]),
        ("history.db", &["history", "list"]),
        ("amx-schema.db", &["history", "list"]),
    ] {
        let (home, folder) = (Home::new(), open_folder());
        let target = folder.path().join("target");
        match name {
            "config.yml" => std::fs::write(&target, STORED).unwrap(),
            _ => drop(std::fs::copy(HISTORY, &target).unwrap()),
        }
        std::fs::set_permissions(&target, PermissionsExt::from_mode(0o666)).unwrap();
        chown(&target, Some(ANOTHER), Some(ANOTHER)).unwrap();
        symlink(&target, home.path(name)).unwrap();
        let before = std::fs::read(&target).unwrap();
        let refused = unprivileged(&home, args).fails("io", 1);
        assert!(refused.stderr.contains("belongs to another user"), "{name} {args:?}: {}", refused.stderr);
        assert!(std::fs::read(&target).unwrap() == before, "{name} {args:?}");
        assert_eq!(home.run(args).code, 1, "nor as root");
    }
}

#[test]
fn a_home_that_is_a_link_of_another_or_to_a_folder_of_another_is_not_entered() {
    if !is_root() {
        return;
    }
    let (home, folder, theirs) = (Home::new(), open_folder(), open_folder());
    std::fs::set_permissions(theirs.path(), PermissionsExt::from_mode(0o777)).unwrap();
    chown(theirs.path(), Some(ANOTHER), Some(ANOTHER)).unwrap();
    let (to_theirs, of_theirs) = (folder.path().join("to"), folder.path().join("of"));
    symlink(theirs.path(), &to_theirs).unwrap();
    symlink(home.dir.path(), &of_theirs).unwrap();
    lchown(&of_theirs, Some(ANOTHER), Some(ANOTHER)).unwrap();
    for link in [&to_theirs, &of_theirs] {
        let args = ["profile", "add", "p", "--backend=sqlite", "--set=path=x.db", "--home", link.to_str().unwrap()];
        let refused = unprivileged(&home, &args).fails("io", 1);
        assert!(refused.stderr.contains("belongs to another user"), "{}", refused.stderr);
    }
    assert_eq!([home.dir.path(), theirs.path()].map(|folder| std::fs::read_dir(folder).unwrap().count()), [0, 0]);
}
