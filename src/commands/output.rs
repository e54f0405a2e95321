//! The file that `-o` names: there as a whole or not at all.

use crate::error::{Error, Result};
use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Writes a file. One that is there already is as it was until the new one is complete.
///
/// # Errors
/// `io`
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    replace(path, text).map_err(|error| Error::io(format_args!("writing {}", path.display()), &error))
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    // A link stays one: what it points to is replaced.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.into());
    let there = fs::metadata(&path).ok();
    if there.as_ref().is_some_and(|there| !there.is_file()) {
        // Such as /dev/stdout, which no file may take the place of.
        return fs::write(&path, text);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // With the mode of any new file that its user names: the umask takes from it what it takes.
    let mode = Permissions::from_mode(0o666);
    let mut file = tempfile::Builder::new().prefix(".amx-schema.").permissions(mode).tempfile_in(folder)?;
    if let Some(there) = there {
        file.as_file().set_permissions(there.permissions())?;
    }
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(&path)?;
    Ok(())
}
