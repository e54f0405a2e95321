//! An engine in the test's own process: SQLite in memory behind many sessions, with the abilities of any backend.
//!
//! What it has of a backend is what [`Dialect::simulated`] takes over, and what its capabilities mean: a lock that its holder's end frees, or
//! none; DDL that a transaction rolls back, or that is there at once; keys that are enforced, or not. It says nothing about that backend's SQL.

use amx_schema::dialect::{Backend, Dialect, LockKind};
use amx_schema::driver::{Driver, DriverError, ErrorKind, Failure, Op, Row, Value};
use amx_schema::error::Error;
use amx_schema::history::{time_from_text, time_text};
use amx_schema::model::Kind;
use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use rusqlite::types::Value as Native;
use rusqlite::{Connection, params_from_iter};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// One database.
pub struct Simulated {
    pub dialect: &'static Dialect,
    world: Arc<Mutex<World>>,
    sessions: AtomicU64,
}

struct World {
    connection: Connection,
    /// The session that has the engine's lock.
    lock: Option<u64>,
    enforces_keys: bool,
    /// Statements that wrote, since the count was last asked for.
    writes: u64,
}

impl Simulated {
    /// An empty database that can do what a backend can.
    pub fn new(backend: Backend) -> Simulated {
        let dialect = Box::leak(Box::new(Dialect::simulated(backend).unwrap()));
        let connection = Connection::open_in_memory().unwrap();
        let enforces_keys = dialect.lock == LockKind::Engine;
        let world = World { connection, lock: None, enforces_keys, writes: 0 };
        Simulated { dialect, world: Arc::new(Mutex::new(world)), sessions: AtomicU64::new(1) }
    }

    /// A session, as that of another process.
    pub fn session(&self) -> Box<dyn Driver> {
        let id = self.sessions.fetch_add(1, Ordering::SeqCst);
        Box::new(Session { world: Arc::clone(&self.world), id, transactional: self.dialect.transactional_ddl })
    }

    /// Ends what holds the engine's lock, as a DBA does who ends a session.
    pub fn end_engine_lock(&self) {
        self.world.lock().unwrap().lock = None;
    }

    /// All that is there but for the lock's row, the times and the order of columns, for comparing.
    pub fn content(&self) -> String {
        let world = self.world.lock().unwrap();
        let text = |sql: &str| {
            let mut statement = world.connection.prepare(sql).unwrap();
            let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
            rows.map(|row| row.unwrap() + "\n").collect::<String>()
        };
        // What is added again comes last; the order of columns means nothing.
        let lines = |sql: &str| {
            let mut lines: Vec<_> = sql.lines().map(|line| line.trim().trim_end_matches([',', ')']).to_string()).collect();
            lines.sort();
            lines.join("\n") + "\n"
        };
        let objects = "SELECT lower(name) || ' ' || type || char(10) || coalesce(replace(sql, ', \"', ',' || char(10) || '\"'), '') FROM sqlite_master ORDER BY lower(name)";
        let mut statement = world.connection.prepare(objects).unwrap();
        let tables: String = statement.query_map([], |row| row.get::<_, String>(0)).unwrap().map(|row| lines(&row.unwrap())).collect();
        let ledger = text("SELECT version || ' ' || name || ' ' || checksum FROM amx_history_ledger ORDER BY version");
        let steps = text("SELECT version || ' ' || step || ' ' || checksum || ' ' || state FROM amx_history_steps ORDER BY version, step");
        tables + &ledger + &steps
    }

    /// How many statements wrote since this was last asked.
    pub fn writes(&self) -> u64 {
        std::mem::take(&mut self.world.lock().unwrap().writes)
    }
}

struct Session {
    world: Arc<Mutex<World>>,
    id: u64,
    transactional: bool,
}

impl Session {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }
}

/// The engine frees what a session held where its process ends.
impl Drop for Session {
    fn drop(&mut self) {
        let mut world = self.world();
        if world.lock == Some(self.id) {
            world.lock = None;
        }
    }
}

fn run(world: &mut World, sql: &str, params: &[Value]) -> Result<u64, DriverError> {
    let sql = if world.enforces_keys { sql.to_string() } else { without_keys(sql) };
    world.writes += 1;
    let mut statement = world.connection.prepare(&sql).map_err(|error| fold(&error))?;
    statement.execute(params_from_iter(params.iter().map(native))).map(|touched| touched as u64).map_err(|error| fold(&error))
}

