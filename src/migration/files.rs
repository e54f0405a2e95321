//! The folder that migrations are committed in: written from the model, checked against it, and never changed once released.

use super::{Migration, file_stem};
use crate::change::{self, Change};
use crate::dialect::Backend;
use crate::error::{Code, Error, Result};
use crate::model::{Backfill, Model};
use crate::{feasibility, script};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A folder with `model.yaml`, a folder for each backend, `models` and `released`.
///
/// `models` holds the model as it was at each version, `V<n>.yaml`: a version is what changed since the one before.
/// `released` holds a line `<version> <backend> <checksum>` for each file that must never change again.
#[derive(Debug, Clone)]
pub struct Folder {
    /// Where it is.
    pub path: PathBuf,
}

/// What a call of [`Folder::write`] asks for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wish<'a> {
    /// The name of the next version, where `model.yaml` does not list it.
    pub name: Option<&'a str>,
    /// Whether columns and tables may be dropped.
    pub allow_destructive: bool,
}

/// What [`Folder::write`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// The migration files that were written, relative to the folder.
    pub files: Vec<String>,
    /// The models that were recorded, relative to the folder.
    pub models: Vec<String>,
    /// The version that `model.yaml` lists since.
    pub listed: Option<(u32, String)>,
    /// How many migration files said already what the model says.
    pub unchanged: usize,
}

/// What is to be done so that files, records and model agree.
struct Plan {
    /// The model with all its versions, and with the records as they will be.
    model: Model,
    /// The versions whose record is to be written.
    unrecorded: Vec<u32>,
    /// What these versions change, by version.
    changes: Vec<(u32, Vec<Change>)>,
    /// The version that `model.yaml` does not list yet.
    unlisted: Option<(u32, String)>,
}

/// The lines of `released`.
type Released = BTreeMap<(u32, Backend), String>;

impl Folder {
    /// The model of the folder with its records, found feasible on every backend.
    ///
    /// # Errors
    /// `model_infeasible`, `model_out_of_sync` where a record cannot be read, `io`.
    pub fn model(&self) -> Result<Model> {
        let mut model = Model::from_yaml(&read(&self.path.join("model.yaml"))?)?;
        for backend in Backend::ALL {
            feasibility::require(&model, backend.dialect()?)?;
        }
        loop {
            let version = model.recorded.len() as u32 + 1;
            let path = self.record(version);
            if !path.exists() {
                return Ok(model);
            }
            let record = Model::from_yaml(&read(&path)?)
                .map_err(|error| out_of_sync(format!("{} is no record of a version: {}", path.display(), error.message)).hint(RESTORE))?;
            if record.latest() != version {
                return Err(out_of_sync(format!("{} records V{}", path.display(), record.latest())).hint(RESTORE));
            }
            model.recorded.push(record);
        }
    }

    /// Proves that the files say what the model says, and that released ones are what they were. Says how many files it looked at.
    ///
    /// # Errors
    /// `model_out_of_sync` where a file is missing, differs, or is of no version, or where the model has a change that no version has;
    /// `checksum_mismatch` where a released one was changed.
    pub fn check(&self) -> Result<usize> {
        let (given, released) = (self.model()?, self.released()?);
        let mut looked_at = 0;
        for (backend, version, name) in files_of(&given) {
            let committed = self.migration(backend, version, name)?;
            let rendered = self.rendered(&given, backend, version, name)?;
            unchanged_since_release(&released, backend, committed.as_ref(), &rendered)?;
            let file = self.file(backend, version, name);
            match committed {
                None => return Err(out_of_sync(format!("{} is missing", file.display()))),
                Some(committed) if !committed.says(&rendered) => {
                    let which = first_difference(&committed, &rendered);
                    return Err(out_of_sync(format!("{} does not say what the model says: {which}", file.display())));
                }
                Some(_) => looked_at += 1,
            }
        }
        let recorded = given.recorded.len();
        let plan = self.plan(given, &released, None)?;
        if let Some((version, name)) = &plan.unlisted
            && recorded >= *version as usize
        {
            return Err(out_of_sync(format!("models/V{version}.yaml records a version that model.yaml does not list: {name}")));
        }
        let change = plan.changes.iter().flat_map(|(_, changes)| changes).next();
        if let Some(&version) = plan.unrecorded.first() {
            let error = out_of_sync(match change {
                Some(change) if recorded > 0 => format!("the model has a change that no version has: {change}"),
                _ => format!("models/V{version}.yaml is missing or does not say what the model says"),
            });
            return Err(match plan.unlisted {
                Some(_) => error.hint("run `amx-schema generate --name NAME` and commit what it writes"),
                None => error,
            });
        }
        for backend in Backend::ALL {
            self.refuse_strangers(&plan.model, backend)?;
        }
        self.refuse_strange_records(&plan.model)?;
        Ok(looked_at)
    }

