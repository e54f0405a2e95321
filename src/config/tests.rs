//! The behaviour of `config`.

use super::text::quoted;
use super::*;
use crate::profile::Target;
use proptest::prelude::*;
use std::os::unix::fs::{PermissionsExt, symlink};

const SAMPLE: &str = "\
# made by hand
db_profiles:
  prod-pg:   # the big one
    backend: postgresql
    host: db-prod.eu-west-1.rds.amazonaws.com
    port: 5432
    user: amx_history_writer
    password: keyring://amx/prod-pg/password
    database: 'analytics'
  # a comment between profiles
  dev-snowflake:
    backend: snowflake
    account: xy12345.eu-west-1
    user: bob
    database: DEV

# whether to share
history_store_enabled: true # for all of us
history_store_profile: \"prod-pg\"
history_store_schema: AMX
llm_profiles:
  default: {provider: openai, api_key: 'sk-1'}
# the end
";

fn home(text: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join(FILE), text).unwrap();
    home
}

fn load(text: &str) -> Result<Config> {
    Config::load(home(text).path())
}

fn after(text: &str, change: impl Fn(&Path) -> Result<()>) -> String {
    let home = home(text);
    change(home.path()).unwrap();
    fs::read_to_string(home.path().join(FILE)).unwrap()
}

fn set(text: &str, key: Key, value: impl Into<Scalar>) -> String {
    let value = value.into();
    after(text, |home| edit(home, &[(key, Some(value.clone()))]))
}

fn add(text: &str) -> String {
    after(text, |home| add_profile(home, "new", Backend::Sqlite, &[("path".to_owned(), "/s.db".into())]).map(drop))
}

fn drop_profile(text: &str, name: &str) -> String {
    after(text, |home| remove_profile(home, name))
}

fn refused(text: &str, change: impl Fn(&Path) -> Result<()>) -> Error {
    let home = home(text);
    let error = change(home.path()).unwrap_err();
    assert_eq!(fs::read_to_string(home.path().join(FILE)).unwrap(), text, "a refused edit changes nothing");
    error
}

// Reading

#[test]
fn an_absent_file_is_an_empty_one() {
    let config = Config::load(Path::new("/nonexistent/amx")).unwrap();
    assert!(!config.history_store_enabled().unwrap());
    assert_eq!(config.active_db_profile().unwrap(), None);
    assert!(config.profiles().is_empty());
}

#[test]
fn the_sample_is_read() {
    let config = load(SAMPLE).unwrap();
    assert!(config.history_store_enabled().unwrap());
    assert_eq!(config.history_store_profile().unwrap().as_deref(), Some("prod-pg"));
    assert_eq!(config.history_store_schema().unwrap().as_deref(), Some("AMX"));
    let shown: Vec<String> = config.profiles().into_iter().map(|(_, profile)| profile.unwrap().to_string()).collect();
    assert_eq!(
        shown,
        ["prod-pg (postgresql) db-prod.eu-west-1.rds.amazonaws.com/analytics", "dev-snowflake (snowflake) xy12345.eu-west-1/DEV"]
    );
}

#[test]
fn yaml_1_1_words_are_booleans() {
    for (word, value) in [
        ("yes", true),
        ("on", true),
        ("ON", true),
        ("True", true),
        ("tRuE", true),
        ("1", true),
        ("'yes'", true),
        ("off", false),
        ("No", false),
        ("false", false),
        ("~", false),
        ("''", false),
        ("", false),
    ] {
        assert_eq!(load(&format!("history_store_enabled: {word}")).unwrap().history_store_enabled().unwrap(), value, "{word}");
    }
    for word in ["maybe", "[]", "2"] {
        let error = load(&format!("history_store_enabled: {word}")).unwrap().history_store_enabled().unwrap_err();
        assert_eq!(error.code, Code::ConfigInvalid);
    }
}

