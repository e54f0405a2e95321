//! From the model to SQL: what `generate` writes and checks, and that no text of a model or of a user ever leaves its quotes.

mod common;
mod lint;
use amx_schema::dialect::{Backend, Comments, SchemaName};
use amx_schema::driver::{self, Access};
use amx_schema::migration::{Engine, Migrated, MigrationSet};
use amx_schema::model::Model;
use amx_schema::profile::Profile;
use amx_schema::render::{Effect, Renderer, Step};
use amx_schema::report::Silent;
use amx_schema::script::{self, Script};
use common::{Home, Ran, Store};
use lint::Token;
use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A model of other tables, with names and comments full of quotes.
const SECOND: &str = include_str!("fixtures/second-model.yaml");

fn second() -> Model {
    Model::from_yaml(SECOND).unwrap()
}

/// The bootstrap script of a model, squashed and versioned.
fn scripts(model: &Model, backend: Backend, schema: &str) -> [String; 2] {
    let set = MigrationSet::rendered(model.clone(), backend).unwrap();
    let schema = set.dialect.schema_name(schema).unwrap();
    let checksums = vec!["0".to_string(); model.versions.len()];
    let script = Script { model, dialect: set.dialect, schema: &schema, location: None, checksums: &checksums };
    [script.squashed().unwrap(), script.versioned().unwrap()]
}

// --- comments ---

#[test]
fn every_comment_of_the_model_is_in_both_scripts_of_an_engine_that_has_comments() {
    for model in [Model::embedded().unwrap(), second()] {
        let comments = model.tables.iter().flat_map(|table| table.columns.iter().map(|column| &column.comment).chain([&table.comment]));
        let comments: Vec<_> = comments.map(|comment| comment.replace("{{ schema }}", "amx")).collect();
        for backend in Backend::ALL {
            for script in scripts(&model, backend, "amx") {
                let tokens = lint::tokens(backend, &script).unwrap();
                for comment in &comments {
                    let there =
                        tokens.iter().any(|token| matches!(token, Token::Text(text) if text.replace("{{ schema }}", "amx") == *comment));
                    assert_eq!(there, backend.dialect().unwrap().comments != Comments::Unsupported, "{backend}: {comment}");
                }
            }
        }
    }
}

#[test]
fn the_engines_give_back_the_comments_as_the_model_has_them() {
    for store in Store::all().into_iter().filter(|store| store.backend != "sqlite") {
        migrated(&store, &second(), None);
        let query = match store.backend {
            "postgresql" => "SELECT col_description('library_readers'::regclass, n) FROM generate_series(1, 4) n ORDER BY n;",
            _ => {
                "SELECT column_comment FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'library_readers'
                AND ordinal_position <= 4 ORDER BY ordinal_position;"
            }
        };
        // The shell of MariaDB writes a backslash as two.
        let said = store.sql(query).replace("\\\\", "\\");
        let wanted: String =
            second().table("library_readers").unwrap().columns[..4].iter().map(|column| format!("{}\n", column.comment)).collect();
        assert_eq!(said, wanted, "{}", store.backend);
    }
}

// --- generate ---

/// A copy of the committed migrations.
struct Copy {
    home: Home,
    dir: PathBuf,
    _temp: TempDir,
}

