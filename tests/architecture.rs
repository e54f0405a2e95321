//! The rules of the house: who may import whom, and what is where.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The modules that each module may name.
const MAY_IMPORT: [(&str, &[&str]); 22] = [
    ("core_dumps", &[]),
    ("error", &[]),
    ("history", &[]),
    ("links", &["error"]),
    ("report", &[]),
    ("model", &["error"]),
    ("dialect", &["error", "model"]),
    ("change", &["dialect", "error", "model"]),
    ("feasibility", &["dialect", "error", "model", "render"]),
    ("render", &["change", "dialect", "error", "model"]),
    ("script", &["dialect", "error", "model", "render"]),
    ("secret", &["error"]),
    ("profile", &["dialect", "error", "secret"]),
    ("config", &["dialect", "error", "links", "profile", "secret"]),
    ("driver", &["dialect", "error", "history", "model", "profile", "secret"]),
    ("migration", &["change", "dialect", "driver", "error", "feasibility", "model", "render", "report", "script"]),
    ("store", &["dialect", "driver", "error", "history", "links", "migration", "model", "render"]),
    ("identity", &["store"]),
    ("sync", &["dialect", "driver", "error", "history", "report", "store"]),
    ("printer", &["error"]),
    ("progress", &["printer", "report"]),
    ("cli", &["commands", "core_dumps", "error", "printer"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).into()
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path, ending)),
            false if path.extension().is_some_and(|extension| extension == ending) => found.push(path),
            false => {}
        }
    }
    found
}

/// The top-level module that a file belongs to, and its text without its tests.
fn sources() -> Vec<(String, PathBuf, String)> {
    let src = root().join("src");
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap().to_string();
        let first = path.strip_prefix(&src).unwrap().iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_string();
        (first, path, code)
    };
    files(&src, "rs").into_iter().filter(|path| !path.ends_with("tests.rs")).map(read).collect()
}

/// The modules of ours that a text names.
fn named(code: &str) -> BTreeSet<&str> {
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split("crate::").skip(1))
        .map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap())
        .filter(|name| !name.is_empty())
        .collect()
}

#[test]
fn imports_point_one_way() {
    let rules: BTreeMap<_, _> = MAY_IMPORT.into_iter().collect();
    for (module, path, code) in sources() {
        let Some(allowed) = rules.get(module.as_str()) else { continue };
        for name in named(&code) {
            assert!(name == module || allowed.contains(&name), "{} names crate::{name}", path.display());
        }
    }
}

#[test]
fn every_module_but_the_edge_has_a_rule() {
    let modules: BTreeSet<_> = sources().into_iter().map(|(module, ..)| module).collect();
    let ruled: BTreeSet<_> = MAY_IMPORT.iter().map(|(module, _)| module.to_string()).collect();
    let edge = ["commands", "lib", "main"].map(str::to_string);
    assert_eq!(modules.difference(&ruled).cloned().collect::<Vec<_>>(), edge);
}

#[test]
fn rendering_knows_no_file_clock_or_environment() {
    for (module, path, code) in sources() {
        if ["model", "dialect", "change", "feasibility", "render", "script"].contains(&module.as_str()) {
            for word in ["std::fs", "std::env", "Instant", "SystemTime", "Utc::now"] {
                assert!(!code.contains(word), "{} uses {word}", path.display());
            }
        }
    }
}

#[test]
fn bars_questions_and_printing_are_each_in_one_place() {
    for (module, path, code) in sources() {
        assert!(module == "progress" || !code.contains("indicatif"), "{}", path.display());
        assert!(module == "printer" || !code.contains("dialoguer"), "{}", path.display());
        assert!(path.ends_with("shell/editor.rs") || !code.contains("rustyline::"), "{}", path.display());
        for word in ["io::stdout", "io::stderr().lock", "println!"] {
            assert!(module == "printer" || !code.contains(word), "{} uses {word}", path.display());
        }
    }
}

#[test]
fn commands_hold_no_sql() {
    for (module, path, code) in sources() {
        for word in ["SELECT ", "INSERT ", "UPDATE ", "DELETE "] {
            assert!(module != "commands" || !code.contains(word), "{} holds {word}", path.display());
        }
    }
}

#[test]
fn every_backend_is_a_folder_of_data_with_its_sources() {
    for backend in amx_schema::dialect::Backend::ALL {
        let folder = root().join("dialects").join(backend.word());
        let text: String = files(&folder, "yaml").iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
        assert!(text.contains("https://"), "{backend} names no page of its vendor");
        assert!(root().join("migrations").join(backend.word()).is_dir());
    }
}

// --- values in SQL

