//! Input that nobody meant: whatever it is, the program does not panic, and what it refuses it refuses with a code.
//!
//! Each property begins from inputs that are good and from `tests/corpus`, and changes them. `AMX_FUZZ_CASES` says how many cases are tried, which
//! is few where it is not set; a case that failed is kept in `tests/corpus/failed.txt` and tried again first.

mod common;
mod lint;
use amx_schema::config::{self, Config, Key};
use amx_schema::dialect::Backend;
use amx_schema::driver::{Access, Value, connect, unheard};
use amx_schema::error::{Code, Error};
use amx_schema::history::{check_run_id, time_from_text};
use amx_schema::model::{Kind, Model};
use amx_schema::profile::{Profile, Scalar};
use amx_schema::render::Renderer;
use amx_schema::store::amx_cli::AmxCliFile;
use amx_schema::store::local::LocalStore;
use amx_schema::store::own_file::OwnFile;
use amx_schema::store::reading::Reading;
use amx_schema::store::sessions::Sessions;
use amx_schema::store::source::{Person, Source};
use amx_schema::store::sqlite_file::{fingerprint, recognise};
use amx_schema::sync::record::{Recorder, Shared};
use common::cases;
use common::files::{Part, add_own_run, amx_cli, edit, own};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::FileFailurePersistence;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

fn config(quick: u32) -> ProptestConfig {
    let kept = FileFailurePersistence::Direct(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/failed.txt"));
    ProptestConfig { cases: cases(quick), failure_persistence: Some(Box::new(kept)), max_shrink_iters: 2000, ..ProptestConfig::default() }
}

/// An error is one that a user can act on, and none of ours.
fn is_told(error: &Error) -> Result<(), TestCaseError> {
    prop_assert!(error.code != Code::Internal, "{}", error);
    prop_assert!(!error.message.is_empty() && !error.hint.is_empty(), "{}", error);
    Ok(())
}

/// The same where it went well.
fn told<T>(outcome: Result<T, Error>) -> Result<Option<T>, TestCaseError> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(error) => is_told(&error).map(|()| None),
    }
}

fn person() -> Person {
    Person { who: "tester".into(), hostname: "here".into() }
}

// --- how input is changed

/// One change of a text.
#[derive(Debug, Clone)]
enum Change {
    Put(Index, &'static str),
    PutChar(Index, char),
    Cut(Index, usize),
    Repeat(Index, usize, usize),
    End(Index),
}

/// Pieces of the languages that are read here, and what parsers stumble over.
const PIECES: [&str; 60] = [
    "\n",
    "\t",
    " ",
    "  ",
    ":",
    ": ",
    "- ",
    "? ",
    "#",
    " #",
    "'",
    "\"",
    "`",
    "\\",
    "\\u0000",
    "\\ud800",
    "[",
    "]",
    "{",
    "}",
    ",",
    "&a ",
    "*a",
    "!!binary ",
    "!x ",
    "|\n",
    ">\n",
    "---\n",
    "...\n",
    "%YAML 1.1\n",
    "<<: *a\n",
    "~",
    "null",
    "true",
    "no",
    "1e999",
    "-0",
    "0x7f",
    "1_0",
    "9223372036854775808",
    "\u{0}",
    "\u{feff}",
    "\u{2028}",
    "\u{85}",
    "\u{202e}",
    "\u{1b}[2J",
    "é",
    "💥",
    "\r",
    "\r\n",
    "://",
    "@",
    "%00",
    "%ff",
    "%",
    "?",
    "&",
    "=",
    "[::1]",
    "{\"a\":[[[[{}]]]]}",
];

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (any::<Index>(), select(&PIECES[..])).prop_map(|(at, piece)| Change::Put(at, piece)),
        1 => (any::<Index>(), any::<char>()).prop_map(|(at, c)| Change::PutChar(at, c)),
        3 => (any::<Index>(), 1..12_usize).prop_map(|(at, length)| Change::Cut(at, length)),
        1 => (any::<Index>(), 1..30_usize, 2..40_usize).prop_map(|(at, length, times)| Change::Repeat(at, length, times)),
        1 => any::<Index>().prop_map(Change::End),
    ]
}

