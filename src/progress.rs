//! Progress as people see it: a bar on a terminal with a line per item above it, the same lines alone elsewhere.

use crate::printer::{Printer, neutral, one_line};
use crate::report::Reporter;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::sync::Mutex;

/// Draws what the library reports.
pub struct Progress {
    printer: Printer,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    bar: Option<ProgressBar>,
    total: u64,
    done: u64,
}

impl Progress {
    /// Draws to stderr, by the printer's rules.
    pub fn new(printer: Printer) -> Progress {
        Progress { printer, state: Mutex::default() }
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        // A panic elsewhere cannot leave the counters half-way.
        work(&mut self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    fn say(&self, state: &State, line: &str) {
        match &state.bar {
            Some(bar) => bar.println(neutral(line)),
            None => self.printer.talk(line),
        }
    }
}

impl Reporter for Progress {
    fn begin(&self, total: u64) {
        self.with(|state| {
            *state = State { bar: None, total, done: 0 };
            if std::io::stderr().is_terminal() && !self.printer.quiet && !self.printer.json && total > 0 {
                let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
                if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} {eta}") {
                    bar.set_style(style);
                }
                state.bar = Some(bar);
            }
        });
    }

    fn item(&self, name: &str, outcome: &str) {
        self.with(|state| {
            state.done += 1;
            if state.bar.is_none() && !self.printer.talks() {
                return;
            }
            self.say(state, &format!("[{}/{}] {} {}", state.done, state.total, dotted(&one_line(name)), one_line(outcome)));
            if let Some(bar) = &state.bar {
                bar.set_position(state.done);
            }
        });
    }

    fn end(&self) {
        self.with(|state| {
            if let Some(bar) = state.bar.take() {
                bar.finish_and_clear();
            }
        });
    }

    fn warn(&self, text: &str) {
        self.with(|state| match &state.bar {
            Some(bar) => bar.println(format!("warning: {}", one_line(text))),
            None => self.printer.warn(text),
        });
    }

    fn detail(&self, text: &str) {
        if self.printer.verbose > 0 {
            self.with(|state| self.say(state, text));
        }
    }
}

/// A name and the dots after it, so that outcomes stand below each other.
fn dotted(name: &str) -> String {
    let length = name.chars().count();
    let width: usize = if length <= 32 { 37 } else { 46 };
    format!("{name} {}", ".".repeat(width.saturating_sub(length + 1).max(4)))
}

#[cfg(test)]
mod tests {
    use super::dotted;

    #[test]
    fn outcomes_stand_below_each_other() {
        assert_eq!(dotted("run_2026-04-15_09-12-001"), "run_2026-04-15_09-12-001 ............");
        assert_eq!(dotted("run_2026-05-04_08-10-001 (alice@laptop)"), "run_2026-05-04_08-10-001 (alice@laptop) ......");
    }
}