/// The texts between double quotes of Rust code, as they are written. Comments and single characters are passed over.
fn texts(code: &str) -> Vec<&str> {
    let mut found = vec![];
    let mut at = 0;
    while let Some(next) = code[at..].find(['"', '\'', '/']) {
        let start = at + next;
        let rest = &code[start..];
        at = start
            + match rest.as_bytes() {
                [b'/', b'/', ..] => rest.find('\n').unwrap_or(rest.len()),
                [b'\'', b'\\', _, b'\'', ..] => 4,
                [b'\'', _, b'\'', ..] => 3,
                [b'"', ..] => {
                    let mut escaped = false;
                    let end = rest[1..].find(|c| {
                        let ends = c == '"' && !escaped;
                        escaped = c == '\\' && !escaped;
                        ends
                    });
                    let end = end.map_or(rest.len(), |end| end + 1);
                    found.push(&rest[1..end]);
                    end + 1
                }
                _ => 1,
            };
    }
    found
}

/// The placeholder in a text of SQL that stands where a value does: after a comparison, in quotes, in a list. What stands for a table, a column, a
/// clause or for the marks of bound values stands elsewhere.
fn value_in(text: &str) -> Option<&str> {
    let is_sql = ["SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM ", "MERGE ", "WHERE ", "VALUES", "SET ", " AND ", "CALL "];
    if !is_sql.iter().any(|word| text.contains(word)) {
        return None;
    }
    let mut at = 0;
    while let Some(open) = text[at..].find('{').map(|open| at + open) {
        let end = text[open..].find('}').map_or(text.len(), |close| open + close + 1);
        at = end;
        let placeholder = &text[open..end];
        if text[..open].ends_with('{') || text[end..].starts_with('}') {
            continue;
        }
        let before = text[..open].trim_end().trim_end_matches('(').trim_end().to_uppercase();
        let compared = ["=", "<", ">", "||", " IN", " LIKE", " BETWEEN", " LIMIT", " OFFSET", " THEN", " ELSE", " VALUES", ","];
        let quoted = text[..open].matches('\'').count() % 2 == 1;
        let is_value = compared.iter().any(|word| before.ends_with(word)) && !before.ends_with("SELECT") || quoted;
        // Lists of columns, and marks, are no values; constants of the program's own are none of anybody else's.
        let named = ["{marks}", "{columns}", "{list}", "{count}", "{more}"].contains(&placeholder);
        let constant = placeholder.len() > 2 && placeholder[1..placeholder.len() - 1].chars().all(|c| c.is_ascii_uppercase() || c == '_');
        if is_value && !named && !constant {
            return Some(placeholder);
        }
    }
    None
}

/// A value that stands in the text of a statement could end it; what is bound, or goes by the engine's bulk format, cannot.
#[test]
fn no_value_is_formatted_into_sql() {
    for (_, path, code) in sources() {
        for text in texts(&code) {
            assert_eq!(value_in(text), None, "{}: {text}", path.display());
        }
    }
}

#[test]
fn a_formatted_value_would_be_seen() {
    for text in [
        "SELECT a FROM b WHERE c = {}",
        "SELECT a FROM b WHERE c = '{name}'",
        "UPDATE {table} SET c = {value}",
        "INSERT INTO {table} (a) VALUES ({value})",
        "SELECT a FROM b WHERE c IN ({ids})",
        "SELECT a FROM b WHERE c LIKE '%{part}%'",
        "SELECT a FROM b LIMIT {limit}",
    ] {
        assert!(value_in(text).is_some(), "{text}");
    }
    let code = "let a = \"x\\\"y\"; // \"no\"\nlet b = '\"'; f(\"SELECT {}\")";
    assert_eq!(texts(code), ["x\\\"y", "SELECT {}"]);
}

/// In the templates text goes through `lit`, which ends it in the engine's own way, names through `ident` and `table`, and rows through `p`.
#[test]
fn no_template_puts_quotes_around_what_it_is_given() {
    for file in files(&root().join("dialects"), "sql") {
        let text = std::fs::read_to_string(&file).unwrap();
        for (at, part) in text.match_indices("{{").map(|(at, _)| (at, text[at + 2..].split("}}").next().unwrap().trim())) {
            let line = text[..at].rsplit('\n').next().unwrap();
            let quoted = line.matches('\'').count() % 2 == 1 || line.matches('"').count() % 2 == 1 || line.matches('`').count() % 2 == 1;
            // These are numbers of the program's own, and types and places of columns.
            // The engine's own quotes for names, and a statement within a text, whose names `rendering` reads again.
            let doubled = part.contains("|replace(") || part.starts_with("ident(") || part.starts_with("table(");
            let of_ours = doubled
                || ["at", "part"].contains(&part)
                || part.ends_with("_seconds")
                || part.starts_with("loop.")
                || part.starts_with("types[");
            assert!(!quoted || of_ours, "{}: {part}", file.display());
        }
    }
}
