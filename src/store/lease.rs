//! The store's lease: on an engine that enforces no keys, one writer at a time, so that none adds what another has just added.
//!
//! It is a row beside the migrations' own (`dialects/base/lock_*.sql`): taken by a compare-and-set, given back after each batch, and taken over
//! where it has not changed for as long as it lasts. Every statement that writes rows tests its number, the fence, so that whoever was paused
//! and has lost it writes nothing more (DESIGN, decision 7).

use super::source::Person;
use crate::dialect::{Dialect, SchemaName};
use crate::driver::{Driver, LONGEST_WRITE};
use crate::error::{Code, Error, Result};
use crate::migration::{Holder, LEASE, LockRow, beat, in_the_way};
use crate::model::Model;
use crate::render::Turn;
use minijinja::context;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// The shortest and the longest pause between two tries.
const POLL: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// The pause between two signs of life, and how old the last one may be when a statement is sent.
const BEAT: Duration = Duration::from_secs(5);
const FRESH: Duration = Duration::from_secs(10);
/// How long the lease lasts where a batch is no transaction: longer than a statement goes on whose sender died, and the age of the sign of life that
/// it was sent with.
const LEASE_OF_STATEMENTS: Duration = Duration::from_secs(LONGEST_WRITE.as_secs() + FRESH.as_secs() + 5);

/// How long the lease lasts without a sign of life.
fn lasts(dialect: &Dialect) -> Duration {
    if dialect.transactions { LEASE } else { LEASE_OF_STATEMENTS }
}

/// The lease, had.
#[derive(Debug)]
pub struct Lease {
    /// The number that this holder got.
    pub(super) fence: i64,
    /// When the last sign of life was sent that reached the store.
    alive: Arc<Mutex<Instant>>,
    /// Renews it over a line of its own where a batch takes long.
    beating: Option<JoinHandle<()>>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(beating) = &self.beating {
            beating.abort();
        }
    }
}

/// What is known of the row since it was last given back, which saves reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hint {
    fence: i64,
}

/// The lease of a store over one connection.
pub(super) struct Leases<'a> {
    pub driver: &'a mut dyn Driver,
    pub dialect: &'a Dialect,
    pub schema: &'a SchemaName,
}