    /// Renders what the model changes into the next version for every backend, and renders again what is not released.
    ///
    /// All is rendered and judged before the first file is written. `model.yaml` comes last: what was cut off before is done by running again.
    ///
    /// # Errors
    /// `usage` where a name is wanted, or given for nothing; `model_infeasible` where the change cannot be made; `destructive` where it would
    /// lose data and may not; `checksum_mismatch` where a released file is not what it was; `model_out_of_sync` where a released file says
    /// something else than its record.
    pub fn write(&self, wish: Wish<'_>) -> Result<Written> {
        let (given, released) = (self.model()?, self.released()?);
        let plan = self.plan(given, &released, Some(wish))?;
        let mut pending = vec![];
        let mut written = Written::default();
        for (backend, version, name) in files_of(&plan.model) {
            let committed = self.migration(backend, version, name)?;
            let rendered = self.rendered(&plan.model, backend, version, name)?;
            unchanged_since_release(&released, backend, committed.as_ref(), &rendered)?;
            if committed.as_ref().is_some_and(|committed| committed.checksum() == rendered.checksum() && committed.steps == rendered.steps)
            {
                written.unchanged += 1;
            } else if let (Some(committed), true) = (&committed, released.contains_key(&(version, backend))) {
                let which = first_difference(committed, &rendered);
                return Err(out_of_sync(format!("the model changes V{version} for {backend}, which is released: {which}"))
                    .hint("restore the records in `models`, and leave what is released as it is; a change needs a new version"));
            } else {
                let file = format!("{backend}/{}.sql", file_stem(version, name));
                pending.push((file, script::migration_file(&plan.model, backend.dialect()?, version)?));
            }
        }
        let listed = plan.unlisted.as_ref().map(|(version, name)| self.listing(&plan.model, *version, name)).transpose()?;
        let mut records = vec![];
        for &version in &plan.unrecorded {
            records.push((format!("models/{}", Model::record_name(version)), record_text(&plan.model, version)?));
        }
        for (file, text) in &pending {
            self.put(file, text)?;
        }
        for (file, text) in &records {
            self.put(file, text)?;
        }
        if let Some(text) = listed {
            self.put("model.yaml", &text)?;
        }
        written.files = pending.into_iter().map(|(file, _)| file).collect();
        written.models = records.into_iter().map(|(file, _)| file).collect();
        written.listed = plan.unlisted;
        Ok(written)
    }

