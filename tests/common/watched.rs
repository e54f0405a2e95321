//! A connection that something may befall at any statement: it can pause there, or its process can be gone.

use amx_schema::driver::{Driver, DriverError, ErrorKind, Failure, Op, Row, Staging, Value};
use amx_schema::error::{Code, Error};
use amx_schema::model::Kind;
use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};

/// Where in a statement the process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The n-th statement was not sent yet.
    Before(u64),
    /// It ran, and no answer has come.
    After(u64),
}

/// Called at every moment with the statement; says whether the process lives on.
pub type Hook = Box<dyn FnMut(Moment, &str) -> BoxFuture<'static, bool> + Send>;

/// A connection under a hook. In a transaction each statement counts, and its end.
pub struct Watched {
    inner: Option<Box<dyn Driver>>,
    statements: u64,
    hook: Hook,
}

impl Watched {
    pub fn new(inner: Box<dyn Driver>, hook: Hook) -> Watched {
        Watched { inner: Some(inner), statements: 0, hook }
    }

    /// One whose process is gone at a moment.
    pub fn dying(inner: Box<dyn Driver>, at: Moment) -> Watched {
        Watched::new(inner, Box::new(move |moment, _| Box::pin(std::future::ready(moment != at))))
    }

    async fn before(&mut self, sql: &str) -> Result<&mut Box<dyn Driver>, DriverError> {
        self.statements += 1;
        self.at(Moment::Before(self.statements), sql).await?;
        self.inner.as_mut().ok_or_else(gone)
    }

    async fn after(&mut self, sql: &str) -> Result<(), DriverError> {
        self.at(Moment::After(self.statements), sql).await
    }

    /// Where the process is gone its connection ends without a word.
    async fn at(&mut self, moment: Moment, sql: &str) -> Result<(), DriverError> {
        if !(self.hook)(moment, sql).await {
            self.inner = None;
        }
        self.inner.is_some().then_some(()).ok_or_else(gone)
    }
}

fn gone() -> DriverError {
    DriverError::new(ErrorKind::Unreachable, "the process is gone")
}

#[async_trait]
impl Driver for Watched {
    async fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64, DriverError> {
        let done = self.before(sql).await?.execute(sql, params).await;
        self.after(sql).await?;
        done
    }

    async fn query(&mut self, sql: &str, params: &[Value], kinds: &[Kind]) -> Result<Vec<Row>, DriverError> {
        let done = self.before(sql).await?.query(sql, params, kinds).await;
        self.after(sql).await?;
        done
    }

    async fn stage(&mut self, staging: &Staging<'_>) -> Result<bool, DriverError> {
        let done = self.before("a load").await?.stage(staging).await;
        self.after("a load").await?;
        done
    }

    async fn unstage(&mut self, schema: &str, table: &str) {
        if let Ok(inner) = self.before("the end of a load").await {
            inner.unstage(schema, table).await;
        }
    }

    async fn atomic(&mut self, ops: BoxStream<'_, Result<Op<'_>, Error>>) -> Result<(), Failure> {
        let ops: Vec<_> = ops.collect().await;
        let mut sent = vec![];
        let mut lives = true;
        for op in ops {
            let sql = match &op {
                Ok(Op::Execute { sql, .. }) => sql.clone(),
                _ => String::new(),
            };
            self.statements += 1;
            lives = (self.hook)(Moment::Before(self.statements), &sql).await;
            if !lives {
                break;
            }
            sent.push(op);
            // Whether it ran does not matter: nothing of a transaction without its end is there.
            lives = (self.hook)(Moment::After(self.statements), &sql).await;
            if !lives {
                break;
            }
        }
        self.statements += 1;
        if lives {
            lives = (self.hook)(Moment::Before(self.statements), "COMMIT").await;
        }
        if !lives {
            sent.push(Err(Error::new(Code::Unreachable, "the process is gone", "")));
        }
        let done = self.inner.as_mut().ok_or_else(gone)?.atomic(stream::iter(sent).boxed()).await;
        if !lives {
            self.inner = None;
            return Err(gone().into());
        }
        self.after("COMMIT").await?;
        done
    }

    async fn another(&mut self) -> Result<Box<dyn Driver>, DriverError> {
        self.inner.as_mut().ok_or_else(gone)?.another().await
    }

    async fn try_lock(&mut self, name: &str) -> Result<bool, DriverError> {
        let done = self.before("lock").await?.try_lock(name).await;
        self.after("lock").await?;
        done
    }

    async fn unlock(&mut self) -> Result<(), DriverError> {
        let done = self.before("unlock").await?.unlock().await;
        self.after("unlock").await?;
        done
    }

    async fn close(self: Box<Self>) {
        if let Some(inner) = self.inner {
            inner.close().await;
        }
    }
}
