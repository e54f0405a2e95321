//! SQLite files of others, opened to be read and nothing else; and telling what a file is and whether it has changed.

use crate::error::{Code, Error, Result};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How long a lock of another process is waited for.
const BUSY_WAIT: Duration = Duration::from_secs(5);
const MAGIC: &[u8] = b"SQLite format 3\0";
/// Bytes of a database file's header.
const HEADER: usize = 100;
/// What to do about a file that is something else.
pub const NOT_HISTORY: &str = "name the history.db that AMX wrote (--source FILE), or restore it from a backup";
/// What to do about a file that is damaged.
pub const RESTORE: &str =
    "restore it from a backup, or save what can be read with: sqlite3 FILE .recover | sqlite3 NEW.db; the file was not touched";

/// Whose tables a SQLite file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// amx-cli's `analysis_runs`.
    AmxCli,
    /// Our `amx_history_runs`.
    Own,
    /// Both.
    Both,
    /// Neither, in a file that is SQLite's, or of no bytes at all.
    Empty,
}

/// Says what a file is, by its tables and never by its name.
///
/// # Errors
/// `usage` where there is no such file, `io` where it may not be read, `local_store_corrupt` where it is damaged or not SQLite's, `locked`.
pub fn recognise(path: &Path) -> Result<FileKind> {
    let file = ReadOnly::open(path)?;
    let has = |table: &str| {
        let sql = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?1 COLLATE NOCASE";
        file.connection.query_row(sql, [table], |row| row.get::<_, i64>(0)).map(|count| count > 0).map_err(|e| fault(path, &e))
    };
    Ok(match (has("analysis_runs")?, has("amx_history_runs")?) {
        (true, true) => FileKind::Both,
        (true, false) => FileKind::AmxCli,
        (false, true) => FileKind::Own,
        (false, false) => FileKind::Empty,
    })
}

/// A SQLite file that is open for reading, in a read transaction: whatever is read comes from one state of the file.
#[derive(Debug)]
pub struct ReadOnly {
    /// The connection. It cannot write.
    pub connection: Connection,
    /// Set where the file had to be opened without its locks: the path, and what it looked like then.
    unlocked: Option<(PathBuf, Stat)>,
}

impl ReadOnly {
    /// Opens the file in place, so that what is only in its WAL yet counts.
    ///
    /// Reading a WAL file takes a `-shm` beside it. Where that can neither be found nor be made (a folder without write right), the file is
    /// opened without locks (`immutable`), and only if no WAL holds anything; [`ReadOnly::unchanged`] then tells whether that was right.
    ///
    /// # Errors
    /// As [`recognise`].
    pub fn open(path: &Path) -> Result<ReadOnly> {
        let (real, header) = look(path)?;
        let error = match connect(&real, "mode=ro") {
            Ok(connection) => return Ok(ReadOnly { connection, unlocked: None }),
            Err(error) => error,
        };
        // Byte 18 is 2 in a WAL file. Any other kind may have an unfinished write beside it that has to be rolled back.
        let wal_mode = header.get(18) == Some(&2);
        if !wal_mode || !is_shut_out(&error) {
            return Err(fault(path, &error));
        }
        if size_of(&beside(&real, "-wal")) > 0 {
            return Err(fault(path, &error).hint(
                "its newest rows are in the -wal file beside it, which can be read only where this user may write in the folder: \
                 ask for that right, or copy the .db and the -wal file together to a folder of your own",
            ));
        }
        let before = Stat::of(&real).map_err(|e| Error::io(format!("cannot read {}", path.display()), &e))?;
        let connection = connect(&real, "mode=ro&immutable=1").map_err(|e| fault(path, &e))?;
        Ok(ReadOnly { connection, unlocked: Some((real, before)) })
    }

    /// Makes sure that a file opened without locks has not been written to since.
    ///
    /// # Errors
    /// `locked` where it has: what was read may be of two states.
    pub fn unchanged(&self) -> Result<()> {
        match &self.unlocked {
            Some((path, before)) if Stat::of(path).ok().as_ref() != Some(before) || size_of(&beside(path, "-wal")) > 0 => Err(Error::new(
                Code::Locked,
                format!("{} was written to while it was read", path.display()),
                "run the same command again when AMX is not running",
            )),
            _ => Ok(()),
        }
    }
}