    /// What is to be done. Without a wish nothing is refused for want of a name or a leave: it is only looked at.
    fn plan(&self, mut model: Model, released: &Released, wish: Option<Wish<'_>>) -> Result<Plan> {
        let last = model.recorded.len() as u32;
        let name = wish.and_then(|wish| wish.name);
        if let Some(name) = name {
            version_name(name)?;
        }
        let mut unlisted = None;
        if let Some(record) = model.recorded.last() {
            let recorded_name = record.versions.get(&last).cloned().unwrap_or_default();
            if last == model.latest() + 1 {
                // The run that wrote the record did not come to list it.
                model.versions.insert(last, recorded_name.clone());
                unlisted = Some((last, recorded_name.clone()));
            }
            if last > model.latest() {
                return Err(out_of_sync(format!("models/V{last}.yaml is of no version of the model"))
                    .hint("list the version in model.yaml again, or remove its files and its record"));
            }
            if model.versions.get(&last) != Some(&recorded_name) {
                return Err(out_of_sync(format!(
                    "V{last} has another name in model.yaml than in models/V{last}.yaml, where it is {recorded_name}"
                ))
                .hint("give it its name again in model.yaml"));
            }
        }
        let is_released = released.keys().any(|(version, _)| *version == last);
        let mut unrecorded: Vec<u32> = (last + 1..=model.latest()).collect();
        if unrecorded.is_empty() && differs(&model, is_released)? {
            match (is_released, name) {
                (false, Some(name)) if model.versions.get(&last).is_none_or(|known| known != name) => {
                    return Err(Error::new(
                        Code::Usage,
                        format!("V{last} is not released yet, so the change becomes part of it and --name {name} is for nothing"),
                        format!("leave --name out; for a version of its own, list `{}: {name}` under versions: in model.yaml", last + 1),
                    ));
                }
                (false, _) => {
                    model.recorded.pop();
                    unrecorded.push(last);
                }
                (true, None) if wish.is_some() => {
                    return Err(Error::new(
                        Code::Usage,
                        format!("the model has changed since V{last}, which is released, and the next version has no name"),
                        "run `amx-schema generate --name NAME`, such as --name add_region",
                    ));
                }
                (true, name) => {
                    let name = name.unwrap_or("unnamed").to_string();
                    model.versions.insert(last + 1, name.clone());
                    unlisted = Some((last + 1, name));
                    unrecorded.push(last + 1);
                }
            }
        }
        let mut changes = vec![];
        for &version in &unrecorded {
            changes.push((version, judged(&model, version, wish.is_none_or(|wish| wish.allow_destructive))?));
        }
        Ok(Plan { model, unrecorded, changes, unlisted })
    }

    /// `model.yaml` with one more version. All else stays as it is, byte for byte.
    fn listing(&self, model: &Model, version: u32, name: &str) -> Result<String> {
        let text = read(&self.path.join("model.yaml"))?;
        let by_hand = || {
            Error::new(
                Code::Usage,
                format!("model.yaml has no list of versions that V{version} could be added to"),
                format!("add `{version}: {name}` under versions: by hand, then run the same command again"),
            )
        };
        let edited = with_version(&text, version, name).ok_or_else(by_hand)?;
        let wanted = Model { recorded: vec![], ..model.clone() };
        match Model::from_yaml(&edited) {
            Ok(read_back) if read_back == wanted => Ok(edited),
            _ => Err(by_hand()),
        }
    }

    /// Writes a file under another name and moves it into its place.
    fn put(&self, file: &str, text: &str) -> Result<()> {
        let path = self.path.join(file);
        let doing = |error: &std::io::Error| Error::io(format!("writing {}", path.display()), error);
        let folder = path.parent().unwrap_or(&self.path);
        fs::create_dir_all(folder).map_err(|error| Error::io(format!("making {}", folder.display()), &error))?;
        let mut partial = tempfile::Builder::new().prefix(".").suffix(PARTIAL).tempfile_in(folder).map_err(|error| doing(&error))?;
        std::io::Write::write_all(&mut partial, text.as_bytes()).map_err(|error| doing(&error))?;
        readable_as(&path, partial.as_file()).map_err(|error| doing(&error))?;
        partial.persist(&path).map(drop).map_err(|error| doing(&error.error))
    }

    fn record(&self, version: u32) -> PathBuf {
        self.path.join("models").join(Model::record_name(version))
    }

    fn file(&self, backend: Backend, version: u32, name: &str) -> PathBuf {
        self.path.join(backend.word()).join(format!("{}.sql", file_stem(version, name)))
    }

    fn migration(&self, backend: Backend, version: u32, name: &str) -> Result<Option<Migration>> {
        let file = self.file(backend, version, name);
        match file.exists() {
            true => Migration::from_file(&read(&file)?, version, name, backend.dialect()?).map(Some),
            false => Ok(None),
        }
    }