impl Copy {
    fn new() -> Copy {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("migrations");
        copy_folder(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations")), &dir);
        let _ = fs::remove_file(dir.join("released"));
        Copy { home: Home::new(), dir, _temp: temp }
    }

    /// A copy in which V1 of every backend is released.
    fn with_first_version_released() -> Copy {
        let copy = Copy::new();
        copy.release(1);
        copy
    }

    fn release(&self, version: u32) {
        let mut lines = "# version, backend, checksum\n".to_string();
        for backend in Backend::ALL {
            let checksum = MigrationSet::embedded(backend).unwrap().checksums()[version as usize - 1].clone();
            lines += &format!("{version} {backend} {checksum}\n");
        }
        fs::write(self.dir.join("released"), lines).unwrap();
    }

    fn edit(&self, file: &str, change: impl Fn(&str) -> String) {
        let path = self.dir.join(file);
        let before = fs::read_to_string(&path).unwrap();
        let after = change(&before);
        assert_ne!(before, after, "the edit of {file} changes nothing");
        fs::write(path, after).unwrap();
    }

    fn generate(&self, args: &[&str]) -> Ran {
        self.home.run(&[&["generate", "--dir", self.dir.to_str().unwrap()], args].concat())
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy_folder(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}

#[test]
fn the_committed_migrations_say_what_the_model_says() {
    let checked = Home::new().run(&["generate", "--check", "--dir", concat!(env!("CARGO_MANIFEST_DIR"), "/migrations"), "--json"]);
    let expected = Model::embedded().unwrap().versions.len() * Backend::ALL.len();
    assert_eq!(checked.json(), serde_json::json!({"written": [], "unchanged": expected, "recorded": [], "listed": null}));
    checked.ok();
}

#[test]
fn the_committed_files_are_byte_for_byte_what_generate_writes() {
    let model = Model::embedded().unwrap();
    for backend in Backend::ALL {
        for (version, name) in &model.versions {
            let path = format!("{}/migrations/{backend}/V{version}__{name}.sql", env!("CARGO_MANIFEST_DIR"));
            assert_eq!(fs::read_to_string(path).unwrap(), script::migration_file(&model, backend.dialect().unwrap(), *version).unwrap());
        }
    }
}

#[test]
fn the_effect_of_every_step_can_be_read_back_from_its_file() {
    for model in [Model::embedded().unwrap(), second()] {
        for backend in Backend::ALL {
            let dialect = backend.dialect().unwrap();
            for &version in model.versions.keys() {
                let schema = SchemaName::placeholder();
                let steps = Renderer { dialect, schema: &schema }.version_steps(&model, version).unwrap();
                assert!(!steps.is_empty());
                assert_eq!(
                    script::steps_of(&script::migration_file(&model, dialect, version).unwrap(), dialect),
                    steps,
                    "{backend} V{version}"
                );
            }
        }
    }
}

#[test]
fn a_check_finds_an_edited_file() {
    for (file, from, to) in [
        ("postgresql/V2__sharing.sql", "BIGINT", "INTEGER"),
        ("mysql/V1__tables.sql", "utf8mb4_nopad_bin", "utf8mb4_bin"),
        ("oracle/V1__tables.sql", "NUMBER(1)", "NUMBER(2)"),
        ("bigquery/V1__tables.sql", "'One AMX run per row.'", "'One AMX  run per row.'"),
    ] {
        let copy = Copy::new();
        copy.edit(file, |text| text.replacen(from, to, 1));
        let failed = copy.generate(&["--check"]).fails("model_out_of_sync", 3);
        assert!(failed.stderr.contains(file), "{}", failed.stderr);
    }
}

#[test]
fn a_check_finds_a_missing_file() {
    let copy = Copy::new();
    fs::remove_file(copy.dir.join("redshift/V1__tables.sql")).unwrap();
    assert!(copy.generate(&["--check"]).fails("model_out_of_sync", 3).stderr.contains("redshift/V1__tables.sql is missing"));
}

#[test]
fn a_check_finds_a_file_of_no_version() {
    for stranger in ["snowflake/V3__extra.sql", "snowflake/V1__other.sql", "snowflake/notes.txt"] {
        let copy = Copy::new();
        fs::write(copy.dir.join(stranger), "-- nothing\n").unwrap();
        assert!(copy.generate(&["--check"]).fails("model_out_of_sync", 3).stderr.contains(stranger));
    }
}

#[test]
fn a_check_finds_a_model_that_says_something_else() {
    let copy = Copy::new();
    copy.edit("model.yaml", |text| text.replace("comment: One AMX run per row.", "comment: An AMX run per row."));
    copy.generate(&["--check"]).fails("model_out_of_sync", 3);
}

#[test]
fn a_check_writes_nothing() {
    let copy = Copy::new();
    fs::remove_file(copy.dir.join("redshift/V1__tables.sql")).unwrap();
    copy.generate(&["--check"]).fails("model_out_of_sync", 3);
    assert!(!copy.dir.join("redshift/V1__tables.sql").exists());
}

#[test]
fn generate_writes_what_is_missing_or_edited_and_leaves_the_rest() {
    let copy = Copy::new();
    let committed = fs::read_to_string(copy.dir.join("mysql/V2__sharing.sql")).unwrap();
    copy.edit("mysql/V2__sharing.sql", |text| text.replace("BIGINT", "INT"));
    fs::remove_dir_all(copy.dir.join("oracle")).unwrap();
    let written = copy.generate(&["--json"]).json();
    assert_eq!(written["written"], serde_json::json!(["mysql/V2__sharing.sql", "oracle/V1__tables.sql", "oracle/V2__sharing.sql"]));
    assert_eq!(written["unchanged"], 15);
    assert_eq!(fs::read_to_string(copy.dir.join("mysql/V2__sharing.sql")).unwrap(), committed);
    copy.generate(&["--check"]).ok();
}

#[test]
fn generate_brings_a_new_version_as_a_new_file_of_every_backend() {
    let copy = Copy::with_first_version_released();
    copy.edit("model.yaml", |text| {
        text.replace("  2: sharing\n", "  2: sharing\n  3: mood\n").replace(
            "      - {name: created_by, kind: text, since: 2, comment: \"Login name of the writer.\"}\n",
            "      - {name: created_by, kind: text, since: 2, comment: \"Login name of the writer.\"}\n      - {name: mood, kind: text, since: 3, comment: \"How it went.\"}\n",
        )
    });
    let written = copy.generate(&["--json"]).json();
    assert_eq!((written["written"].as_array().unwrap().len(), written["unchanged"].as_u64()), (9, Some(18)));
    for backend in Backend::ALL {
        let file = fs::read_to_string(copy.dir.join(format!("{backend}/V3__mood.sql"))).unwrap();
        assert!(file.to_lowercase().contains("mood"), "{file}");
        assert!(!file.contains("CREATE TABLE"), "{file}");
    }
    copy.generate(&["--check"]).ok();
}

#[test]
fn a_released_file_that_was_edited_is_refused() {
    let copy = Copy::with_first_version_released();
    copy.generate(&["--check"]).ok();
    copy.edit("sqlserver/V1__tables.sql", |text| text.replace("DATETIME2(6)", "DATETIME2(3)"));
    let failed = copy.generate(&["--check"]).fails("checksum_mismatch", 3);
    assert!(failed.stderr.contains("V1 for sqlserver"), "{}", failed.stderr);
    copy.generate(&[]).fails("checksum_mismatch", 3);
    assert!(fs::read_to_string(copy.dir.join("sqlserver/V1__tables.sql")).unwrap().contains("DATETIME2(3)"), "it is left to its author");
}

#[test]
fn a_released_file_that_was_edited_together_with_the_model_is_refused() {
    let copy = Copy::with_first_version_released();
    for file in ["model.yaml", "postgresql/V1__tables.sql", "snowflake/V1__tables.sql"] {
        copy.edit(file, |text| text.replace("One AMX run per row.", "An AMX run per row."));
    }
    copy.generate(&["--check"]).fails("checksum_mismatch", 3);
    copy.generate(&[]).fails("checksum_mismatch", 3);
}

#[test]
fn a_released_file_that_is_gone_is_refused() {
    let copy = Copy::with_first_version_released();
    fs::remove_file(copy.dir.join("bigquery/V1__tables.sql")).unwrap();
    copy.generate(&["--check"]).fails("checksum_mismatch", 3);
    copy.generate(&[]).fails("checksum_mismatch", 3);
}

#[test]
fn a_record_that_changes_a_released_version_is_refused_and_nothing_is_written() {
    let copy = Copy::with_first_version_released();
    copy.edit("models/V1.yaml", |text| text.replace("One AMX run per row.", "An AMX run per row."));
    fs::remove_file(copy.dir.join("bigquery/V2__sharing.sql")).unwrap();
    copy.generate(&["--check"]).fails("model_out_of_sync", 3);
    let failed = copy.generate(&[]).fails("model_out_of_sync", 3);
    assert!(
        failed.stderr.contains("V1 for postgresql, which is released: the statement `comment on amx_history_runs`"),
        "{}",
        failed.stderr
    );
    assert!(!copy.dir.join("bigquery/V2__sharing.sql").exists());
}

#[test]
fn a_version_that_is_not_released_may_be_changed() {
    let copy = Copy::with_first_version_released();
    copy.edit("model.yaml", |text| text.replace("Login name of the writer.", "Who wrote it."));
    assert_eq!(copy.generate(&["--json"]).json()["written"].as_array().unwrap().len(), 8, "all but SQLite, which has no comments");
    copy.generate(&["--check"]).ok();
}

#[test]
fn comments_blanks_and_line_ends_of_a_released_file_do_not_count() {
    let edits: [fn(&str) -> String; 6] = [
        |text| text.replace("\n-- step: ", "\n-- What follows is needed.\n\n-- step: "),
        |text| format!("-- Reviewed by the DBA; it's fine.\n{text}\n-- The end.\n"),
        |text| text.replace("-- Rendered from", "-- Written from"),
        |text| text.replace('\n', "\r\n"),
        |text| text.replace(",\n", ",\n\n"),
        |text| text.replace("  ", "\t "),
    ];
    for (number, edit) in edits.into_iter().enumerate() {
        let copy = Copy::with_first_version_released();
        for backend in Backend::ALL {
            // Oracle's statements stand in texts, and what is in a text counts.
            if backend != Backend::Oracle || number < 3 {
                copy.edit(&format!("{backend}/V1__tables.sql"), edit);
            }
        }
        let checked = copy.generate(&["--check"]);
        assert_eq!(checked.code, 0, "{}", checked.stderr);
    }
}

#[test]
fn comments_blanks_and_line_ends_of_a_file_leave_its_steps_as_they_are() {
    let model = Model::embedded().unwrap();
    for backend in Backend::ALL {
        let dialect = backend.dialect().unwrap();
        let file = script::migration_file(&model, dialect, 2).unwrap();
        let steps = script::steps_of(&file, dialect);
        let crlf = file.replace('\n', "\r\n");
        let commented = file.replace("\n-- step: ", "\n-- What follows is needed.\n\n\n-- step: ") + "\n-- The end.\n";
        assert_eq!(script::steps_of(&crlf, dialect), steps, "{backend}");
        assert_eq!(script::steps_of(&commented, dialect), steps, "{backend}");
        if backend == Backend::Oracle {
            continue; // its statements stand in texts, in which a blank line counts
        }
        let spaced = script::steps_of(&file.replace(",\n", ",\n\n"), dialect);
        let tokens = |steps: &[Step]| steps.iter().map(|step| lint::tokens(backend, &step.sql).unwrap()).collect::<Vec<_>>();
        assert_eq!(tokens(&spaced), tokens(&steps), "{backend}");
    }
}

#[test]
fn a_list_of_released_files_that_cannot_be_read_is_refused() {
    for line in ["1 postgresql", "one postgresql 12", "1 access 12"] {
        let copy = Copy::new();
        fs::write(copy.dir.join("released"), format!("{line}\n")).unwrap();
        assert!(copy.generate(&["--check"]).fails("model_out_of_sync", 3).stderr.contains(line));
    }
}

#[test]
fn a_folder_without_a_model_is_refused() {
    let home = Home::new();
    home.run(&["generate", "--dir", home.dir.path().to_str().unwrap()]).fails("io", 1);
}

// --- models that are none ---

#[test]
fn a_model_that_contradicts_itself_is_refused() {
    let bad: &[(&str, &str, &str)] = &[
        ("an unknown key", "comment: One lent book per row.", "comment: One lent book per row.\n    colour: red"),
        ("an unknown key of a column", "kind: integer, null: false, comment: \"Year.\"", "kind: integer, nul: false, comment: \"Year.\""),
        ("an unknown kind", "kind: json", "kind: jsonb"),
        ("a gap in the versions", "  2: lending\n", ""),
        ("versions that do not begin at 1", "  1: shelves\n", ""),
        (
            "a key without a length",
            "kind: key, length: 40, bytes: 120, null: false, comment: \"Who",
            "kind: key, null: false, comment: \"Who",
        ),
        ("a length without a key", "kind: json, since: 3", "kind: json, length: 9, bytes: 9, since: 3"),
        ("a type without literal", "kind: json, since: 3", "kind: json, type: TEXT, since: 3"),
        ("a reference to an unknown table", "{columns: [reader], table: library_readers}", "{columns: [reader], table: library_people}"),
        ("a reference to a later table", "{columns: [reader], table: library_readers}", "{columns: [reader], table: library_branches}"),
        ("a reference with too many columns", "{columns: [reader], table", "{columns: [reader, copy], table"),
        ("a later column that may not be null", "kind: json, since: 3", "kind: json, null: false, since: 3"),
        ("a column of no version", "kind: json, since: 3", "kind: json, since: 4"),
        ("a column older than its table", "{name: opened, kind: integer", "{name: opened, since: 1, kind: integer"),
        ("a comment of two lines", "\"Which copy.\"", "\"Which\\ncopy.\""),
        ("a comment with nothing in it", "\"Which copy.\"", "\" \""),
        ("a column twice", "{name: due_at,", "{name: copy,"),
        ("a table twice", "name: library_branches\n", "name: library_loans\n"),
        ("a key of an unknown column", "primary_key: [branch]", "primary_key: [town]"),
        ("an index of an unknown column", "columns: [joined_at]}", "columns: [left_at]}"),
        ("a backfill of an unknown table", "update: library_readers", "update: library_people"),
        ("a backfill with an unknown value", "{integer: 1901}", "{real: 1901}"),
        ("a backfill that reads an unknown column", "set: {branch: {text: \"main's\"}}", "set: {branch: {column: town}}"),
        ("a backfill that asks an unknown column", "column: branch, text", "column: town, text"),
        ("a backfill that asks an unknown table", "where_any: {table: library_readers", "where_any: {table: library_people"),
        ("a name that a column has and had", "{name: copy, kind", "{name: copy, was: copy, kind"),
    ];
    for (what, from, to) in bad {
        assert!(SECOND.contains(from), "{what}: the fixture has no {from}");
        let error = Model::from_yaml(&SECOND.replacen(from, to, 1)).expect_err(what);
        assert_eq!(error.code.word(), "model_infeasible", "{what}");
    }
    for yaml in ["", "just text", "- a\n- list\n", "name: x\n", "{", "null"] {
        assert_eq!(Model::from_yaml(yaml).expect_err(yaml).code.word(), "model_infeasible", "{yaml:?}");
    }
}

#[test]
fn generate_refuses_such_a_model_and_writes_nothing() {
    let copy = Copy::new();
    copy.edit("model.yaml", |text| text.replace("  1: tables\n", ""));
    copy.generate(&["--check"]).fails("model_infeasible", 2);
    copy.generate(&[]).fails("model_infeasible", 2);
    fs::write(copy.dir.join("model.yaml"), include_str!("fixtures/spec-literal.yaml")).unwrap();
    copy.generate(&[]).fails("model_infeasible", 2);
}

// --- another model ---

/// Migrates a store to a model's version and gives what was done.
fn migrated(store: &Store, model: &Model, target: Option<u32>) -> Migrated {
    let backend: Backend = store.backend.parse().unwrap();
    let set = MigrationSet::rendered(model.clone(), backend).unwrap();
    let schema = set.dialect.schema_name(&store.schema).unwrap();
    let profile = Profile::from_url(&store.url).unwrap();
    let home = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut driver = driver::connect(&profile, home.path(), Access::Create, driver::unheard()).await.unwrap();
        let mut engine = Engine { driver: driver.as_mut(), set: &set, schema: &schema, reporter: &Silent };
        let done = common::ended(engine.migrate(target, &common::lock_options()).await).unwrap();
        driver.close().await;
        done
    })
}

#[test]
fn another_model_renders_on_every_backend_and_names_its_own_tables_alone() {
    for backend in Backend::ALL {
        for script in scripts(&second(), backend, "library") {
            let name = &backend.dialect().unwrap().name;
            assert!(script.starts_with(&format!("-- Lending library bootstrap DDL ({name} dialect)\n")));
            let statements = lint::statements(backend, &script).unwrap().join("\n").to_lowercase();
            assert!(statements.contains("library_ledger") && statements.contains("library_loans"));
            assert!(!statements.contains("amx"), "{backend}: {statements}");
        }
    }
}

#[test]
fn another_model_migrates_version_by_version_and_fills_what_was_there() {
    for store in Store::all() {
        let first = migrated(&store, &second(), Some(1));
        assert_eq!((first.from_version, first.to_version, first.pending.len()), (0, 1, 2), "{}", store.backend);
        let (time, yes) = ("'2026-01-02 03:04:05'", if store.backend == "postgresql" { "TRUE" } else { "1" });
        store.sql(&format!("INSERT INTO library_readers (reader, name, joined_at, active) VALUES ('r1', 'Ada', {time}, {yes});"));
        let rest = migrated(&store, &second(), None);
        assert_eq!((rest.from_version, rest.to_version, rest.applied.len()), (1, 3, 2));
        assert_eq!(store.sql("SELECT reader, branch FROM library_readers;"), "r1\tmain's\n", "{}", store.backend);
        assert_eq!(store.sql("SELECT branch, opened FROM library_branches;"), "main's\t1901\n");
        store.sql("INSERT INTO library_loans (reader, copy, remarks) VALUES ('r1', 7, '[]');");
        assert_eq!(store.sql("SELECT version, name FROM library_ledger ORDER BY version;"), "1\tshelves\n2\tlending\n3\tnotes\n");
        assert_eq!(migrated(&store, &second(), None).applied.len(), 0);
    }
}

#[test]
fn a_script_of_another_model_makes_what_migrating_makes() {
    for store in Store::all() {
        let backend = store.backend.parse().unwrap();
        let set = MigrationSet::rendered(second(), backend).unwrap();
        let (model, schema, checksums) = (second(), set.dialect.schema_name(&store.schema).unwrap(), set.checksums());
        let script = Script { model: &model, dialect: set.dialect, schema: &schema, location: None, checksums: &checksums };
        store.sql(&script.squashed().unwrap());
        store.sql(&script.squashed().unwrap());
        let done = migrated(&store, &second(), None);
        assert_eq!((done.from_version, done.applied.len(), done.pending.len()), (3, 0, 0), "{}", store.backend);
    }
}

#[test]
fn two_models_share_a_schema() {
    for store in Store::all() {
        Home::new().migrated(&store);
        migrated(&store, &second(), None);
        Home::new().on(&store, &["migrate", "--check"]).ok();
    }
}

// --- text stays text ---

/// What the hostile texts stand for.
const PLAIN: &str = "plain0";

/// Text that a careless renderer would let out.
fn hostile_text() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        Just("'"),
        Just("''"),
        Just("\""),
        Just("`"),
        Just("["),
        Just("]"),
        Just("]]"),
        Just("\\"),
        Just("\\'"),
        Just(";"),
        Just("; "),
        Just("--"),
        Just("/*"),
        Just("*/"),
        Just("#"),
        Just("$$"),
        Just("q'["),
        Just("]'"),
        Just("'''"),
        Just("\"\"\""),
        Just("GO"),
        Just("/"),
        Just("{% x %}"),
        Just("{#"),
        Just("{{ x }}"),
        Just("-- step: create schema"),
        Just(")"),
        Just("("),
        Just(","),
        Just(" ADD COLUMN "),
        Just("%s"),
        Just("?"),
        Just(":1"),
        Just("é"),
        Just("\u{2028}"),
        Just("x"),
        Just(" "),
    ];
    proptest::collection::vec(pieces, 1..12)
        .prop_map(|pieces| pieces.concat())
        .prop_filter("a comment says something", |text| !text.trim().is_empty())
}

