//! `config.yml`: read as PyYAML means it, and edited without losing a key, a comment or the order that another program gave it.
//!
//! AMX writes the file with PyYAML, which reads YAML 1.1; people write YAML 1.2. Where the two differ (`on`, `0123`, `1e3`), 1.1 decides
//! what is read, and what is written is quoted so that both agree.

use crate::dialect::Backend;
use crate::error::{Code, Error, Result};
use crate::profile::{Profile, Scalar, amx_word, fields, truth};
use crate::secret::SecretRef;
use secrecy::{ExposeSecret, SecretString};
use serde_yaml::{Mapping, Value};
use std::fmt;
use std::fs;
use std::io::{ErrorKind, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use yamlpath::{Component, Document, Route};

const FILE: &str = "config.yml";
const PROFILES: &str = "db_profiles";

/// How often an edit starts again because another process changed the file under it.
const ATTEMPTS: usize = 5;

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
        let path = home.join(FILE);
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

/// What PyYAML takes an unquoted scalar for, as far as it matters here.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Yaml11 {
    Text,
    Bool(bool),
    /// A number, a date, null, a merge key: not text.
    Other,
}

/// YAML 1.1's implicit types, exactly as PyYAML resolves them: it writes what it takes for text without quotes, `0987` and `07:00` too.
fn yaml11(text: &str) -> Yaml11 {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "true" | "on" => return Yaml11::Bool(true),
        "no" | "false" | "off" => return Yaml11::Bool(false),
        "" | "~" | "null" | "=" | "<<" => return Yaml11::Other,
        _ => {}
    }
    match is_yaml11_number(text) || is_yaml11_time(text) {
        true => Yaml11::Other,
        false => Yaml11::Text,
    }
}

/// Whether every character is a digit of the base or `_`.
fn digits(text: &str, base: u32) -> bool {
    text.chars().all(|c| c == '_' || c.is_digit(base))
}

fn is_yaml11_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let starts = |text: &str, first: std::ops::RangeInclusive<char>| text.starts_with(|c: char| first.contains(&c));
    let after = |prefix: &str, base| unsigned.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && digits(rest, base));
    // `12:30` is 750 to YAML 1.1, and `12:30.5` a little more.
    let sixties = |rest: &str| {
        rest.split(':').all(|part| (1..=2).contains(&part.len()) && digits(part, 10) && part.parse::<u8>().is_ok_and(|part| part < 60))
    };
    if let Some((whole, rest)) = unsigned.split_once(':') {
        return match rest.split_once('.') {
            Some((rest, fraction)) => starts(whole, '0'..='9') && digits(whole, 10) && sixties(rest) && digits(fraction, 10),
            None => starts(whole, '1'..='9') && digits(whole, 10) && sixties(rest),
        };
    }
    if let Some((whole, rest)) = unsigned.split_once('.') {
        if matches!(rest, "inf" | "Inf" | "INF") || matches!(rest, "nan" | "NaN" | "NAN") && unsigned == text {
            return whole.is_empty();
        }
        let (fraction, exponent) = rest.split_once(['e', 'E']).map_or((rest, true), |(fraction, exponent)| {
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or_default();
            (fraction, !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
        });
        let whole =
            if whole.is_empty() { starts(fraction, '0'..='9') && unsigned == text } else { starts(whole, '0'..='9') && digits(whole, 10) };
        return whole && digits(fraction, 10) && exponent;
    }
    unsigned == "0" || starts(unsigned, '1'..='9') && digits(unsigned, 10) || after("0", 8) || after("0b", 2) || after("0x", 16)
}