#[test]
fn a_file_that_is_no_configuration_is_named_with_its_line() {
    for (text, part) in [
        ("a: 1\nb: [\n", "line"),
        ("- a\n- b\n", "not a map"),
        ("just text", "not a map"),
        ("a: 1\na: 2\n", "duplicate"),
        ("a: 1\n---\nb: 2\n", "document"),
        ("a: *x\n", "anchor"),
    ] {
        let error = load(text).unwrap_err();
        assert_eq!(error.code, Code::ConfigInvalid);
        assert!(error.message.contains(part), "{error}");
    }
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join(FILE), b"a: 1\nb: \xff\n").unwrap();
    assert!(Config::load(home.path()).unwrap_err().message.contains("line 2"));
    fs::remove_file(home.path().join(FILE)).unwrap();
    fs::create_dir(home.path().join(FILE)).unwrap();
    assert!(Config::load(home.path()).unwrap_err().message.contains("folder"));
}

#[test]
fn a_home_that_is_a_file_is_an_io_error() {
    let home = home("");
    assert_eq!(Config::load(&home.path().join(FILE)).unwrap_err().code, Code::Io);
}

#[test]
fn a_wrong_profile_hurts_only_who_uses_it() {
    let config = load("db_profiles:\n  a: 5\n  b: {port: x}\n  c: {backend: nope}\n  d: {backend: duckdb}\n  e: {host: h}\n  f: {backend: on}\nhistory_store_enabled: on").unwrap();
    assert!(config.history_store_enabled().unwrap());
    let codes: Vec<(String, Option<Code>)> =
        config.profiles().into_iter().map(|(name, profile)| (name, profile.err().map(|error| error.code))).collect();
    let invalid = Some(Code::ConfigInvalid);
    let expected = [("a", invalid), ("b", invalid), ("c", invalid), ("d", Some(Code::StoreUnsupported)), ("e", None), ("f", invalid)];
    assert_eq!(codes, expected.map(|(name, code)| (name.to_owned(), code)));
}

#[test]
fn an_unknown_profile_is_answered_with_those_there_are() {
    let error = load(SAMPLE).unwrap().profile("prod").unwrap_err();
    assert_eq!(error.code, Code::ProfileUnknown);
    assert!(error.hint.contains("`prod-pg`, `dev-snowflake`"), "{error}");
    assert_eq!(load("").unwrap().profile("prod").unwrap_err().code, Code::ProfileUnknown);
    assert_eq!(load("db_profiles: 5").unwrap().profile("prod").unwrap_err().code, Code::ConfigInvalid);
}

#[test]
fn an_unquoted_special_word_is_not_taken_for_text() {
    for value in ["on", "YES", "0123", "1_000", "12:30", "2024-01-01", "1.5", "0x1F", "!x y", "[a]", "=", "0b1", "-.inf"] {
        let text = format!("db_profiles:\n  p:\n    password: {value}\n");
        let error = load(&text).unwrap().profile("p").unwrap_err();
        assert!(error.message.contains("`password`") && !error.message.contains(value), "{value}: {error}");
    }
    for value in
        ["'on'", "\"0123\"", "123", "1e3", "0o17", "10.0.0.1", "n", "0987", "07:00", "2:80", "hunter2", "!!str 0123", "|-\n      on"]
    {
        let text = format!("db_profiles:\n  p:\n    password: {value}\n");
        assert!(load(&text).unwrap().profile("p").unwrap().secret.is_some(), "{value}");
    }
}

#[test]
fn merge_keys_and_aliases_are_followed() {
    let config = load("base: &b {host: h, user: u}\ndb_profiles:\n  p:\n    <<: *b\n    database: d\n  q: *b\n").unwrap();
    assert_eq!(config.profile("p").unwrap().summary(), "h/d");
    assert_eq!(config.profile("q").unwrap().summary(), "h/postgres");
}

#[test]
fn a_profile_named_by_a_number_is_found() {
    assert!(load("db_profiles:\n  2024: {host: h}\n").unwrap().profile("2024").is_ok());
}

#[test]
fn what_is_shown_hides_every_secret() {
    let config = load(&format!("{SAMPLE}x:\n  password: 123\n  url: https://u:hunter2@h/\n  tokens: [hunter2]\n  key_path: /k\n")).unwrap();
    let lines: Vec<String> = config.shown().into_iter().map(|(key, value)| format!("{key}: {value}")).collect();
    for line in [
        "history_store_enabled: true",
        "db_profiles.prod-pg.password: keyring://amx/prod-pg/password",
        "llm_profiles.default.api_key: ***",
        "x.password: ***",
        "x.url: https://u:***@h/",
        "x.tokens.0: ***",
    ] {
        assert!(lines.contains(&line.to_owned()), "{line} in {lines:#?}");
    }
    assert!(!format!("{lines:?}{config:?}").contains("hunter2"));
}

