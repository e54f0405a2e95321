//! `config.yml`: read as PyYAML means it, and edited without losing a key, a comment or the order that another program gave it.
//!
//! AMX writes the file with PyYAML, which reads YAML 1.1; people write YAML 1.2. Where the two differ (`on`, `0123`, `1e3`), 1.1 decides
//! what is read, and what is written is quoted so that both agree.

mod text;
mod yaml11;

use crate::dialect::Backend;
use crate::error::{Code, Error, Result};
use crate::links::resolved;
use crate::profile::{Profile, Scalar, amx_word, fields, truth};
use crate::secret::SecretRef;
use secrecy::{ExposeSecret, SecretString};
use serde_yaml::{Mapping, Value};
use std::fmt;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use text::{Node, change, route};
use yaml11::{Yaml11, yaml11};
use yamlpath::Document;

const FILE: &str = "config.yml";
const PROFILES: &str = "db_profiles";

/// How often an edit starts again because another process changed the file under it.
const ATTEMPTS: usize = 5;
/// How long another process of ours is waited for that edits the file.
const LONGEST_EDIT: Duration = Duration::from_secs(5);

/// The top-level keys that this program sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// Whether history goes to the shared store.
    HistoryStoreEnabled,
    /// The profile that hosts the shared store.
    HistoryStoreProfile,
    /// The schema that the shared store's tables are in.
    HistoryStoreSchema,
    /// The profile in use.
    ActiveDbProfile,
}

impl Key {
    /// The key as it stands in the file.
    pub fn word(self) -> &'static str {
        match self {
            Key::HistoryStoreEnabled => "history_store_enabled",
            Key::HistoryStoreProfile => "history_store_profile",
            Key::HistoryStoreSchema => "history_store_schema",
            Key::ActiveDbProfile => "active_db_profile",
        }
    }
}

/// `config.yml` as it was when it was read. An absent file is an empty one.
pub struct Config {
    home: PathBuf,
    /// The text, to tell `on` from `"on"`. It may hold secrets.
    text: String,
    root: Mapping,
}

/// The names of the profiles only: the rest may hold secrets.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("home", &self.home).field("profiles", &self.names().collect::<Vec<_>>()).finish_non_exhaustive()
    }
}

impl Config {
    /// Reads `config.yml` in the home folder.
    pub fn load(home: &Path) -> Result<Config> {
        let path = resolved(&home.join(FILE))?;
        Config::of_text(home, read(&path)?.unwrap_or_default(), &path)
    }

    fn of_text(home: &Path, text: String, path: &Path) -> Result<Config> {
        let mut root = Value::Mapping(parse(&text, path)?);
        // `<<: *base` is for readers; an edit works on what is written.
        root.apply_merge().map_err(|error| broken(path, &error))?;
        let root = match root {
            Value::Mapping(root) => root,
            _ => Mapping::new(),
        };
        Ok(Config { home: home.to_owned(), text, root })
    }

    /// Whether the shared store is switched on. Absent means no.
    pub fn history_store_enabled(&self) -> Result<bool> {
        let key = Key::HistoryStoreEnabled.word();
        let given = match self.root.get(key) {
            None | Some(Value::Null) => return Ok(false),
            Some(Value::Bool(value)) => Some(*value),
            Some(Value::String(text)) if text.is_empty() => return Ok(false),
            Some(Value::String(text)) => truth(text),
            Some(Value::Number(number)) => truth(&number.to_string()),
            Some(_) => None,
        };
        given.ok_or_else(|| self.wrong(&format!("`{key}` is neither yes nor no"), &format!("write `{key}: true` or `{key}: false`")))
    }

    /// The profile that hosts the shared store.
    pub fn history_store_profile(&self) -> Result<Option<String>> {
        self.text(Key::HistoryStoreProfile)
    }

    /// The schema of the shared store.
    pub fn history_store_schema(&self) -> Result<Option<String>> {
        self.text(Key::HistoryStoreSchema)
    }

    /// The profile in use.
    pub fn active_db_profile(&self) -> Result<Option<String>> {
        self.text(Key::ActiveDbProfile)
    }

    /// Every profile with its name, in the order of the file. One that is wrong stands there with what is wrong about it.
    pub fn profiles(&self) -> Vec<(String, Result<Profile>)> {
        let entries = self.entries().into_iter().flatten();
        entries.filter_map(|(key, value)| key_text(key).map(|name| (name.clone(), self.read_profile(&name, value)))).collect()
    }

