//! The behaviour of `sqlite_file`.

use super::*;
use tempfile::TempDir;

fn made(dir: &TempDir, name: impl AsRef<Path>, sql: &str) -> PathBuf {
    let path = dir.path().join(name);
    Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    path
}

#[test]
fn a_file_is_recognised_by_its_tables() {
    let dir = TempDir::new().unwrap();
    let (theirs, ours) = ("CREATE TABLE analysis_runs (id);", "CREATE TABLE amx_history_runs (run_id);");
    for (name, sql, kind) in [
        ("a", theirs.to_owned(), FileKind::AmxCli),
        ("b", ours.to_owned(), FileKind::Own),
        ("c", format!("{theirs}{ours}"), FileKind::Both),
        ("d", "CREATE TABLE x (id); CREATE VIEW analysis_runs AS SELECT * FROM x".to_owned(), FileKind::Empty),
    ] {
        assert_eq!(recognise(&made(&dir, name, &sql)).unwrap(), kind);
    }
    fs::write(dir.path().join("zero"), "").unwrap();
    assert_eq!(recognise(&dir.path().join("zero")).unwrap(), FileKind::Empty);
}

#[test]
fn what_is_no_sqlite_file_is_said_to_be_none() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("x");
    let code = |path: &Path| recognise(path).unwrap_err().code;
    assert_eq!(code(&path), Code::Usage);
    assert_eq!(code(&path.join("y")), Code::Usage);
    assert_eq!(code(dir.path()), Code::LocalStoreCorrupt);
    for bytes in [b"run_id,who\n".to_vec(), b"SQLite format 3\0 and no more".to_vec(), [MAGIC, &[0; 5000]].concat()] {
        fs::write(&path, bytes).unwrap();
        assert_eq!(code(&path), Code::LocalStoreCorrupt);
    }
    let whole = fs::read(made(&dir, "good", "CREATE TABLE a (x); CREATE TABLE b (x); CREATE TABLE c (x)")).unwrap();
    fs::write(&path, &whole[..whole.len() - 5000]).unwrap();
    assert_eq!(code(&path), Code::LocalStoreCorrupt);
}

#[cfg(unix)]
#[test]
fn a_path_with_any_bytes_is_opened_and_no_other_file_is_made() {
    use std::os::unix::ffi::OsStrExt as _;
    let dir = TempDir::new().unwrap();
    for name in [&b"a?mode=rwc#x%20 y&z.db"[..], b"caf\xe9 \xff.db", b"100%.db", "müşteri.db".as_bytes()] {
        let path = dir.path().join(std::ffi::OsStr::from_bytes(name));
        fs::write(&path, fs::read(made(&dir, "seed", "CREATE TABLE IF NOT EXISTS analysis_runs (id)")).unwrap()).unwrap();
        assert_eq!(recognise(&path).unwrap(), FileKind::AmxCli);
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 5);
}

/// A WAL file whose `-shm` can neither be opened nor be made, as in a folder without write right; but root is refused this one too.
#[cfg(unix)]
fn shut_in(dir: &TempDir) -> PathBuf {
    let path = made(dir, "h.db", "PRAGMA journal_mode = WAL; CREATE TABLE analysis_runs (id)");
    std::os::unix::fs::symlink("/nowhere/at/all", beside(&path, "-shm")).unwrap();
    path
}

#[cfg(unix)]
#[test]
fn a_wal_file_in_a_folder_that_cannot_be_written_is_read_all_the_same() {
    let dir = TempDir::new().unwrap();
    let path = shut_in(&dir);
    let file = ReadOnly::open(&path).unwrap();
    assert!(file.unlocked.is_some());
    file.unchanged().unwrap();
    fs::write(beside(&path, "-wal"), "rows").unwrap();
    assert_eq!(file.unchanged().unwrap_err().code, Code::Locked);
}

#[cfg(unix)]
#[test]
fn newest_rows_in_a_wal_that_cannot_be_read_are_never_left_out_silently() {
    let dir = TempDir::new().unwrap();
    let path = shut_in(&dir);
    fs::write(beside(&path, "-wal"), "rows").unwrap();
    let error = ReadOnly::open(&path).unwrap_err();
    assert_eq!(error.code, Code::Io);
    assert!(error.hint.contains("-wal"), "{error}");
}

#[test]
fn a_file_of_ours_cannot_be_written_through() {
    let dir = TempDir::new().unwrap();
    let file = ReadOnly::open(&made(&dir, "a", "CREATE TABLE t (x)")).unwrap();
    assert!(file.connection.execute("INSERT INTO t VALUES (1)", []).is_err());
}

#[test]
fn the_fingerprint_follows_commits_and_nothing_else() {
    let dir = TempDir::new().unwrap();
    for mode in ["DELETE", "WAL"] {
        let path = made(&dir, mode, &format!("PRAGMA journal_mode = {mode}; CREATE TABLE t (x)"));
        let writer = Connection::open(&path).unwrap();
        writer.execute_batch("PRAGMA wal_autocheckpoint = 4; PRAGMA cache_size = 5").unwrap();
        let mut seen = vec![fingerprint(&path).unwrap()];
        for round in 0..30 {
            ReadOnly::open(&path).unwrap();
            assert_eq!(fingerprint(&path).unwrap(), seen[seen.len() - 1], "{mode} {round}");
            writer.execute_batch("INSERT INTO t VALUES (zeroblob(2000))").unwrap();
            let now = fingerprint(&path).unwrap();
            assert!(!seen.contains(&now), "{mode} {round}");
            seen.push(now);
        }
    }
}

#[test]
fn the_fingerprint_does_not_see_what_was_rolled_back_in_the_wal() {
    let dir = TempDir::new().unwrap();
    let path = made(&dir, "w", "PRAGMA journal_mode = WAL; CREATE TABLE t (x)");
    let writer = Connection::open(&path).unwrap();
    writer.execute_batch("INSERT INTO t VALUES (1)").unwrap();
    let before = fingerprint(&path).unwrap();
    let size = size_of(&beside(&path, "-wal"));
    let fill = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) INSERT INTO t SELECT zeroblob(4000) FROM n";
    writer.execute_batch(&format!("PRAGMA cache_size = 5; BEGIN; {fill}; ROLLBACK")).unwrap();
    assert!(size_of(&beside(&path, "-wal")) > size);
    assert_eq!(fingerprint(&path).unwrap(), before);
}
