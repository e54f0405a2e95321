//! Text that is longer than the terminal: through the user's pager.

use dialoguer::console::{Term, measure_text_width};
use std::env;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a pager has the terminal now.
static OPEN: AtomicBool = AtomicBool::new(false);

/// Whether a pager has the terminal now: what is typed there, Ctrl-C included, is for the pager.
pub fn is_open() -> bool {
    OPEN.load(Ordering::Acquire)
}

/// Shows text that is longer than the terminal through a pager, and waits for its end. Says whether it did: not where stdout is no terminal,
/// where the text fits, or where there is no pager.
pub(super) fn show(text: &str) -> bool {
    if !is_longer_than_the_terminal(text) {
        return false;
    }
    let words = words();
    let Some((program, args)) = words.split_first() else { return false };
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped());
    if env::var_os("LESS").is_none() {
        // As git does, so that colours come through where the pager is named without its flags.
        command.env("LESS", "FRX");
    }
    OPEN.store(true, Ordering::Release);
    let started = command.spawn();
    let shown = started.is_ok();
    if let Ok(mut pager) = started {
        // One that ends before it has read everything has shown enough.
        let _ = pager.stdin.take().map(|mut input| input.write_all(text.as_bytes()));
        let _ = pager.wait();
    }
    OPEN.store(false, Ordering::Release);
    shown
}

/// The pager's command: `AMX_PAGER`, else `PAGER`, else less. Without words where one of them is empty: that turns it off.
fn words() -> Vec<String> {
    let named = ["AMX_PAGER", "PAGER"].into_iter().find_map(env::var_os);
    let command = named.map_or_else(|| "less -FRX".into(), |named| named.to_string_lossy().into_owned());
    shell_words::split(&command).unwrap_or_default()
}

fn is_longer_than_the_terminal(text: &str) -> bool {
    let Some((rows, columns)) = Term::stdout().size_checked() else { return false };
    let folded = |line: &str| measure_text_width(line).div_ceil(columns.max(1).into()).max(1);
    // The last row is the prompt's.
    text.lines().map(folded).sum::<usize>() >= rows.into()
}
