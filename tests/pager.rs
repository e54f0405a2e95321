//! Long output in a terminal goes through the user's pager.

mod common;
use common::typescript::{Size, on_terminal};
use common::{HISTORY, Home, Ran};
use std::process::{Command, Stdio};

const LIST: [&str; 2] = ["history", "list"];
const TEN_ROWS: Size = Size { rows: 10, columns: 200 };
const MARK: (&str, &str) = ("AMX_PAGER", "sed 's/^/paged: /'");

fn in_rows(rows: u16, environment: &[(&str, &str)], args: &[&str]) -> Ran {
    Home::with_history(HISTORY).on_terminal(Size { rows, columns: 200 }, environment, args)
}

#[test]
fn output_longer_than_the_terminal_is_paged() {
    for args in [
        &LIST[..],
        &["history", "show", "run_2026-07-19_07-31-005"],
        &["history", "compare", "run_2026-07-19_07-31-005", "run_2026-07-25_17-47-006"],
    ] {
        let shown = in_rows(10, &[MARK], args).ok();
        assert!(shown.lines().count() > 10 && shown.lines().all(|line| line.starts_with("paged: ")), "{shown}");
    }
}

#[test]
fn output_that_fits_is_not_paged() {
    // A header and fifteen runs, and the row of the prompt.
    assert!(!in_rows(17, &[MARK], &LIST).ok().contains("paged: "));
    assert!(in_rows(16, &[MARK], &LIST).ok().contains("paged: "));
}

#[test]
fn what_a_program_reads_is_not_paged() {
    assert!(!in_rows(10, &[MARK], &["history", "list", "--json"]).ok().contains("paged: "));
    let home = Home::with_history(HISTORY);
    let mut command = home.command(&LIST);
    assert!(!common::ran(command.env(MARK.0, MARK.1)).ok().contains("paged: "));
}

#[test]
fn amx_pager_goes_before_pager_and_either_may_be_empty() {
    let paged = |environment: &[(&str, &str)]| {
        let shown = in_rows(10, environment, &LIST).ok();
        assert!(shown.contains("run_2026-06-23_14-20-001"), "{shown}");
        shown.lines().next().unwrap().chars().next().unwrap()
    };
    assert_eq!(paged(&[("AMX_PAGER", "sed s/^/A/"), ("PAGER", "sed s/^/P/")]), 'A');
    assert_eq!(paged(&[("PAGER", "sed s/^/P/")]), 'P');
    assert_eq!(paged(&[("AMX_PAGER", ""), ("PAGER", "sed s/^/P/")]), 'r');
    assert_eq!(paged(&[("PAGER", "")]), 'r');
}

#[test]
fn a_pager_that_cannot_be_started_is_done_without() {
    for pager in ["no-such-pager -x", "'"] {
        let shown = in_rows(10, &[("AMX_PAGER", pager)], &LIST).ok();
        assert!(shown.starts_with("run_id ") && shown.contains("run_2026-06-23_14-20-001"), "{shown}");
    }
}

#[test]
fn a_pager_that_ends_early_is_no_error() {
    assert_eq!(in_rows(10, &[("AMX_PAGER", "head -1")], &LIST).ok().lines().count(), 1);
    assert_eq!(in_rows(10, &[("AMX_PAGER", "true")], &LIST).ok(), "");
}

#[test]
fn less_is_the_pager_where_none_is_named() {
    if Command::new("less").arg("--version").output().is_err() {
        return eprintln!("skipped: less is not there");
    }
    let home = Home::with_history(HISTORY);
    let keys = "for _ in 1 2 3 4 5 6 7 8 9; do sleep 0.5; printf q; done";
    let mut typist = Command::new("sh").args(["-c", keys]).stdout(Stdio::piped()).spawn().unwrap();
    let shown = on_terminal(home.terminal(TEN_ROWS, &LIST).stdin(typist.stdout.take().unwrap())).ok();
    assert!(shown.contains("run_2026-11-21_14-28-015") && !shown.contains("run_2026-06-23_14-20-001"), "{shown}");
    typist.wait().unwrap();
}

#[test]
fn ctrl_c_while_paging_is_the_pagers() {
    let interrupting = "sh -c 'kill -INT $PPID; sleep 0.3; sed s/^/P/'";
    let shown = in_rows(10, &[("AMX_PAGER", interrupting)], &LIST).ok();
    assert!(shown.starts_with('P') && shown.contains("run_2026-06-23_14-20-001"), "{shown}");
}
