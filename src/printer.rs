//! What a person and a script see: data on stdout, talk on stderr. The only place that prints.

mod ago;
mod pager;
mod questions;

pub use ago::{ago, counted};
pub use pager::is_open as pager_is_open;
pub use questions::Numbered;

use crate::error::{Code, Error, Result};
use comfy_table::{ContentArrangement, Table, presets};
use dialoguer::console::{Term, style};
use serde::Serialize;
use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

/// How much is said, and in which form.
#[derive(Debug, Clone, Copy, Default)]
pub struct Printer {
    /// Whether stdout is one JSON document.
    pub json: bool,
    /// Whether to leave out progress and remarks.
    pub quiet: bool,
    /// How often `-v` was given.
    pub verbose: u8,
    /// Whether every question is answered yes.
    pub yes: bool,
    /// Only lines of data that hold this text are written. It is static so that a printer stays a small value that is passed on by copy.
    pub only: Option<&'static str>,
}

impl Printer {
    /// Writes data to stdout, whole lines. A terminal gets none of the characters that drive it; whatever else reads gets them all.
    pub fn data(&self, text: &str) {
        match io::stdout().is_terminal() {
            true => self.drawn(&neutral(text)),
            false => self.drawn(text),
        }
    }

    /// Writes text with colours of ours to stdout, in which stored text is [`neutral`] already.
    pub fn drawn(&self, text: &str) {
        let kept: Cow<'_, str> = match self.only {
            Some(part) => text.split_inclusive('\n').filter(|line| line.contains(part)).collect::<String>().into(),
            None => text.into(),
        };
        let mut out = io::stdout().lock();
        let written = out.write_all(kept.as_bytes()).and_then(|()| out.flush());
        self.after_stdout(written);
    }

    /// Writes a result: JSON where that was asked for, else what `shown` makes of it.
    pub fn result<T: Serialize>(&self, result: &T, shown: impl FnOnce(&T) -> String) -> Result<()> {
        let text = match self.json {
            true => json(result)?,
            false => neutral(&shown(result)),
        };
        self.drawn(&whole_lines(text));
        Ok(())
    }

    /// [`Printer::result`], through a pager where it is longer than the terminal.
    pub fn long_result<T: Serialize>(&self, result: &T, shown: impl FnOnce(&T) -> String) -> Result<()> {
        self.long_drawn_result(result, |result| neutral(&shown(result)))
    }

    /// [`Printer::long_result`] with colours of ours, in which stored text is [`neutral`] already.
    pub fn long_drawn_result<T: Serialize>(&self, result: &T, shown: impl FnOnce(&T) -> String) -> Result<()> {
        let text = whole_lines(if self.json { json(result)? } else { shown(result) });
        if self.json || !pager::show(&text) {
            self.drawn(&text);
        }
        Ok(())
    }

    /// Says something on stderr that a quiet user does not want.
    pub fn talk(&self, text: &str) {
        if self.talks() {
            self.stderr(text);
        }
    }

    /// Whether what is said on the way is heard.
    pub fn talks(&self) -> bool {
        !self.quiet && !self.json
    }

    /// Warns on stderr.
    pub fn warn(&self, text: &str) {
        self.stderr(&format!("warning: {}", one_line(text)));
    }

    /// Says why nothing happens for a while: on a terminal one line that counts down, elsewhere one line at the beginning.
    pub fn countdown(&self, why: &str, left: Duration, whole: Duration) {
        let seconds = left.as_millis().div_ceil(1000);
        let text = format!("{}; going on in {seconds} s", one_line(why));
        match io::stderr().is_terminal() && !self.quiet && !self.json {
            true => {
                let mut err = io::stderr().lock();
                let end = if seconds <= 1 { "\r\x1b[K" } else { "" };
                // A closed stderr is nobody's loss.
                let _ = write!(err, "\r\x1b[K{text}{end}").and_then(|()| err.flush());
            }
            false if left == whole => self.talk(&text),
            false => {}
        }
    }

    /// Reports a failure on stderr: two lines, or one JSON document.
    pub fn error(&self, error: &Error) {
        let [message, hint] = [&error.message, &error.hint].map(|text| without_passwords(text));
        match self.json {
            true => {
                let body = serde_json::json!({ "code": error.code.word(), "message": message, "hint": hint });
                self.stderr(&json_line(&serde_json::json!({ "error": body })));
            }
            false => self.stderr(&format!("error[{}]: {}\nhint: {}", error.code.word(), one_line(&message), one_line(&hint))),
        }
    }

    /// Whether a question can be put to a person.
    pub fn can_ask(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Asks, with no for an answer to just Enter.
    ///
    /// # Errors
    /// `confirmation_required` where nobody can be asked and `--yes` was not given; `interrupted`.
    pub fn confirm(&self, question: &str) -> Result<bool> {
        if self.yes {
            return Ok(true);
        }
        if !self.can_ask() {
            return Err(Error::new(
                Code::ConfirmationRequired,
                format!("this asks '{question}', and there is no terminal to ask on"),
                "give --yes to go ahead",
            ));
        }
        let asked = dialoguer::Confirm::with_theme(&questions::YesOrNo)
            .with_prompt(neutral(question))
            .default(false)
            .wait_for_newline(true)
            .interact();
        asked.map_err(|_| interrupted())
    }

    /// Lines on stderr. A closed stderr is nobody's loss.
    fn stderr(&self, text: &str) {
        let mut err = io::stderr().lock();
        let _ = writeln!(err, "{}", neutral(text));
    }

    /// A reader that has seen enough ends the program quietly; any other failure of stdout is said.
    fn after_stdout(&self, written: io::Result<()>) {
        match written {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
            Err(error) => {
                self.error(&Error::io("writing to stdout", &error));
                std::process::exit(i32::from(Code::Io.exit()));
            }
        }
    }
}

