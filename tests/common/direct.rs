//! A store by the program's own driver, for what a test does behind the program's back: on every backend alike.

use super::{Home, Store};
use amx_schema::dialect::{Backend, Dialect, SchemaName};
use amx_schema::driver::{Access, Driver, DriverError, Row, connect, unheard};
use amx_schema::model::{Kind, Model};
use amx_schema::profile::Profile;
use std::future::Future;
use std::pin::Pin;

/// What a test does on a connection.
type Work<T> = Box<dyn for<'d> FnOnce(&'d mut dyn Driver) -> Pin<Box<dyn Future<Output = T> + 'd>>>;

impl Store {
    /// Which backend it is on.
    pub fn kind(&self) -> Backend {
        Backend::from_word(self.backend).unwrap()
    }

    pub fn dialect(&self) -> &'static Dialect {
        self.kind().dialect().unwrap()
    }

    pub fn schema_name(&self) -> SchemaName {
        self.dialect().schema_name(&self.schema).unwrap()
    }

    /// A table of the store as it is written in its SQL.
    pub fn table(&self, name: &str) -> String {
        self.dialect().table(&self.schema_name(), name)
    }

    /// A column as it is written in its SQL.
    pub fn column(&self, name: &str) -> String {
        self.dialect().ident(name)
    }

    /// A file is made where it is not there; a server is.
    fn access(&self) -> Access {
        if self.backend == "sqlite" { Access::Create } else { Access::Write }
    }

    fn with_driver<T>(&self, work: Work<T>) -> T {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let (profile, home) = (Profile::from_url(&self.url).unwrap(), Home::new());
            let mut driver = connect(&profile, home.dir.path(), self.access(), unheard()).await.unwrap();
            let done = work(driver.as_mut()).await;
            driver.close().await;
            done
        })
    }

    /// Runs one statement and says how many rows it touched.
    #[track_caller]
    pub fn execute(&self, sql: &str) -> u64 {
        self.try_execute(sql).unwrap_or_else(|error| panic!("{sql}\n{error}"))
    }

    pub fn try_execute(&self, sql: &str) -> Result<u64, DriverError> {
        let sql = sql.to_string();
        self.with_driver(Box::new(move |driver| Box::pin(async move { driver.execute(&sql, &[]).await })))
    }

    /// Runs one query.
    #[track_caller]
    pub fn query(&self, sql: &str, kinds: &[Kind]) -> Vec<Row> {
        let (statement, kinds) = (sql.to_string(), kinds.to_vec());
        self.with_driver(Box::new(move |driver| Box::pin(async move { driver.query(&statement, &[], &kinds).await })))
            .unwrap_or_else(|error| panic!("{sql}\n{error}"))
    }

    /// How many rows a table of the store has.
    #[track_caller]
    pub fn count(&self, table: &str) -> i64 {
        let rows = self.query(&format!("SELECT COUNT(*) FROM {}", self.table(table)), &[Kind::Integer]);
        rows[0][0].as_integer().unwrap()
    }

    /// Puts the rows of a table that meet a condition there once more, those copies with another value in one column.
    #[track_caller]
    pub fn double(&self, table: &str, condition: &str, other: Option<(&str, &str)>) {
        let model = Model::embedded().unwrap();
        let columns = &model.tables.iter().find(|known| known.name == table).unwrap().columns;
        let listed: Vec<String> = columns.iter().map(|column| self.column(&column.name)).collect();
        let value = |name: &str| match other {
            Some((column, value)) if column == name => self.dialect().literal(value),
            _ => self.column(name),
        };
        let values: Vec<String> = columns.iter().map(|column| value(&column.name)).collect();
        let (table, listed, values) = (self.table(table), listed.join(", "), values.join(", "));
        self.execute(&format!("INSERT INTO {table} ({listed}) SELECT {values} FROM {table} WHERE {condition}"));
    }

    /// Takes the schema away with all that is in it.
    pub fn drop_schema(&self) {
        let schema = self.column(&self.schema_name().folded);
        let sql = match self.kind() {
            Backend::SqlServer => return self.drop_tables(&schema),
            Backend::Oracle => format!("DROP USER {schema} CASCADE"),
            _ => format!("DROP SCHEMA IF EXISTS {schema} CASCADE"),
        };
        // Where a test failed there may be none.
        let _ = self.try_execute(&sql);
    }

    /// There is no CASCADE for schemas.
    fn drop_tables(&self, schema: &str) {
        for table in ["results", "runs", "origins", "store", "ledger", "lock", "steps"] {
            let _ = self.try_execute(&format!("DROP TABLE IF EXISTS {}", self.table(&format!("amx_history_{table}"))));
        }
        let _ = self.try_execute(&format!("DROP SCHEMA IF EXISTS {schema}"));
    }
}
