//! What a line asks for: AMX's slash form, or the words of our own command line.

use crate::error::{Code, Error, Result};

/// What a line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Nothing: a blank line or a comment.
    Nothing,
    /// A command of ours.
    Run {
        /// As on the command line.
        words: Vec<String>,
        /// Only lines of its data with this in them are to be written.
        only: Option<String>,
    },
    /// To read the configuration again.
    Reload {
        /// As for a command.
        only: Option<String>,
    },
    /// A command of AMX itself.
    OfAmx(String),
    /// To end the shell.
    Exit,
}

/// What stands for the first words of a line.
#[derive(Debug, Clone, Copy)]
pub(super) enum Meaning {
    /// These words of our own command line.
    Words(&'static [&'static str]),
    /// [`Asked::Reload`].
    Reload,
    /// [`Asked::Exit`].
    Exit,
    /// [`Asked::OfAmx`].
    Amx,
}

/// The forms that are not our own words already. The longest that a line begins with counts; `/db/history-store` is `db history-store`.
pub(super) const FORMS: &[(&[&str], Meaning)] = &[
    (&["history-store"], Meaning::Words(&[])),
    (&["db", "history-store"], Meaning::Words(&[])),
    (&["db", "inspect"], Meaning::Words(&["inspect"])),
    (&["db-profiles"], Meaning::Words(&["profile", "list", "--names"])),
    (&["add-db-profile"], Meaning::Words(&["profile", "add"])),
    (&["config", "reload"], Meaning::Reload),
    (&["exit"], Meaning::Exit),
    (&["quit"], Meaning::Exit),
    (&["db"], Meaning::Amx),
    (&["run"], Meaning::Amx),
    (&["run-apply"], Meaning::Amx),
    (&["rerun"], Meaning::Amx),
    (&["apply"], Meaning::Amx),
    (&["ask"], Meaning::Amx),
    (&["search"], Meaning::Amx),
    (&["sync"], Meaning::Amx),
    (&["analyze"], Meaning::Amx),
    (&["setup"], Meaning::Amx),
    (&["usage"], Meaning::Amx),
    (&["llm"], Meaning::Amx),
    (&["llm-profiles"], Meaning::Amx),
    (&["add-llm-profile"], Meaning::Amx),
    (&["docs"], Meaning::Amx),
    (&["code"], Meaning::Amx),
];

/// Reads a line.
///
/// # Errors
/// `usage` where a quote is open, and for any pipe but one to `grep WORD`.
pub(super) fn read(line: &str) -> Result<Asked> {
    let mut parts = at_pipes(line).into_iter().map(words);
    let typed = parts.next().transpose()?.unwrap_or_default();
    let only = match (parts.next().transpose()?, parts.next()) {
        (None, _) => None,
        (Some(filter), None) => Some(wanted(filter)?),
        _ => return Err(one_pipe()),
    };
    let typed = apart(typed);
    if typed.is_empty() {
        return if only.is_some() { Err(one_pipe()) } else { Ok(Asked::Nothing) };
    }
    Ok(match form(&typed) {
        None => Asked::Run { words: typed, only },
        Some((form, meaning)) => match meaning {
            Meaning::Words(ours) => {
                let words = ours.iter().map(|word| word.to_string()).chain(typed.into_iter().skip(form.len())).collect();
                Asked::Run { words, only }
            }
            Meaning::Reload => Asked::Reload { only },
            Meaning::Exit => Asked::Exit,
            Meaning::Amx => Asked::OfAmx(form.join("/")),
        },
    })
}

/// The longest form that the words begin with, and what it means.
pub(super) fn form(words: &[String]) -> Option<(&'static [&'static str], Meaning)> {
    let begins = |form: &&[&str]| form.len() <= words.len() && form.iter().zip(words).all(|(part, word)| part == word);
    FORMS.iter().filter(|(form, _)| begins(form)).max_by_key(|(form, _)| form.len()).copied()
}

/// `/db/history-store enable` as `db`, `history-store`, `enable`. A lone slash asks for help.
pub(super) fn apart(words: Vec<String>) -> Vec<String> {
    let mut words = words.into_iter();
    let Some(first) = words.next() else { return vec![] };
    let first: Vec<String> = match first.strip_prefix('/') {
        None => vec![first],
        Some("") => vec!["help".into()],
        Some(path) => path.split('/').filter(|part| !part.is_empty()).map(str::to_string).collect(),
    };
    first.into_iter().chain(words).collect()
}

fn words(text: String) -> Result<Vec<String>> {
    shell_words::split(&text)
        .map_err(|_| Error::new(Code::Usage, "a quote is not closed", "close it, or write \\' for the character itself"))
}