impl Leases<'_> {
    /// Takes the lease, waiting for another holder for so long.
    ///
    /// # Errors
    /// `locked` where it is not had in time; what the driver says.
    pub async fn take(&mut self, person: &Person, hint: Option<Hint>, wait: Duration) -> Result<Lease> {
        let lock = lock_table()?;
        let holder = Holder { who: person.who.clone(), hostname: person.hostname.clone(), pid: std::process::id(), since: None };
        let (mut pause, longest) = POLL;
        let started = Instant::now();
        let mut guess = hint.map(|hint| LockRow { fence: hint.fence, beat: 0, holder: None });
        let mut seen: Option<(LockRow, Instant)> = None;
        loop {
            let guessed = guess.is_some();
            let row = match guess.take() {
                Some(row) => row,
                None => LockRow::read(self.driver, self.dialect, self.schema, &lock, Turn::Write).await?.ok_or_else(no_row)?,
            };
            let since = match &seen {
                Some((known, since)) if *known == row => *since,
                _ => Instant::now(),
            };
            if row.holder.is_none() || since.elapsed() >= lasts(self.dialect) {
                let (sql, params) = row.take(self.dialect, self.schema, &lock, Turn::Write, &holder)?;
                let sent = Instant::now();
                match self.driver.execute(&sql, &params).await {
                    Ok(0) => {}
                    Ok(_) => return self.had(&lock, row.fence + 1, sent).await,
                    Err(error) if in_the_way(&error) => {}
                    Err(error) => return Err(super::shared::refused(error, self.dialect, self.schema, crate::render::Privilege::Write)),
                }
                if guessed {
                    continue;
                }
            }
            if started.elapsed() >= wait {
                let by = row.holder.map_or("another writer".into(), |holder| holder.to_string());
                return Err(Error::new(
                    Code::Locked,
                    format!("{by} is writing to the store, and still was after {} s", started.elapsed().as_secs()),
                    "run the same command again; it goes on from where it was",
                ));
            }
            seen = Some((row, since));
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
    }

    /// A batch of statements may take longer than the lease lasts: there it is renewed meanwhile. Within a transaction the row is locked.
    async fn had(&mut self, lock: &str, fence: i64, taken: Instant) -> Result<Lease> {
        let alive = Arc::new(Mutex::new(taken));
        let mut beating = None;
        if !self.dialect.transactions {
            let (renew, seen) = (self.renew_sql(lock, fence)?, Arc::clone(&alive));
            let note = move |sent| *seen.lock().unwrap_or_else(PoisonError::into_inner) = sent;
            beating = Some(tokio::spawn(beat(self.driver.another().await?, renew, BEAT, note)));
        }
        Ok(Lease { fence, alive, beating })
    }

    /// Whether the lease is had and its last sign of life is young, so that a statement that is sent now ends before another writer takes it over,
    /// also where nobody lives to see that end. It is renewed where the beat was not heard.
    pub async fn is_fresh(&mut self, lease: &Lease) -> Result<bool> {
        let alive = || lease.alive.lock().unwrap_or_else(PoisonError::into_inner);
        if alive().elapsed() < FRESH {
            return Ok(true);
        }
        let sent = Instant::now();
        let had = self.driver.execute(&self.proof(lease)?, &[]).await? > 0;
        if had {
            *alive() = sent;
        }
        Ok(had)
    }

    /// The statement that shows within a transaction that the lease is still had: it touches one row then, and keeps it.
    pub fn proof(&self, lease: &Lease) -> Result<String> {
        self.renew_sql(&lock_table()?, lease.fence)
    }

    fn renew_sql(&self, lock: &str, fence: i64) -> Result<String> {
        self.dialect.render("lock_renew.sql", self.schema, context! { lock, item => Turn::Write.word(), fence })
    }

    /// Gives the lease back. Where that cannot be said any more, it runs out.
    pub async fn give_back(&mut self, lease: Lease) -> Option<Hint> {
        let context = context! { lock => lock_table().ok()?, item => Turn::Write.word(), fence => lease.fence };
        let sql = self.dialect.render("lock_release.sql", self.schema, context).ok()?;
        let released = self.driver.execute(&sql, &[]).await;
        matches!(released, Ok(1..)).then_some(Hint { fence: lease.fence + 1 })
    }
}

/// What a template needs to test that the lease is had.
pub(super) fn fence_context(lease: Option<&Lease>) -> Result<minijinja::Value> {
    Ok(context! { lock => lock_table()?, item => Turn::Write.word(), fence => lease.map(|lease| lease.fence) })
}

fn lock_table() -> Result<String> {
    Ok(Model::embedded()?.lock_table().name)
}

