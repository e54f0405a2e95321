//! `inspect`

use super::Session;
use crate::dialect::Dialect;
use crate::driver::Access;
use crate::error::Result;
use crate::printer::{one_line, table};
use crate::store::inspect::{Contents, Schema, Table};
use serde::Serialize;

/// Show what is in the database: its schemas, and the store's tables with their columns and row counts. Changes nothing.
#[derive(Debug, clap::Args)]
pub struct Args {}

#[derive(Serialize)]
struct Inspected {
    backend: &'static str,
    database: String,
    schema: String,
    schemas: Vec<Schema>,
    tables: Vec<Table>,
}

pub(crate) async fn run(session: &Session, _args: &Args) -> Result<()> {
    let target = session.target()?;
    let dialect = target.profile.backend.dialect()?;
    let mut driver = session.connect(&target, Access::Read).await?;
    let contents = Contents::read(driver.as_mut(), dialect, &target.schema).await;
    driver.close().await;
    let contents = contents?;
    let inspected = Inspected {
        backend: target.profile.backend.word(),
        database: target.profile.summary(),
        schema: target.schema.given.clone(),
        schemas: contents.schemas,
        tables: contents.tables,
    };
    session.printer.result(&inspected, |inspected| shown(inspected, dialect))
}

fn shown(inspected: &Inspected, dialect: &Dialect) -> String {
    let mark = |store: bool| if store { "shared store" } else { "" };
    let count = |tables: Option<i64>| tables.map(|tables| tables.to_string()).unwrap_or_default();
    let schemas = inspected.schemas.iter().map(|schema| vec![schema.name.clone(), count(schema.tables), mark(schema.store).into()]);
    let word = &dialect.schema_word;
    let mut text = format!("{} ({})\n\n{}", inspected.database, inspected.backend, table(&[word, "tables", ""], schemas));
    let (missing, before) = match dialect.schemas {
        true => (format!("{word} {}", inspected.schema), format!("{}.", inspected.schema)),
        false => ("table".into(), String::new()),
    };
    if !inspected.schemas.iter().any(|schema| schema.store) {
        text.push_str(&format!("\nThere is no {missing} here yet; `amx-schema enable` makes the store.\n"));
    }
    for found in &inspected.tables {
        let rows = match found.rows {
            Some(1) => ", 1 row".into(),
            Some(rows) => format!(", {rows} rows"),
            None => String::new(),
        };
        let columns = found.columns.iter().map(|column| {
            vec![format!("  {}", column.name), column.sql_type.clone(), if column.null { String::new() } else { "not null".into() }]
        });
        // The heading of the columns would only repeat itself.
        let columns: String = table(&["", "", ""], columns).lines().skip(1).map(|line| format!("{line}\n")).collect();
        text.push_str(&format!("\n{before}{} ({}{rows})\n{columns}", one_line(&found.name), found.kind));
    }
    text
}
