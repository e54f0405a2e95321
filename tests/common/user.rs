//! The program as a user without rights runs it, or under what limits or watches it.

use super::{Home, Ran, ran};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Runs the program as nobody where the tests run as root, else as the user that they run as. The home is given to that user.
pub fn unprivileged(home: &Home, args: &[&str]) -> Ran {
    let given = home.command(args);
    if !is_root() {
        return ran(&mut { given });
    }
    own(home.dir.path(), "65534:65534");
    ran(as_nobody(&given).env("HOME", home.dir.path()))
}

/// Whether the tests run as a user whom no mode of a file keeps out.
pub fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Gives a folder with all that is in it to a user.
pub fn own(folder: &Path, owner: &str) {
    assert!(Command::new("chown").args(["-R", owner]).arg(folder).status().unwrap().success());
}

pub fn as_nobody(given: &Command) -> Command {
    under(&["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"], given)
}

/// A command, with its environment and nothing on stdin, by way of another program that runs what comes after its own words.
pub fn under(prefix: &[&str], given: &Command) -> Command {
    let mut command = Command::new(prefix[0]);
    command.args(&prefix[1..]).arg(readable_program()).args(given.get_args());
    for (name, value) in given.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.stdin(std::process::Stdio::null());
    command
}

/// The program with no file of its own allowed to grow beyond so many KiB.
pub fn limited(kib: u32, given: &Command) -> Command {
    under(&["bash", "-c", "trap '' XFSZ; ulimit -f \"$0\"; exec \"$@\"", &kib.to_string()], given)
}

/// The program where every user can read it; the checkout may be in a folder that others may not enter.
fn readable_program() -> &'static Path {
    static COPY: OnceLock<PathBuf> = OnceLock::new();
    COPY.get_or_init(|| {
        let program = Path::new(env!("CARGO_BIN_EXE_amx-schema"));
        let built = std::fs::metadata(program).unwrap();
        // One copy for each build, and not one for each test run.
        let copy = std::env::temp_dir().join(format!("amx-schema-test-{}-{}", built.mtime(), built.mtime_nsec()));
        if !copy.exists() {
            let own = std::env::temp_dir().join(format!("amx-schema-test-{}", std::process::id()));
            std::fs::copy(program, &own).unwrap();
            std::fs::set_permissions(&own, PermissionsExt::from_mode(0o755)).unwrap();
            std::fs::rename(&own, &copy).unwrap();
        }
        copy
    })
}
