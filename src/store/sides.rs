//! Two sides of a comparison, run by run: in a file of SQLite's own that is gone with it, so that memory stays flat however many runs there are, and
//! in whatever order an engine gives them.

use super::hashing::Hashed;
use super::sqlite_file::fault;
use crate::error::Result;
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::path::Path;

/// A run on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// The run, as the shared store has it or would have it.
    pub run_id: String,
    /// What this home has of it.
    pub local: Option<Hashed>,
    /// What the shared store has of it.
    pub shared: Option<Hashed>,
    /// Whether this home is its owner.
    pub own: bool,
    /// Whether something of it waits in the outbox or is in quarantine.
    pub pending: bool,
}

/// The runs of both sides.
#[derive(Debug)]
pub struct Sides {
    connection: Connection,
}

/// The columns of a [`Compared`].
const COLUMNS: &str = "run_id, local_results, local_hash, shared_results, shared_hash, own, pending";

impl Sides {
    /// Nothing yet.
    pub fn new() -> Result<Sides> {
        // A name that is empty is a file for a while: https://www.sqlite.org/inmemorydb.html#temp_db
        let open = || {
            let connection = Connection::open("")?;
            connection.execute_batch(
                "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN;
                 CREATE TABLE sides (run_id TEXT NOT NULL PRIMARY KEY, local_results INTEGER, local_hash TEXT, shared_results INTEGER,
                   shared_hash TEXT, own INTEGER NOT NULL DEFAULT 0, pending INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID",
            )?;
            Ok(connection)
        };
        done(open()).map(|connection| Sides { connection })
    }

    /// Puts what this home has of a run, in place of what it was said to have.
    pub fn put_local(&self, run_id: &str, hashed: &Hashed, own: bool) -> Result<()> {
        let sql = "INSERT INTO sides (run_id, local_results, local_hash, own) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT DO UPDATE SET local_results = excluded.local_results, local_hash = excluded.local_hash, own = excluded.own";
        self.execute(sql, params![run_id, hashed.results as i64, hashed.hash, own]).map(|_| ())
    }

    /// Notes that a run which may be here is this home's; says whether it is here.
    pub fn own(&self, run_id: &str) -> Result<bool> {
        let sql = "UPDATE sides SET own = 1 WHERE run_id = ?1 AND local_hash IS NOT NULL";
        self.execute(sql, [run_id]).map(|noted| noted > 0)
    }

    /// Notes that something of a run waits.
    pub fn put_pending(&self, run_id: &str) -> Result<()> {
        let sql = "INSERT INTO sides (run_id, pending) VALUES (?1, 1) ON CONFLICT DO UPDATE SET pending = 1";
        self.execute(sql, [run_id]).map(|_| ())
    }

    /// Notes that the shared store has a run, of which no result has been seen yet.
    pub fn add_shared(&self, run_id: &str, none: &Hashed) -> Result<()> {
        let sql = "INSERT INTO sides (run_id, shared_results, shared_hash) VALUES (?1, ?2, ?3)
            ON CONFLICT DO UPDATE SET shared_results = excluded.shared_results, shared_hash = excluded.shared_hash";
        self.execute(sql, params![run_id, none.results as i64, none.hash]).map(|_| ())
    }

    /// Puts what the shared store has of a run and gives both sides of it; nothing where it is no run that the store has.
    pub fn put_shared(&self, run_id: &str, hashed: &Hashed) -> Result<Option<Compared>> {
        let sql = format!(
            "UPDATE sides SET shared_results = ?2, shared_hash = ?3 WHERE run_id = ?1 AND shared_hash IS NOT NULL RETURNING {COLUMNS}"
        );
        let values = params![run_id, hashed.results as i64, hashed.hash];
        done(self.connection.prepare_cached(&sql).and_then(|mut put| put.query_row(values, compared).optional()))
    }

    /// How many runs there are on either side.
    pub fn count(&self) -> Result<u64> {
        done(self.connection.query_row("SELECT count(*) FROM sides", [], |row| row.get::<_, i64>(0))).map(|count| count as u64)
    }

    /// Visits every run, by its id.
    pub fn each(&self, each: &mut dyn FnMut(Compared) -> Result<()>) -> Result<()> {
        let mut statement = done(self.connection.prepare(&format!("SELECT {COLUMNS} FROM sides ORDER BY run_id")))?;
        let mut rows = done(statement.query([]))?;
        while let Some(row) = done(rows.next())? {
            each(done(compared(row))?)?;
        }
        Ok(())
    }

    fn execute(&self, sql: &str, values: impl rusqlite::Params) -> Result<usize> {
        done(self.connection.prepare_cached(sql).and_then(|mut statement| statement.execute(values)))
    }
}

fn compared(row: &Row<'_>) -> rusqlite::Result<Compared> {
    let side = |results: usize| {
        let hash = row.get::<_, Option<String>>(results + 1)?;
        hash.map(|hash| Ok::<_, rusqlite::Error>(Hashed { results: row.get::<_, i64>(results)? as u64, hash })).transpose()
    };
    Ok(Compared { run_id: row.get(0)?, local: side(1)?, shared: side(3)?, own: row.get(5)?, pending: row.get(6)? })
}

fn done<T>(result: rusqlite::Result<T>) -> Result<T> {
    result.map_err(|error| fault(Path::new("the temporary file of this comparison"), &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashed(results: u64) -> Hashed {
        Hashed { results, hash: format!("{results:064}") }
    }

    #[test]
    fn both_sides_of_a_run_come_together_whatever_came_first() {
        let sides = Sides::new().unwrap();
        sides.put_local("b", &hashed(2), false).unwrap();
        sides.put_pending("c").unwrap();
        sides.put_local("c", &hashed(3), true).unwrap();
        sides.add_shared("a", &hashed(0)).unwrap();
        sides.add_shared("b", &hashed(0)).unwrap();
        assert!(sides.own("b").unwrap() && !sides.own("a").unwrap());
        let b = Compared { run_id: "b".into(), local: Some(hashed(2)), shared: Some(hashed(7)), own: true, pending: false };
        assert_eq!(sides.put_shared("b", &hashed(7)).unwrap(), Some(b.clone()));
        assert_eq!(sides.put_shared("c", &hashed(7)).unwrap(), None);
        let mut all = vec![];
        sides
            .each(&mut |run| {
                all.push(run);
                Ok(())
            })
            .unwrap();
        let a = Compared { run_id: "a".into(), local: None, shared: Some(hashed(0)), own: false, pending: false };
        let c = Compared { run_id: "c".into(), local: Some(hashed(3)), shared: None, own: true, pending: true };
        assert_eq!((sides.count().unwrap(), all), (3, vec![a, b, c]));
    }
}