/// A text after those changes. Each is of whole characters.
fn changed(text: &str, changes: &[Change]) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for change in changes {
        let place = |at: &Index, chars: &[char]| at.index(chars.len() + 1);
        match change {
            Change::Put(at, piece) => {
                let at = place(at, &chars);
                chars.splice(at..at, piece.chars());
            }
            Change::PutChar(at, c) => {
                let at = place(at, &chars);
                chars.insert(at, *c);
            }
            Change::Cut(at, length) => {
                let at = place(at, &chars);
                chars.drain(at..(at + length).min(chars.len()));
            }
            Change::Repeat(at, length, times) => {
                let at = place(at, &chars);
                let part: Vec<char> = chars[at..(at + length).min(chars.len())].repeat(*times);
                chars.splice(at..at, part);
            }
            Change::End(at) => chars.truncate(place(at, &chars)),
        }
    }
    chars.into_iter().collect()
}

/// The texts of a folder of the corpus, in order of their names.
fn corpus(folder: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{}", folder.display());
    files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect()
}

/// One of those texts, changed a little, or not at all.
fn from(texts: Vec<String>) -> impl Strategy<Value = String> {
    (select(texts), prop::collection::vec(change(), 0..6)).prop_map(|(text, changes)| changed(&text, &changes))
}

// --- config.yml

/// Reads a configuration in every way, and edits it in every way.
fn config_is_told(text: &str) -> Result<(), TestCaseError> {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("config.yml");
    std::fs::write(&path, text).unwrap();
    if let Some(config) = told(Config::load(home.path()))? {
        for (name, profile) in config.profiles() {
            if let Some(profile) = told(profile)? {
                let _ = (profile.summary(), profile.to_string(), profile.to_fields());
            }
            told(config.profile(&name))?;
        }
        config.shown();
        told(config.history_store_enabled())?;
        for text in [config.history_store_profile(), config.history_store_schema(), config.active_db_profile()] {
            told(text)?;
        }
        let readable = std::fs::read(&path).unwrap();
        let edits: [&dyn Fn() -> Result<(), Error>; 3] = [
            &|| config::edit(home.path(), &[(Key::HistoryStoreEnabled, Some(true.into())), (Key::HistoryStoreSchema, Some("AMX".into()))]),
            &|| config::add_profile(home.path(), "new", Backend::Sqlite, &[("path".into(), Scalar::from("x.db"))]).map(drop),
            &|| config::remove_profile(home.path(), "prod-pg"),
        ];
        for edit in edits {
            std::fs::write(&path, &readable).unwrap();
            if told(edit())?.is_none() {
                prop_assert!(std::fs::read(&path).unwrap() == readable, "an edit that was refused has changed the file");
            } else {
                prop_assert!(Config::load(home.path()).is_ok(), "an edit left what cannot be read");
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(100))]

    #[test]
    fn any_configuration_is_read_or_refused(text in prop_oneof![8 => from(corpus("config")), 1 => any::<String>()]) {
        config_is_told(&text)?;
    }
}

#[test]
fn a_configuration_that_grows_without_end_is_refused() {
    let laughs: String = (1..30).map(|n| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(", "))).collect();
    let deep = |open: &str, close: &str| format!("db_profiles: {}{}\n", open.repeat(4000), close.repeat(4000));
    for text in
        [format!("a0: &a0 [x]\n{laughs}"), deep("[", "]"), deep("{a: ", "}"), "- ".repeat(4000), "? ".repeat(4000), "&a ".repeat(4000)]
    {
        config_is_told(&text).unwrap();
    }
}

// --- the model

fn model_is_told(text: &str) -> Result<(), TestCaseError> {
    let Some(model) = told(Model::from_yaml(text))? else { return Ok(()) };
    for backend in Backend::ALL {
        let dialect = backend.dialect().unwrap();
        told(amx_schema::feasibility::require(&model, dialect))?;
        let schema = dialect.schema_name("amx").unwrap();
        let renderer = Renderer { dialect, schema: &schema };
        let Some(steps) = told(renderer.squashed_steps(&model))? else { continue };
        // What is written for an engine ends its quotes, whatever the model says. A type of the model's own is written as it is.
        if !text.contains("literal") {
            for step in steps {
                prop_assert!(lint::tokens(backend, &step.sql).is_ok(), "{}: {}", backend, step.sql);
            }
        }
    }
    Ok(())
}

fn models() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    ["migrations/model.yaml", "tests/fixtures/second-model.yaml"].map(|file| std::fs::read_to_string(root.join(file)).unwrap()).into()
}

proptest! {
    #![proptest_config(config(40))]

    #[test]
    fn any_model_is_rendered_or_refused(text in from(models())) {
        model_is_told(&text)?;
    }
}

// --- history files