// Editing

#[test]
fn a_value_is_replaced_and_nothing_else() {
    assert_eq!(set(SAMPLE, Key::HistoryStoreEnabled, false), SAMPLE.replace("enabled: true", "enabled: false"));
    assert_eq!(set(SAMPLE, Key::HistoryStoreProfile, "dev"), SAMPLE.replace("\"prod-pg\"", "\"dev\""));
    assert_eq!(set(SAMPLE, Key::HistoryStoreSchema, "Other"), SAMPLE.replace(": AMX", ": Other"));
}

#[test]
fn what_is_there_already_is_left_alone() {
    assert_eq!(set(SAMPLE, Key::HistoryStoreProfile, "prod-pg"), SAMPLE);
    assert_eq!(after(SAMPLE, |home| edit(home, &[(Key::ActiveDbProfile, None)])), SAMPLE);
}

#[test]
fn a_new_key_goes_below_the_last_one() {
    assert_eq!(set(SAMPLE, Key::ActiveDbProfile, "dev"), SAMPLE.replace("# the end\n", "active_db_profile: dev\n# the end\n"));
    assert_eq!(set("a: 1 # c\n", Key::ActiveDbProfile, "dev"), "a: 1 # c\nactive_db_profile: dev\n");
    assert_eq!(set("a: |\n  # text\n  more\n", Key::ActiveDbProfile, "dev"), "a: |\n  # text\n  more\nactive_db_profile: dev\n");
    assert_eq!(set("a:\n  - 1\n  # of a\n", Key::ActiveDbProfile, "dev"), "a:\n  - 1\nactive_db_profile: dev\n  # of a\n");
    assert_eq!(set("  a: 1\n", Key::ActiveDbProfile, "dev"), "  a: 1\n  active_db_profile: dev\n");
    assert_eq!(set("a:\n", Key::ActiveDbProfile, "dev"), "a:\nactive_db_profile: dev\n");
}

#[test]
fn a_key_is_removed_with_its_line() {
    let removed = after(SAMPLE, |home| edit(home, &[(Key::HistoryStoreEnabled, None)]));
    assert_eq!(removed, SAMPLE.replace("history_store_enabled: true # for all of us\n", ""));
    assert_eq!(after("history_store_schema: A", |home| edit(home, &[(Key::HistoryStoreSchema, None)])), "");
}

#[test]
fn all_of_an_edit_is_made_at_once() {
    let text = after("", |home| {
        edit(
            home,
            &[
                (Key::HistoryStoreEnabled, Some(true.into())),
                (Key::HistoryStoreProfile, Some("p".into())),
                (Key::HistoryStoreSchema, Some("AMX".into())),
            ],
        )
    });
    assert_eq!(text, "history_store_enabled: true\nhistory_store_profile: p\nhistory_store_schema: AMX\n");
}

#[test]
fn a_file_without_keys_gets_its_first() {
    let new = "active_db_profile: dev";
    for (text, expected) in [
        ("", format!("{new}\n")),
        ("\n", format!("\n{new}\n")),
        ("# only this\n", format!("# only this\n{new}\n")),
        ("# only this", format!("# only this\n{new}")),
        ("# only this\r\n", format!("# only this\r\n{new}\r\n")),
        ("---\n", format!("---\n{new}\n")),
        ("--- # start\n", format!("--- # start\n{new}\n")),
        ("{}\n", format!("{{{new}}}\n")),
    ] {
        assert_eq!(set(text, Key::ActiveDbProfile, "dev"), expected, "{text:?}");
    }
}