    /// The profile of that name.
    pub fn profile(&self, name: &str) -> Result<Profile> {
        if let Some(Value::Sequence(_) | Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Tagged(_)) = self.root.get(PROFILES)
        {
            return Err(
                self.wrong(&format!("`{PROFILES}` is not a map of names to profiles"), "give each profile a name and its fields below it")
            );
        }
        let found = self.entries().and_then(|entries| entries.iter().find(|(key, _)| key_text(key).as_deref() == Some(name)));
        match found {
            Some((_, value)) => self.read_profile(name, value),
            None => Err(unknown(name, self.names())),
        }
    }

    /// Every value in the file as a dotted key and its text, in order, with secrets as `***`. References to secrets are shown.
    pub fn shown(&self) -> Vec<(String, String)> {
        let mut lines = Vec::new();
        for (key, value) in &self.root {
            show(&key_text(key).unwrap_or_default(), value, &mut lines);
        }
        lines
    }

    /// The dotted keys under which this very secret stands in plain text: AMX keeps a copy of the active profile under `db`.
    pub fn places_of(&self, secret: &SecretString) -> Vec<String> {
        let mut places = Vec::new();
        for (key, value) in &self.root {
            find(&key_text(key).unwrap_or_default(), value, secret.expose_secret(), &mut places);
        }
        places
    }

    fn entries(&self) -> Option<&Mapping> {
        self.root.get(PROFILES).and_then(Value::as_mapping)
    }

    fn names(&self) -> impl Iterator<Item = String> {
        self.entries().into_iter().flat_map(Mapping::keys).filter_map(key_text)
    }

