//! The lock that one migration holds.
//!
//! It is the engine's own where there is one, which the engine frees where the holder dies, else a lease: a row that is renewed, and that a
//! waiter takes over once it has seen it unchanged for as long as the lease lasts. No clock is compared with another. In both cases the row
//! says who holds the lock, and has a number, the fence, that goes up with each holder: whoever was paused and has lost the lock finds another
//! number at its next write, which is then refused.

use super::Engine;
use super::engine::{statement_error, timeouts};
use crate::dialect::{Dialect, LockKind, SchemaName};
use crate::driver::{Driver, DriverError, ErrorKind, Failure, Op, Value};
use crate::error::{Code, Error, Result};
use crate::model::Kind;
use crate::render::Turn;
use futures_util::StreamExt;
use minijinja::context;
use serde::Serialize;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// The shortest and the longest pause between two tries for a lock.
const POLL: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));
/// How long a write of the lock's row waits for a transaction that has it.
const SHORT_WAIT: Duration = Duration::from_secs(1);
/// How long a lease lasts without being renewed.
pub const LEASE: Duration = Duration::from_secs(20);

/// Who holds, or wants to hold, the lock.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Holder {
    /// The person: `AMX_USER`, else the login name. Not empty.
    pub who: String,
    /// The machine.
    pub hostname: String,
    /// The process.
    pub pid: u32,
    /// Since when, as RFC 3339 text of the database's clock; none before it holds.
    pub since: Option<String>,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} on {}, process {}", self.who, self.hostname, self.pid)?;
        self.since.iter().try_for_each(|since| write!(f, ", since {since}"))
    }
}

/// How the lock is to be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockOptions {
    /// How long another holder is waited for.
    pub timeout: Duration,
    /// How long a lease lasts without being renewed.
    pub lease: Duration,
    /// Who wants it.
    pub holder: Holder,
}

/// Whether the lock is held, and by whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LockState {
    /// Whether it is held.
    pub held: bool,
    /// What keeps others out.
    pub kind: LockKind,
    /// Who holds it, where the row tells; SQLite shows nobody what a writer has not committed.
    pub holder: Option<Holder>,
    /// The number of its holders so far.
    pub fence: i64,
}

/// The lock, had.
pub(super) struct Held {
    /// The number that this holder got.
    pub fence: i64,
    /// Renews a lease over a connection of its own, whatever the holder is doing, until this is dropped.
    beating: Option<JoinHandle<()>>,
    renew: String,
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(beating) = &self.beating {
            beating.abort();
        }
    }
}

impl Held {
    /// The statement that shows that the lock is still had: it touches one row then. It keeps the row from changing hands until its transaction
    /// ends.
    pub fn proof(&self) -> &str {
        &self.renew
    }
}

/// What a waiter has seen of a lease.
struct Seen {
    row: LockRow,
    /// Since when it is as it is.
    since: Instant,
    /// Whether it was seen to change, or to pass to another holder.
    alive: bool,
}

/// A row of the lock's table as it is in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LockRow {
    /// Goes up with each holder.
    pub fence: i64,
    /// Goes up while the holder is at work.
    pub beat: i64,
    /// Who holds it.
    pub holder: Option<Holder>,
}

impl LockRow {
    /// Reads the row of a turn; nothing where there is none.
    pub async fn read(driver: &mut dyn Driver, dialect: &Dialect, schema: &SchemaName, lock: &str, turn: Turn) -> Result<Option<LockRow>> {
        let sql = dialect.render("lock_row.sql", schema, context! { lock, item => turn.word() })?;
        let kinds = [Kind::Integer, Kind::Integer, Kind::Key, Kind::Key, Kind::Integer, Kind::Key];
        let rows = match driver.query(&sql, &[], &kinds).await {
            Err(error) if error.kind == ErrorKind::Missing => return Ok(None),
            rows => rows?,
        };
        Ok(rows.into_iter().next().and_then(|row| {
            let [fence, beat, who, hostname, pid, since] = <[Value; 6]>::try_from(row).ok()?;
            let holder = who.into_text().map(|who| Holder {
                who,
                hostname: hostname.into_text().unwrap_or_default(),
                pid: pid.as_integer().and_then(|pid| u32::try_from(pid).ok()).unwrap_or_default(),
                since: since.into_text(),
            });
            Some(LockRow { fence: fence.as_integer()?, beat: beat.as_integer()?, holder })
        }))
    }

    /// The statement that takes the row as it was read, with what is bound to it. It touches one row where nobody was faster.
    pub fn take(&self, dialect: &Dialect, schema: &SchemaName, lock: &str, turn: Turn, holder: &Holder) -> Result<(String, Vec<Value>)> {
        let cut = |text: &str| text.chars().take(255).collect::<String>();
        let params = vec![cut(&holder.who).into(), cut(&holder.hostname).into(), i64::from(holder.pid).into()];
        let context = context! { lock, item => turn.word(), fence => self.fence, beat => self.beat };
        Ok((dialect.render("lock_take.sql", schema, context)?, params))
    }
}

