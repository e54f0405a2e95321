//! `shell`

mod complete;
mod editor;
mod line;
mod signals;

use super::Session;
use crate::cli;
use crate::error::{Code, Error, Result};
use crate::printer::Printer;
use editor::{Editor, Typed};
use line::Asked;
use signals::Signals;
use std::io::IsTerminal;

/// Type commands at a prompt, also in AMX's slash form, such as /history-store enable.
///
/// Where stdin is no terminal, its lines are run one after the other, up to the first that fails: the shell ends with its exit status.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// What `/help` adds to the help of the command line.
const HELP: &str = "
In AMX's slash form: /history-store [COMMAND], /db/history-store [COMMAND], /db inspect, /db-profiles, /add-db-profile, /config reload, /exit.
`COMMAND | grep WORD` writes only the lines that hold the word.
";

/// How a line ended.
enum Ended {
    /// With this exit status.
    With(u8),
    /// It was the last one.
    Shell,
}

pub(crate) fn run(session: &Session, _args: &Args) -> Result<()> {
    match std::io::stdin().is_terminal() {
        true => at_a_prompt(session),
        false => a_script(session),
    }
}

fn at_a_prompt(session: &Session) -> Result<()> {
    let signals = Signals::at_a_prompt(session.printer)?;
    let mut editor = Editor::new(session)?;
    loop {
        match editor.read()? {
            Typed::Nothing => {}
            Typed::End => return Ok(()),
            Typed::Line(line) => {
                if let Ended::Shell = signals.during(|| run_line(session, &line)) {
                    return Ok(());
                }
            }
        }
    }
}

/// A failure in the middle of a script must not be followed by what was to be done after a success.
fn a_script(session: &Session) -> Result<()> {
    let signals = Signals::in_a_script(session.printer)?;
    loop {
        let mut line = String::new();
        // Not held between two lines: a command may read what follows it.
        match std::io::stdin().read_line(&mut line) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(Error::io("reading commands from stdin", &error)),
        }
        match signals.during(|| run_line(session, &line)) {
            Ended::With(0) if signals.interrupted() => std::process::exit(i32::from(Code::Interrupted.exit())),
            Ended::With(0) => {}
            // It has been reported already.
            Ended::With(status) => std::process::exit(i32::from(status)),
            Ended::Shell => return Ok(()),
        }
    }
}

/// Runs a line. Each command reads the configuration anew, so that nothing here can be stale.
fn run_line(session: &Session, line: &str) -> Ended {
    let ran = match line::read(line) {
        Ok(Asked::Nothing) => Ok(0),
        Ok(Asked::Exit) => return Ended::Shell,
        Ok(Asked::Run { words, only }) => {
            // As small as a word that someone typed, and kept for as long as the program lives.
            let only: Option<&'static str> = only.map(|word| &*word.leak());
            let ended = cli::run_within(session, &words, only);
            if words == ["help"] {
                Printer { only, ..session.printer }.data(HELP);
            }
            Ok(ended)
        }
        Ok(Asked::Reload { only }) => super::config::reload(session, only.map(|word| &*word.leak())).map(|()| 0),
        Ok(Asked::OfAmx(command)) => Err(of_amx(&command)),
        Err(error) => Err(error),
    };
    Ended::With(ran.unwrap_or_else(|error| {
        session.printer.error(&error);
        error.code.exit()
    }))
}

fn of_amx(command: &str) -> Error {
    Error::new(
        Code::Usage,
        format!("/{command}: that is AMX's own command"),
        "run it in AMX; this shell has the commands of the shared history store, which /help lists",
    )
}

/// A line that was typed at a question instead of an answer, as words of our own command line.
///
/// # Errors
/// `usage` where it is no command of ours.
pub(crate) fn words(line: &str) -> Result<Vec<String>> {
    match line::read(line)? {
        Asked::Run { words, only: None } => Ok(words),
        Asked::OfAmx(command) => Err(of_amx(&command)),
        _ => Err(Error::new(
            Code::Usage,
            "only a command of the history store can be given here",
            "answer with a number, or with Enter alone",
        )),
    }
}