#[test]
fn line_ends_and_a_missing_final_line_feed_stay() {
    let crlf = SAMPLE.replace('\n', "\r\n");
    assert_eq!(set(&crlf, Key::ActiveDbProfile, "dev"), set(SAMPLE, Key::ActiveDbProfile, "dev").replace('\n', "\r\n"));
    assert_eq!(add(&crlf), add(SAMPLE).replace('\n', "\r\n"));
    assert_eq!(drop_profile(&crlf, "prod-pg"), drop_profile(SAMPLE, "prod-pg").replace('\n', "\r\n"));
    assert_eq!(set("a: 1", Key::ActiveDbProfile, "dev"), "a: 1\nactive_db_profile: dev");
    assert_eq!(set("active_db_profile: x", Key::ActiveDbProfile, "dev"), "active_db_profile: dev");
}

#[test]
fn document_marks_and_a_byte_order_mark_stay() {
    assert_eq!(set("---\na: 1\n...\n", Key::ActiveDbProfile, "dev"), "---\na: 1\nactive_db_profile: dev\n...\n");
    assert_eq!(set("%YAML 1.1\n---\na: 1\n", Key::ActiveDbProfile, "dev"), "%YAML 1.1\n---\na: 1\nactive_db_profile: dev\n");
    assert_eq!(set("\u{feff}a: 1\n", Key::ActiveDbProfile, "dev"), "\u{feff}a: 1\nactive_db_profile: dev\n");
}

#[test]
fn flow_style_stays() {
    assert_eq!(set("{a: 1, b: 'x'}\n", Key::ActiveDbProfile, "dev"), "{a: 1, b: 'x', active_db_profile: dev}\n");
    assert_eq!(set("{\n  a: 1, # one\n}\n", Key::ActiveDbProfile, "dev"), "{\n  a: 1, active_db_profile: dev, # one\n}\n");
    assert_eq!(set("{active_db_profile: 'x', a: 1}", Key::ActiveDbProfile, "dev"), "{active_db_profile: 'dev', a: 1}");
    assert_eq!(after("{active_db_profile: x, a: 1}", |home| edit(home, &[(Key::ActiveDbProfile, None)])), "{a: 1}");
    assert_eq!(after("{a: 1, active_db_profile: x}", |home| edit(home, &[(Key::ActiveDbProfile, None)])), "{a: 1}");
    assert_eq!(
        after("{\n  a: 1, # one, two\n  active_db_profile: x\n}", |home| edit(home, &[(Key::ActiveDbProfile, None)])),
        "{\n  a: 1, # one, two\n  \n}"
    );
    assert_eq!(add("{db_profiles: {a: {host: h}}}"), "{db_profiles: {a: {host: h}, new: {backend: sqlite, path: /s.db}}}");
    assert_eq!(add("{db_profiles: }"), "{db_profiles: {new: {backend: sqlite, path: /s.db}} }");
    assert_eq!(drop_profile("{db_profiles: {a: {host: h}}, x: 1}", "a"), "{db_profiles: {}, x: 1}");
}

#[test]
fn a_key_without_a_value_gets_one() {
    assert_eq!(set("active_db_profile: # none\na: 1\n", Key::ActiveDbProfile, "dev"), "active_db_profile: dev # none\na: 1\n");
    assert_eq!(set("active_db_profile:\na: 1\n", Key::ActiveDbProfile, "dev"), "active_db_profile: dev\na: 1\n");
    assert_eq!(
        set("active_db_profile:\n  # here\n  old\na: 1\n", Key::ActiveDbProfile, "dev"),
        "active_db_profile:\n  # here\n  dev\na: 1\n"
    );
    assert_eq!(set("'active_db_profile' : old\n", Key::ActiveDbProfile, "dev"), "'active_db_profile' : dev\n");
}