/// A date, or a date and a time.
fn is_yaml11_time(text: &str) -> bool {
    let number = |part: Option<&str>, lengths: std::ops::RangeInclusive<usize>| {
        part.is_some_and(|part| lengths.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let (date, time) = text.split_once(['T', 't', ' ', '\t']).map_or((text, None), |(date, time)| (date, Some(time)));
    let mut parts = date.split('-');
    let shortest = if time.is_some() { 1 } else { 2 };
    let date =
        number(parts.next(), 4..=4) && number(parts.next(), shortest..=2) && number(parts.next(), shortest..=2) && parts.next().is_none();
    date && time.is_none_or(|time| {
        let mut parts = time.trim_start_matches([' ', '\t']).splitn(3, ':');
        number(parts.next(), 1..=2) && number(parts.next(), 2..=2) && number(parts.next().and_then(|rest| rest.get(..2)), 2..=2)
    })
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
    let mut entry = vec![("backend".to_owned(), Node::Leaf(amx_word(backend).into()))];
    entry.extend(given.iter().map(|(field, value)| (field.clone(), Node::Leaf(value.clone()))));
    rewrite(home, |text, path| {
        is_free(&parse(text, path)?, name)?;
        change(text, path, &[PROFILES], name, Some(Node::Map(entry.clone())))
    })?;
    Ok(profile)
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
    let path = target(&home.join(FILE))?;
    for _ in 0..ATTEMPTS {
        let before = read(&path)?;
        let after = edit(before.as_deref().unwrap_or_default(), &path)?;
        if before.as_deref().unwrap_or_default() == after {
            return Ok(());
        }
        create_home(home)?;
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

/// The file that a link at `path` points to, else `path` itself.
fn target(path: &Path) -> Result<PathBuf> {
    match fs::symlink_metadata(path) {
        Ok(data) if data.is_symlink() => {}
        _ => return Ok(path.to_owned()),
    }
    let failed = |error: std::io::Error| Error::io(format_args!("following the link {}", path.display()), &error);
    match fs::canonicalize(path) {
        // The link's target is not there yet: it is what will be written.
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let link = fs::read_link(path).map_err(failed)?;
            Ok(path.parent().map_or_else(|| link.clone(), |folder| folder.join(&link)))
        }
        found => found.map_err(failed),
    }
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

// Editing the text. `yamlpath` says where things are. What is put there is written here and not by `yamlpatch`, which loses the neighbours
// of a value in braces, comment lines next to what it removes, CRLF, quotes, and a missing final line feed (tried with 1.26).

/// What is put into the file.
#[derive(Clone)]
enum Node {
    Leaf(Scalar),
    Map(Vec<(String, Node)>),
}

impl Node {
    /// As it is read again.
    fn value(&self) -> Value {
        match self {
            Node::Leaf(Scalar::Bool(value)) => Value::Bool(*value),
            Node::Leaf(Scalar::Int(value)) => Value::Number((*value).into()),
            Node::Leaf(Scalar::Text(text)) => Value::String(text.clone()),
            Node::Map(entries) => Value::Mapping(entries.iter().map(|(key, node)| (Value::String(key.clone()), node.value())).collect()),
        }
    }

    fn flow(&self) -> String {
        match self {
            Node::Leaf(scalar) => written(scalar, None),
            Node::Map(entries) => {
                let entries: Vec<String> = entries.iter().map(|(key, node)| flow_entry(key, node)).collect();
                format!("{{{}}}", entries.join(", "))
            }
        }
    }
}

fn flow_entry(key: &str, node: &Node) -> String {
    format!("{}: {}", quoted(key, None), node.flow())
}

/// The lines of an entry in block style.
fn block_entry(key: &str, node: &Node, indent: usize, step: usize, lines: &mut Vec<String>) {
    let blanks = " ".repeat(indent);
    let key = quoted(key, None);
    match node {
        Node::Map(entries) if !entries.is_empty() => {
            lines.push(format!("{blanks}{key}:"));
            for (key, node) in entries {
                block_entry(key, node, indent + step, step, lines);
            }
        }
        _ => lines.push(format!("{blanks}{key}: {}", node.flow())),
    }
}

fn written(scalar: &Scalar, style: Option<char>) -> String {
    match scalar {
        Scalar::Bool(value) => value.to_string(),
        Scalar::Int(value) => value.to_string(),
        Scalar::Text(text) => quoted(text, style),
    }
}

/// Text as YAML: plain where every reader takes it for this very text, else quoted, in the style that stood there if it can hold it.
fn quoted(text: &str, style: Option<char>) -> String {
    let word = |c: char| c.is_ascii_alphanumeric() || "_./@-".contains(c);
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '/')
        && text.chars().all(|c| word(c) || c == ':')
        // `a:b` is text, `a:` a key; inside braces readers differ but where a slash follows, as in a reference.
        && text.split(':').skip(1).all(|part| part.starts_with('/'))
        && !matches!(text, "y" | "Y" | "n" | "N")
        && yaml11(text) == Yaml11::Text;
    if plain && style.is_none() {
        return text.to_owned();
    }
    let printable = |c: char| matches!(c, ' '..='~' | '\u{a0}'..='\u{2027}' | '\u{202a}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}' | '\u{10000}'..);
    if style != Some('"') && text.chars().all(printable) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if printable(c) => out.push(c),
            c if u32::from(c) < 0x100 => out.push_str(&format!("\\x{:02X}", u32::from(c))),
            c if u32::from(c) < 0x10000 => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push_str(&format!("\\U{:08X}", u32::from(c))),
        }
    }
    out.push('"');
    out
}

fn route<'a>(path: &[&'a str]) -> Route<'a> {
    Route::from(path.iter().map(|key| Component::from(*key)).collect::<Vec<_>>())
}