/// The parts of a line between the pipes that no quote and no backslash hides, without the comment at its end.
fn at_pipes(line: &str) -> Vec<String> {
    let (mut parts, mut quote, mut escaped, mut before) = (vec![String::new()], None, false, ' ');
    // A script may have been written on Windows.
    for c in line.trim_end_matches(['\r', '\n']).chars() {
        let first = before.is_whitespace() || before == '|';
        before = if escaped { '\\' } else { c };
        match (escaped, quote, c) {
            (false, None, '#') if first => break,
            (false, None, '|') => {
                parts.push(String::new());
                continue;
            }
            (false, None, '\'' | '"') => quote = Some(c),
            (false, Some(open), c) if c == open => quote = None,
            _ => {}
        }
        escaped = !escaped && c == '\\' && quote != Some('\'');
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts
}

/// The word after `grep`.
fn wanted(filter: Vec<String>) -> Result<String> {
    let mut filter = filter.into_iter();
    match (filter.next().as_deref(), filter.next(), filter.next()) {
        (Some("grep"), Some(word), None) if !word.starts_with('-') => Ok(word),
        _ => Err(one_pipe()),
    }
}

fn one_pipe() -> Error {
    Error::new(
        Code::Usage,
        "the only pipe here is `| grep WORD`, which writes the lines that hold the word",
        "for any other, run the command in your own shell: amx-schema COMMAND | …",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(line: &str) -> (String, Option<String>) {
        match read(line).unwrap() {
            Asked::Run { words, only } => (words.join(" "), only),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn the_slash_forms_are_words_of_our_own_command_line() {
        for (typed, ours) in [
            ("/history-store", ""),
            ("/history-store enable --profile prod-pg --schema AMX", "enable --profile prod-pg --schema AMX"),
            ("/db/history-store", ""),
            ("/db history-store status", "status"),
            ("/db/inspect --json", "inspect --json"),
            ("/history list --limit 5", "history list --limit 5"),
            ("/session resume 3", "session resume 3"),
            ("/db-profiles", "profile list --names"),
            ("/add-db-profile", "profile add"),
            ("/config show", "config show"),
            ("history-store pull-from-shared", "pull-from-shared"),
            ("status", "status"),
            ("/", "help"),
            ("  /history   show 'run 1'  ", "history show run 1"),
        ] {
            assert_eq!(run(typed).0, ours, "{typed}");
        }
    }

    #[test]
    fn a_pipe_to_grep_keeps_the_lines_with_its_word() {
        assert_eq!(run("/config show | grep history_store"), ("config show".into(), Some("history_store".into())));
        assert_eq!(run("/config show|grep 'a b'"), ("config show".into(), Some("a b".into())));
    }

    #[test]
    fn a_pipe_in_quotes_is_a_character() {
        for (typed, ours) in [("a 'x|y'", "a x|y"), ("a \"x|\\\"|\"", "a x|\"|"), ("a x\\|y", "a x|y"), ("a 'x\\'", "a x\\")] {
            assert_eq!(run(typed), (ours.into(), None), "{typed}");
        }
    }

    #[test]
    fn every_other_pipe_is_refused() {
        for line in ["a | wc", "a | grep", "a | grep -v x", "a | grep x y", "a | grep x | grep y", "| grep x", "a |", "a || grep x"] {
            assert_eq!(read(line).unwrap_err().code, Code::Usage, "{line}");
        }
    }

    #[test]
    fn blank_lines_and_comments_ask_for_nothing() {
        for line in ["", "   ", "# a comment", "  # it's a | pipe", "\r\n"] {
            assert_eq!(read(line).unwrap(), Asked::Nothing, "{line}");
        }
        assert_eq!(run("/history list --limit 5 # it's | few\r\n").0, "history list --limit 5");
        assert_eq!(run("/history show a#b \\#c '#d'").0, "history show a#b #c #d");
    }

    #[test]
    fn what_ends_or_reloads_or_is_of_amx_is_told_apart() {
        assert_eq!(read("/exit").unwrap(), Asked::Exit);
        assert_eq!(read("quit").unwrap(), Asked::Exit);
        assert_eq!(read("/config reload").unwrap(), Asked::Reload { only: None });
        assert_eq!(read("/run sales --review-all").unwrap(), Asked::OfAmx("run".into()));
        assert_eq!(read("/db/tables").unwrap(), Asked::OfAmx("db".into()));
    }

    #[test]
    fn an_open_quote_is_a_wrong_call() {
        assert_eq!(read("/history show 'run").unwrap_err().code, Code::Usage);
    }

    proptest::proptest! {
        #[test]
        fn no_line_makes_it_panic(line in ".*") {
            let _ = read(&line);
        }
    }
}