/// A small file of amx-cli's, and one of our own, as bytes.
static FILES: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| {
    let home = tempfile::tempdir().unwrap();
    let foreign = home.path().join("history.db");
    amx_cli(&foreign, &[Part { runs: 4, results: 3, bytes: 60 }]);
    edit(
        &foreign,
        "INSERT INTO chat_sessions (id, db_profile, llm_profile, started_at, last_active_at, title) VALUES (1, 'p', 'l', 1.0, 2.0, 't');
         INSERT INTO chat_turns (session_id, turn_index, role, question, answer_summary, created_at) VALUES (1, 0, 'user', 'q', 'a', 1.5);
         PRAGMA journal_mode = DELETE; VACUUM",
    );
    let own_home = tempfile::tempdir().unwrap();
    let (ours, owner) = own(own_home.path());
    add_own_run(&ours, &owner, "run_1", "2026-05-03T15:44:00.000000Z");
    add_own_run(&ours, &owner, "run_2", "2026-05-03T15:45:00.000000Z");
    edit(&ours, "PRAGMA journal_mode = DELETE; VACUUM");
    [foreign, ours].map(|path| std::fs::read(path).unwrap())
});

/// Reads a file in every way that the program does.
fn history_is_told(bytes: &[u8]) -> Result<(), TestCaseError> {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("history.db");
    std::fs::write(&path, bytes).unwrap();
    let person = person();
    told(recognise(&path))?;
    told(fingerprint(&path))?;
    let foreign = told(AmxCliFile::open(&path, &person))?.map(|file| Box::new(file) as Box<dyn Source>);
    let ours = told(OwnFile::open(&path))?.map(|file| Box::new(file) as Box<dyn Source>);
    for source in [foreign, ours].into_iter().flatten() {
        told(source.count())?;
        told(source.contents())?;
        let mut keys = vec![];
        told(source.runs(&mut |run| {
            keys.push(run.key);
            Ok(())
        }))?;
        for key in keys.iter().take(8) {
            told(source.results(key, &mut |_| Ok(())))?;
        }
    }
    if let Some(sessions) = told(Sessions::open(home.path()))? {
        for session in told(sessions.list())?.unwrap_or_default() {
            told(sessions.show(session.id))?;
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let Some(mut reading) = told(Reading::of_home(home.path(), &person, None))? else { return Ok(()) };
        for run in told(reading.list(&Default::default(), None, 20).await)?.unwrap_or_default() {
            told(reading.read(&run.stored.run.run_id, &mut |_| {}).await)?;
        }
        Ok::<_, TestCaseError>(())
    })?;
    // Last, for it writes: what is ours is upgraded.
    told(LocalStore::open(home.path()))?;
    Ok(())
}

/// What the program reads of each kind of file: tables and their columns.
const COLUMNS: [&[(&str, &[&str])]; 2] = [
    &[
        ("analysis_runs", &["started_at", "ended_at", "status", "command", "db_backend", "llm_provider", "llm_model", "scope_json"]),
        (
            "run_results",
            &["run_id", "saved_at", "schema_name", "table_name", "column_name", "confidence", "alternatives_json", "chosen_description"],
        ),
        ("chat_sessions", &["title", "started_at", "db_profile"]),
        ("chat_turns", &["turn_index", "role", "question", "answer_summary", "created_at", "session_id"]),
    ],
    &[
        (
            "amx_history_runs",
            &["run_id", "who", "started_at", "finished_at", "scope", "state", "applied_at", "metadata_json", "local_id", "origin"],
        ),
        (
            "amx_history_results",
            &["run_id", "target_qname", "target_kind", "description", "alternatives", "confidence", "applied", "applied_at", "local_id"],
        ),
        ("local_installations", &["id", "machine"]),
    ],
];

/// A value that a column may hold whatever its type says.
fn cell() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("NULL".to_string()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_filter("SQL has no such number", |number| number.is_finite()).prop_map(|number| format!("{number:e}")),
        prop::collection::vec(any::<u8>(), 0..9).prop_map(|bytes| hex("x", &bytes)),
        prop::collection::vec(any::<u8>(), 0..9).prop_map(|bytes| format!("CAST({} AS TEXT)", hex("x", &bytes))),
        any::<String>().prop_map(|text| format!("CAST({} AS TEXT)", hex("x", text.as_bytes()))),
        select(vec!["''", "'run_1'", "'{\"a\":'", "'[]'", "'2026-13-45T99:99:99Z'", "1e300", "-1e300", "9e18", "'applied'", "x'00'"])
            .prop_map(String::from),
    ]
}

