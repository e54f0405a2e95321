//! Questions to a person, on stderr.

use super::{Printer, neutral, one_line};
use crate::error::{Code, Error, Result};
use dialoguer::theme::{SimpleTheme, Theme};
use dialoguer::{Input, Password, Select};
use secrecy::SecretString;
use std::fmt;
use std::io::IsTerminal;

/// Yes or no as the documents show it: `Proceed? [y/N]: y`.
pub(super) struct YesOrNo;

impl Theme for YesOrNo {
    fn format_confirm_prompt(&self, f: &mut dyn fmt::Write, prompt: &str, _default: Option<bool>) -> fmt::Result {
        write!(f, "{prompt} [y/N]: ")
    }

    fn format_confirm_prompt_selection(&self, f: &mut dyn fmt::Write, prompt: &str, answer: Option<bool>) -> fmt::Result {
        let answer = answer.map_or("", |yes| if yes { "y" } else { "n" });
        write!(f, "{prompt} [y/N]: {answer}")
    }
}

/// An answer after a bare `> `.
struct Bare;

impl Theme for Bare {
    fn format_input_prompt(&self, f: &mut dyn fmt::Write, _prompt: &str, _default: Option<&str>) -> fmt::Result {
        f.write_str("> ")
    }

    fn format_input_prompt_selection(&self, f: &mut dyn fmt::Write, _prompt: &str, chosen: &str) -> fmt::Result {
        write!(f, "> {chosen}")
    }
}

/// The answer to a numbered list.
pub enum Numbered {
    /// The item with this index.
    Item(usize),
    /// A command instead, from its slash on.
    Command(String),
    /// Just Enter.
    Nothing,
}

impl Printer {
    /// Whether a person sits at both ends, so that a menu makes sense.
    pub fn is_interactive(&self) -> bool {
        !self.json && self.can_ask() && std::io::stdout().is_terminal()
    }

    /// Says on stderr what the next question is about; also to a quiet user, who is asked all the same.
    pub fn before_question(&self, text: &str) {
        self.stderr(text);
    }

    /// Asks for the number of one of the items, which are counted from 1. A command in its slash form is an answer too, and nothing at all.
    ///
    /// # Errors
    /// `interrupted`.
    pub fn choose_number(&self, items: &[String]) -> Result<Numbered> {
        for (index, item) in items.iter().enumerate() {
            self.stderr(&format!("[{}] {}", index + 1, one_line(item)));
        }
        let count = items.len();
        let read = move |text: &str| match text.trim() {
            "" => Some(Numbered::Nothing),
            command if command.starts_with('/') => Some(Numbered::Command(command.into())),
            number => number.parse().ok().filter(|number| (1..=count).contains(number)).map(|number| Numbered::Item(number - 1)),
        };
        let good = move |text: &String| read(text).map(drop).ok_or_else(|| format!("give a number from 1 to {count}"));
        let input = Input::<String>::with_theme(&Bare).allow_empty(true).validate_with(good);
        let given = input.interact_text().map_err(|_| interrupted())?;
        Ok(read(&given).unwrap_or(Numbered::Nothing))
    }

    /// Lets one of the items be chosen by arrow keys; nothing where the person left with Escape.
    ///
    /// # Errors
    /// `interrupted`.
    pub fn choose(&self, prompt: &str, items: &[&str], default: usize) -> Result<Option<usize>> {
        let menu = Select::with_theme(&SimpleTheme).with_prompt(neutral(prompt)).items(items).default(default).report(false);
        let chosen = menu.interact_opt().map_err(|_| interrupted())?;
        if let Some(item) = chosen.and_then(|index| items.get(index)) {
            self.stderr(&format!("> {item}"));
        }
        Ok(chosen)
    }

    /// Asks for a text. Just Enter gives `default`, which is shown where `show_default` says so; no text at all is an answer where it is empty.
    ///
    /// # Errors
    /// `interrupted`.
    pub fn ask(&self, prompt: &str, default: &str, show_default: bool, good: impl Fn(&str) -> Result<()>) -> Result<String> {
        let good = |text: &String| good(text).map_err(|error| error.message);
        let input = Input::<String>::with_theme(&SimpleTheme).with_prompt(neutral(prompt)).validate_with(good);
        let input = match default.is_empty() {
            true => input.allow_empty(true),
            false => input.default(default.to_owned()).show_default(show_default),
        };
        input.interact_text().map_err(|_| interrupted())
    }

    /// Asks for a secret, which is not shown. Just Enter gives none.
    ///
    /// # Errors
    /// `interrupted`.
    pub fn ask_secret(&self, prompt: &str) -> Result<Option<SecretString>> {
        let asked = Password::with_theme(&SimpleTheme).with_prompt(prompt).allow_empty_password(true).interact();
        let given = asked.map_err(|_| interrupted())?;
        Ok((!given.is_empty()).then(|| given.into()))
    }
}

fn interrupted() -> Error {
    super::restore_terminal();
    Error::new(Code::Interrupted, "interrupted at the question; nothing was changed", "run the same command again")
}
