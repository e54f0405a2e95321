//! Ctrl-C and SIGTERM while the shell runs.
//!
//! A command that talks to a database hears both itself and ends. From the first such command on neither ends the process any more, so that
//! what is to happen between commands is said here.

use crate::error::{Code, Error, Result};
use crate::printer::{Printer, restore_terminal};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::signal::unix::{SignalKind, signal};

pub(super) struct Signals {
    busy: Arc<AtomicBool>,
    interrupted: Arc<AtomicBool>,
}

impl Signals {
    /// Ctrl-C ends the command and never the shell; SIGTERM ends the shell.
    pub(super) fn at_a_prompt(printer: Printer) -> Result<Signals> {
        Signals::listen(printer, false)
    }

    /// Both end the script: a command that runs ends with `interrupted`, and nothing follows it.
    pub(super) fn in_a_script(printer: Printer) -> Result<Signals> {
        Signals::listen(printer, true)
    }

    fn listen(printer: Printer, in_a_script: bool) -> Result<Signals> {
        let failed = |error: std::io::Error| Error::io("listening for signals", &error);
        let signals = Signals { busy: Arc::default(), interrupted: Arc::default() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (mut interrupt, mut terminate) = {
            let _entered = runtime.enter();
            (signal(SignalKind::interrupt()).map_err(failed)?, signal(SignalKind::terminate()).map_err(failed)?)
        };
        // The editor's raw mode must not outlive the shell.
        let terminal = tcgetattr(std::io::stdin()).ok();
        let (busy, interrupted) = (Arc::clone(&signals.busy), Arc::clone(&signals.interrupted));
        std::thread::spawn(move || {
            runtime.block_on(async {
                loop {
                    tokio::select! {
                        _ = interrupt.recv() => match busy.load(Ordering::SeqCst) {
                            true => interrupted.store(true, Ordering::SeqCst),
                            false if in_a_script => leave(printer, terminal.as_ref()),
                            false => {}
                        },
                        _ = terminate.recv() => leave(printer, terminal.as_ref()),
                    }
                }
            });
        });
        Ok(signals)
    }

    /// Whether Ctrl-C was pressed during a command, which may not have heard it.
    pub(super) fn interrupted(&self) -> bool {
        self.interrupted.load(Ordering::SeqCst)
    }

    /// Runs something that hears Ctrl-C itself.
    pub(super) fn during<T>(&self, command: impl FnOnce() -> T) -> T {
        self.busy.store(true, Ordering::SeqCst);
        let done = command();
        self.busy.store(false, Ordering::SeqCst);
        done
    }
}

fn leave(printer: Printer, terminal: Option<&Termios>) {
    if let Some(terminal) = terminal {
        // A terminal that is gone needs no mode.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, terminal);
    }
    restore_terminal();
    printer.error(&Error::new(Code::Interrupted, "interrupted; what was done is kept", "start the shell again"));
    std::process::exit(i32::from(Code::Interrupted.exit()));
}
