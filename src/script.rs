//! Steps written down for people: the bootstrap script for a DBA, and the migration files.

use crate::dialect::{Dialect, SchemaName};
use crate::error::Result;
use crate::model::Model;
use crate::render::{Effect, Renderer, Step, Turn, Way};
use minijinja::context;

/// What a migration file has before each step; what follows it on the line is the step's [`Effect`].
const STEP_MARK: &str = "-- step: ";

/// The bootstrap script of a store: everything that [`Renderer`] says, in the order in which it must run.
#[derive(Debug, Clone, Copy)]
pub struct Script<'a> {
    /// The model to write down.
    pub model: &'a Model,
    /// The dialect to write in.
    pub dialect: &'a Dialect,
    /// The schema that the tables are in.
    pub schema: &'a SchemaName,
    /// BigQuery's location of the dataset.
    pub location: Option<&'a str>,
    /// The checksum of each version, from 1.
    pub checksums: &'a [String],
}

impl Script<'_> {
    /// The whole store in one script that can be run twice.
    pub fn squashed(&self) -> Result<String> {
        let steps = self.renderer().squashed_steps(self.model)?;
        self.written(&[(None, steps)], Way::Squashed)
    }

    /// The migrations one after the other.
    pub fn versioned(&self) -> Result<String> {
        let mut parts = vec![];
        for (&version, name) in &self.model.versions {
            parts.push((Some(format!("V{version} {name}")), self.renderer().version_steps(self.model, version)?));
        }
        self.written(&parts, Way::Versioned)
    }

    fn renderer(&self) -> Renderer<'_> {
        Renderer { dialect: self.dialect, schema: self.schema }
    }

    fn written(&self, parts: &[(Option<String>, Vec<Step>)], way: Way) -> Result<String> {
        let mut text = format!("-- {} bootstrap DDL ({} dialect)\n", self.model.title, self.dialect.name);
        let intro = self.dialect.render("intro.txt", self.schema, context! {
            versioned => parts.len() > 1, location => self.location, once => parts.len() > 1 && parts.iter().any(|(_, steps)| undoes(steps)),
            schema_word => self.dialect.schema_word.as_str(),
        })?;
        // What a store of an older version lacks cannot be made by a script that makes whole tables.
        let older = "On a store of an older version the statements that name what it lacks fail, and the newer version is not recorded:\n\
                     there, use `amx-schema migrate` or `dump-ddl --versioned`.";
        let older = if parts.len() > 1 { "" } else { older };
        for line in intro.lines().chain(older.lines()) {
            text.push_str(&format!("-- {line}\n"));
        }
        let preamble = self.dialect.render("preamble.sql", self.schema, context! { location => self.location })?;
        if !preamble.is_empty() {
            text.push_str(&format!("\n{preamble}\n"));
        }
        let renderer = self.renderer();
        for step in renderer.schema_step(self.location)?.iter().chain([&renderer.ledger_step(self.model)?]) {
            self.push(&mut text, step);
        }
        if Turn::Write.is_taken_on(self.dialect) {
            for step in renderer.lock_steps_again(self.model)? {
                self.push(&mut text, &step);
            }
        }
        for (heading, steps) in parts {
            if let Some(heading) = heading {
                text.push_str(&format!("\n-- {heading}\n"));
            }
            for step in steps {
                self.push(&mut text, step);
            }
        }
        text.push_str("\n-- The ledger: a version is recorded only where the catalog shows what it brings.\n");
        for step in renderer.ledger_rows(self.model, self.checksums, way)? {
            self.push(&mut text, &step);
        }
        let grants = renderer.grants(self.model)?;
        if !grants.is_empty() {
            text.push_str("\n-- Privileges: fill in the names, take the dashes away, and run what you need.\n");
        }
        for line in grants {
            text.push_str(&format!("-- {line}{}\n", self.dialect.separator.replace('\n', "\n-- ")));
        }
        Ok(text)
    }

    fn push(&self, text: &mut String, step: &Step) {
        text.push_str(&format!("\n{}{}\n", step.sql, self.dialect.separator));
    }
}

/// Whether a name is gone after these steps that an earlier version has statements for.
fn undoes(steps: &[Step]) -> bool {
    let gone = |effect: &Effect| matches!(effect, Effect::RenameColumn { .. } | Effect::DropColumn { .. } | Effect::DropTable { .. });
    steps.iter().any(|step| gone(&step.effect))
}

/// The file of one version, as it is committed: its schema is not known yet.
pub fn migration_file(model: &Model, dialect: &Dialect, version: u32) -> Result<String> {
    let schema = SchemaName::placeholder();
    let name = model.versions.get(&version).map(String::as_str).unwrap_or_default();
    let mut text = format!("-- {} V{version} {name} ({} dialect)\n", model.title, dialect.name);
    text.push_str("-- Rendered from model.yaml by `amx-schema generate`. Never edited once released.\n");
    for step in (Renderer { dialect, schema: &schema }).version_steps(model, version)? {
        text.push('\n');
        if let Some(lost) = step.effect.loses() {
            text.push_str(&format!("-- destructive: {lost}\n"));
        }
        text.push_str(&format!("{STEP_MARK}{}\n{}{}\n", step.effect, step.sql, dialect.separator));
    }
    Ok(text)
}

/// Reads the steps of a migration file, whatever its line ends, blank lines and further comments. One whose mark is not one of ours is left out,
/// which the check of files against model shows.
pub fn steps_of(file: &str, dialect: &Dialect) -> Vec<Step> {
    let mut steps: Vec<Option<(Effect, Vec<&str>)>> = vec![];
    for line in file.lines() {
        match (line.strip_prefix(STEP_MARK), steps.last_mut()) {
            (Some(mark), _) => steps.push(Effect::from_text(mark.trim()).map(|effect| (effect, vec![]))),
            (None, Some(Some((_, lines)))) => lines.push(line),
            (None, _) => {}
        }
    }
    let step = |(effect, mut lines): (Effect, Vec<&str>)| {
        while lines.last().is_some_and(|line| line.trim().is_empty() || line.starts_with("--")) {
            lines.pop();
        }
        let sql = lines.join("\n");
        let sql = sql.trim_end().strip_suffix(dialect.separator.as_str()).unwrap_or(&sql);
        Step { effect, sql: sql.into() }
    };
    steps.into_iter().flatten().map(step).collect()
}