fn interrupted() -> Error {
    Error::new(Code::Interrupted, "interrupted at the question; nothing was changed", "run the same command again")
}

/// Whether stdout takes colours: a terminal does, unless `NO_COLOR` is set.
pub fn can_colour() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Gives a terminal its cursor back, which a question that was cut off had hidden.
pub fn restore_terminal() {
    if io::stderr().is_terminal() {
        // A terminal that is gone has no cursor to show.
        let _ = dialoguer::console::Term::stderr().show_cursor();
    }
}

/// Rows as a table without lines, as wide as they need.
pub fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let rows = rows.into_iter().map(|row| row.iter().map(|cell| one_line(cell)).collect());
    laid_out(header, rows, None)
}

/// [`table`], folded to the width of a terminal. Its cells may have colours, so each must be [`one_line`] beforehand.
pub fn fitted_table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    laid_out(header, rows, Term::stdout().size_checked().map(|(_, columns)| columns))
}

fn laid_out(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>, width: Option<u16>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.to_vec());
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    table.lines().map(|line| line.trim_end().to_string() + "\n").collect()
}

/// Text that the other side has not, in colour. The line beneath shows where it is blank.
pub fn removed(text: &str) -> String {
    style(text).red().underlined().force_styling(true).to_string()
}

/// Text that this side has in its place.
pub fn added(text: &str) -> String {
    style(text).green().underlined().force_styling(true).to_string()
}

fn whole_lines(text: String) -> String {
    match text.is_empty() || text.ends_with('\n') {
        true => text,
        false => text + "\n",
    }
}

/// Text without the password of a URL in it, such as one that was given where a name belongs.
fn without_passwords(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        let end = after.find(|c: char| c.is_whitespace() || "'`\"".contains(c)).unwrap_or(after.len());
        let (url, behind) = after.split_at(end);
        let hidden = url.rsplit_once('@').and_then(|(login, place)| Some(format!("{}:***@{place}", login.split_once(':')?.0)));
        shown.extend([before, "://", &hidden.unwrap_or_else(|| url.to_owned())]);
        rest = behind;
    }
    shown + rest
}

/// Text without the characters by which stored text could drive a terminal, or be read in another order than it is written in.
pub fn neutral(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\t' => c.to_string(),
        c if is_hidden(c) => c.escape_unicode().to_string(),
        c => c.to_string(),
    };
    text.chars().map(shown).collect()
}

/// [`neutral`] text that cannot pass for a line of ours.
pub fn one_line(text: &str) -> String {
    neutral(text).replace(['\n', '\t'], " ")
}

/// A value as a JSON document, with those characters as JSON's own escapes: serde_json escapes the first 32 alone, and U+009B drives a terminal too.
///
/// # Errors
/// `internal` where the value has no JSON form.
pub fn json<T: Serialize>(value: &T) -> Result<String> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Error::internal(format!("a result has no JSON form: {error}")))?;
    Ok(escaped(&text))
}

/// The same on one line.
pub fn json_line(value: &serde_json::Value) -> String {
    escaped(&value.to_string())
}

/// JSON with its hidden characters as escapes. They are nowhere but in its texts; its own line feeds stay.
fn escaped(json: &str) -> String {
    let shown = |c: char| match c {
        '\n' => c.to_string(),
        c if is_hidden(c) => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    };
    json.chars().map(shown).collect()
}

/// Control characters, and those that turn the order of what follows: <https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters>.
pub fn is_hidden(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
