//! How values stand in a SQLite file: the same in a shared store and in the local one.

use super::{DriverError, Row, Value};
use crate::history::{time_from_text, time_text};
use crate::model::Kind;
use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, Value as Native, ValueRef};

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Value::Text(Some(text)) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Value::Integer(Some(number)) => ToSqlOutput::Owned(Native::Integer(*number)),
            Value::Boolean(Some(truth)) => ToSqlOutput::Owned(Native::Integer(i64::from(*truth))),
            Value::Time(Some(time)) => ToSqlOutput::Owned(Native::Text(time_text(*time))),
            Value::Text(None) | Value::Integer(None) | Value::Boolean(None) | Value::Time(None) => ToSqlOutput::Owned(Native::Null),
        })
    }
}

/// A row as values of those kinds.
pub(crate) fn decode(row: &rusqlite::Row<'_>, kinds: &[Kind]) -> Result<Row, DriverError> {
    let column = |(at, kind): (usize, &Kind)| {
        let shape = |error: rusqlite::Error| DriverError::shape(at, error);
        Ok(match kind {
            Kind::Key | Kind::Text | Kind::Json | Kind::Literal => Value::Text(row.get(at).map_err(shape)?),
            Kind::Integer => Value::Integer(row.get(at).map_err(shape)?),
            Kind::Boolean => Value::Boolean(row.get(at).map_err(shape)?),
            Kind::Timestamp => Value::Time(match row.get::<_, Option<String>>(at).map_err(shape)? {
                None => None,
                Some(text) => Some(time_from_text(&text).ok_or_else(|| DriverError::shape(at, format!("'{text}' is not a time")))?),
            }),
        })
    };
    kinds.iter().enumerate().map(column).collect()
}