/// The text with one entry of the map at `parent` set, or removed where there is no node.
/// It is read again before it is given back: anything but that one change is an error, and never a damaged file.
fn change(text: &str, path: &Path, parent: &[&str], key: &str, node: Option<Node>) -> Result<String> {
    let refused = |why: String| {
        Error::new(
            Code::ConfigInvalid,
            format!("{} cannot be edited in place at `{key}`: {why}", path.display()),
            "make the change by hand; the file was left as it is",
        )
    };
    let before = parse(text, path)?;
    let expected = match expected(&before, parent, key, node.as_ref()) {
        Ok(Some(expected)) => expected,
        Ok(None) => return Ok(text.to_owned()),
        Err(why) => return Err(refused(why)),
    };
    let after = Editor { text, root: &before }.apply(parent, key, node.as_ref()).map_err(&refused)?;
    match parse(&after, path) {
        Ok(read) if read.iter().eq(expected.iter()) => Ok(after),
        _ => Err(refused("the way it is written there leaves no room for it".to_owned())),
    }
}

/// What the file is to say afterwards; none where it says so already.
fn expected(before: &Mapping, parent: &[&str], key: &str, node: Option<&Node>) -> Result<Option<Mapping>, String> {
    let mut root = before.clone();
    let mut map = &mut root;
    for name in parent {
        let key = map.keys().find(|known| key_text(known).as_deref() == Some(*name)).cloned();
        let slot = map.entry(key.unwrap_or_else(|| Value::from(*name))).or_insert(Value::Null);
        if slot.is_null() {
            *slot = Value::Mapping(Mapping::new());
        }
        map = slot.as_mapping_mut().ok_or_else(|| format!("`{name}` is not a map"))?;
    }
    match node {
        Some(node) => {
            let old = map.insert(Value::from(key), node.value());
            // Equal text may still be read otherwise by YAML 1.1 where it is not quoted.
            let clear = !matches!(node, Node::Leaf(Scalar::Text(text)) if yaml11(text) != Yaml11::Text);
            Ok((old != Some(node.value()) || !clear).then_some(root))
        }
        None => {
            let named = map.keys().find(|known| key_text(known).as_deref() == Some(key)).cloned();
            Ok(named.and_then(|name| map.shift_remove(&name)).map(|_| root))
        }
    }
}

/// One entry's place in the text.
struct Pair {
    key: Range<usize>,
    /// Just behind the colon.
    colon: usize,
    /// The value without what surrounds it; empty where there is none.
    value: Range<usize>,
    /// The end of key and value.
    end: usize,
}

/// Finds places in the text and splices it. Its errors say why a place will not do.
struct Editor<'a> {
    text: &'a str,
    root: &'a Mapping,
}