#[test]
fn a_profile_goes_below_the_last_one() {
    let new = "  new:\n    backend: sqlite\n    path: /s.db\n";
    assert_eq!(add(SAMPLE), SAMPLE.replace("    database: DEV\n", &format!("    database: DEV\n{new}")));
    assert_eq!(add(""), format!("db_profiles:\n{new}"));
    assert_eq!(add("a: 1\n"), format!("a: 1\ndb_profiles:\n{new}"));
    assert_eq!(add("db_profiles:\na: 1\n"), format!("db_profiles:\n{new}a: 1\n"));
    assert_eq!(add("db_profiles: # mine\n  # soon\na: 1\n"), format!("db_profiles: # mine\n{new}  # soon\na: 1\n"));
    assert_eq!(add("db_profiles: {}  # mine\na: 1\n"), format!("db_profiles:  # mine\n{new}a: 1\n"));
    assert_eq!(add("db_profiles: null"), "db_profiles:\n  new:\n    backend: sqlite\n    path: /s.db");
    assert_eq!(
        add("db_profiles:\n    a:\n        host: h\n"),
        "db_profiles:\n    a:\n        host: h\n    new:\n        backend: sqlite\n        path: /s.db\n"
    );
    assert_eq!(add("db_profiles: {a: {host: h}}\n"), "db_profiles: {a: {host: h}, new: {backend: sqlite, path: /s.db}}\n");
}

#[test]
fn a_profile_is_removed_and_its_neighbours_comments_stay() {
    let removed = drop_profile(SAMPLE, "prod-pg");
    assert!(removed.starts_with("# made by hand\ndb_profiles:\n  # a comment between profiles\n  dev-snowflake:\n"), "{removed}");
    let removed = drop_profile(SAMPLE, "dev-snowflake");
    assert!(removed.contains("database: 'analytics'\n  # a comment between profiles\n\n# whether"), "{removed}");
}

#[test]
fn the_last_profile_leaves_an_empty_map() {
    assert_eq!(
        drop_profile("db_profiles: # mine\n  # a's\n  a:\n    host: h\n  # end\nx: 1\n", "a"),
        "db_profiles: {} # mine\n  # a's\n  # end\nx: 1\n"
    );
    assert_eq!(drop_profile("db_profiles:\n  2024:\n    host: h", "2024"), "db_profiles: {}\n");
}

#[test]
fn an_added_profile_is_read_again_and_amx_knows_its_backend() {
    let home = tempfile::tempdir().unwrap();
    let given: Vec<(String, Scalar)> = vec![
        ("host".to_owned(), "10.0.0.1".into()),
        ("port".to_owned(), 1444.into()),
        ("user".to_owned(), "on".into()),
        ("password".to_owned(), "it's: #1\t\u{7f}\u{1f600}".into()),
    ];
    add_profile(home.path(), "a: b", Backend::SqlServer, &given).unwrap();
    let profile = Config::load(home.path()).unwrap().profile("a: b").unwrap();
    let Target::Server(server) = &profile.target else { panic!("{profile:?}") };
    assert_eq!((server.host.as_str(), server.port, server.user.as_deref()), ("10.0.0.1", 1444, Some("on")));
    let Some(SecretRef::Plain(secret)) = &profile.secret else { panic!("{profile:?}") };
    assert_eq!(secrecy::ExposeSecret::expose_secret(secret), "it's: #1\t\u{7f}\u{1f600}");
    assert!(fs::read_to_string(home.path().join(FILE)).unwrap().contains("backend: mssql"));
}

#[test]
fn a_profile_that_is_there_or_wrong_is_not_added() {
    let sqlite = |home: &Path, name: &str| add_profile(home, name, Backend::Sqlite, &[("path".to_owned(), "/s.db".into())]).map(drop);
    assert_eq!(refused(SAMPLE, |home| sqlite(home, "prod-pg")).code, Code::Usage);
    assert_eq!(refused(SAMPLE, |home| sqlite(home, " x")).code, Code::Usage);
    assert_eq!(refused(SAMPLE, |home| add_profile(home, "x", Backend::Sqlite, &[]).map(drop)).code, Code::ConfigInvalid);
    assert_eq!(refused(SAMPLE, |home| remove_profile(home, "x")).code, Code::ProfileUnknown);
}