/// The resolved path and the first bytes, or a clear word on why it is no SQLite file.
fn look(path: &Path) -> Result<(PathBuf, Vec<u8>)> {
    let shown = path.display();
    let refused = |e: std::io::Error| match e.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => {
            Error::new(Code::Usage, format!("there is no file {shown}"), "check the path; AMX keeps its history in ~/.amx/history.db")
        }
        _ => Error::io(format!("cannot read {shown}"), &e),
    };
    let corrupt = |what: &str| Error::new(Code::LocalStoreCorrupt, format!("{shown} {what}"), NOT_HISTORY);
    let meta = fs::metadata(path).map_err(refused)?;
    if meta.is_dir() {
        return Err(corrupt("is a folder, not a history file"));
    }
    if !meta.is_file() {
        return Err(corrupt("is not a regular file"));
    }
    let mut header = Vec::new();
    File::open(path).and_then(|file| file.take(HEADER as u64).read_to_end(&mut header)).map_err(refused)?;
    // SQLite takes a file of no bytes for a database without tables.
    if !header.is_empty() {
        if !header.starts_with(MAGIC) {
            return Err(corrupt("is not a SQLite file"));
        }
        if header.len() < HEADER {
            return Err(corrupt("is cut short"));
        }
    }
    Ok((fs::canonicalize(path).map_err(refused)?, header))
}

fn connect(real: &Path, options: &str) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(uri(real, options), flags)?;
    connection.busy_timeout(BUSY_WAIT)?;
    // The schema is a stranger's; and a damaged page is better found than followed.
    connection.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA cache_size = -8000; BEGIN")?;
    // BEGIN alone takes no lock: the first read does.
    connection.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(()))?;
    Ok(connection)
}

/// A `file:` URI for a resolved path. Every byte with a meaning in URIs is escaped: a path may hold `?`, `#`, `%`, or be no UTF-8 at all.
fn uri(real: &Path, options: &str) -> String {
    let bytes = real.as_os_str().as_encoded_bytes();
    let bytes = bytes.strip_prefix(br"\\?\").unwrap_or(bytes);
    let mut uri = String::from("file://");
    if bytes.first() != Some(&b'/') {
        uri.push('/');
    }
    for &byte in bytes {
        match byte {
            b'\\' if cfg!(windows) => uri.push('/'),
            b':' if cfg!(windows) => uri.push(':'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => uri.push(char::from(byte)),
            _ => {
                // Writing to a String cannot fail.
                let _ = write!(uri, "%{byte:02X}");
            }
        }
    }
    uri + "?" + options
}

/// Whether SQLite was refused by the file system rather than by what the file holds.
fn is_shut_out(error: &rusqlite::Error) -> bool {
    use ErrorCode::{CannotOpen, PermissionDenied, ReadOnly, SystemIoFailure};
    matches!(error.sqlite_error_code(), Some(CannotOpen | PermissionDenied | ReadOnly | SystemIoFailure))
}

/// What a failure of SQLite on someone's file means to the user.
pub fn fault(path: &Path, error: &rusqlite::Error) -> Error {
    let shown = path.display();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::new(
            Code::Locked,
            format!("{shown} is locked by another process"),
            "wait until AMX has finished its run, then run the same command again",
        ),
        Some(ErrorCode::DiskFull) => Error::new(
            Code::Io,
            format!("no room is left for {shown}: {error}"),
            "make room on its disk and in the folder for temporary files, then run the same command again",
        ),
        _ if is_shut_out(error) => Error::new(
            Code::Io,
            format!("cannot read or write {shown}: {error}"),
            "check the owner and the mode of the file and of its folder",
        ),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            Error::new(Code::LocalStoreCorrupt, format!("{shown} is damaged: {error}"), RESTORE)
        }
        _ => Error::new(Code::LocalStoreCorrupt, format!("{shown} cannot be read as a history: {error}"), NOT_HISTORY),
    }
}

