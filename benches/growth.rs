//! How each command grows with the rows of a store on PostgreSQL: 1,000 to 1,000,000, with the exponent of the fit and a picture.
//!
//! `cargo bench --bench growth -- [MOST-ROWS]`; the server is that of `AMX_BENCH_POSTGRESQL_URL` or `AMX_TEST_POSTGRESQL_URL`. With
//! `AMX_BENCH_PUBLISH` the table goes into `docs/performance.md` and the picture into `docs/performance.svg`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::print_stderr, missing_docs)]
#[allow(dead_code)]
mod common;
#[path = "common/history.rs"]
mod history;
#[path = "common/operations.rs"]
mod operations;
#[allow(dead_code)]
#[path = "common/shared.rs"]
mod shared;

use common::{median, publish, timed};
use plotters::prelude::*;
use shared::Shared;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

const SIZES: [u64; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// Results of a run.
const RESULTS: u64 = 100;
/// How often what takes long is measured, and what does not.
const ROUNDS: (usize, usize) = (1, 5);

/// One command, and how long it took at each size.
struct Curve {
    command: &'static str,
    points: Vec<(u64, Duration)>,
}

fn main() {
    let most = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(1_000_000);
    let mut curves: Vec<Curve> = vec![];
    for rows in SIZES.into_iter().filter(|rows| *rows <= most) {
        for (command, took) in import(rows).into_iter().chain(sync(rows)) {
            eprintln!("{rows} rows, {command}: {took:.3?}");
            match curves.iter_mut().find(|curve| curve.command == command) {
                Some(curve) => curve.points.push((rows, took)),
                None => curves.push(Curve { command, points: vec![(rows, took)] }),
            }
        }
    }
    assert!(!curves.is_empty(), "no server is named: AMX_BENCH_POSTGRESQL_URL");
    let picture = "![Time over rows, both in powers of ten](performance.svg)";
    publish("growth", &format!("{}\n{picture}\n", table(&curves)));
    if std::env::var_os("AMX_BENCH_PUBLISH").is_some() {
        draw(&curves, &Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/performance.svg"));
    }
}

/// The import of an amx-cli file, and the same again.
fn import(rows: u64) -> Vec<(&'static str, Duration)> {
    let Some(store) = Shared::new() else { return vec![] };
    let file = history::file(&folder(), rows / RESULTS, RESULTS);
    let home = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(std::fs::canonicalize(file).unwrap(), home.path().join("history.db")).unwrap();
    let once = || timed(&mut store.command_in(home.path(), &["migrate-from-local", "--yes", "--json"]));
    vec![("import", once()), ("import again, nothing to do", median((0..ROUNDS.1).map(|_| once()).collect()))]
}

/// What goes between a store and the homes that share it.
fn sync(rows: u64) -> Vec<(&'static str, Duration)> {
    let Some(store) = Shared::new() else { return vec![] };
    let runs = rows / RESULTS;
    let flushed = || {
        store.away(true);
        let file = store.home().join("operations");
        std::fs::write(&file, operations::of_runs(runs, RESULTS)).unwrap();
        timed(&mut store.command(&["record", file.to_str().unwrap()]));
        store.away(false);
        let took = timed(&mut store.command(&["flush-pending"]));
        assert_eq!(store.count("amx_history_results"), rows as i64);
        store.empty();
        took
    };
    let flush = median((0..ROUNDS.0).map(|_| flushed()).collect());
    store.fill(runs, RESULTS);
    let pulled = || {
        let home = store.newcomer();
        let took = timed(&mut store.command_in(home.path(), &["pull-from-shared", "--json"]));
        let cache = rusqlite::Connection::open(home.path().join("history.db")).unwrap();
        let there: i64 = cache.query_row("SELECT count(*) FROM amx_history_results", [], |row| row.get(0)).unwrap();
        assert_eq!(there, rows as i64, "the cache has not all");
        took
    };
    let often = |args: &[&str]| median((0..ROUNDS.1).map(|_| timed(&mut store.command(args))).collect());
    vec![
        ("flush of the outbox", flush),
        ("pull into an empty cache", median((0..ROUNDS.0).map(|_| pulled()).collect())),
        ("pull of nothing", often(&["pull-from-shared", "--json"])),
        ("history list", often(&["history", "list", "--json"])),
        ("status", often(&["status", "--json"])),
    ]
}

/// The exponent of the power of the rows that fits best: 1 where twice the rows take twice the time, 0 where they take no longer.
fn exponent(points: &[(u64, Duration)]) -> f64 {
    let logs: Vec<(f64, f64)> = points.iter().map(|(rows, took)| ((*rows as f64).ln(), took.as_secs_f64().ln())).collect();
    let count = logs.len() as f64;
    let (x, y) = (logs.iter().map(|log| log.0).sum::<f64>() / count, logs.iter().map(|log| log.1).sum::<f64>() / count);
    logs.iter().map(|log| (log.0 - x) * (log.1 - y)).sum::<f64>() / logs.iter().map(|log| (log.0 - x).powi(2)).sum::<f64>()
}

fn table(curves: &[Curve]) -> String {
    let sizes: Vec<u64> = curves.iter().flat_map(|curve| &curve.points).map(|(rows, _)| *rows).collect();
    let sizes: Vec<u64> = SIZES.into_iter().filter(|size| sizes.contains(size)).collect();
    let mut text = String::from("| command |");
    sizes.iter().for_each(|size| write!(text, " {size} rows |").unwrap());
    text.push_str(" exponent |\n| --- |");
    text.push_str(&" --- |".repeat(sizes.len() + 1));
    for Curve { command, points } in curves {
        write!(text, "\n| {command} |").unwrap();
        points.iter().for_each(|(_, took)| write!(text, " {:.3} s |", took.as_secs_f64()).unwrap());
        write!(text, " {:.2} |", exponent(points)).unwrap();
    }
    text + "\n"
}

/// Time over rows, both in powers of ten.
fn draw(curves: &[Curve], path: &Path) {
    let root = SVGBackend::new(path, (900, 560)).into_drawing_area();
    root.fill(&WHITE).unwrap();
    let times = || curves.iter().flat_map(|curve| &curve.points).map(|(_, took)| took.as_secs_f64());
    let (least, most) = (times().fold(f64::MAX, f64::min) / 2.0, times().fold(0.0, f64::max) * 2.0);
    let mut chart = ChartBuilder::on(&root)
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d((800.0..1_250_000.0).log_scale(), (least..most).log_scale())
        .unwrap();
    let seconds = |took: &f64| if *took < 1.0 { format!("{:.0} ms", took * 1e3) } else { format!("{took:.0} s") };
    chart.configure_mesh().x_desc("rows").y_label_formatter(&seconds).x_label_formatter(&|rows| format!("{rows:.0}")).draw().unwrap();
    for (at, curve) in curves.iter().enumerate() {
        let color = Palette99::pick(at).to_rgba();
        let points: Vec<(f64, f64)> = curve.points.iter().map(|(rows, took)| (*rows as f64, took.as_secs_f64())).collect();
        let label = format!("{} (exponent {:.2})", curve.command, exponent(&curve.points));
        let line = chart.draw_series(LineSeries::new(points.clone(), color.stroke_width(2))).unwrap().label(label);
        line.legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
        chart.draw_series(points.into_iter().map(|point| Circle::new(point, 3, color.filled()))).unwrap();
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK)
        .draw()
        .unwrap();
    root.present().unwrap();
}

/// Where the files are kept.
fn folder() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"), PathBuf::from);
    target.join("bench")
}
