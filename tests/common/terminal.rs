//! The program at a real pseudo-terminal, and the screen as a person sees it.

use super::Home;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::io::{Read, Write};
use std::num::NonZero;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const ROWS: NonZero<u16> = NonZero::new(100).unwrap();
/// More than any walk writes, so that nothing of it is scrolled away.
const TALL: NonZero<u16> = NonZero::new(1000).unwrap();
const COLUMNS: NonZero<u16> = NonZero::new(160).unwrap();
/// The longest that a screen is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// A prompt is drawn a moment before the terminal is in the mode in which it is answered.
const MOMENT: Duration = Duration::from_millis(120);

pub const ENTER: &str = "\r";
pub const TAB: &str = "\t";
pub const CTRL_C: &str = "\x03";
pub const CTRL_D: &str = "\x04";
pub const UP: &str = "\x1b[A";
pub const DOWN: &str = "\x1b[B";
pub const ESCAPE: &str = "\x1b";

pub struct Terminal {
    screen: Arc<Mutex<vt100::Parser>>,
    keyboard: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    _master: Box<dyn MasterPty + Send>,
}

impl Terminal {
    /// Starts the program with that home on a terminal of its own.
    pub fn start(home: &Home, args: &[&str]) -> Terminal {
        Terminal::of(home, &home.command(args), ROWS)
    }

    /// The same on a terminal that holds the whole of a long session, with the command's own environment.
    pub fn tall(home: &Home, command: &Command) -> Terminal {
        Terminal::of(home, command, TALL)
    }

    fn of(home: &Home, given: &Command, rows: NonZero<u16>) -> Terminal {
        let pair = native_pty_system().openpty(PtySize { rows: rows.get(), cols: COLUMNS.get(), pixel_width: 0, pixel_height: 0 }).unwrap();
        let mut command = CommandBuilder::new(given.get_program());
        command.args(given.get_args());
        command.cwd(home.dir.path());
        for (name, value) in given.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            }
        }
        command.env("TERM", "xterm");
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let (mut output, keyboard) = (pair.master.try_clone_reader().unwrap(), pair.master.take_writer().unwrap());
        let screen = Arc::new(Mutex::new(vt100::Parser::new(rows, COLUMNS, 0)));
        let shown = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count) = output.read(&mut bytes) {
                if count == 0 {
                    break;
                }
                shown.lock().unwrap().process(&bytes[..count]);
            }
        });
        Terminal { screen, keyboard, child, _master: pair.master }
    }

    /// The screen without the empty lines at its end.
    pub fn screen(&self) -> String {
        let parser = self.screen.lock().unwrap();
        let rows = parser.screen().rows(0, COLUMNS.get());
        rows.map(|row| format!("{}\n", row.trim_end())).collect::<String>().trim_end().to_string() + "\n"
    }

    /// The line that the cursor is on, up to the cursor.
    fn at_cursor(&self) -> String {
        let parser = self.screen.lock().unwrap();
        let (row, column) = parser.screen().cursor_position();
        parser.screen().contents_between(row, 0, row, column)
    }

    #[track_caller]
    fn wait(&self, what: &str, seen: impl Fn(&Terminal) -> bool) {
        let started = Instant::now();
        while !seen(self) {
            assert!(started.elapsed() < PATIENCE, "no {what:?} on the screen:\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until a text is somewhere on the screen.
    #[track_caller]
    pub fn shows(&mut self, text: &str) -> &mut Terminal {
        self.wait(text, |terminal| terminal.screen().contains(text));
        self
    }

    /// Waits until a menu with this is on the screen, and is ready for keys.
    #[track_caller]
    pub fn offers(&mut self, text: &str) -> &mut Terminal {
        self.shows(text);
        std::thread::sleep(MOMENT);
        self
    }

    /// Goes down to an item of a menu and chooses it.
    #[track_caller]
    pub fn choose(&mut self, item: &str) -> &mut Terminal {
        self.offers(&format!(" {item}"));
        let marked = format!("> {item}\n");
        for _ in 0..20 {
            if self.screen().contains(&marked) {
                return self.keys(ENTER);
            }
            self.keys(DOWN);
            std::thread::sleep(MOMENT);
        }
        panic!("no way to {item:?}:\n{}", self.screen());
    }

    /// Waits until the cursor stands right after this, which is all of its line.
    #[track_caller]
    pub fn asks(&mut self, prompt: &str) -> &mut Terminal {
        let trimmed = prompt.trim_end();
        self.wait(prompt, |terminal| terminal.at_cursor().trim_end() == trimmed);
        std::thread::sleep(MOMENT);
        self
    }

    /// Presses keys.
    pub fn keys(&mut self, keys: &str) -> &mut Terminal {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
        self.keyboard.flush().unwrap();
        self
    }

    /// Types a line and Enter.
    pub fn line(&mut self, text: &str) -> &mut Terminal {
        self.keys(&format!("{text}{ENTER}"))
    }

    /// Gives the shell a command as a person does, who sees what was typed before pressing Enter.
    #[track_caller]
    pub fn command(&mut self, text: &str) -> &mut Terminal {
        self.asks("> ").keys(text).asks(&format!("> {text}")).keys(ENTER)
    }

    /// Answers a question, once it is there.
    #[track_caller]
    pub fn answers(&mut self, question: &str, text: &str) -> &mut Terminal {
        self.asks(question).line(text)
    }

    /// Sends the process a signal, as `kill` does.
    pub fn signal(&mut self, name: &str) -> &mut Terminal {
        let id = self.child.process_id().unwrap().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
        self
    }

    /// Waits for the end, and gives the exit status and the last screen.
    #[track_caller]
    pub fn ends(mut self) -> (u32, String) {
        let started = Instant::now();
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None if started.elapsed() > PATIENCE => {
                    let _ = self.child.kill();
                    panic!("it goes on:\n{}", self.screen());
                }
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        // What was written last may still be on its way.
        std::thread::sleep(MOMENT);
        (status.exit_code(), self.screen())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}
