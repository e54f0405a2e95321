//! The program as a user without rights runs it.

use super::{Home, Ran, ran};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Runs the program as nobody where the tests run as root, else as the user that they run as. The home is given to that user.
pub fn unprivileged(home: &Home, args: &[&str]) -> Ran {
    let given = home.command(args);
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        return ran(&mut { given });
    }
    let owned = Command::new("chown").args(["-R", "65534:65534"]).arg(home.dir.path()).status().unwrap();
    assert!(owned.success());
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).arg(readable_program()).args(args);
    for (name, value) in given.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    ran(command.env("HOME", home.dir.path()).stdin(std::process::Stdio::null()))
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