impl Editor<'_> {
    fn apply(&self, parent: &[&str], key: &str, node: Option<&Node>) -> Result<String, String> {
        let map = parent.iter().try_fold(self.root, |map, name| {
            map.iter().find(|(key, _)| key_text(key).as_deref() == Some(*name)).and_then(|(_, value)| value.as_mapping())
        });
        let there = map.is_some_and(|map| map.keys().any(|known| key_text(known).as_deref() == Some(key)));
        match (node, there) {
            (Some(_), true) if map.and_then(|map| map.get(key)).is_some_and(|old| old.is_mapping() || old.is_sequence()) => {
                Err("what stands there is not one value".to_owned())
            }
            (Some(Node::Leaf(scalar)), true) => self.replace(&[parent, &[key]].concat(), scalar),
            (Some(node), false) => self.insert(parent, map, key, node),
            (None, true) => self.remove(parent, map, key),
            _ => Err("it is there already".to_owned()),
        }
    }

    /// Another value behind a key, in the quotes that the old one had.
    fn replace(&self, path: &[&str], scalar: &Scalar) -> Result<String, String> {
        let pair = self.pair(path)?;
        let old = self.get(pair.value.clone())?;
        if old.is_empty() {
            return self.splice(pair.colon..pair.colon, &format!(" {}", written(scalar, None)));
        }
        if old.starts_with(['&', '*', '!', '|', '>']) {
            return Err("its value has an anchor, a tag or lines of its own".to_owned());
        }
        let style = old.chars().next().filter(|c| matches!(c, '"' | '\''));
        self.splice(pair.value, &written(scalar, style))
    }

    fn insert(&self, parent: &[&str], map: Option<&Mapping>, key: &str, node: &Node) -> Result<String, String> {
        let [name, ..] = parent else {
            return match self.top()? {
                Some(top) => self.insert_into(&[], top, map, key, node, 2),
                None => self.append(key, node),
            };
        };
        if !self.root.contains_key(*name) {
            return self.insert(&[], Some(self.root), name, &Node::Map(vec![(key.to_owned(), node.clone())]));
        }
        let pair = self.pair(parent)?;
        let column = self.column(pair.key.start);
        let value = self.get(pair.value.clone())?;
        let in_braces = self.in_braces(&[])?;
        let empty = value.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).is_some_and(|inside| inside.trim().is_empty());
        match (column, in_braces) {
            // `db_profiles:` and `db_profiles: {}` on a line of their own get a block below them.
            (Some(column), false) if value.is_empty() || empty || matches!(value, "~" | "null") => {
                // A comment between the two stays.
                let gap = self.get(pair.colon..pair.value.start)?;
                let from = if gap.trim_matches(' ').is_empty() { pair.colon } else { pair.value.start };
                let cleared = self.splice(from..pair.value.end, "")?;
                let editor = Editor { text: &cleared, root: self.root };
                let mut lines = Vec::new();
                block_entry(key, node, column + 2, 2, &mut lines);
                editor.insert_lines(pair.colon, &lines)
            }
            (_, true) if value.is_empty() => {
                let entry = Node::Map(vec![(key.to_owned(), node.clone())]);
                self.splice(pair.colon..pair.colon, &format!(" {}", entry.flow()))
            }
            _ => {
                let step = self.column(pair.value.start).zip(column).map_or(2, |(inner, outer)| inner.saturating_sub(outer)).max(2);
                self.insert_into(parent, pair.value, map, key, node, step)
            }
        }
    }

    /// A new last entry of the map at `span`.
    fn insert_into(
        &self,
        path: &[&str],
        span: Range<usize>,
        map: Option<&Mapping>,
        key: &str,
        node: &Node,
        step: usize,
    ) -> Result<String, String> {
        let written = self.get(span.clone())?;
        if written.starts_with('{') {
            let entry = flow_entry(key, node);
            let last = map.and_then(|map| map.keys().last()).map(|last| key_text(last).ok_or("its last key is not text")).transpose()?;
            return match last {
                None => self.splice(span.start + 1..span.start + 1, &entry),
                Some(last) => {
                    let end = self.pair(&[path, &[last.as_str()]].concat())?.end;
                    self.splice(end..end, &format!(", {entry}"))
                }
            };
        }
        let indent = self.column(span.start).ok_or("it does not begin on a line of its own")?;
        let mut lines = Vec::new();
        block_entry(key, node, indent, step, &mut lines);
        self.insert_lines(span.end, &lines)
    }

    /// An entry at the end of a file that has none: it may have comments, or nothing at all.
    fn append(&self, key: &str, node: &Node) -> Result<String, String> {
        let mut lines = Vec::new();
        block_entry(key, node, 0, 2, &mut lines);
        match self.text.is_empty() {
            true => Ok(lines.iter().map(|line| format!("{line}\n")).collect()),
            false if self.text.ends_with('\n') => self.splice(
                self.text.len()..self.text.len(),
                &lines.iter().map(|line| format!("{line}{}", self.line_end())).collect::<String>(),
            ),
            false => self.insert_lines(self.text.len(), &lines),
        }
    }

    fn remove(&self, parent: &[&str], map: Option<&Mapping>, key: &str) -> Result<String, String> {
        let path = [parent, &[key]].concat();
        let pair = self.pair(&path)?;
        if self.column(pair.key.start).is_none() || self.in_braces(parent)? {
            return self.remove_from_braces(&pair);
        }
        let start = self.line_start(pair.key.start);
        let end = self.line_rest(pair.end)?;
        if map.is_some_and(|map| map.len() == 1) && !parent.is_empty() {
            // Nothing below the key would make it null; an empty map is what AMX writes.
            let outer = self.pair(parent)?;
            let removed = self.splice(start..end, "")?;
            return Editor { text: &removed, root: self.root }.splice(outer.colon..outer.colon, " {}");
        }
        self.splice(start..end, "")
    }

    fn in_braces(&self, parent: &[&str]) -> Result<bool, String> {
        let span = match parent {
            [] => self.top()?.unwrap_or_default(),
            _ => self.pair(parent)?.value,
        };
        Ok(self.get(span)?.starts_with('{'))
    }

    /// An entry between braces goes with one comma: the one behind it, else the one before it.
    fn remove_from_braces(&self, pair: &Pair) -> Result<String, String> {
        let behind = self.skip(pair.end);
        if self.text.get(behind..).is_some_and(|rest| rest.starts_with(',')) {
            let rest = self.get(behind + 1..self.text.len())?;
            let blanks = rest.len() - rest.trim_start_matches(' ').len();
            // What stands between the entry and its comma can only be comments and blanks, and stays.
            let between = self.get(pair.end..behind)?.trim_start_matches(' ');
            return self.splice(pair.key.start..behind + 1 + blanks, between);
        }
        let before = self.get(0..pair.key.start)?.trim_end();
        match before.strip_suffix(',') {
            // On a line of its own the comma may end in a comment's line; there it stays, which YAML allows.
            Some(rest) if !self.get(self.line_start(rest.len())..rest.len())?.contains('#') => self.splice(rest.len()..pair.end, ""),
            _ => self.splice(pair.key.start..pair.end, ""),
        }
    }

    /// The document's one map; none where it is empty.
    fn top(&self) -> Result<Option<Range<usize>>, String> {
        let document = self.document()?;
        let Ok(top) = document.top_feature() else { return Ok(None) };
        let span = top.location.byte_span.0..top.location.byte_span.1;
        if self.root.is_empty() && !self.get(span.clone())?.starts_with('{') {
            return Err("the file is an explicit null".to_owned());
        }
        Ok(Some(span.start..self.content_end(&document, span)?))
    }

    fn pair(&self, path: &[&str]) -> Result<Pair, String> {
        let odd = || "it is written in a way that is not edited here (an anchor, an alias, a key without a colon)".to_owned();
        let document = self.document()?;
        let feature = document.query_key_only(&route(path)).map_err(|_| odd())?;
        let key = feature.location.byte_span.0..feature.location.byte_span.1;
        let whole = feature.parent().map(|pair| pair.location.byte_span).ok_or_else(odd)?;
        let colon = self.text.get(key.end..).and_then(|rest| {
            let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
            rest.get(blanks..)?.starts_with(':').then_some(key.end + blanks + 1)
        });
        let (Some(colon), true) = (colon, whole.0 == key.start) else { return Err(odd()) };
        let end = self.content_end(&document, key.start..whole.1.max(colon))?;
        let start = self.skip(colon);
        let value = if start < end { start..end } else { colon..colon };
        Ok(Pair { key, colon, end: if value.is_empty() { colon } else { end }, value })
    }

    /// The end of what the span says: the parser counts comment lines that follow a block to it, whosever they are.
    fn content_end(&self, document: &Document, span: Range<usize>) -> Result<usize, String> {
        let mut end = span.start + self.get(span.clone())?.trim_end().len();
        loop {
            let line = self.line_start(end).max(span.start);
            let text = self.get(line..end)?;
            let hash = line + text.len() - text.trim_start().len();
            // A line of a block scalar may begin with `#` too.
            if line == span.start || !text.trim_start().starts_with('#') || !document.range_spanned_by_comment(hash, hash + 1) {
                return Ok(end);
            }
            end = span.start + self.get(span.start..line)?.trim_end().len();
        }
    }

    fn document(&self) -> Result<Document, String> {
        Document::new(self.text).map_err(|error| error.to_string())
    }

    /// The next place that is neither blank nor in a comment.
    fn skip(&self, from: usize) -> usize {
        let mut place = from;
        while let Some(rest) = self.text.get(place..) {
            let blanks = rest.len() - rest.trim_start().len();
            place += blanks;
            match rest.get(blanks..) {
                // A `#` begins a comment only after a blank.
                Some(comment) if comment.starts_with('#') && blanks > 0 => place += comment.find('\n').unwrap_or(comment.len()),
                _ => break,
            }
        }
        place
    }

    /// The column of a place before which its line has blanks only.
    fn column(&self, place: usize) -> Option<usize> {
        let before = self.text.get(self.line_start(place)..place)?;
        let before = before.trim_start_matches('\u{feff}');
        before.bytes().all(|byte| byte == b' ').then_some(before.len())
    }

    fn line_start(&self, place: usize) -> usize {
        self.text.get(..place).and_then(|before| before.rfind('\n')).map_or(0, |feed| feed + 1)
    }

    /// The end of the line, its line end included, where nothing but a comment follows.
    fn line_rest(&self, place: usize) -> Result<usize, String> {
        let rest = self.get(place..self.text.len())?;
        let line = rest.split_inclusive('\n').next().unwrap_or_default();
        match line.trim_start() {
            text if text.is_empty() || text.starts_with('#') => Ok(place + line.len()),
            _ => Err("more follows on its line".to_owned()),
        }
    }

    /// Puts whole lines below the line that `place` is in.
    fn insert_lines(&self, place: usize, lines: &[String]) -> Result<String, String> {
        let end = self.line_rest(place)?;
        let feed = self.line_end();
        let joined = lines.join(feed);
        match self.text.get(..end).is_some_and(|before| before.ends_with('\n')) {
            true => self.splice(end..end, &format!("{joined}{feed}")),
            // The last line has no line feed, and the new last line gets none either.
            false => self.splice(end..end, &format!("{feed}{joined}")),
        }
    }

    fn line_end(&self) -> &'static str {
        match self.text.find('\n') {
            Some(feed) if self.text.get(..feed).is_some_and(|line| line.ends_with('\r')) => "\r\n",
            _ => "\n",
        }
    }

    fn get(&self, range: Range<usize>) -> Result<&str, String> {
        self.text.get(range).ok_or_else(|| "its place was not found".to_owned())
    }

    fn splice(&self, range: Range<usize>, new: &str) -> Result<String, String> {
        let before = self.get(0..range.start)?;
        let after = self.get(range.end..self.text.len())?;
        Ok([before, new, after].concat())
    }
}

#[cfg(test)]
mod tests;