    fn rendered(&self, model: &Model, backend: Backend, version: u32, name: &str) -> Result<Migration> {
        let dialect = backend.dialect()?;
        Migration::from_file(&script::migration_file(model, dialect, version)?, version, name, dialect)
    }

    fn released(&self) -> Result<Released> {
        let path = self.path.join("released");
        if !path.exists() {
            return Ok(BTreeMap::new());
        }
        let entry = |line: &str| {
            let mut words = line.split_whitespace();
            Some(((words.next()?.parse().ok()?, Backend::from_word(words.next()?).ok()?), words.next()?.to_string()))
        };
        let text = read(&path)?;
        let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
        let parsed = lines.map(|line| {
            entry(line).ok_or_else(|| out_of_sync(format!("{}: '{line}' is not `<version> <backend> <checksum>`", path.display())))
        });
        parsed.collect()
    }

    fn refuse_strangers(&self, model: &Model, backend: Backend) -> Result<()> {
        let folder = self.path.join(backend.word());
        let failed = |error: std::io::Error| Error::io(format!("reading {}", folder.display()), &error);
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let known = model.versions.iter().any(|(&version, name)| path == self.file(backend, version, name)) || is_partial(&path);
            if !known {
                return Err(out_of_sync(format!("{} is of no version of the model", path.display())));
            }
        }
        Ok(())
    }

    fn refuse_strange_records(&self, model: &Model) -> Result<()> {
        let folder = self.path.join("models");
        let failed = |error: std::io::Error| Error::io(format!("reading {}", folder.display()), &error);
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if !model.versions.keys().any(|&version| path == self.record(version)) && !is_partial(&path) {
                return Err(out_of_sync(format!("{} is of no version of the model", path.display())));
            }
        }
        Ok(())
    }
}

/// How the name of a file ends that is being written.
const PARTIAL: &str = ".partial";

/// Whether a file is what a run that was cut off left behind.
fn is_partial(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with('.') && name.ends_with(PARTIAL))
}

const RESTORE: &str = "restore the file from version control";

/// Every file of a model: backend, version and name.
fn files_of(model: &Model) -> impl Iterator<Item = (Backend, u32, &str)> {
    let versions = |backend: Backend| model.versions.iter().map(move |(&version, name)| (backend, version, name.as_str()));
    Backend::ALL.into_iter().flat_map(versions)
}

/// Whether the model says something else than the record of its newest version, beside what no statement comes of.
fn differs(model: &Model, is_released: bool) -> Result<bool> {
    let Some(record) = model.recorded.last() else { return Ok(true) };
    let settled = if is_released { record.latest() } else { record.latest() - 1 };
    let changed = |backfill: &&Backfill| backfill.since() <= settled && !record.backfill.contains(backfill);
    if let Some(backfill) = model.backfill.iter().find(changed) {
        return Err(out_of_sync(format!("a backfill of {} says something else than it did in V{}", backfill.table(), backfill.since()))
            .hint("what a version did to rows stays in its files: restore the backfill, or leave it out of the model"));
    }
    let open = |of: &Model| of.backfill.iter().filter(|backfill| backfill.since() > settled).cloned().collect::<Vec<_>>();
    // What cannot become of a version that is not released may still become of the one before it.
    let changes = match change::changes(record, model) {
        Err(error) if is_released => return Err(error),
        changes => changes.map_or(true, |changes| !changes.is_empty()),
    };
    Ok(changes || open(record) != open(model))
}

/// What a version changes, where every backend can do it and nothing is lost that may not be.
fn judged(model: &Model, version: u32, allow_destructive: bool) -> Result<Vec<Change>> {
    let (before, after) = (model.at(version.saturating_sub(1)), model.at(version));
    if let Some(name) = after.versions.get(&version) {
        version_name(name)?;
    }
    let changes = change::changes(&before, &after)?;
    for backend in Backend::ALL {
        change::require(&changes, &before, &after, backend.dialect()?)?;
    }
    match changes.iter().find(|change| change.is_destructive()) {
        Some(change) if !allow_destructive => Err(Error::new(
            Code::Destructive,
            format!("V{version} would {change}, and all that is stored there would be lost"),
            "run the same command with --allow-destructive, or put it back into model.yaml",
        )),
        _ => Ok(changes),
    }
}