#[test]
fn what_cannot_be_edited_is_refused() {
    for text in [
        "active_db_profile: {a: b}\n",
        "active_db_profile:\n  a: b\n",
        "active_db_profile: [a]\n",
        "x: &a y\nactive_db_profile: *a\n",
        "active_db_profile: &a y\nx: *a\n",
        "? active_db_profile\n: y\n",
        "{active_db_profile}",
        "null\n",
    ] {
        assert_eq!(refused(text, |home| edit(home, &[(Key::ActiveDbProfile, Some("dev".into()))])).code, Code::ConfigInvalid, "{text:?}");
    }
    let cut_short = "a: |\n  a line feed below would become part of this";
    assert_eq!(refused(cut_short, |home| edit(home, &[(Key::ActiveDbProfile, Some("dev".into()))])).code, Code::ConfigInvalid);
    for text in ["x: &a {b: {host: h}}\ndb_profiles: *a\n", "db_profiles: 5\n", "db_profiles: [a]\n", "a: [\n"] {
        assert_eq!(
            refused(text, |home| add_profile(home, "new", Backend::Sqlite, &[("path".to_owned(), "/s".into())]).map(drop)).code,
            Code::ConfigInvalid,
            "{text:?}"
        );
    }
    assert_eq!(refused("db_profiles:\n  a: &a {host: h}\n  b: *a\n", |home| remove_profile(home, "a")).code, Code::ConfigInvalid);
}

#[test]
fn special_words_are_quoted() {
    for word in [
        "on",
        "Yes",
        "n",
        "0123",
        "1e3",
        "null",
        "~",
        "",
        "12:30",
        "2024-01-01",
        "1_0",
        ".5",
        "=",
        "<<",
        "a: b",
        "a #b",
        "-",
        "- a",
        "[a",
        "{a",
        "@a",
        "%a",
        "a,b",
        " a ",
        "10.0.0.1",
        "é",
    ] {
        assert_eq!(quoted(word, None), format!("'{word}'"), "{word}");
    }
    for word in ["AMX", "prod-pg", "db.example.com", "keyring://amx/prod-pg/password", "env://PW", "/a/b.db", "a@b.example"] {
        assert_eq!(quoted(word, None), word);
    }
    assert_eq!(quoted("it's", None), "'it''s'");
    assert_eq!(quoted("a\nb\u{85}", None), "\"a\\nb\\x85\"");
}

#[test]
fn an_unquoted_special_word_gets_quotes_when_it_is_meant_as_text() {
    assert_eq!(set("active_db_profile: on\n", Key::ActiveDbProfile, "on"), "active_db_profile: 'on'\n");
}

#[test]
fn a_secret_becomes_a_reference_and_nothing_else_changes() {
    let reference = SecretRef::parse("keyring://amx/p/password");
    for (before, name, expected) in [
        (
            "db_profiles:\n  p:\n    password: 'geheim' # mine\n    user: u\n",
            "p",
            "db_profiles:\n  p:\n    password: 'keyring://amx/p/password' # mine\n    user: u\n",
        ),
        ("db_profiles:\n  2024: {password: 7}\n", "2024", "db_profiles:\n  2024: {password: keyring://amx/p/password}\n"),
        ("db_profiles:\n  p:\n    user: u\n", "p", "db_profiles:\n  p:\n    user: u\n    password: keyring://amx/p/password\n"),
        ("db_profiles:\n  p: {}\n", "p", "db_profiles:\n  p:\n    password: keyring://amx/p/password\n"),
    ] {
        let changed = |home: &Path| set_secret(home, &Config::load(home)?.profile(name)?, &reference);
        assert_eq!(after(before, changed), expected);
    }
}

#[test]
fn a_secret_that_changed_in_the_meantime_is_left_alone() {
    let folder = home("db_profiles: {p: {password: old}}\n");
    let profile = Config::load(folder.path()).unwrap().profile("p").unwrap();
    fs::write(folder.path().join(FILE), "db_profiles: {p: {password: new}}\n").unwrap();
    let error = set_secret(folder.path(), &profile, &SecretRef::parse("env://PW")).unwrap_err();
    assert_eq!(error.code, Code::Io);
    assert!(!error.to_string().contains("old") && !error.to_string().contains("new"), "{error}");
    assert_eq!(fs::read_to_string(folder.path().join(FILE)).unwrap(), "db_profiles: {p: {password: new}}\n");
}

// Files