fn hex(prefix: &str, bytes: &[u8]) -> String {
    format!("{prefix}'{}'", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

proptest! {
    #![proptest_config(config(50))]

    #[test]
    fn any_bytes_in_a_history_file_are_read_or_refused(
        which in 0..2_usize, bytes in prop::collection::vec((any::<Index>(), any::<u8>()), 0..24),
        pages in prop::collection::vec((any::<Index>(), any::<Index>()), 0..3), end in prop::option::weighted(0.1, any::<Index>()),
        in_header in prop::collection::vec((0..200_usize, any::<u8>()), 0..3),
    ) {
        let mut file = FILES[which].clone();
        let pages_of_it = file.len() / 4096;
        for (to, from) in pages {
            let (to, from) = (to.index(pages_of_it) * 4096, from.index(pages_of_it) * 4096);
            file.copy_within(from..from + 4096, to);
        }
        for (at, byte) in bytes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        for (at, byte) in in_header {
            file[at] = byte;
        }
        if let Some(end) = end {
            file.truncate(end.index(file.len()));
        }
        history_is_told(&file)?;
    }

    #[test]
    fn any_values_in_a_history_file_are_read_or_refused(
        which in 0..2_usize, cells in prop::collection::vec((any::<Index>(), any::<Index>(), cell()), 1..4),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.db");
        std::fs::write(&path, &FILES[which]).unwrap();
        let tables = COLUMNS[which];
        for (table, column, value) in cells {
            let (table, columns) = tables[table.index(tables.len())];
            let column = columns[column.index(columns.len())];
            // What the file itself refuses cannot be in it.
            let connection = rusqlite::Connection::open(&path).unwrap();
            let update = format!("UPDATE OR IGNORE {table} SET {column} = {value} WHERE rowid % 2 = 1");
            let _ = connection.execute_batch(&format!("PRAGMA foreign_keys = OFF; {update}"));
        }
        history_is_told(&std::fs::read(&path).unwrap())?;
    }
}

// --- record

proptest! {
    #![proptest_config(config(25))]

    #[test]
    fn any_lines_of_record_are_taken_or_refused(
        lines in prop::collection::vec(prop_oneof![12 => from(corpus_lines("record")), 1 => any::<String>()], 1..12), cut in any::<Index>(),
    ) {
        let home = tempfile::tempdir().unwrap();
        let person = person();
        let mut recorder = Recorder::new(LocalStore::open(home.path())?, Shared::Disabled, &person);
        let mut lines: Vec<Vec<u8>> = lines.into_iter().map(String::into_bytes).collect();
        // One of them is cut within a character.
        let last = lines.last_mut().unwrap();
        last.truncate(cut.index(last.len() + 1));
        let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let answers = runtime.block_on(recorder.record(&lines));
        let answers = told(answers)?.ok_or_else(|| TestCaseError::fail("one line stopped the others"))?;
        prop_assert_eq!(answers.len(), lines.len());
        for answer in answers {
            told(answer)?;
        }
    }
}

// --- URLs, run ids and the like

/// The password of every URL of the corpus.
const PASSWORD: &str = "Xk7MARKq9";

proptest! {
    #![proptest_config(config(1500))]

    #[test]
    fn any_url_is_read_or_refused_and_its_password_not_repeated(text in prop_oneof![8 => from(corpus_lines("urls")), 1 => any::<String>()]) {
        match Profile::from_url(&text) {
            Err(error) => {
                is_told(&error)?;
                prop_assert!(!error.to_string().contains(PASSWORD), "{}", error);
            }
            // The password may have become a part of something else, where a change moved it there.
            Ok(profile) if profile.has_plain_secret() && text.matches(PASSWORD).count() == 1 && text.contains(&format!(":{PASSWORD}@")) => {
                prop_assert!(!format!("{} {:?} {}", profile.summary(), profile, profile).contains(PASSWORD), "{:?}", profile);
            }
            Ok(profile) => drop((profile.summary(), profile.to_string(), profile.to_fields())),
        }
    }

    #[test]
    fn a_run_id_is_taken_just_where_it_is_1_to_64_of_its_characters(
        text in prop_oneof!["[A-Za-z0-9_.:-]{0,70}", "run_[0-9-]{5,20}.{0,2}", any::<String>()],
    ) {
        let good = (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte));
        prop_assert_eq!(check_run_id(&text).is_ok(), good, "{:?}", text);
    }

    #[test]
    fn any_text_is_a_time_or_none(
        text in prop_oneof!["[0-9TZ:.+-]{0,32}", "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\\.[0-9]{0,12})?Z?", any::<String>()],
    ) {
        let _ = time_from_text(&text);
    }
}

fn corpus_lines(folder: &str) -> Vec<String> {
    corpus(folder).iter().flat_map(|text| text.lines().map(String::from)).collect()
}

// --- answers of services

/// A service on loopback that answers every request with the next of some documents, and with the last one for ever.
struct Service {
    port: u16,
    answers: Arc<Mutex<Vec<(u16, String)>>>,
}

static SERVICE: LazyLock<Service> = LazyLock::new(|| {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let answers = Arc::new(Mutex::new(vec![]));
    let shared = Arc::clone(&answers);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answers = Arc::clone(&shared);
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut writer = stream;
                while let Some(()) = read_request(&mut reader) {
                    let (status, body) = next(&mut answers.lock().unwrap());
                    let head = format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
                    if writer.write_all((head + &body).as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    Service { port, answers }
});

fn next(answers: &mut Vec<(u16, String)>) -> (u16, String) {
    match answers.len() {
        0 => (500, String::new()),
        1 => answers[0].clone(),
        _ => answers.remove(0),
    }
}

fn read_request(reader: &mut BufReader<std::net::TcpStream>) -> Option<()> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    std::io::copy(&mut reader.take(length), &mut std::io::sink()).ok()?;
    Some(())
}

/// Logs in and asks, whatever the service answers. One that keeps the client waiting is given up.
fn answers_are_told(profile: &Profile, answers: Vec<(u16, String)>) -> Result<(), TestCaseError> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    *SERVICE.answers.lock().unwrap() = answers;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let asking = async {
        let Some(mut driver) = told(connect(profile, Path::new("/"), Access::Write, unheard()).await)? else { return Ok(()) };
        let kinds = [Kind::Key, Kind::Integer, Kind::Boolean, Kind::Timestamp];
        for outcome in [
            driver.query("SELECT 1", &[Value::from("x")], &kinds).await.map(drop),
            driver.query("SELECT 1", &[], &kinds[..1]).await.map(drop),
            driver.execute("UPDATE a SET b = 1", &[]).await.map(drop),
        ] {
            told(outcome.map_err(Error::from))?;
        }
        Ok::<_, TestCaseError>(())
    };
    let outcome = runtime.block_on(async { tokio::time::timeout(Duration::from_millis(400), asking).await });
    outcome.unwrap_or(Ok(()))
}

fn profile(backend: &str) -> Profile {
    let port = SERVICE.port;
    let (backend, given) = match backend {
        "bigquery" => return Profile::from_url(&format!("bigquery://shop?endpoint=http://127.0.0.1:{port}&location=EU")).unwrap(),
        "databricks" => {
            return Profile::from_url(&format!("databricks://:t@127.0.0.1:{port}/main?http_path=/sql/1.0/warehouses/a")).unwrap();
        }
        _ => (
            Backend::Snowflake,
            [("account", "a"), ("user", "u"), ("password", "p"), ("database", "D"), ("host", "127.0.0.1"), ("protocol", "http")],
        ),
    };
    let mut given: Vec<(String, Scalar)> = given.map(|(name, value)| (name.to_string(), Scalar::from(value))).into();
    given.push(("port".into(), Scalar::from(i64::from(port))));
    Profile::from_fields(Some("p"), backend, &given, Path::new("/")).unwrap()
}

/// Answers that begin as good ones do. Those that ask for patience are waited for elsewhere.
fn service_answers(folder: &'static str) -> impl Strategy<Value = Vec<(u16, String)>> {
    let texts = corpus_lines(folder);
    let good = texts.clone();
    let hostile = (prop_oneof![10 => Just(200_u16), 1 => select(vec![201, 204, 302, 400, 401, 403, 404, 409, 413])], from(texts))
        .prop_filter("it asks for patience", |(_, text)| {
            !["RUNNING", "PENDING", "jobComplete\":false"].iter().any(|word| text.contains(word))
        });
    (0..=good.len(), prop::collection::vec(hostile, 1..4)).prop_map(move |(before, hostile)| {
        let begun = good.iter().take(before).map(|text| (200, text.clone()));
        begun.chain(hostile).collect()
    })
}

proptest! {
    #![proptest_config(config(25))]

    #[test]
    fn any_answer_of_bigquery_is_read_or_refused(answers in service_answers("bigquery")) {
        answers_are_told(&profile("bigquery"), answers)?;
    }

    #[test]
    fn any_answer_of_databricks_is_read_or_refused(answers in service_answers("databricks")) {
        answers_are_told(&profile("databricks"), answers)?;
    }

    #[test]
    fn any_answer_of_snowflake_is_read_or_refused(answers in service_answers("snowflake")) {
        answers_are_told(&profile("snowflake"), answers)?;
    }
}