fn no_row() -> Error {
    Error::new(
        Code::StoreMissing,
        "the store has no row for the lease that its writers take turns by",
        "run `amx-schema migrate`; where a script made the store, run the script of this version again",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Backend;
    use crate::driver::{DriverError, Failure, Op, Row, Value, over_sqlite};
    use crate::migration::{Engine, LockOptions, MigrationSet};
    use crate::model::Kind;
    use crate::report::Silent;
    use async_trait::async_trait;
    use futures_util::stream::BoxStream;
    use rusqlite::Connection;
    use tempfile::TempDir;

    /// A store that is a file, on an engine that runs a batch statement by statement.
    struct Shared {
        file: TempDir,
        dialect: &'static Dialect,
        schema: SchemaName,
    }

    impl Shared {
        async fn new() -> Shared {
            let dialect: &'static Dialect = Box::leak(Box::new(Dialect::simulated(Backend::BigQuery).unwrap()));
            let schema = dialect.schema_name("AMX").unwrap();
            let shared = Shared { file: tempfile::tempdir().unwrap(), dialect, schema };
            let set = MigrationSet::rendered_in(Model::embedded().unwrap(), shared.dialect).unwrap();
            let (mut driver, holder) = (shared.open(), Holder { who: "tests".into(), ..Holder::default() });
            let mut engine = Engine { driver: driver.as_mut(), set: &set, schema: &shared.schema, reporter: &Silent };
            engine.migrate(None, &LockOptions { timeout: LEASE, lease: LEASE, holder }).await.unwrap();
            shared
        }

        fn open(&self) -> Box<dyn Driver> {
            over_sqlite(Connection::open(self.file.path().join("shared.db")).unwrap())
        }

        fn leases<'a>(&'a self, driver: &'a mut dyn Driver) -> Leases<'a> {
            Leases { driver, dialect: self.dialect, schema: &self.schema }
        }

        /// How often the lease was renewed.
        async fn beats(&self) -> i64 {
            let mut driver = self.open();
            let row = LockRow::read(driver.as_mut(), self.dialect, &self.schema, &lock_table().unwrap(), Turn::Write).await;
            row.unwrap().unwrap().beat
        }
    }

    /// A connection whose second one reaches another database, so that no sign of life arrives.
    struct Unheard(Box<dyn Driver>);

    #[async_trait]
    impl Driver for Unheard {
        async fn execute(&mut self, sql: &str, params: &[Value]) -> std::result::Result<u64, DriverError> {
            self.0.execute(sql, params).await
        }
        async fn query(&mut self, sql: &str, params: &[Value], kinds: &[Kind]) -> std::result::Result<Vec<Row>, DriverError> {
            self.0.query(sql, params, kinds).await
        }
        async fn atomic(&mut self, ops: BoxStream<'_, Result<Op<'_>>>) -> std::result::Result<(), Failure> {
            self.0.atomic(ops).await
        }
        async fn another(&mut self) -> std::result::Result<Box<dyn Driver>, DriverError> {
            Ok(over_sqlite(Connection::open_in_memory().unwrap()))
        }
        async fn try_lock(&mut self, name: &str) -> std::result::Result<bool, DriverError> {
            self.0.try_lock(name).await
        }
        async fn unlock(&mut self) -> std::result::Result<(), DriverError> {
            self.0.unlock().await
        }
        async fn close(self: Box<Self>) {
            self.0.close().await;
        }
    }

    fn person(who: &str) -> Person {
        Person { who: who.into(), hostname: "laptop".into() }
    }

    const PATIENT: Duration = Duration::from_secs(120);

    #[tokio::test(start_paused = true)]
    async fn a_lease_whose_signs_of_life_are_not_heard_is_renewed_before_the_next_statement() {
        let shared = Shared::new().await;
        let mut driver = Unheard(shared.open());
        let mut ann = shared.leases(&mut driver);
        let lease = ann.take(&person("ann"), None, PATIENT).await.unwrap();
        let taken = shared.beats().await;
        tokio::time::sleep(FRESH - Duration::from_secs(1)).await;
        assert!(ann.is_fresh(&lease).await.unwrap());
        assert_eq!(shared.beats().await, taken, "a young lease is renewed");
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(ann.is_fresh(&lease).await.unwrap());
        assert_eq!(shared.beats().await, taken + 1);
        tokio::time::sleep(FRESH - Duration::from_secs(1)).await;
        assert!(ann.is_fresh(&lease).await.unwrap());
        assert_eq!(shared.beats().await, taken + 1, "what was renewed is young");
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_that_is_heard_of_is_not_taken_over() {
        let shared = Shared::new().await;
        let (mut driver, mut other) = (shared.open(), shared.open());
        let mut ann = shared.leases(driver.as_mut());
        let lease = ann.take(&person("ann"), None, PATIENT).await.unwrap();
        let refused = shared.leases(other.as_mut()).take(&person("bob"), None, PATIENT).await.unwrap_err();
        assert_eq!(refused.code, Code::Locked);
        assert!(refused.message.starts_with("ann on laptop, process "), "{}", refused.message);
        assert!(ann.is_fresh(&lease).await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_that_is_not_heard_of_is_taken_over_once_the_longest_statement_has_ended_and_its_holder_learns_of_it() {
        let shared = Shared::new().await;
        let (mut driver, mut other) = (Unheard(shared.open()), shared.open());
        let mut ann = shared.leases(&mut driver);
        let lease = ann.take(&person("ann"), None, PATIENT).await.unwrap();
        let since = Instant::now();
        let taken_over = shared.leases(other.as_mut()).take(&person("bob"), None, PATIENT).await.unwrap();
        assert_eq!(taken_over.fence, lease.fence + 1);
        assert!(since.elapsed() >= FRESH + LONGEST_WRITE, "{:?}", since.elapsed());
        assert!(since.elapsed() <= LEASE_OF_STATEMENTS + POLL.1, "{:?}", since.elapsed());
        assert!(!ann.is_fresh(&lease).await.unwrap());
    }
}