fn version_name(name: &str) -> Result<()> {
    match !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_') {
        true => Ok(()),
        false => Err(Error::new(
            Code::Usage,
            format!("'{}' cannot name a version", name.escape_debug()),
            "a version's name is made of a to z, 0 to 9 and _, such as add_region",
        )),
    }
}

fn record_text(model: &Model, version: u32) -> Result<String> {
    let title = format!("# The model as it was at V{version}. Written by `amx-schema generate`; edit model.yaml instead.\n");
    Ok(title + &model.at(version).to_yaml()?)
}

/// The text of a model with a line for a further version after that of the last one; nothing where they are not listed a line each.
fn with_version(text: &str, version: u32, name: &str) -> Option<String> {
    let mut last: Option<(usize, &str, &str)> = None;
    let (mut at, mut inside) = (0, false);
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end_matches(['\n', '\r']);
        let entry = bare.trim_start();
        let indent = &bare[..bare.len() - entry.len()];
        let is_comment = entry.is_empty() || entry.starts_with('#');
        if inside && !is_comment {
            let number = entry.split(':').next().unwrap_or_default().trim_end();
            match number.parse::<u32>() {
                Ok(_) if !indent.is_empty() => last = Some((at + line.len(), indent, &line[bare.len()..])),
                _ => break,
            }
        }
        inside |= bare.trim_end() == "versions:" || bare.starts_with("versions: #");
        at += line.len();
    }
    let (end, indent, line_end) = last?;
    // The last line of a file may have no end.
    let (before, line_end) = if line_end.is_empty() { ("\n", "") } else { ("", line_end) };
    Some(format!("{}{before}{indent}{version}: {name}{line_end}{}", &text[..end], &text[end..]))
}

/// The first statement that two renderings of a version do not share, as its effect.
fn first_difference(committed: &Migration, rendered: &Migration) -> String {
    let mut pairs = (0..committed.steps.len().max(rendered.steps.len())).map(|at| (committed.steps.get(at), rendered.steps.get(at)));
    let difference = pairs.find_map(|pair| match pair {
        (Some(is), Some(should)) if is.effect == should.effect && committed.same(&is.sql, &should.sql) => None,
        (Some(is), Some(should)) if is.effect == should.effect => Some(format!("the statement `{}` is another", should.effect)),
        (Some(is), Some(should)) => Some(format!("it has `{}` where `{}` belongs", is.effect, should.effect)),
        (Some(is), None) => Some(format!("the statement `{}` is one too many", is.effect)),
        (None, Some(should)) => Some(format!("the statement `{}` is missing", should.effect)),
        (None, None) => None,
    });
    difference.unwrap_or_else(|| "something stands between its statements".into())
}

fn unchanged_since_release(released: &Released, backend: Backend, committed: Option<&Migration>, rendered: &Migration) -> Result<()> {
    let version = rendered.version;
    let Some(checksum) = released.get(&(version, backend)) else { return Ok(()) };
    let which = match committed {
        Some(committed) if committed.checksum() == *checksum => return Ok(()),
        Some(committed) => first_difference(committed, rendered),
        None => "the file is gone".into(),
    };
    Err(Error::new(
        Code::ChecksumMismatch,
        format!("V{version} for {backend} is released and is not what it was: {which}"),
        "restore the file from version control; a change needs a new version",
    ))
}

/// Gives a new file the mode of the one that it replaces, else the one that files have which are committed.
fn readable_as(path: &Path, file: &fs::File) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(path).map_or(0o644, |old| old.permissions().mode());
        file.set_permissions(fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| Error::io(format!("reading {}", path.display()), &error))
}

fn out_of_sync(message: String) -> Error {
    Error::new(Code::ModelOutOfSync, message, "run `amx-schema generate` and commit what it writes")
}