/// The file that SQLite keeps beside another.
fn beside(real: &Path, suffix: &str) -> PathBuf {
    let mut name = real.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// A file's size in bytes; 0 where there is none.
fn size_of(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |meta| meta.len())
}

/// What a directory says of a file.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    device: u64,
    inode: u64,
    size: u64,
    /// Since 1970, in nanoseconds.
    modified: u128,
}

impl Stat {
    fn of(path: &Path) -> std::io::Result<Stat> {
        let meta = fs::metadata(path)?;
        #[cfg(unix)]
        let (device, inode) = (std::os::unix::fs::MetadataExt::dev(&meta), std::os::unix::fs::MetadataExt::ino(&meta));
        #[cfg(not(unix))]
        let (device, inode) = (0, 0);
        let modified = meta.modified()?.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
        Ok(Stat { device, inode, size: meta.len(), modified })
    }
}

/// A short text that says which state a SQLite file is in: 32 hex digits. The same file unchanged gives the same; after any commit it gives
/// another.
///
/// It is taken over the resolved path, device, inode, size, modification time and change counter of the file, and the last commit in its
/// WAL. In WAL mode a commit leaves the file itself alone, and the WAL's size and time are no measure: a WAL that is used again keeps its
/// size, two commits can fall into one tick of the file system's clock, and a write that was rolled back changes both. But each frame's
/// header carries the WAL's salts (new whenever it is begun anew) and a checksum over all frames before it, so that salts, number and
/// checksum of the last frame that ends a transaction stand for all that was committed. The frame headers are read one by one, 24 bytes a
/// page. An empty WAL counts as none: opening a file for reading makes one. A checkpoint changes the file and so the text, though no row
/// has changed.
///
/// # Errors
/// `usage` where there is no such file, `io`, and `local_store_corrupt` where it is not SQLite's.
pub fn fingerprint(path: &Path) -> Result<String> {
    let (real, header) = look(path)?;
    let failed = |e: std::io::Error| Error::io(format!("cannot read {}", path.display()), &e);
    let stat = Stat::of(&real).map_err(failed)?;
    let mut state = real.as_os_str().as_encoded_bytes().to_vec();
    state.push(0);
    state.extend_from_slice(format!("{stat:?}").as_bytes());
    state.extend_from_slice(header.get(24..28).unwrap_or_default());
    match last_commit(&beside(&real, "-wal")) {
        Ok(Some(commit)) => state.extend_from_slice(&commit),
        Ok(None) => {}
        Err(e) if e.kind() == ErrorKind::NotFound => {}
        Err(e) => return Err(failed(e)),
    }
    Ok(format!("{:032x}", xxhash_rust::xxh3::xxh3_128(&state)))
}

/// Number and header of the last frame of a WAL that ends a transaction; `None` where there is none.
fn last_commit(wal: &Path) -> std::io::Result<Option<Vec<u8>>> {
    const WAL_HEADER: usize = 32;
    const FRAME_HEADER: usize = 24;
    let mut file = File::open(wal)?;
    let mut header = [0; WAL_HEADER];
    if !filled(&mut file, &mut header)? {
        return Ok(None);
    }
    let page = match header.get(8..12) {
        Some(&[a, b, c, d]) => u64::from(u32::from_be_bytes([a, b, c, d])),
        _ => 0,
    };
    let salts = header.get(16..24);
    let mut last = None;
    let mut frame = [0; FRAME_HEADER];
    let mut number = 0_u64;
    loop {
        file.seek(SeekFrom::Start(WAL_HEADER as u64 + number * (FRAME_HEADER as u64 + page)))?;
        // A frame with other salts is left over from before the WAL was last begun anew.
        if !filled(&mut file, &mut frame)? || frame.get(8..16) != salts {
            return Ok(last);
        }
        number += 1;
        // The database's size in pages, which only the last frame of a transaction carries.
        if frame.get(4..8) != Some(&[0; 4]) {
            last = Some([&number.to_be_bytes()[..], &frame].concat());
        }
    }
}

/// Fills the buffer; false where the file ends before.
fn filled(file: &mut File, buffer: &mut [u8]) -> std::io::Result<bool> {
    match file.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests;
