//! What is in a database: its schemas, and in the store's own each table with columns and rows. `dialects/<backend>/inspect_*.sql` read it.

use crate::dialect::{Dialect, SchemaName};
use crate::driver::{Driver, ErrorKind, Value};
use crate::error::Result;
use crate::model::Kind;
use minijinja::context;
use serde::Serialize;

/// A database as its catalog describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// The schemas, but for the engine's own.
    pub schemas: Vec<Schema>,
    /// The tables of the store's schema, by name; none where that is not there.
    pub tables: Vec<Table>,
}

/// A schema, or what the engine has in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Schema {
    /// Its name; the store's as the user gave it.
    pub name: String,
    /// How many tables and views it has; nothing where the engine tells that of one schema at a time alone.
    pub tables: Option<i64>,
    /// Whether it is the one that was asked for as the store's.
    pub store: bool,
}

/// A table or a view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// `table`, or what it is instead, such as `view`.
    pub kind: String,
    /// How many rows it has; nothing for what is no table, and where this user may not read it.
    pub rows: Option<i64>,
    /// Its columns, in order.
    pub columns: Vec<Column>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its SQL type in the catalog's words.
    #[serde(rename = "type")]
    pub sql_type: String,
    /// Whether it may be null.
    pub null: bool,
}

impl Contents {
    /// Reads the catalog, and counts the rows of the store's tables. Nothing is changed.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn read(driver: &mut dyn Driver, dialect: &Dialect, schema: &SchemaName) -> Result<Contents> {
        let mut schemas = vec![];
        for row in query(driver, dialect, schema, "inspect_schemas.sql", &[Kind::Text, Kind::Integer]).await? {
            let mut row = row.into_iter();
            let (name, tables) = (text(row.next()), row.next().and_then(|value| value.as_integer()));
            let store = !dialect.schemas || name == schema.folded;
            if store || !dialect.is_system_schema(&name) {
                schemas.push(Schema { name: if store { schema.given.clone() } else { name }, tables, store });
            }
        }
        let tables = match schemas.iter().any(|schema| schema.store) {
            true => Contents::tables(driver, dialect, schema).await?,
            false => vec![],
        };
        if let Some(store) = schemas.iter_mut().find(|schema| schema.store) {
            store.tables.get_or_insert(tables.len() as i64);
        }
        Ok(Contents { schemas, tables })
    }

    async fn tables(driver: &mut dyn Driver, dialect: &Dialect, schema: &SchemaName) -> Result<Vec<Table>> {
        let mut tables: Vec<Table> = vec![];
        for row in query(driver, dialect, schema, "inspect_tables.sql", &[Kind::Text; 2]).await? {
            let mut row = row.into_iter();
            let (name, kind) = (text(row.next()), text(row.next()));
            let rows = if kind == "table" { count(driver, dialect, schema, &name).await? } else { None };
            tables.push(Table { name, kind, rows, columns: vec![] });
        }
        for row in query(driver, dialect, schema, "inspect_columns.sql", &[Kind::Text; 4]).await? {
            let mut row = row.into_iter();
            let table = text(row.next());
            let column = Column { name: text(row.next()), sql_type: text(row.next()), null: text(row.next()) == "yes" };
            // One that came between the two queries is passed over.
            if let Some(table) = tables.iter_mut().find(|known| known.name == table) {
                table.columns.push(column);
            }
        }
        Ok(tables)
    }
}

async fn count(driver: &mut dyn Driver, dialect: &Dialect, schema: &SchemaName, table: &str) -> Result<Option<i64>> {
    let sql = dialect.render("count_rows.sql", schema, context! { name => table, schemas => dialect.schemas })?;
    match driver.query(&sql, &[], &[Kind::Integer]).await {
        Ok(rows) => Ok(rows.into_iter().flatten().next().and_then(|value| value.as_integer())),
        Err(error) if matches!(error.kind, ErrorKind::Denied | ErrorKind::Missing) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn query(driver: &mut dyn Driver, dialect: &Dialect, schema: &SchemaName, template: &str, kinds: &[Kind]) -> Result<Vec<Vec<Value>>> {
    let sql = dialect.render(template, schema, context! {})?;
    Ok(driver.query(&sql, &[], kinds).await?)
}

fn text(value: Option<Value>) -> String {
    value.and_then(Value::into_text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use crate::dialect::Backend;
    use minijinja::context;

    #[test]
    fn every_backend_has_its_queries() {
        for backend in Backend::ALL {
            let dialect = backend.dialect().unwrap();
            let schema = dialect.schema_name("AMX").unwrap();
            for template in ["inspect_schemas.sql", "inspect_tables.sql", "inspect_columns.sql"] {
                assert!(dialect.render(template, &schema, context! {}).unwrap().starts_with("SELECT "), "{backend}: {template}");
            }
            let count = dialect.render("count_rows.sql", &schema, context! { name => "Odd", schemas => dialect.schemas }).unwrap();
            assert!(count.contains("Odd") && count.contains(&schema.folded) == dialect.schemas, "{backend}: {count}");
        }
    }
}
