//! Redshift over sqlx: PostgreSQL's wire with less behind it.
//!
//! No statement is prepared under a name, text is sent as VARCHAR, and only types are asked for whose binary form AWS's own driver uses too
//! (<https://github.com/aws/amazon-redshift-python-driver/blob/master/redshift_connector/utils/type_utils.py>). COPY reads from S3 alone
//! (<https://docs.aws.amazon.com/redshift/latest/dg/r_COPY.html>), so rows go by INSERT of many at a time.

use super::postgresql::{decode, fold, open, options};
use super::{Driver, DriverError, ErrorKind, Failure, Load, Op, Row, Value};
use crate::error::Error;
use crate::model::Kind;
use crate::profile::Profile;
use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgConnectOptions, PgConnection, PgTypeInfo};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Connection, Encode, Postgres, Type};
use std::path::Path;

/// Bound values of one statement: the protocol counts them in 16 bits, which Redshift reads as a signed number.
const BINDS_MAX: usize = 32_767;
/// Bytes of one statement, below the 16 MB that it may have: <https://docs.aws.amazon.com/redshift/latest/dg/c_redshift-sql.html>.
const LOAD_BYTES: usize = 8 * 1024 * 1024;
/// The OID of VARCHAR. TEXT is a VARCHAR(256) to Redshift: <https://docs.aws.amazon.com/redshift/latest/dg/r_Character_types.html>.
const VARCHAR: Oid = Oid(1043);

pub(super) async fn connect(profile: &Profile, home: &Path) -> Result<Box<dyn Driver>, Error> {
    let options = options(profile, home)?;
    let connection = open(&options).await?;
    Ok(Box::new(Redshift { connection, options }))
}

struct Redshift {
    connection: PgConnection,
    options: PgConnectOptions,
}

#[async_trait]
impl Driver for Redshift {
    async fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64, DriverError> {
        run(&mut self.connection, sql, params).await
    }

    async fn query(&mut self, sql: &str, params: &[Value], kinds: &[Kind]) -> Result<Vec<Row>, DriverError> {
        let rows = bound(sql, params.iter().cloned()).fetch_all(&mut self.connection).await.map_err(refine)?;
        rows.iter().map(|row| decode(row, kinds)).collect()
    }

    async fn atomic(&mut self, mut ops: BoxStream<'_, Result<Op<'_>, Error>>) -> Result<(), Failure> {
        let mut transaction = self.connection.begin().await.map_err(refine)?;
        while let Some(op) = ops.next().await {
            match op.map_err(Failure::Source)? {
                Op::Execute { sql, params, expect } => {
                    let touched = run(&mut transaction, &sql, &params).await?;
                    if expect.is_some_and(|expected| expected != touched) {
                        transaction.rollback().await.map_err(refine)?;
                        return Err(Failure::Overtaken);
                    }
                }
                Op::Load(load) => insert(&mut transaction, load).await?,
            }
        }
        Ok(transaction.commit().await.map_err(refine)?)
    }

    async fn another(&mut self) -> Result<Box<dyn Driver>, DriverError> {
        let connection = open(&self.options).await?;
        Ok(Box::new(Redshift { connection, options: self.options.clone() }))
    }

    async fn try_lock(&mut self, _name: &str) -> Result<bool, DriverError> {
        Err(DriverError::new(ErrorKind::Other, "Redshift has no lock that outlives a transaction"))
    }

    async fn unlock(&mut self) -> Result<(), DriverError> {
        Ok(())
    }

    async fn close(self: Box<Self>) {
        // The work is done; a server that no longer listens changes nothing about it.
        let _ = self.connection.close().await;
    }
}

/// Without bound values the simple protocol is used: any statement may run, in one round trip.
async fn run(connection: &mut PgConnection, sql: &str, params: &[Value]) -> Result<u64, DriverError> {
    let done = match params {
        [] => sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await,
        _ => bound(sql, params.iter().cloned()).execute(connection).await,
    };
    done.map(|done| done.rows_affected()).map_err(refine)
}

fn bound<'q>(sql: &str, params: impl Iterator<Item = Value>) -> Query<'q, Postgres, PgArguments> {
    let bind = |query: Query<'q, Postgres, PgArguments>, value| match value {
        Value::Text(text) => query.bind(text.map(Varchar)),
        Value::Integer(number) => query.bind(number),
        Value::Boolean(truth) => query.bind(truth),
        Value::Time(time) => query.bind(time),
    };
    params.fold(sqlx::query(AssertSqlSafe(sql)).persistent(false), bind)
}

/// Rows by INSERT of many at a time: <https://docs.aws.amazon.com/redshift/latest/dg/c_best-practices-multi-row-inserts.html>.
async fn insert(connection: &mut PgConnection, load: Load<'_>) -> Result<(), DriverError> {
    let width = load.columns.len().max(1);
    let mut rows = load.rows.peekable();
    while rows.peek().is_some() {
        let (mut values, mut count, mut bytes): (Vec<Value>, usize, usize) = (vec![], 0, 0);
        let size = |row: &Row| row.iter().map(Value::size).sum::<usize>();
        // A row that is larger than all that goes alone.
        while let Some(row) = rows.next_if(|row| {
            count == 0 || (count < load.per_statement && (count + 1) * width <= BINDS_MAX && bytes + size(row) <= LOAD_BYTES)
        }) {
            bytes += size(&row);
            count += 1;
            values.extend(row);
        }
        let marks = |row: usize| (1..=width).map(|column| format!("${}", row * width + column)).collect::<Vec<_>>().join(", ");
        let marks = (0..count).map(|row| format!("({})", marks(row))).collect::<Vec<_>>().join(", ");
        let sql = format!("INSERT INTO {} ({}) VALUES {marks}", load.table, load.columns.join(", "));
        bound(&sql, values.into_iter()).execute(&mut *connection).await.map_err(refine)?;
    }
    Ok(())
}

/// Text that is sent as VARCHAR.
struct Varchar(String);

impl Type<Postgres> for Varchar {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(VARCHAR)
    }
}

impl Encode<'_, Postgres> for Varchar {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Postgres>::encode_by_ref(&self.0, buffer)
    }
}

/// Folds what sqlx says. Conflicts come with a number of Redshift's own in the text:
/// <https://docs.aws.amazon.com/redshift/latest/dg/c_serial_isolation-serializable-isolation-troubleshooting.html>.
fn refine(error: sqlx::Error) -> DriverError {
    let error = fold(error);
    let conflict = ["Serializable isolation violation", "conflict with concurrent transaction"];
    match error.kind {
        ErrorKind::Other if conflict.iter().any(|text| error.message.contains(text)) || error.message.trim_start().starts_with("1023") => {
            DriverError { kind: ErrorKind::Serialisation, ..error }
        }
        _ => error,
    }
}