/// A table's definition without the keys that the engine would only note.
fn without_keys(sql: &str) -> String {
    if !sql.starts_with("CREATE TABLE") {
        return sql.into();
    }
    let kept = sql.lines().filter(|line| !line.trim_start().starts_with("PRIMARY KEY") && !line.contains("FOREIGN KEY"));
    let text: Vec<&str> = kept.collect();
    text.join("\n").replace(",\n)", "\n)")
}

fn native(value: &Value) -> Native {
    match value {
        Value::Text(Some(text)) => Native::Text(text.clone()),
        Value::Integer(Some(number)) => Native::Integer(*number),
        Value::Boolean(Some(truth)) => Native::Integer(i64::from(*truth)),
        Value::Time(Some(time)) => Native::Text(time_text(*time)),
        _ => Native::Null,
    }
}

fn fold(error: &rusqlite::Error) -> DriverError {
    let message = error.to_string();
    let kind = match &message {
        text if text.contains("no such") => ErrorKind::Missing,
        text if text.contains("already exists") || text.contains("duplicate column") => ErrorKind::Exists,
        text if text.contains("UNIQUE") => ErrorKind::Duplicate,
        text if text.contains("constraint failed") => ErrorKind::NotNull,
        _ => ErrorKind::Other,
    };
    DriverError::new(kind, message)
}

#[async_trait]
impl Driver for Session {
    async fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64, DriverError> {
        tokio::task::yield_now().await;
        run(&mut self.world(), sql, params)
    }

    async fn query(&mut self, sql: &str, params: &[Value], kinds: &[Kind]) -> Result<Vec<Row>, DriverError> {
        tokio::task::yield_now().await;
        let world = self.world();
        let mut statement = world.connection.prepare(sql).map_err(|error| fold(&error))?;
        let mut rows = statement.query(params_from_iter(params.iter().map(native))).map_err(|error| fold(&error))?;
        let mut answer = vec![];
        while let Some(row) = rows.next().map_err(|error| fold(&error))? {
            let value = |(at, kind): (usize, &Kind)| match kind {
                Kind::Integer => Value::Integer(row.get(at).unwrap()),
                Kind::Boolean => Value::Boolean(row.get(at).unwrap()),
                Kind::Timestamp => Value::Time(row.get::<_, Option<String>>(at).unwrap().map(|text| time_from_text(&text).unwrap())),
                Kind::Key | Kind::Text | Kind::Json | Kind::Literal => Value::Text(row.get(at).unwrap()),
            };
            answer.push(kinds.iter().enumerate().map(value).collect());
        }
        Ok(answer)
    }

    /// The others wait as they would for the locks of its tables.
    async fn atomic(&mut self, ops: BoxStream<'_, Result<Op<'_>, Error>>) -> Result<(), Failure> {
        let ops: Vec<_> = ops.collect().await;
        let transactional = self.transactional;
        let mut world = self.world();
        world.connection.execute_batch("BEGIN").unwrap();
        let landed = ops.into_iter().try_for_each(|op| match op? {
            Op::Execute { sql, params, expect } => {
                let ddl = ["CREATE ", "ALTER ", "DROP "].iter().any(|word| sql.starts_with(word));
                assert!(transactional || !ddl, "a transaction of DDL on an engine that has none: {sql}");
                match run(&mut world, &sql, &params)? {
                    touched if expect.is_some_and(|expected| expected != touched) => Err(Failure::Overtaken),
                    _ => Ok(()),
                }
            }
            Op::Load(_) => panic!("a migration that loads rows"),
        });
        world.connection.execute_batch(if landed.is_ok() { "COMMIT" } else { "ROLLBACK" }).unwrap();
        landed
    }

    async fn another(&mut self) -> Result<Box<dyn Driver>, DriverError> {
        Ok(Box::new(Session { world: Arc::clone(&self.world), id: 0, transactional: self.transactional }))
    }

    async fn try_lock(&mut self, _name: &str) -> Result<bool, DriverError> {
        let id = self.id;
        let mut world = self.world();
        let free = world.lock.is_none_or(|holder| holder == id);
        if free {
            world.lock = Some(id);
        }
        Ok(free)
    }

    async fn unlock(&mut self) -> Result<(), DriverError> {
        let id = self.id;
        let mut world = self.world();
        world.lock = world.lock.filter(|holder| *holder != id);
        Ok(())
    }

    async fn close(self: Box<Self>) {}
}
