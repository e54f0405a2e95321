//! What Tab offers, from the commands as clap has them: a new command is offered without a change here.

use super::line::{FORMS, Meaning, apart, form};
use clap::{Arg, Command};

/// Where the word at the end of `typed` begins, and what it may become. `profiles` names the profiles where one is wanted.
pub(super) fn candidates(commands: &Command, profiles: impl Fn() -> Vec<String>, typed: &str) -> (usize, Vec<String>) {
    let start = typed.rfind(char::is_whitespace).map_or(0, |at| at + typed[at..].chars().next().map_or(1, char::len_utf8));
    let (before, word) = typed.split_at(start);
    let before: Vec<String> = before.split_whitespace().map(str::to_string).collect();
    let mut offered = match before.last().map(String::as_str) {
        None => first_words(commands, word),
        Some("|") => vec!["grep".into()],
        Some("--profile") => profiles(),
        Some(_) if before.iter().any(|word| word == "|") => vec![],
        Some(last) => next_words(commands, &apart(before.clone()), last, word),
    };
    offered.retain(|offer| offer.starts_with(word));
    offered.sort();
    offered.dedup();
    // With a blank after it, the next Tab offers what follows.
    (start, offered.into_iter().map(|offer| offer + " ").collect())
}

/// What a line may begin with: in the slash form, unless a plain word was begun.
fn first_words(commands: &Command, word: &str) -> Vec<String> {
    let slash = if word.is_empty() || word.starts_with('/') { "/" } else { "" };
    let ours = visible(commands).filter(|name| *name != "shell").map(|name| format!("{slash}{name}"));
    let forms = FORMS.iter().filter(|(_, meaning)| !matches!(meaning, Meaning::Amx)).map(|(form, _)| match slash {
        // Those of two words end in one, so that a Tab after `/db/` goes on.
        "/" if form.len() > 1 && word[1.min(word.len())..].contains('/') => format!("/{}", form.join("/")),
        slash => format!("{slash}{}", form[0]),
    });
    ours.chain(forms).collect()
}

/// What may follow words, in their plain form.
fn next_words(commands: &Command, before: &[String], last: &str, word: &str) -> Vec<String> {
    let longer = |(form, meaning): &(&'static [&'static str], Meaning)| {
        (form.len() > before.len() && form.iter().zip(before).all(|(part, word)| part == word) && !matches!(meaning, Meaning::Amx))
            .then(|| form[before.len()].to_string())
    };
    let mut offered: Vec<String> = FORMS.iter().filter_map(longer).collect();
    let ours: Vec<&str> = match form(before) {
        None => before.iter().map(String::as_str).collect(),
        Some((form, Meaning::Words(ours))) => ours.iter().copied().chain(before[form.len()..].iter().map(String::as_str)).collect(),
        Some(_) => return offered,
    };
    let mut command = commands;
    for part in &ours {
        command = command.find_subcommand(part).unwrap_or(command);
    }
    let flag = last.strip_prefix("--").and_then(|long| command.get_arguments().find(|arg| arg.get_long() == Some(long)));
    let takes_value = |arg: &&Arg| arg.get_action().takes_values();
    match flag.filter(takes_value) {
        Some(flag) => offered = values(flag),
        None if word.starts_with('-') => {
            let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
            offered.extend(shown.filter_map(Arg::get_long).map(|long| format!("--{long}")));
        }
        None => {
            offered.extend(visible(command).filter(|name| *name != "shell").map(str::to_string));
            offered.extend(command.get_positionals().flat_map(values));
        }
    }
    offered
}

fn visible(command: &Command) -> impl Iterator<Item = &str> {
    command.get_subcommands().filter(|sub| !sub.is_hide_set()).map(Command::get_name)
}

fn values(arg: &Arg) -> Vec<String> {
    arg.get_possible_values().iter().filter(|value| !value.is_hide_set()).map(|value| value.get_name().to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(typed: &str) -> Vec<String> {
        let mut commands = crate::cli::command();
        commands.build();
        candidates(&commands, || vec!["prod-pg".into(), "dev".into()], typed).1.iter().map(|offer| offer.trim().to_string()).collect()
    }

    #[test]
    fn the_first_word_is_a_slash_form_or_a_command() {
        assert_eq!(offered("/hist"), ["/history", "/history-store"]);
        assert_eq!(offered("hist"), ["history", "history-store"]);
        assert_eq!(offered("/db/"), ["/db/history-store", "/db/inspect"]);
        assert_eq!(offered("/ex"), ["/exit"]);
        assert!(offered("").contains(&"/status".to_string()));
    }

    #[test]
    fn the_commands_after_a_form_are_those_that_clap_has() {
        assert_eq!(offered("/history-store en"), ["enable"]);
        assert_eq!(offered("/db/history-store dis"), ["disable"]);
        assert_eq!(offered("/db "), ["history-store", "inspect"]);
        assert_eq!(offered("/config "), ["help", "reload", "show"]);
        assert_eq!(offered("/migrate lock s"), ["status"]);
    }

    #[test]
    fn flags_and_their_values_are_offered() {
        assert!(offered("/history list --li").contains(&"--limit".to_string()));
        assert_eq!(offered("/history-store enable --profile p"), ["prod-pg"]);
        assert_eq!(offered("/migrate-from-local --on-conflict r"), ["rename"]);
        assert_eq!(offered("completions z"), ["zsh"]);
        assert_eq!(offered("/config show | "), ["grep"]);
    }

    #[test]
    fn the_word_that_is_completed_begins_after_the_last_blank() {
        let (start, _) = candidates(&crate::cli::command(), Vec::new, "/history-store ena");
        assert_eq!(start, "/history-store ".len());
    }

    proptest::proptest! {
        #[test]
        fn no_line_makes_it_panic(typed in ".*") {
            offered(&typed);
        }
    }
}