#[test]
fn the_file_and_a_new_home_are_the_users_alone() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("a/b");
    edit(&home, &[(Key::ActiveDbProfile, Some("dev".into()))]).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&home), mode(&home.join(FILE))), (0o700, 0o600));
    fs::set_permissions(home.join(FILE), fs::Permissions::from_mode(0o644)).unwrap();
    edit(&home, &[(Key::ActiveDbProfile, Some("prod".into()))]).unwrap();
    assert_eq!(mode(&home.join(FILE)), 0o600);
    assert_eq!(fs::read_dir(&home).unwrap().count(), 1, "no temporary file is left");
}

#[test]
fn a_link_is_written_through() {
    let folder = tempfile::tempdir().unwrap();
    for target in ["real.yml", "later.yml"] {
        let home = folder.path().join(format!("home-{target}"));
        fs::create_dir(&home).unwrap();
        symlink(format!("../{target}"), home.join(FILE)).unwrap();
        if target == "real.yml" {
            fs::write(folder.path().join(target), "a: 1\n").unwrap();
        }
        edit(&home, &[(Key::ActiveDbProfile, Some("dev".into()))]).unwrap();
        assert!(fs::symlink_metadata(home.join(FILE)).unwrap().is_symlink());
        assert!(fs::read_to_string(folder.path().join(target)).unwrap().contains("active_db_profile: dev"));
    }
}

#[test]
fn a_change_in_between_is_kept() {
    let home = home("a: 1\n");
    let path = home.path().join(FILE);
    let mut first = true;
    rewrite(home.path(), |text, file| {
        if std::mem::take(&mut first) {
            fs::write(&path, "a: 2\n").unwrap();
        }
        change(text, file, &[], "b", Some(Node::Leaf(3.into())))
    })
    .unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "a: 2\nb: 3\n");
}

#[test]
fn a_file_that_never_rests_is_left_alone() {
    let home = home("a: 0\n");
    let path = home.path().join(FILE);
    let mut count = 0;
    let error = rewrite(home.path(), |text, file| {
        count += 1;
        fs::write(&path, format!("a: {count}\n")).unwrap();
        change(text, file, &[], "b", Some(Node::Leaf(3.into())))
    })
    .unwrap_err();
    assert_eq!((error.code, count), (Code::Io, ATTEMPTS));
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("a: {ATTEMPTS}\n"));
}

// Any file, any edits

#[derive(Debug, Clone)]
enum Step {
    Set(Key, String),
    Enable(bool),
    Clear(Key),
    Add(String),
    Remove(String),
}

fn key() -> impl Strategy<Value = Key> {
    prop_oneof![Just(Key::HistoryStoreProfile), Just(Key::HistoryStoreSchema), Just(Key::ActiveDbProfile)]
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{1,6}", "\\PC{0,8}", Just("on".to_owned()), Just("0123".to_owned()), Just("a\nb: c".to_owned()), Just("#".to_owned())]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![Just("p0".to_owned()), Just("p1".to_owned()), Just("p 2".to_owned()), Just("no".to_owned())]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (key(), word()).prop_map(|(key, word)| Step::Set(key, word)),
        any::<bool>().prop_map(Step::Enable),
        key().prop_map(Step::Clear),
        name().prop_map(Step::Add),
        name().prop_map(Step::Remove),
    ]
}