/// The model after changes of many kinds to the parts that the tests fill with hostile text.
fn changed(model: &Model) -> Model {
    let mut new = model.clone();
    let [readers, loans, _] = &mut new.tables[..] else { panic!() };
    readers.indexes.remove(0);
    readers.columns[1].null = true;
    readers.columns[1].comment.push('x');
    readers.comment.push('x');
    loans.comment.push('x');
    loans.columns.remove(3);
    let was = std::mem::replace(&mut loans.columns[2].name, "until".into());
    loans.columns[2].was = Some(was);
    new
}

/// The tokens of each statement that a model becomes, squashed, by version, and as it changes.
fn statements(model: &Model, backend: Backend) -> Vec<Vec<Token>> {
    let dialect = backend.dialect().unwrap();
    let schema = dialect.schema_name("amx").unwrap();
    let renderer = Renderer { dialect, schema: &schema };
    let mut steps = renderer.squashed_steps(model).unwrap();
    for &version in model.versions.keys() {
        steps.extend(renderer.version_steps(model, version).unwrap());
    }
    steps.extend(renderer.steps_between(model, &changed(model)).unwrap());
    steps.iter().map(|step| lint::tokens(backend, &step.sql).unwrap_or_else(|error| panic!("{backend}: {error}: {}", step.sql))).collect()
}

