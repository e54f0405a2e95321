//! The SQL Server driver alone, over the real protocol, where `AMX_TEST_SQLSERVER_URL` leads to.

mod common;

use amx_schema::dialect::Backend;
use amx_schema::driver::{Access, Driver, ErrorKind, Failure, Load, Op, Row, Value, connect, unheard};
use amx_schema::error::{Code, Error};
use amx_schema::model::Kind;
use amx_schema::profile::Profile;
use chrono::{DateTime, Utc};
use common::proxy::{Proxy, Weather};
use common::{Home, Store};
use futures_util::{StreamExt, stream};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// The columns of the table that each test has, by their kinds.
const KINDS: [Kind; 6] = [Kind::Key, Kind::Text, Kind::Integer, Kind::Boolean, Kind::Timestamp, Kind::Key];
const COLUMNS: [&str; 6] = ["[k]", "[text]", "[number]", "[truth]", "[moment]", "[short]"];

/// A driver with a schema and a table of its own, which are dropped at the end.
struct Fixture {
    store: Arc<Store>,
    driver: Box<dyn Driver>,
    table: String,
}

async fn login(url: &str) -> Result<Box<dyn Driver>, Error> {
    connect(&Profile::from_url(url).unwrap(), Home::new().dir.path(), Access::Write, unheard()).await
}

impl Fixture {
    async fn of(store: Arc<Store>) -> Fixture {
        let mut driver = login(&store.url).await.unwrap();
        let dialect = Backend::SqlServer.dialect().unwrap();
        let (key, text) = (dialect.types[&Kind::Key].replace("{length}", "700"), &dialect.types[&Kind::Text]);
        let short = dialect.types[&Kind::Key].replace("{length}", "5");
        let [integer, boolean, time] = [Kind::Integer, Kind::Boolean, Kind::Timestamp].map(|kind| dialect.types[&kind].clone());
        let table = format!("[{}].[t]", store.schema);
        driver.execute(&format!("EXEC (N'CREATE SCHEMA [{}]')", store.schema), &[]).await.unwrap();
        let columns = format!(
            "[k] {key} NOT NULL, [text] {text} NULL, [number] {integer} NULL, [truth] {boolean} NOT NULL, [moment] {time} NULL, [short] {short} NULL"
        );
        let sql = format!("CREATE TABLE {table} ({columns}, CONSTRAINT [pk_t] PRIMARY KEY NONCLUSTERED ([k]))");
        driver.execute(&sql, &[]).await.unwrap();
        Fixture { store, driver, table }
    }

    async fn insert(&mut self, row: Row) -> Result<u64, amx_schema::driver::DriverError> {
        let sql = format!("INSERT INTO {} ({}) VALUES (@P1, @P2, @P3, @P4, @P5, @P6)", self.table, COLUMNS.join(", "));
        self.driver.execute(&sql, &row).await
    }

    fn load(&self, rows: Vec<Row>) -> Op<'static> {
        let columns = COLUMNS.map(str::to_string).to_vec();
        Op::Load(Load {
            table: self.table.clone(),
            columns,
            count: rows.len(),
            per_statement: usize::MAX,
            rows: Box::new(rows.into_iter()),
        })
    }

    async fn atomic(&mut self, ops: Vec<Op<'static>>) -> Result<(), Failure> {
        self.driver.atomic(stream::iter(ops.into_iter().map(Ok)).boxed()).await
    }

    async fn rows(&mut self) -> Vec<Row> {
        let sql = format!("SELECT {} FROM {} ORDER BY [k]", COLUMNS.join(", "), self.table);
        self.driver.query(&sql, &[], &KINDS).await.unwrap()
    }

    async fn end(mut self) {
        for sql in [format!("DROP TABLE {}", self.table), format!("DROP SCHEMA [{}]", self.store.schema)] {
            self.driver.execute(&sql, &[]).await.unwrap();
        }
        self.driver.close().await;
    }
}

/// Runs a test on a table of its own, where there is a server.
fn with_table<F: Future<Output = Fixture>>(test: impl FnOnce(Fixture) -> F) {
    let Some(store) = Store::on(Backend::SqlServer) else { return };
    // Its last owner is here, since it is dropped on a runtime of its own.
    let store = Arc::new(store);
    run(async { test(Fixture::of(Arc::clone(&store)).await).await.end().await });
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(work)
}

fn row(key: &str) -> Row {
    vec![key.into(), "text".into(), 1.into(), true.into(), Value::Time(None), Value::Text(None)]
}

