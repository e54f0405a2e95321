//! The folder that migrations are committed in: written from the model, checked against it, and never changed once released.

use super::{Migration, file_stem};
use crate::dialect::Backend;
use crate::error::{Code, Error, Result};
use crate::model::Model;
use crate::{feasibility, script};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A folder with `model.yaml`, a folder for each backend, and `released`.
///
/// `released` holds a line `<version> <backend> <checksum>` for each file that must never change again.
#[derive(Debug, Clone)]
pub struct Folder {
    /// Where it is.
    pub path: PathBuf,
}

/// What [`Folder::write`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// The files that were written, relative to the folder.
    pub files: Vec<String>,
    /// How many said already what the model says.
    pub unchanged: usize,
}

impl Folder {
    /// The model of the folder, found feasible on every backend.
    ///
    /// # Errors
    /// `model_infeasible`, `io`.
    pub fn model(&self) -> Result<Model> {
        let model = Model::from_yaml(&read(&self.path.join("model.yaml"))?)?;
        for backend in Backend::ALL {
            feasibility::require(&model, backend.dialect()?)?;
        }
        Ok(model)
    }

    /// Proves that the files say what the model says, and that released ones are what they were. Says how many files it looked at.
    ///
    /// # Errors
    /// `model_out_of_sync` where a file is missing, differs, or is of no version; `checksum_mismatch` where a released one was changed.
    pub fn check(&self) -> Result<usize> {
        let model = self.model()?;
        let released = self.released()?;
        let mut looked_at = 0;
        for backend in Backend::ALL {
            for (&version, name) in &model.versions {
                let file = self.file(backend, version, name);
                let committed = self.migration(backend, version, name)?;
                self.unchanged_since_release(&released, backend, version, committed.as_ref())?;
                let rendered = self.rendered(&model, backend, version, name)?;
                let same =
                    |committed: &Migration| committed.checksum() == rendered.checksum() && committed.steps.len() == rendered.steps.len();
                if !committed.as_ref().is_some_and(same) {
                    let what = if committed.is_some() { "does not say what the model says" } else { "is missing" };
                    return Err(out_of_sync(format!("{} {what}", file.display())));
                }
                looked_at += 1;
            }
            self.refuse_strangers(&model, backend)?;
        }
        Ok(looked_at)
    }

    /// Renders the versions that are not released.
    ///
    /// # Errors
    /// `checksum_mismatch` where a released file is not what it was; `model_out_of_sync` where the model no longer says what a released file says.
    pub fn write(&self) -> Result<Written> {
        let model = self.model()?;
        let released = self.released()?;
        let mut pending = vec![];
        let mut written = Written::default();
        for backend in Backend::ALL {
            for (&version, name) in &model.versions {
                let committed = self.migration(backend, version, name)?;
                self.unchanged_since_release(&released, backend, version, committed.as_ref())?;
                let rendered = self.rendered(&model, backend, version, name)?;
                if committed.is_some_and(|committed| committed.checksum() == rendered.checksum() && committed.steps == rendered.steps) {
                    written.unchanged += 1;
                } else if released.contains_key(&(version, backend)) {
                    return Err(out_of_sync(format!("the model changes V{version} for {backend}, which is released"))
                        .hint("bring the change with `since:` a new version, and leave what is released as it is"));
                } else {
                    pending.push((backend, version, name));
                }
            }
        }
        for (backend, version, name) in pending {
            let text = script::migration_file(&model, backend.dialect()?, version)?;
            let file = self.file(backend, version, name);
            let folder = self.path.join(backend.word());
            fs::create_dir_all(&folder).map_err(|error| Error::io(format!("making {}", folder.display()), &error))?;
            fs::write(&file, text).map_err(|error| Error::io(format!("writing {}", file.display()), &error))?;
            written.files.push(format!("{backend}/{}.sql", file_stem(version, name)));
        }
        Ok(written)
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

    fn released(&self) -> Result<BTreeMap<(u32, Backend), String>> {
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

    fn unchanged_since_release(
        &self,
        released: &BTreeMap<(u32, Backend), String>,
        backend: Backend,
        version: u32,
        committed: Option<&Migration>,
    ) -> Result<()> {
        let Some(checksum) = released.get(&(version, backend)) else { return Ok(()) };
        if committed.is_some_and(|committed| committed.checksum() == *checksum) {
            return Ok(());
        }
        Err(Error::new(
            Code::ChecksumMismatch,
            format!("V{version} for {backend} is released and is not what it was"),
            "restore the file from version control; a change needs a new version",
        ))
    }

    fn refuse_strangers(&self, model: &Model, backend: Backend) -> Result<()> {
        let folder = self.path.join(backend.word());
        let failed = |error: std::io::Error| Error::io(format!("reading {}", folder.display()), &error);
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let known = model.versions.iter().any(|(&version, name)| path == self.file(backend, version, name));
            if !known {
                return Err(out_of_sync(format!("{} is of no version of the model", path.display())));
            }
        }
        Ok(())
    }
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| Error::io(format!("reading {}", path.display()), &error))
}

fn out_of_sync(message: String) -> Error {
    Error::new(Code::ModelOutOfSync, message, "run `amx-schema generate` and commit what it writes")
}