/// The same statements, but that texts and names that held `plain0` hold something else.
fn assert_only_replaced(plain: &[Vec<Token>], hostile: &[Vec<Token>], by: &str, backend: Backend) -> Result<(), TestCaseError> {
    let fold = |text: &str| backend.dialect().unwrap().fold(text);
    let replaced = |text: &str| text.replace(PLAIN, by).replace(&fold(PLAIN), &fold(by));
    prop_assert_eq!(plain.len(), hostile.len());
    for (plain, hostile) in plain.iter().zip(hostile) {
        prop_assert_eq!(plain.len(), hostile.len(), "{}: {:?}", backend, hostile);
        for pair in plain.iter().zip(hostile) {
            match pair {
                // A text that is SQL itself, as in EXECUTE IMMEDIATE, is read once more.
                (Token::Text(plain), Token::Text(hostile))
                    if ["CREATE ", "ALTER ", "DROP ", "["].iter().any(|begin| plain.starts_with(begin)) =>
                {
                    let inner = [plain, hostile].map(|sql| vec![lint::tokens(backend, sql).unwrap()]);
                    assert_only_replaced(&inner[0], &inner[1], by, backend)?;
                }
                (Token::Text(plain), Token::Text(hostile)) | (Token::Name(plain), Token::Name(hostile)) => {
                    prop_assert_eq!(&replaced(plain), hostile, "{}", backend);
                }
                (plain, hostile) => prop_assert_eq!(plain, hostile, "{}", backend),
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: common::cases(48), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_comment_never_leaves_its_quotes(comment in hostile_text()) {
        for backend in Backend::ALL {
            let with = |comment: &str| {
                let mut model = second();
                model.tables[0].comment = comment.into();
                model.tables[0].columns[1].comment = comment.into();
                model.tables[1].columns[3].comment = comment.into();
                model
            };
            assert_only_replaced(&statements(&with(PLAIN), backend), &statements(&with(&comment), backend), &comment, backend)?;
        }
    }

    #[test]
    fn a_comment_does_not_change_how_a_script_is_parted(comment in hostile_text()) {
        for backend in Backend::ALL {
            let with = |comment: &str| {
                let mut model = second();
                model.tables[0].comment = comment.into();
                model.tables[0].columns[4].comment = comment.into();
                model
            };
            for (plain, hostile) in scripts(&with(PLAIN), backend, "amx").iter().zip(&scripts(&with(&comment), backend, "amx")) {
                prop_assert_eq!(lint::statements(backend, plain).unwrap().len(), lint::statements(backend, hostile).unwrap().len(), "{}: {}", backend, hostile);
            }
            let dialect = backend.dialect().unwrap();
            let file = script::migration_file(&with(&comment), dialect, 1).unwrap();
            let schema = SchemaName::placeholder();
            prop_assert_eq!(script::steps_of(&file, dialect), (Renderer { dialect, schema: &schema }).version_steps(&with(&comment), 1).unwrap());
        }
    }

    #[test]
    fn the_text_of_a_backfill_never_leaves_its_quotes(text in hostile_text()) {
        for backend in Backend::ALL {
            let with = |text: &str| {
                let mut model = second();
                for backfill in &mut model.backfill {
                    use amx_schema::model::{Backfill, Fill};
                    match backfill {
                        Backfill::Update { set, .. } => drop(set.insert("branch".into(), Fill::Text(text.into()))),
                        Backfill::Insert { values, where_any, .. } => {
                            values.insert("branch".into(), Fill::Text(text.into()));
                            where_any.text = text.into();
                        }
                    }
                }
                model
            };
            assert_only_replaced(&statements(&with(PLAIN), backend), &statements(&with(&text), backend), &text, backend)?;
        }
    }

    #[test]
    fn a_name_with_quotes_in_it_stays_one_name(part in "[a-z'\"`\\]\\[;) -]{1,8}") {
        for backend in Backend::ALL {
            // BigQuery has no name with a backtick in it.
            let part = if backend == Backend::BigQuery { part.replace('`', "'") } else { part.clone() };
            let with = |part: &str| {
                let mut model = second();
                let name = format!("library_{part}");
                model.tables[1].name = name.clone();
                model.tables[1].columns[2].name = name.clone();
                model.tables[0].indexes[0].name = name;
                model
            };
            assert_only_replaced(&statements(&with(PLAIN), backend), &statements(&with(&part), backend), &part, backend)?;
        }
    }

    /// Whatever a user types as a schema is refused, or is a name like any other.
    #[test]
    fn a_schema_that_is_taken_is_one_name_and_nothing_else(typed in prop_oneof![hostile_text(), "[A-Za-z_][A-Za-z0-9_]{0,40}", ".*"]) {
        for backend in Backend::ALL {
            let dialect = backend.dialect().unwrap();
            let Ok(schema) = dialect.schema_name(&typed) else { continue };
            prop_assert!(typed.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
            let at = |name: &SchemaName| {
                let renderer = Renderer { dialect, schema: name };
                let model = second();
                let mut steps = renderer.squashed_steps(&model).unwrap();
                steps.extend(renderer.schema_step(None).unwrap());
                steps.push(renderer.ledger_row(&model, 1, "0").unwrap());
                steps.iter().map(|step| lint::tokens(backend, &step.sql).unwrap().len()).collect::<Vec<_>>()
            };
            prop_assert_eq!(at(&schema), at(&dialect.schema_name("amx").unwrap()));
        }
    }
}

#[test]
fn every_step_of_the_store_is_one_that_its_effect_names() {
    let model = Model::embedded().unwrap();
    for backend in Backend::ALL {
        let dialect = backend.dialect().unwrap();
        let schema = dialect.schema_name("amx").unwrap();
        for step in (Renderer { dialect, schema: &schema }).version_steps(&model, 2).unwrap() {
            let folded = |name: &String| dialect.fold(name);
            match &step.effect {
                Effect::Columns { table, columns } => {
                    assert!(
                        step.sql.contains(&folded(table)) && columns.iter().all(|column| step.sql.contains(&folded(column))),
                        "{}",
                        step.sql
                    );
                }
                Effect::Index { table, index } => {
                    assert!(step.sql.contains(&folded(table)) && step.sql.contains(&folded(index)), "{}", step.sql)
                }
                _ => {}
            }
        }
    }
}
