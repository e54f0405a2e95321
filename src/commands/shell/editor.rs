//! The prompt: a line editor with history and Tab. The only file that names rustyline.

use super::complete::candidates;
use crate::cli;
use crate::commands::Session;
use crate::config::Config;
use crate::error::{Error, Result};
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{Behavior, CompletionType, Context, Helper};
use std::path::PathBuf;

const PROMPT: &str = "> ";
/// The history, beside the configuration. rustyline makes the file readable by its owner alone.
const HISTORY: &str = "shell_history";
const HISTORY_LINES: usize = 1000;

/// What a person did at the prompt.
pub(super) enum Typed {
    /// Gave a line.
    Line(String),
    /// Pressed Ctrl-C, which clears the line.
    Nothing,
    /// Pressed Ctrl-D.
    End,
}

pub(super) struct Editor {
    inner: rustyline::Editor<Tab, FileHistory>,
    history: PathBuf,
}

impl Editor {
    pub(super) fn new(session: &Session) -> Result<Editor> {
        let config = rustyline::Config::builder()
            .completion_type(CompletionType::List)
            .history_ignore_space(true)
            // The prompt goes to the terminal also where stdout goes to a file.
            .behavior(Behavior::PreferTerm)
            .max_history_size(HISTORY_LINES)
            .and_then(|config| config.history_ignore_dups(true))
            .map_err(|error| failed(&error))?
            .build();
        let mut inner = rustyline::Editor::with_config(config).map_err(|error| failed(&error))?;
        let mut commands = cli::command();
        commands.build();
        inner.set_helper(Some(Tab { commands, home: session.home.clone() }));
        let history = session.home.join(HISTORY);
        // None is there at first, and a damaged one is no reason not to start.
        let _ = inner.load_history(&history);
        Ok(Editor { inner, history })
    }

    pub(super) fn read(&mut self) -> Result<Typed> {
        match self.inner.readline(PROMPT) {
            Ok(line) => {
                if !line.trim().is_empty() && !may_hold_a_secret(&line) && self.inner.add_history_entry(&line).unwrap_or(false) {
                    // A home that is not there yet, or is not to be written to, has no history.
                    let _ = self.inner.append_history(&self.history);
                }
                Ok(Typed::Line(line))
            }
            Err(ReadlineError::Interrupted) => Ok(Typed::Nothing),
            Err(ReadlineError::Eof) => Ok(Typed::End),
            Err(error) => Err(failed(&error)),
        }
    }
}

fn failed(error: &ReadlineError) -> Error {
    Error::io("reading from the terminal", &std::io::Error::other(error.to_string()))
}

/// Whether a line is better forgotten.
fn may_hold_a_secret(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    let words = ["password", "passwd", "passphrase", "secret", "token", "api_key", "apikey", "private_key"];
    words.iter().any(|word| line.contains(word)) || line.split_once("://").is_some_and(|(_, rest)| rest.contains('@'))
}

/// What Tab does.
struct Tab {
    commands: clap::Command,
    home: PathBuf,
}

impl Completer for Tab {
    type Candidate = String;

    fn complete(&self, line: &str, position: usize, _context: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let profiles = || Config::load(&self.home).map(|config| config.profiles().into_iter().map(|(name, _)| name).collect());
        Ok(candidates(&self.commands, || profiles().unwrap_or_default(), line.get(..position).unwrap_or(line)))
    }
}

impl Hinter for Tab {
    type Hint = String;
}

impl Highlighter for Tab {}

impl Validator for Tab {}

impl Helper for Tab {}

#[cfg(test)]
mod tests {
    use super::may_hold_a_secret;

    #[test]
    fn lines_with_a_secret_are_not_kept() {
        for line in ["/add-db-profile p --backend pg --set password=x", "profile add p --from-url pg://u:x@h/d", "/x --set access_TOKEN=y"]
        {
            assert!(may_hold_a_secret(line), "{line}");
        }
        for line in ["/history list", "/history-store enable --profile prod-pg", "status --url sqlite:///srv/a.db"] {
            assert!(!may_hold_a_secret(line), "{line}");
        }
    }
}
