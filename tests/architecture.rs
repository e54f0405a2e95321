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