    fn text(&self, key: Key) -> Result<Option<String>> {
        let wrong = || self.wrong(&format!("`{}` is not text", key.word()), "put the name in quotes");
        let Some(value) = self.root.get(key.word()) else { return Ok(None) };
        match self.scalar(&[key.word()], value).ok_or_else(wrong)? {
            None => Ok(None),
            Some(Scalar::Text(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
            Some(Scalar::Int(number)) => Ok(Some(number.to_string())),
            Some(Scalar::Bool(_)) => Err(wrong()),
        }
    }

    fn read_profile(&self, name: &str, value: &Value) -> Result<Profile> {
        let wrong = |what: String| {
            Error::new(
                Code::ConfigInvalid,
                format!("profile `{name}`: {what}"),
                format!("correct the entry `{name}` under `{PROFILES}` in {FILE}"),
            )
        };
        let Some(entry) = value.as_mapping() else { return Err(wrong("it is not a map of fields".to_owned())) };
        let backend = match entry.get("backend") {
            // As AMX has it.
            None | Some(Value::Null) => Backend::PostgreSql,
            Some(Value::String(word)) => Backend::from_word(word).map_err(|error| match error.code {
                Code::StoreUnsupported => Error { message: format!("profile `{name}`: {}", error.message), ..error },
                _ => wrong(error.message).hint(error.hint),
            })?,
            Some(_) => return Err(wrong("`backend` is not a word".to_owned())),
        };
        let mut given = Vec::new();
        for field in fields(backend) {
            let Some(value) = entry.get(*field) else { continue };
            match self.scalar(&[PROFILES, name, field], value) {
                Some(None) => {}
                Some(Some(scalar)) => given.push(((*field).to_owned(), scalar)),
                None => return Err(wrong(format!("`{field}` is not one piece of text to every YAML reader; put it in quotes"))),
            }
        }
        Profile::from_fields(Some(name), backend, &given, &self.home)
    }

    /// What a value is to YAML 1.1, as PyYAML reads it: `Some(None)` for null, and `None` for what is neither text nor a whole number
    /// nor a boolean to it.
    fn scalar(&self, path: &[&str], value: &Value) -> Option<Option<Scalar>> {
        match value {
            Value::Null => Some(None),
            Value::Bool(value) => Some(Some(Scalar::Bool(*value))),
            Value::String(text) => match yaml11(text) {
                Yaml11::Text => Some(Some(Scalar::Text(text.clone()))),
                // The words differ in meaning only where they are not quoted.
                special if self.is_plain(path) => match special {
                    Yaml11::Bool(value) => Some(Some(Scalar::Bool(value))),
                    _ => None,
                },
                _ => Some(Some(Scalar::Text(text.clone()))),
            },
            Value::Number(number) => {
                let raw = self.source(path);
                match (number.as_i64(), raw) {
                    (Some(whole), None) => Some(Some(Scalar::Int(whole))),
                    (Some(whole), Some(raw)) if raw == whole.to_string() || raw.starts_with('!') => Some(Some(Scalar::Int(whole))),
                    // `0o17` and `1e3` are text to YAML 1.1; `0x1F` is a number whose spelling must not change on the way.
                    (_, Some(raw)) if !raw.starts_with('!') && yaml11(&raw) == Yaml11::Text => Some(Some(Scalar::Text(raw))),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Whether the value at the path stands in the file without quotes and without a tag.
    fn is_plain(&self, path: &[&str]) -> bool {
        self.source(path).is_some_and(|raw| !raw.starts_with(['"', '\'', '|', '>', '!', '&', '*']))
    }

    /// A value as it is written in the file.
    fn source(&self, path: &[&str]) -> Option<String> {
        let document = Document::new(self.text.as_str()).ok()?;
        let feature = document.query_exact(&route(path)).ok()??;
        Some(document.extract(&feature).trim().to_owned())
    }

    fn wrong(&self, what: &str, hint: &str) -> Error {
        Error::new(Code::ConfigInvalid, format!("{}: {what}", self.home.join(FILE).display()), hint)
    }
}

fn unknown(name: &str, names: impl Iterator<Item = String>) -> Error {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    let hint = match names.is_empty() {
        true => format!("there are no profiles yet; add one with `amx-schema profile add`, or under `{PROFILES}` in {FILE}"),
        false => format!("the profiles in {FILE} are {}", names.join(", ")),
    };
    Error::new(Code::ProfileUnknown, format!("there is no profile `{name}`"), hint)
}

/// A key as text: a profile may be called `2024`.
fn key_text(key: &Value) -> Option<String> {
    match key {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

fn show(path: &str, value: &Value, lines: &mut Vec<(String, String)>) {
    let text = match value {
        Value::Mapping(map) if !map.is_empty() => {
            for (key, value) in map {
                show(&format!("{path}.{}", key_text(key).unwrap_or_default()), value, lines);
            }
            return;
        }
        Value::Sequence(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                show(&format!("{path}.{index}"), item, lines);
            }
            return;
        }
        Value::Mapping(_) => "{}".to_owned(),
        Value::Sequence(_) => "[]".to_owned(),
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(_) | Value::String(_) | Value::Tagged(_) if names_secret(path) => match value {
            Value::String(text) if text.is_empty() => String::new(),
            Value::String(text) => SecretRef::parse(text).to_string(),
            // A password of digits is a number to YAML; a count such as `max_tokens` is hidden with it, which does no harm.
            _ => "***".to_owned(),
        },
        Value::Number(number) => number.to_string(),
        Value::String(text) => without_password(text).escape_debug().to_string(),
        Value::Tagged(_) => "(tagged)".to_owned(),
    };
    lines.push((path.to_owned(), text));
}

fn find(path: &str, value: &Value, text: &str, places: &mut Vec<String>) {
    match value {
        Value::Mapping(map) => {
            for (key, value) in map {
                find(&format!("{path}.{}", key_text(key).unwrap_or_default()), value, text, places);
            }
        }
        Value::Sequence(items) => {
            for (index, item) in items.iter().enumerate() {
                find(&format!("{path}.{index}"), item, text, places);
            }
        }
        Value::String(found) if found == text && names_secret(path) => places.push(path.to_owned()),
        Value::Number(found) if found.to_string() == text && names_secret(path) => places.push(path.to_owned()),
        _ => {}
    }
}

/// Whether a key, ours or another program's, is named as secrets are.
fn names_secret(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    let key = path.rsplit('.').find(|part| part.parse::<usize>().is_err()).unwrap_or(&path);
    ["password", "passwd", "passphrase", "secret", "token", "api_key", "apikey", "private_key"].iter().any(|word| key.contains(word))
        && !key.ends_with("_path")
        && !key.ends_with("_file")
}

/// A text that may be a URL, without the password in it.
fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    match rest.rsplit_once('@') {
        Some((login, place)) => format!("{scheme}://{}:***@{place}", login.split(':').next().unwrap_or_default()),
        None => text.to_owned(),
    }
}

// Reading and writing the file.

/// The file's text; none where there is no file.
fn read(path: &Path) -> Result<Option<String>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == ErrorKind::IsADirectory => {
            return Err(Error::new(
                Code::ConfigInvalid,
                format!("{} is a folder", path.display()),
                "move the folder away; AMX keeps its configuration in a file of that name",
            ));
        }
        Err(error) => return Err(Error::io(format_args!("reading {}", path.display()), &error)),
    };
    String::from_utf8(bytes).map(Some).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes().iter().take(good).filter(|byte| **byte == b'\n').count();
        Error::new(Code::ConfigInvalid, format!("{} is not UTF-8 (line {line})", path.display()), "save the file as UTF-8 text")
    })
}

/// The file's map, as it is written: aliases are followed, merge keys are not.
fn parse(text: &str, path: &Path) -> Result<Mapping> {
    // Past a byte order mark the parser takes the second key for a second document.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match serde_yaml::from_str::<Value>(text).map_err(|error| broken(path, &error))? {
        Value::Mapping(map) => Ok(map),
        Value::Null => Ok(Mapping::new()),
        _ => Err(Error::new(
            Code::ConfigInvalid,
            format!("{} is not a map of keys to values", path.display()),
            "write it as lines of `key: value`",
        )),
    }
}

fn broken(path: &Path, error: &serde_yaml::Error) -> Error {
    // The parser's message gives line and column itself, but for a few that only know their place.
    let message = error.to_string();
    let line = match error.location() {
        Some(place) if !message.contains("line ") => format!(" (line {})", place.line()),
        _ => String::new(),
    };
    Error::new(
        Code::ConfigInvalid,
        format!("{} is not valid YAML: {message}{line}", path.display()),
        "correct the file at that line; nothing was changed",
    )
}

/// Changes top-level keys in place, or removes those that get no value. All of it is written at once, or nothing.
pub fn edit(home: &Path, changes: &[(Key, Option<Scalar>)]) -> Result<()> {
    rewrite(home, |text, path| {
        let mut text = text.to_owned();
        for (key, value) in changes {
            text = change(&text, path, &[], key.word(), value.clone().map(Node::Leaf))?;
        }
        Ok(text)
    })
}

/// Whether a profile of that name can be added, and what is wrong about it where not.
pub fn can_add_profile(home: &Path, name: &str) -> Result<()> {
    let path = home.join(FILE);
    is_free(&parse(&read(&path)?.unwrap_or_default(), &path)?, name)
}

fn is_free(root: &Mapping, name: &str) -> Result<()> {
    if name.is_empty() || name.trim() != name || name.chars().any(char::is_control) {
        return Err(Error::new(
            Code::Usage,
            "a profile's name is neither empty, nor begins or ends with a blank, nor has control characters",
            "choose another name",
        ));
    }
    match root.get(PROFILES) {
        Some(Value::Mapping(entries)) if entries.keys().any(|key| key_text(key).as_deref() == Some(name)) => Err(Error::new(
            Code::Usage,
            format!("there is a profile `{name}` already"),
            "choose another name, or remove that profile first",
        )),
        _ => Ok(()),
    }
}

/// Adds a profile under `db_profiles`, once it is known to be a good one.
pub fn add_profile(home: &Path, name: &str, backend: Backend, given: &[(String, Scalar)]) -> Result<Profile> {
    let profile = Profile::from_fields(Some(name), backend, given, home)?;
    rewrite(home, |text, path| {
        is_free(&parse(text, path)?, name)?;
        change(text, path, &[PROFILES], name, Some(entry(backend, given)))
    })?;
    Ok(profile)
}

/// The name of the profile that leads to the same database, which is added under a free name where there is none yet; and whether it was.
/// Looked up and added in one step: another process may be about to add the same one.
pub fn profile_of(home: &Path, profile: &Profile) -> Result<(String, bool)> {
    let same = |known: &Profile| known.backend == profile.backend && known.summary() == profile.summary() && known.target == profile.target;
    let mut found = (String::new(), false);
    rewrite(home, |text, path| {
        let profiles = Config::of_text(home, text.to_owned(), path)?.profiles();
        if let Some((name, _)) = profiles.iter().find(|(_, known)| known.as_ref().is_ok_and(same)) {
            found = (name.clone(), false);
            return Ok(text.to_owned());
        }
        let mut names = (1..).map(|number| if number == 1 { "shared".to_string() } else { format!("shared-{number}") });
        let name = names.find(|name| profiles.iter().all(|(known, _)| known != name)).unwrap_or_else(|| "shared".into());
        let given = profile.to_fields();
        Profile::from_fields(Some(&name), profile.backend, &given, home)?;
        found = (name.clone(), true);
        change(text, path, &[PROFILES], &name, Some(entry(profile.backend, &given)))
    })?;
    Ok(found)
}

/// A profile's entry under `db_profiles`.
fn entry(backend: Backend, given: &[(String, Scalar)]) -> Node {
    let fields = given.iter().map(|(field, value)| (field.clone(), Node::Leaf(value.clone())));
    Node::Map([("backend".to_owned(), Node::Leaf(amx_word(backend).into()))].into_iter().chain(fields).collect())
}

/// Puts a reference in the place of a profile's secret, where that is still the one that `profile` has.
///
/// # Errors
/// `io` where another program has changed it in the meantime: nothing is changed then.
pub fn set_secret(home: &Path, profile: &Profile, reference: &SecretRef) -> Result<()> {
    let (Some(name), Some(field)) = (&profile.name, profile.secret_field()) else {
        return Err(Error::internal("a secret for a profile that has none"));
    };
    let written = |secret: &Option<SecretRef>| secret.as_ref().map(|secret| secret.written().expose_secret().to_owned());
    rewrite(home, |text, path| {
        let now = Config::of_text(home, text.to_owned(), path)?.profile(name)?;
        if written(&now.secret) != written(&profile.secret) {
            return Err(Error::new(
                Code::Io,
                format!("the {field} of profile `{name}` was changed by another program in the meantime"),
                "run the same command again",
            ));
        }
        change(text, path, &[PROFILES, name], field, Some(Node::Leaf(reference.to_string().as_str().into())))
    })
}

/// Removes a profile, with the comments between its own fields.
pub fn remove_profile(home: &Path, name: &str) -> Result<()> {
    rewrite(home, |text, path| {
        let root = parse(text, path)?;
        let names: Vec<String> =
            root.get(PROFILES).and_then(Value::as_mapping).into_iter().flat_map(Mapping::keys).filter_map(key_text).collect();
        if !names.iter().any(|known| known == name) {
            return Err(unknown(name, names.into_iter()));
        }
        change(text, path, &[PROFILES], name, None)
    })
}

/// Reads the file, lets `edit` make the new text, and puts that in its place, as one step and readable by the user alone.
fn rewrite(home: &Path, mut edit: impl FnMut(&str, &Path) -> Result<String>) -> Result<()> {
    let path = resolved(&home.join(FILE))?;
    create_home(home)?;
    let _alone = alone(home);
    for _ in 0..ATTEMPTS {
        let before = read(&path)?;
        let after = edit(before.as_deref().unwrap_or_default(), &path)?;
        if before.as_deref().unwrap_or_default() == after {
            return Ok(());
        }
        let failed = |error: std::io::Error| Error::io(format_args!("writing {}", path.display()), &error);
        let folder = path.parent().unwrap_or(home);
        // The temporary file is the user's alone (0600) from the start.
        let mut file = tempfile::Builder::new().prefix(".config.yml.").tempfile_in(folder).map_err(failed)?;
        file.write_all(after.as_bytes()).map_err(failed)?;
        keep_owner(&path, file.as_file());
        file.as_file().sync_all().map_err(failed)?;
        if read(&path)? != before {
            // Another process wrote in between: its change is read, and this one made again on top of it.
            continue;
        }
        file.persist(&path).map_err(|error| failed(error.error))?;
        // The file is in place; that its name survives a power cut as well is a bonus that some file systems refuse.
        if let Ok(folder) = fs::File::open(folder) {
            let _ = folder.sync_all();
        }
        return Ok(());
    }
    Err(Error::new(
        Code::Io,
        format!("{} was changed by another process each time it was to be written", path.display()),
        "close the other program, then run the same command again",
    ))
}

/// Waits for other processes of this program that edit the file. Programs that do not know this lock are noticed and not kept out, and so is
/// everybody where there is no such lock, or where its holder hangs.
fn alone(home: &Path) -> Option<fs::File> {
    let folder = fs::File::open(home).ok()?;
    let until = Instant::now() + LONGEST_EDIT;
    while Instant::now() < until {
        match folder.try_lock() {
            Ok(()) => return Some(folder),
            Err(fs::TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(5)),
            Err(fs::TryLockError::Error(_)) => return None,
        }
    }
    None
}

fn create_home(home: &Path) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(home).map_err(|error| Error::io(format_args!("creating {}", home.display()), &error))
}

/// Under `sudo` the file stays the user's. Where it cannot, it becomes the writer's, as with any program.
fn keep_owner(path: &Path, file: &fs::File) {
    #[cfg(unix)]
    if let Ok(data) = fs::metadata(path) {
        use std::os::unix::fs::{MetadataExt, fchown};
        let _ = fchown(file, Some(data.uid()), Some(data.gid()));
    }
    #[cfg(not(unix))]
    let _ = (path, file);
}

#[cfg(test)]
mod tests;