impl Engine<'_> {
    /// Waits for the lock by trying again and again, never inside a statement: a blocked statement would hold back others, as CREATE INDEX
    /// CONCURRENTLY does that waits for it in turn.
    pub(super) async fn lock(&mut self, options: &LockOptions) -> Result<Held> {
        let (mut pause, longest) = POLL;
        let started = Instant::now();
        let mut waiting = false;
        let mut seen: Option<Seen> = None;
        loop {
            let tried = match self.set.dialect.lock {
                LockKind::Engine => self.try_engine_lock(options).await?,
                LockKind::Lease => self.try_lease(options, &mut seen).await?,
            };
            if let Some(held) = tried {
                return Ok(held);
            }
            // A holder that may be dead is given as long as its lease lasts; one that was seen to be alive is not waited for longer than asked.
            let may_be_dead = seen.as_ref().is_some_and(|seen| !seen.alive && seen.since.elapsed() < options.lease);
            let given_up = started.elapsed() >= options.timeout && !may_be_dead;
            if given_up || !waiting {
                let holder = self.lock_row().await.ok().flatten().and_then(|row| row.holder);
                let by = holder.map_or("another process".into(), |holder| holder.to_string());
                if given_up {
                    return Err(Error::new(
                        Code::Locked,
                        format!("{by} is migrating {}, and still held the lock after {} s", self.schema.given, started.elapsed().as_secs()),
                        "wait for it and run the same command again, or give a longer --lock-timeout; `amx-schema migrate lock status` shows the lock",
                    ));
                }
                self.reporter.warn(&format!("{by} is migrating this store; waiting for it"));
                waiting = true;
            }
            let left = options.timeout.saturating_sub(started.elapsed());
            tokio::time::sleep(if left.is_zero() { pause } else { pause.min(left) }).await;
            pause = (pause * 2).min(longest);
        }
    }

    /// Gives the lock back. Where that cannot be said any more, the engine frees its own lock and a lease runs out.
    pub(super) async fn unlock(&mut self, held: Held) -> Result<()> {
        let release = self.lock_sql("lock_release.sql", context! { fence => held.fence })?;
        if let Err(error) = self.driver.execute(&release, &[]).await {
            self.reporter.warn(&format!("the lock could not be given back: {error}"));
        }
        match self.set.dialect.lock {
            LockKind::Engine => Ok(self.driver.unlock().await?),
            LockKind::Lease => Ok(()),
        }
    }

    /// Whether the lock is held now, and by whom.
    ///
    /// # Errors
    /// What the driver says.
    pub async fn lock_state(&mut self) -> Result<LockState> {
        let kind = self.set.dialect.lock;
        let free = match kind {
            LockKind::Engine => {
                let free = self.driver.try_lock(&self.lock_name()).await?;
                if free {
                    self.driver.unlock().await?;
                }
                Some(free)
            }
            LockKind::Lease => None,
        };
        let row = self.lock_row().await?;
        let fence = row.as_ref().map_or(0, |row| row.fence);
        // A holder that was killed leaves its name behind where the engine has freed the lock.
        let holder = row.and_then(|row| row.holder).filter(|_| free != Some(true));
        Ok(LockState { held: free.map_or(holder.is_some(), |free| !free), kind, holder, fence })
    }

    /// Takes the lock from whoever has it: the row is freed and its number goes up, so that the old holder's next write is refused. A lock of
    /// the engine's own stays with its session until that ends. Gives the state before and after.
    ///
    /// # Errors
    /// `locked` where the holder is in the middle of a transaction that has the row; what the driver says.
    pub async fn release_lock(&mut self) -> Result<(LockState, LockState)> {
        let before = self.lock_state().await?;
        if let Some(row) = self.lock_row().await? {
            let release = self.lock_sql("lock_release.sql", context! { fence => row.fence })?;
            if !self.write_lock_row(release, vec![]).await? {
                return Err(Error::new(
                    Code::Locked,
                    "the lock's row is in a transaction of its holder, or has just changed hands",
                    "end that session in the database, or stop the process; then run the same command again",
                ));
            }
        }
        Ok((before, self.lock_state().await?))
    }

    fn lock_name(&self) -> String {
        format!("{}.{}", self.schema.folded, self.set.model.name)
    }

    fn lock_sql(&self, template: &str, context: minijinja::Value) -> Result<String> {
        self.set.dialect.render(template, self.schema, context! { lock => self.set.model.lock_table().name, ..context })
    }

    async fn lock_row(&mut self) -> Result<Option<LockRow>> {
        let lock = self.set.model.lock_table().name;
        LockRow::read(self.driver, self.set.dialect, self.schema, &lock, Turn::Migrate).await
    }

    async fn try_engine_lock(&mut self, options: &LockOptions) -> Result<Option<Held>> {
        if !self.driver.try_lock(&self.lock_name()).await? {
            return Ok(None);
        }
        let taken = self.take_row(options).await;
        if !matches!(taken, Ok(Some(_))) {
            self.driver.unlock().await?;
        }
        taken
    }

    /// Under the engine's lock nobody else takes the row, but `release_lock` may free it.
    async fn take_row(&mut self, options: &LockOptions) -> Result<Option<Held>> {
        match self.lock_row_or_make().await? {
            Some(row) => self.take(&row, options).await,
            None => Ok(None),
        }
    }

    async fn try_lease(&mut self, options: &LockOptions, seen: &mut Option<Seen>) -> Result<Option<Held>> {
        let Some(row) = self.lock_row_or_make().await? else { return Ok(None) };
        if row.holder.is_some() {
            let same = seen.as_ref().is_some_and(|seen| seen.row == row);
            if !same {
                let alive = seen.is_some();
                *seen = Some(Seen { row: row.clone(), since: Instant::now(), alive });
            }
            if seen.as_ref().is_none_or(|seen| seen.since.elapsed() < options.lease) {
                return Ok(None);
            }
            self.reporter.warn("the holder of the lock has not been heard of for longer than its lease; taking over");
        }
        self.take(&row, options).await
    }

    /// The lock's row; nothing where another process is making it at this moment.
    async fn lock_row_or_make(&mut self) -> Result<Option<LockRow>> {
        if let Some(row) = self.lock_row().await? {
            return Ok(Some(row));
        }
        self.make_schema().await?;
        for step in self.renderer().lock_steps(&self.set.model)? {
            match self.driver.execute(&step.sql, &[]).await {
                Err(error) if in_the_way(&error) => return Ok(None),
                Err(error) if !matches!(error.kind, ErrorKind::Exists | ErrorKind::Duplicate) => return Err(statement_error(error, &step)),
                _ => {}
            }
        }
        self.lock_row().await
    }

    async fn take(&mut self, row: &LockRow, options: &LockOptions) -> Result<Option<Held>> {
        // Made before the row is taken, so that one that is refused does not cost the others a lease.
        let renewer = match self.set.dialect.lock {
            LockKind::Engine => None,
            LockKind::Lease => Some(self.driver.another().await?),
        };
        let lock = self.set.model.lock_table().name;
        let (take, params) = row.take(self.set.dialect, self.schema, &lock, Turn::Migrate, &options.holder)?;
        if !self.write_lock_row(take, params).await? {
            return Ok(None);
        }
        let fence = row.fence + 1;
        let renew = self.lock_sql("lock_renew.sql", context! { fence })?;
        let beating = renewer.map(|renewer| tokio::spawn(beat(renewer, renew.clone(), options.lease / 4, |_| {})));
        Ok(Some(Held { fence, beating, renew }))
    }

    /// Writes the lock's row without waiting for a transaction that holds it. Says whether it was as it should be.
    async fn write_lock_row(&mut self, sql: String, params: Vec<Value>) -> Result<bool> {
        let written = if self.set.dialect.transactional_ddl {
            let timeouts = timeouts(self.set.dialect, self.schema, SHORT_WAIT)?.into_iter().map(|sql| (sql, vec![], None));
            let statements = timeouts.chain([(sql, params, Some(1))]);
            let ops = statements.map(|(sql, params, expect)| Ok(Op::Execute { sql, params, expect }));
            self.driver.atomic(futures_util::stream::iter(ops.collect::<Vec<_>>()).boxed()).await
        } else {
            match self.driver.execute(&sql, &params).await {
                Ok(1) => Ok(()),
                Ok(_) => Err(Failure::Overtaken),
                Err(error) => Err(error.into()),
            }
        };
        match written {
            Ok(()) => Ok(true),
            Err(Failure::Overtaken) => Ok(false),
            Err(Failure::Database(error)) if in_the_way(&error) => Ok(false),
            Err(failure) => Err(failure.into()),
        }
    }
}

/// Whether another transaction was in the way: the lock was not had, and may be later.
pub(crate) fn in_the_way(error: &DriverError) -> bool {
    matches!(error.kind, ErrorKind::Serialisation | ErrorKind::LockTimeout)
}

/// Renews a lease until it is lost or this is aborted, and notes when each renewal was sent that was done. One that fails is tried again at the next
/// beat.
pub(crate) async fn beat(mut renewer: Box<dyn Driver>, renew: String, every: Duration, note: impl Fn(Instant) + Send) {
    loop {
        tokio::time::sleep(every).await;
        let sent = Instant::now();
        match renewer.execute(&renew, &[]).await {
            Ok(0) => return,
            Ok(_) => note(sent),
            Err(_) => {}
        }
    }
}

/// The error of a holder that was overtaken.
pub(super) fn lost() -> Error {
    Error::new(
        Code::Locked,
        "this process lost the lock to another one while it was paused, and wrote nothing after that",
        "the other process finishes the migration; run the same command again to see",
    )
}