fn time(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

/// Rows with every kind of value, in the engine's order of their keys.
fn telling_rows() -> Vec<Row> {
    let texts = [
        Some(String::new()),
        None,
        Some("  blanks at both ends  ".into()),
        Some("'quotes' \"and\" \\backslashes\\ and ]]".into()),
        Some("lines\r\nand\ttabs\u{1}".into()),
        Some("e\u{301} is not é, 𝒜 is above \u{ffef}".into()),
        Some("x".repeat(4_000)),
        Some("ü".repeat(4_001)),
        Some("😀".repeat(100_000)),
    ];
    let numbers = [Some(i64::MIN), None, Some(i64::MAX), Some(0), Some(-1), Some(1), Some(2), Some(3), Some(4)];
    let times = [
        Some(time("2026-05-03T15:44:02.000001Z")),
        None,
        Some(time("0001-01-01T00:00:00Z")),
        Some(time("9999-12-31T23:59:59.999999Z")),
        Some(time("1969-12-31T23:59:59.999999Z")),
        None,
        Some(time("2026-02-28T00:00:00.123456Z")),
        None,
        None,
    ];
    let (mut numbers, mut times) = (numbers.into_iter(), times.into_iter());
    let row = |(at, text): (usize, Option<String>)| {
        let (number, time) = (numbers.next().unwrap(), times.next().unwrap());
        let short = if at % 2 == 0 { Value::Text(None) } else { "12345".into() };
        vec![format!("k{at}").into(), text.into(), number.into(), (at % 2 == 0).into(), time.into(), short]
    };
    texts.into_iter().enumerate().map(row).collect()
}

#[test]
fn every_value_comes_back_as_it_was_bound() {
    with_table(|mut fixture| async {
        for row in telling_rows() {
            assert_eq!(fixture.insert(row).await.unwrap(), 1);
        }
        assert_eq!(fixture.rows().await, telling_rows());
        fixture
    });
}

#[test]
fn every_value_comes_back_as_it_was_loaded_by_an_insert() {
    with_table(|mut fixture| async {
        let op = fixture.load(telling_rows());
        fixture.atomic(vec![op]).await.unwrap();
        assert_eq!(fixture.rows().await, telling_rows());
        fixture
    });
}

#[test]
fn every_value_comes_back_as_it_was_loaded_in_bulk() {
    with_table(|mut fixture| async {
        let many = (0..2_000).map(|at| {
            let mut row = row(&format!("z{at:05}"));
            // Some of them are longer than a bulk load takes, more than are held back at a time.
            if at % 100 == 7 {
                row[1] = "long".repeat(100_000).into();
            }
            row
        });
        let all: Vec<Row> = telling_rows().into_iter().chain(many).collect();
        let op = fixture.load(all.clone());
        fixture.atomic(vec![op]).await.unwrap();
        assert_eq!(fixture.rows().await, all);
        fixture
    });
}

#[test]
fn a_statement_says_how_many_rows_it_touched() {
    with_table(|mut fixture| async {
        let op = fixture.load((0..5).map(|at| row(&format!("k{at}"))).collect());
        fixture.atomic(vec![op]).await.unwrap();
        let update = format!("UPDATE {} SET [number] = @P1 WHERE [k] < @P2", fixture.table);
        assert_eq!(fixture.driver.execute(&update, &[9.into(), "k3".into()]).await.unwrap(), 3);
        let sql = format!("UPDATE {} SET [number] = 2 WHERE [number] = 9", fixture.table);
        assert_eq!(fixture.driver.execute(&sql, &[]).await.unwrap(), 3);
        assert_eq!(fixture.driver.execute(&sql, &[]).await.unwrap(), 0);
        fixture
    });
}

#[test]
fn an_error_after_the_first_result_is_seen() {
    with_table(|mut fixture| async {
        fixture.insert(row("a")).await.unwrap();
        let again = format!("INSERT INTO {} ([k], [truth]) VALUES (N'a', 1)", fixture.table);
        let both = format!("SELECT [k] FROM {}; {again}", fixture.table);
        assert_eq!(fixture.driver.query(&both, &[], &[Kind::Key]).await.unwrap_err().kind, ErrorKind::Duplicate);
        let both = format!("UPDATE {} SET [number] = 5; {again}", fixture.table);
        assert_eq!(fixture.driver.execute(&both, &[]).await.unwrap_err().kind, ErrorKind::Duplicate);
        fixture
    });
}

#[test]
fn a_batch_lands_as_a_whole_or_not_at_all() {
    with_table(|mut fixture| async {
        let insert = |key: &str| {
            let sql = format!("INSERT INTO {} ([k], [truth]) VALUES (@P1, 1)", fixture.table);
            Op::Execute { sql, params: vec![key.into()], expect: Some(1) }
        };
        let nobody = Op::Execute {
            sql: format!("UPDATE {} SET [number] = 1 WHERE [k] = N'nobody'", fixture.table),
            params: vec![],
            expect: Some(1),
        };
        let (twice, overtaken, source) = (vec![insert("a"), insert("a")], vec![insert("a"), nobody], insert("a"));
        let bulk = vec![insert("z00001"), fixture.load((0..2_000).map(|at| row(&format!("z{at:05}"))).collect())];
        let good = vec![insert("a"), insert("b")];
        for (ops, kind) in [(twice, ErrorKind::Duplicate), (bulk, ErrorKind::Duplicate)] {
            match fixture.atomic(ops).await {
                Err(Failure::Database(error)) => assert_eq!(error.kind, kind, "{error}"),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(fixture.atomic(overtaken).await, Err(Failure::Overtaken));
        let failing = stream::iter([Ok(source), Err(Error::internal("the source ended"))]).boxed();
        assert!(matches!(fixture.driver.atomic(failing).await, Err(Failure::Source(_))));
        assert_eq!(fixture.rows().await, Vec::<Row>::new());
        // The session goes on, in no transaction.
        fixture.atomic(good).await.unwrap();
        let mut other = fixture.driver.another().await.unwrap();
        let sql = format!("SELECT COUNT(*) FROM {}", fixture.table);
        assert_eq!(other.query(&sql, &[], &[Kind::Integer]).await.unwrap(), [[Value::Integer(Some(2))]]);
        other.close().await;
        fixture
    });
}

#[test]
fn a_row_that_does_not_fit_is_told_and_the_session_goes_on() {
    with_table(|mut fixture| async {
        let long = |at: usize| {
            let mut row = row(&format!("k{at:04}"));
            row[5] = "123456".into();
            row
        };
        let null = |at: usize| {
            let mut row = row(&format!("k{at:04}"));
            row[3] = Value::Boolean(None);
            row
        };
        for count in [1, 2_000] {
            for (bad, kind) in [(long(1_500), ErrorKind::TooLong), (null(1_500), ErrorKind::NotNull)] {
                let rows = (1..count).map(|at| row(&format!("k{at:04}"))).filter(|row| row[0] != "k1500".into()).chain([bad]);
                let op = fixture.load(rows.collect());
                match fixture.atomic(vec![op]).await {
                    Err(Failure::Database(error)) => assert_eq!(error.kind, kind, "{count}: {error}"),
                    other => panic!("{count}: {other:?}"),
                }
                assert_eq!(fixture.rows().await, Vec::<Row>::new());
            }
        }
        let mut late = row("late");
        late[4] = Value::Time(Some(DateTime::from_timestamp(253_402_300_800, 0).unwrap()));
        assert_eq!(fixture.insert(late).await.unwrap_err().kind, ErrorKind::TooLong);
        fixture
    });
}

#[test]
fn each_error_is_of_its_kind() {
    with_table(|mut fixture| async {
        fixture.insert(row("a")).await.unwrap();
        let (table, schema) = (fixture.table.clone(), fixture.store.schema.clone());
        let cases = [
            (format!("INSERT INTO {table} ([k], [truth]) VALUES (N'a', 1)"), ErrorKind::Duplicate),
            (format!("INSERT INTO {table} ([k]) VALUES (N'b')"), ErrorKind::NotNull),
            (format!("INSERT INTO {table} ([k], [truth], [short]) VALUES (N'b', 1, N'123456')"), ErrorKind::TooLong),
            (format!("SELECT [k] FROM [{schema}].[nothing]"), ErrorKind::Missing),
            (format!("SELECT [nothing] FROM {table}"), ErrorKind::Missing),
            (format!("CREATE TABLE {table} ([a] BIGINT NULL)"), ErrorKind::Exists),
            (format!("EXEC (N'CREATE SCHEMA [{schema}]')"), ErrorKind::Exists),
            ("CREATE TABLE [nowhere].[t] ([a] BIGINT NULL)".into(), ErrorKind::Denied),
            ("SELEC 1".into(), ErrorKind::Other),
        ];
        for (sql, kind) in cases {
            let error = fixture.driver.execute(&sql, &[]).await.unwrap_err();
            assert_eq!(error.kind, kind, "{sql}: {error}");
        }
        let many = vec![Value::from(1); 2_099];
        assert_eq!(fixture.driver.execute("SELECT @P2099", &many).await.unwrap_err().kind, ErrorKind::Other);
        assert_eq!(fixture.driver.execute("SELECT @P2098", &many[1..]).await.map(|_| ()), Ok(()));
        fixture
    });
}

#[test]
fn a_lock_is_had_by_one_session_until_it_is_given_back_or_its_session_ends() {
    with_table(|mut fixture| async {
        let name = format!("{}.AMX", fixture.store.schema);
        let mut other = fixture.driver.another().await.unwrap();
        assert!(fixture.driver.try_lock(&name).await.unwrap());
        assert!(!other.try_lock(&name).await.unwrap());
        // Where case does not count, this is the same schema.
        assert!(!other.try_lock(&name.to_lowercase()).await.unwrap());
        assert!(other.try_lock(&format!("{name}2")).await.unwrap());
        // No transaction's end frees it.
        let op = fixture.load(vec![row("a")]);
        fixture.atomic(vec![op]).await.unwrap();
        assert!(!other.try_lock(&name).await.unwrap());
        fixture.driver.unlock().await.unwrap();
        let mut got = other.try_lock(&name).await.unwrap();
        drop(other);
        let until = std::time::Instant::now() + Duration::from_secs(10);
        while !got || !fixture.driver.try_lock(&name).await.unwrap() {
            assert!(std::time::Instant::now() < until, "the lock is never free");
            tokio::time::sleep(Duration::from_millis(50)).await;
            got = true;
        }
        fixture.driver.unlock().await.unwrap();
        fixture
    });
}

#[test]
fn a_transaction_waits_for_another_as_long_as_it_was_told() {
    with_table(|mut fixture| async {
        fixture.insert(row("a")).await.unwrap();
        let update = || {
            let sql = format!("UPDATE {} SET [number] = [number] + 1 WHERE [k] = N'a'", fixture.table);
            Op::Execute { sql, params: vec![], expect: Some(1) }
        };
        let set = Op::Execute { sql: "SET LOCK_TIMEOUT 300".into(), params: vec![], expect: None };
        let mut other = fixture.driver.another().await.unwrap();
        let (first, second, third) = (update(), update(), update());
        let (begun, free) = (tokio::sync::Notify::new(), tokio::sync::Notify::new());
        let holding = stream::iter([Ok(first)]).chain(stream::once(async {
            begun.notify_one();
            free.notified().await;
            Ok(Op::Execute { sql: "SET LOCK_TIMEOUT 1000".into(), params: vec![], expect: None })
        }));
        let waiting = async {
            begun.notified().await;
            let waited = other.atomic(stream::iter([Ok(set), Ok(second)]).boxed()).await;
            free.notify_one();
            waited
        };
        let (held, waited) = tokio::join!(fixture.driver.atomic(holding.boxed()), waiting);
        held.unwrap();
        match waited {
            Err(Failure::Database(error)) => assert_eq!(error.kind, ErrorKind::LockTimeout, "{error}"),
            other => panic!("{other:?}"),
        }
        other.atomic(stream::iter([Ok(third)]).boxed()).await.unwrap();
        assert_eq!(fixture.rows().await[0][2], 3.into());
        other.close().await;
        fixture
    });
}

/// The store's URL with another password, database or parameter.
fn url_with(store: &Store, change: impl FnOnce(&mut url::Url)) -> String {
    let mut url = url::Url::parse(&store.url).unwrap();
    change(&mut url);
    url.to_string()
}

#[test]
fn a_login_that_is_refused_says_so_and_no_secret() {
    let Some(store) = Store::on(Backend::SqlServer) else { return };
    let wrong = url_with(&store, |url| url.set_password(Some("wrong-word")).unwrap());
    let nowhere = url_with(&store, |url| url.set_path("no_such_database"));
    for url in [wrong, nowhere] {
        let error = run(login(&url)).err().unwrap();
        assert_eq!(error.code, Code::AuthFailed, "{error:?}");
        assert!(!format!("{error:?}").contains("wrong-word"), "{error:?}");
    }
}

#[test]
fn a_certificate_is_checked_where_that_is_asked_for() {
    let Some(store) = Store::on(Backend::SqlServer) else { return };
    let with = |parameters: &str| url_with(&store, |url| url.set_query(Some(parameters)));
    let error = run(login(&with("encrypt=true"))).err().unwrap();
    assert_eq!(error.code, Code::TlsFailed, "{error:?}");
    assert!(!error.message.contains("Config::") && !error.message.contains("tiberius"), "{error:?}");
    for parameters in ["encrypt=true&trust_server_certificate=true", "encrypt=false", ""] {
        let asked = async {
            let mut driver = login(&with(parameters)).await.unwrap();
            let said = driver.query("SELECT N'é'", &[], &[Kind::Text]).await.unwrap();
            driver.close().await;
            said
        };
        assert_eq!(run(asked), [[Value::from("é")]], "{parameters}");
    }
}

#[test]
fn a_line_that_breaks_is_told_apart_from_an_answer() {
    let Some(store) = Store::on(Backend::SqlServer) else { return };
    let proxy = Proxy::to(&store);
    run(async {
        let mut driver = login(&proxy.url(&store)).await.unwrap();
        proxy.weather(Weather::Deaf);
        let error = driver.query("SELECT 1", &[], &[Kind::Integer]).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unreachable, "{error}");
        assert_eq!(driver.execute("SELECT 1", &[]).await.unwrap_err().kind, ErrorKind::Unreachable);
        proxy.weather(Weather::Refused);
        assert_eq!(login(&proxy.url(&store)).await.err().unwrap().code, Code::Unreachable);
    });
}

#[test]
fn a_commit_whose_answer_is_lost_may_have_landed() {
    with_table(|mut fixture| async {
        let proxy = Proxy::to(&fixture.store);
        let mut driver = login(&proxy.url(&fixture.store)).await.unwrap();
        let insert = format!("INSERT INTO {} ([k], [truth]) VALUES (N'a', 1)", fixture.table);
        // The end of the parts is asked for once they are done: what is lost after it is the answer to COMMIT.
        let ops = stream::iter([Ok(Op::Execute { sql: insert, params: vec![], expect: Some(1) })]).chain(stream::poll_fn(|_| {
            proxy.weather(Weather::Deaf);
            std::task::Poll::Ready(None)
        }));
        match driver.atomic(ops.boxed()).await {
            Err(Failure::Database(error)) => assert_eq!(error.kind, ErrorKind::Unreachable, "{error}"),
            other => panic!("{other:?}"),
        }
        let until = std::time::Instant::now() + Duration::from_secs(10);
        while fixture.rows().await.is_empty() {
            assert!(std::time::Instant::now() < until, "it did not land");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        fixture
    });
}

/// Whether the server is that of tests/standins, which has users and databases for what a live one cannot be asked for.
fn is_stand_in(store: &Store) -> bool {
    let stand_in = store.url.contains("@127.0.0.1:");
    if !stand_in {
        eprintln!("skipped: only the stand-in can be asked for that");
    }
    stand_in
}

#[test]
fn a_gateway_that_passes_on_is_followed() {
    let Some(store) = Store::on(Backend::SqlServer).filter(is_stand_in) else { return };
    // Databases of the stand-in: one whose gateway passes on to a name of the same server, and one that passes on for ever.
    let routed = url_with(&store, |url| url.set_path("routed"));
    let answered = async {
        let mut driver = login(&routed).await.unwrap();
        let mut other = driver.another().await.unwrap();
        let said = other.query("SELECT 1", &[], &[Kind::Integer]).await.unwrap();
        driver.close().await;
        said
    };
    assert_eq!(run(answered), [[Value::from(1)]]);
    let endless = run(login(&url_with(&store, |url| url.set_path("endless")))).err().unwrap();
    assert_eq!(endless.code, Code::Unreachable, "{endless:?}");
}

#[test]
fn who_may_only_read_is_denied_the_rest() {
    with_table(|mut fixture| async {
        if !is_stand_in(&fixture.store) {
            return fixture;
        }
        fixture.insert(row("a")).await.unwrap();
        let mut reader = login(&url_with(&fixture.store, |url| url.set_username("reader").unwrap())).await.unwrap();
        let count = format!("SELECT COUNT(*) FROM {}", fixture.table);
        assert_eq!(reader.query(&count, &[], &[Kind::Integer]).await.unwrap(), [[Value::from(1)]]);
        let insert = format!("INSERT INTO {} ([k], [truth]) VALUES (N'b', 1)", fixture.table);
        for sql in [insert, format!("UPDATE {} SET [number] = 1", fixture.table), "CREATE TABLE [dbo].[t] ([a] BIGINT NULL)".into()] {
            assert_eq!(reader.execute(&sql, &[]).await.unwrap_err().kind, ErrorKind::Denied, "{sql}");
        }
        let op = fixture.load((0..2_000).map(|at| row(&format!("z{at:05}"))).collect());
        match reader.atomic(stream::iter([Ok(op)]).boxed()).await {
            Err(Failure::Database(error)) => assert_eq!(error.kind, ErrorKind::Denied, "{error}"),
            other => panic!("{other:?}"),
        }
        reader.close().await;
        fixture
    });
}
