//! The program in a terminal.

use super::{Home, Ran, ran};
use std::process::{Command, Stdio};

/// How many rows and columns a terminal has.
#[derive(Clone, Copy)]
pub struct Size {
    pub rows: u16,
    pub columns: u16,
}

impl Home {
    /// Runs the program on a pseudo-terminal of its own where nothing is typed, with more in its environment, and gives what came there as its
    /// stdout.
    pub fn on_terminal(&self, size: Size, environment: &[(&str, &str)], args: &[&str]) -> Ran {
        on_terminal(self.terminal(size, args).stdin(Stdio::null()).envs(environment.iter().copied()))
    }

    /// The program on a pseudo-terminal of its own, where is typed what comes from stdin.
    pub fn terminal(&self, size: Size, args: &[&str]) -> Command {
        let given = self.command(args);
        let words = std::iter::once(given.get_program()).chain(given.get_args()).map(|word| word.to_str().unwrap());
        let line = format!("stty rows {} cols {}; exec {}", size.rows, size.columns, shell_words::join(words));
        let mut command = Command::new("script");
        command.args(["-qec", &line, "/dev/null"]);
        for (name, value) in given.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        for name in ["AMX_PAGER", "PAGER", "LESS"] {
            command.env_remove(name);
        }
        command.env("TERM", "xterm").env("SHELL", "/bin/sh");
        command
    }
}

/// Runs such a command to its end.
pub fn on_terminal(command: &mut Command) -> Ran {
    let mut ran = ran(command);
    ran.stdout = ran.stdout.replace("\r\n", "\n");
    ran
}
