//! Links: followed once, and only where nobody else decides what is read or written through them.

use crate::error::{Code, Error, Result};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What a path leads to: the path itself where it is no link, else what the link leads to, as it is now. Whoever uses the answer does not follow
/// the link again, so that it cannot be turned elsewhere in between.
///
/// # Errors
/// `io` where the link, or what it leads to, belongs to another user. What is root's is taken: a system's configuration is linked that way.
pub(crate) fn resolved(path: &Path) -> Result<PathBuf> {
    match fs::symlink_metadata(path) {
        Ok(link) if link.is_symlink() => require_own(path, &link, "the link")?,
        _ => return Ok(path.to_owned()),
    }
    let failed = |error: std::io::Error| Error::io(format_args!("following the link {}", path.display()), &error);
    match fs::canonicalize(path) {
        // What it leads to is not there yet: it is what will be made.
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let target = fs::read_link(path).map_err(failed)?;
            Ok(path.parent().map_or_else(|| target.clone(), |folder| folder.join(&target)))
        }
        found => {
            let target = found.map_err(failed)?;
            require_own(path, &fs::symlink_metadata(&target).map_err(failed)?, "what it leads to")?;
            Ok(target)
        }
    }
}

#[cfg(unix)]
fn require_own(path: &Path, found: &fs::Metadata, what: &str) -> Result<()> {
    let owner = std::os::unix::fs::MetadataExt::uid(found);
    if owner == 0 || owner == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    Err(Error::new(
        Code::Io,
        format!("the link {} is not followed: {what} belongs to another user (uid {owner})", path.display()),
        "put a file of your own in its place, or a link to one",
    ))
}

#[cfg(not(unix))]
fn require_own(_path: &Path, _found: &fs::Metadata, _what: &str) -> Result<()> {
    Ok(())
}