/// Pieces of a file: keys of others in many styles, ours, and profiles; between them comment lines and blank ones.
fn file() -> impl Strategy<Value = String> {
    let pieces = [
        "x0: 1 # one\n",
        "x1: 'it''s'\n",
        "x2:\n  - a\n  # inner\n  - b: c\n",
        "x3: |\n  # text, no comment\n\n  more\n",
        "x4: >-\n  folded\n  text\n",
        "x5: {a: 1, b: [c, d]}\n",
        "x6:\n",
        "x7: \"two\n  lines\"\n",
        "x8:\n  y:\n    z: deep\n",
        "\"x9\": on\n",
        "x10: {\n  a: 1, # in braces\n  b: 2\n}\n",
        "x11:\n- a\n- b: c\n",
        "x12: a long\n  plain text\n",
        "x13: ''\n",
        "x14: !!str 5\n",
        "x15: &x5 [1]\n",
        "history_store_enabled: yes\n",
        "history_store_profile: \"p0\" # ours\n",
        "history_store_schema:\n",
        "active_db_profile: 'x'\n",
    ];
    let profiles = prop_oneof![
        Just(String::new()),
        Just("db_profiles:\n".to_owned()),
        Just("db_profiles: {}\n".to_owned()),
        Just("db_profiles: {p0: {host: h}, 'p1': {host: h}}\n".to_owned()),
        Just("db_profiles:\n  # first\n  p0:\n    host: h\n  # second\n\n  \"p1\": {host: h}\n  # third\n".to_owned()),
        Just("db_profiles:\n      p 2:\n        host: h # its host\n      # after\n".to_owned()),
    ];
    let gap = prop_oneof![Just(""), Just("# comment\n"), Just("\n"), Just("   # indented comment\n\n")];
    (Just(pieces.to_vec()).prop_shuffle(), 0..pieces.len(), profiles, proptest::collection::vec(gap, 24), any::<[bool; 3]>(), 0..20_usize)
        .prop_map(|(pieces, count, profiles, gaps, [start, crlf, cut], at)| {
            let mut parts: Vec<String> = pieces.iter().take(count).map(|piece| (*piece).to_owned()).collect();
            parts.insert(at.min(parts.len()), profiles);
            let mut text = if start { "---\n".to_owned() } else { String::new() };
            for (part, gap) in parts.iter().zip(gaps) {
                // Below a block scalar, be it only once a key between has gone, an indented comment would be its text.
                let gap = if text.contains("x3: |") || text.contains("x4: >-") { gap.trim_start_matches(' ') } else { gap };
                text.push_str(gap);
                text.push_str(part);
            }
            // Where a literal block ends the file, the line feed is a part of its value.
            if cut && !text.trim_end().ends_with("more") {
                text.truncate(text.trim_end_matches('\n').len());
            }
            if crlf { text.replace('\n', "\r\n") } else { text }
        })
}

fn comments(text: &str) -> Vec<String> {
    text.lines().map(str::trim).filter(|line| line.starts_with('#')).map(str::to_owned).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_edits_keep_the_values_of_others_and_every_comment_line(text in file(), steps in proptest::collection::vec(step(), 1..8)) {
        let home = home(&text);
        let path = home.path().join(FILE);
        let others = |text: &str| -> Vec<(Value, Value)> {
            let ours = ["db_profiles", "history_store_enabled", "history_store_profile", "history_store_schema", "active_db_profile"];
            parse(text, &path).unwrap().into_iter().filter(|(key, _)| !ours.contains(&key.as_str().unwrap())).collect()
        };
        for step in &steps {
            let done = match step {
                Step::Set(key, word) => edit(home.path(), &[(*key, Some(word.as_str().into()))]),
                Step::Enable(value) => edit(home.path(), &[(Key::HistoryStoreEnabled, Some((*value).into()))]),
                Step::Clear(key) => edit(home.path(), &[(*key, None)]),
                Step::Add(name) => add_profile(home.path(), name, Backend::PostgreSql, &[("host".to_owned(), "h".into()), ("user".to_owned(), name.as_str().into())]).map(drop),
                Step::Remove(name) => remove_profile(home.path(), name),
            };
            if let Err(error) = done {
                prop_assert!(matches!(error.code, Code::ProfileUnknown | Code::Usage), "{} after {:?}", error, fs::read_to_string(&path));
            }
            let config = Config::load(home.path()).unwrap();
            match step {
                Step::Set(key, word) => prop_assert_eq!(config.text(*key).unwrap().unwrap_or_default(), word.as_str()),
                Step::Enable(value) => prop_assert_eq!(config.history_store_enabled().unwrap(), *value),
                Step::Clear(key) => prop_assert_eq!(config.text(*key).unwrap(), None),
                Step::Add(name) => prop_assert!(config.profile(name).is_ok()),
                Step::Remove(name) => prop_assert_eq!(config.profile(name).unwrap_err().code, Code::ProfileUnknown),
            }
        }
        let edited = fs::read_to_string(&path).unwrap();
        prop_assert_eq!(others(&edited), others(&text));
        prop_assert_eq!(comments(&edited), comments(&text));
        prop_assert!(!text.contains("\r\n") || edited.matches('\n').count() == edited.matches("\r\n").count(), "{:?}", edited);
    }
}
