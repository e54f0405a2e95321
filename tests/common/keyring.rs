//! A real Secret Service: a session bus and a GNOME Keyring of the test's own, with `secret-tool` to look into it from outside.

use super::{Home, Ran, ran};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The programs that it takes, as `tests/servers` installs them.
const PROGRAMS: [&str; 4] = ["dbus-daemon", "dbus-send", "gnome-keyring-daemon", "secret-tool"];

const DAEMON: &str = "keyring-daemon";

pub struct Keyring {
    dir: TempDir,
    address: String,
    bus: Child,
    daemon: Child,
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|path| path.is_file())
}

/// Whether the programs are there.
pub fn is_there() -> bool {
    let missing = PROGRAMS.iter().find(|program| find(program).is_none());
    let required = std::env::var_os("AMX_TEST_REQUIRE_SERVERS").is_some();
    assert!(missing.is_none() || !required, "{missing:?} is not installed: run the tests with `make test`");
    missing.is_none()
}

impl Keyring {
    /// One that is unlocked; none where it is not installed.
    pub fn start() -> Option<Keyring> {
        if !is_there() {
            eprintln!("skipped: no Secret Service is there; it takes {}", PROGRAMS.join(", "));
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let mut bus = Command::new("dbus-daemon");
        bus.args(["--session", "--nofork", "--nopidfile", "--print-address=1"]);
        bus.arg(format!("--address=unix:path={}", dir.path().join("bus").display()));
        let mut bus = own(&mut bus, dir.path()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut address = String::new();
        BufReader::new(bus.stdout.as_mut().unwrap()).read_line(&mut address).unwrap();
        let address = address.trim().to_string();
        // The file has a capability that a container does not give; a copy has none, and needs none.
        std::fs::copy(find("gnome-keyring-daemon").unwrap(), dir.path().join(DAEMON)).unwrap();
        let daemon = daemon(dir.path(), &address, true);
        let keyring = Keyring { dir, address, bus, daemon };
        keyring.wait_for_the_service();
        Some(keyring)
    }

    /// The same one after a login that did not unlock it. There is nobody to unlock it either.
    pub fn lock(&mut self) {
        self.stop();
        self.daemon = daemon(self.dir.path(), &self.address, false);
        self.wait_for_the_service();
    }

    /// The bus stays, and nothing answers on it.
    pub fn stop(&mut self) {
        self.daemon.kill().unwrap();
        self.daemon.wait().unwrap();
    }

    /// The program with this keyring.
    pub fn command(&self, home: &Home, args: &[&str]) -> Command {
        let mut command = home.command(args);
        command.env("DBUS_SESSION_BUS_ADDRESS", &self.address);
        command
    }

    pub fn run(&self, home: &Home, args: &[&str]) -> Ran {
        ran(&mut self.command(home, args))
    }

    /// The program with something on stdin.
    pub fn run_with(&self, home: &Home, args: &[&str], stdin: &str) -> Ran {
        super::run_with(&mut self.command(home, args), stdin)
    }

    /// Stores an entry as python-keyring does, by which AMX stores its own.
    #[track_caller]
    pub fn store(&self, account: &str, secret: &str) {
        let stored = super::run_with(
            &mut self.tool(&["store", "--label=x", "service", "amx", "username", account, "application", "Python keyring library"]),
            secret,
        );
        assert_eq!(stored.code, 0, "{}", stored.stderr);
    }

    /// What another program finds.
    pub fn find(&self, account: &str) -> Option<String> {
        let found = ran(&mut self.tool(&["lookup", "service", "amx", "username", account]));
        (found.code == 0).then_some(found.stdout)
    }

    fn tool(&self, args: &[&str]) -> Command {
        let mut command = Command::new("secret-tool");
        own(command.args(args), self.dir.path()).env("DBUS_SESSION_BUS_ADDRESS", &self.address);
        command
    }

    fn wait_for_the_service(&self) {
        let asked = ["--session", "--print-reply", "--dest=org.freedesktop.DBus", "/", "org.freedesktop.DBus.NameHasOwner"];
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(20) {
            let mut command = Command::new("dbus-send");
            command.args(asked).arg("string:org.freedesktop.secrets").env("DBUS_SESSION_BUS_ADDRESS", &self.address);
            if ran(&mut command).stdout.contains("boolean true") {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the keyring did not come up");
    }
}

impl Drop for Keyring {
    fn drop(&mut self) {
        for child in [&mut self.daemon, &mut self.bus] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// With a folder for everything that it writes, and no screen to ask on.
fn own<'a>(command: &'a mut Command, dir: &Path) -> &'a mut Command {
    for name in ["DISPLAY", "WAYLAND_DISPLAY"] {
        command.env_remove(name);
    }
    command.env("HOME", dir).env("XDG_RUNTIME_DIR", dir).env("XDG_DATA_HOME", dir.join("data"))
}

fn daemon(dir: &Path, address: &str, unlocked: bool) -> Child {
    let mut command = Command::new(dir.join(DAEMON));
    command.args(["--foreground", "--components=secrets"]).args(unlocked.then_some("--unlock"));
    own(&mut command, dir).env("DBUS_SESSION_BUS_ADDRESS", address);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // The password of the keyring itself.
    child.stdin.take().unwrap().write_all(b"unlock").unwrap();
    child
}
