//! What the benchmarks share: running a process and watching it, medians, and the table at the end.

use std::fs::File;
use std::io::{Read, Seek};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// What a process took.
pub struct Ran {
    pub took: Duration,
    /// The most memory it had, in MB (`VmHWM`); 0 where the system does not say.
    pub peak_mb: f64,
}

/// Runs a process to its end, and requires that it succeeds.
#[track_caller]
pub fn ran(command: &mut Command) -> Ran {
    let (mut out, mut err) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    command.stdout(out.try_clone().unwrap()).stderr(err.try_clone().unwrap());
    let started = Instant::now();
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let id = child.id();
    let watching = std::thread::spawn(move || watch(id));
    let status = child.wait().unwrap();
    let took = started.elapsed();
    assert!(status.success(), "{command:?}: {status}\n{}{}", text(&mut out), text(&mut err));
    Ran { took, peak_mb: watching.join().unwrap() }
}

/// The peak of a process's memory, asked for again and again until it has ended.
fn watch(id: u32) -> f64 {
    let mut peak = 0.0;
    while let Some(now) = std::fs::read_to_string(format!("/proc/{id}/status")).ok().and_then(|status| high_water(&status)) {
        peak = now;
        std::thread::sleep(Duration::from_millis(10));
    }
    peak
}

/// `VmHWM:     12345 kB`, in MB. A process that has ended has no such line.
fn high_water(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<f64>().ok().map(|kb| kb / 1024.0)
}

fn text(file: &mut File) -> String {
    let mut bytes = vec![];
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// How long a process takes that writes nothing of interest.
#[track_caller]
pub fn timed(command: &mut Command) -> Duration {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let started = Instant::now();
    let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let took = started.elapsed();
    assert!(status.success(), "{command:?}: {status}");
    took
}

/// Whether a program is there.
pub fn has(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// PostgreSQL's shell itself: Debian's `psql` is a Perl script that looks for it first, which takes longer than a query.
pub fn psql() -> &'static str {
    static FOUND: OnceLock<String> = OnceLock::new();
    FOUND.get_or_init(|| {
        let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let newest = versions.map(|version| version.path().join("bin/psql")).filter(|path| path.exists()).max();
        newest.map_or_else(|| "psql".into(), |path| path.display().to_string())
    })
}

/// The middle one.
pub fn median(mut took: Vec<Duration>) -> Duration {
    took.sort_unstable();
    took[took.len() / 2]
}

pub fn ratio(of: Duration, to: Duration) -> f64 {
    of.as_secs_f64() / to.as_secs_f64()
}

/// Figures beside what they are measured against.
#[derive(Default)]
pub struct Table(Vec<[String; 5]>);

impl Table {
    /// Adds a line; it is on stderr at once, for the table comes at the very end.
    pub fn line(&mut self, figure: &str, measured: String, scale: String, ratio: Option<f64>, target: &str) {
        eprintln!("{figure}: {measured} ({scale})");
        let ratio = ratio.map_or(String::new(), |ratio| format!("{ratio:.2}"));
        self.0.push([figure.into(), measured, scale, ratio, target.into()]);
    }

    pub fn skipped(&mut self, figure: &str, why: &str) {
        self.line(figure, "skipped".into(), why.into(), None, "");
    }

    /// Writes the table as Markdown; with `AMX_BENCH_PUBLISH` into `docs/performance.md` as well, in the place of the table of that name.
    pub fn print(&self, name: &str) {
        let lines: String = self.0.iter().map(|line| format!("| {} |\n", line.join(" | "))).collect();
        publish(name, &format!("| figure | measured | for scale | ratio | target |\n| --- | --- | --- | --- | --- |\n{lines}"));
    }
}

/// Prints a part of the page on performance and, with `AMX_BENCH_PUBLISH`, puts it where the page has that part.
pub fn publish(name: &str, text: &str) {
    println!("{text}");
    if std::env::var_os("AMX_BENCH_PUBLISH").is_none() {
        return;
    }
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/performance.md");
    let old = std::fs::read_to_string(page).unwrap();
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let (before, rest) = old.split_once(&begin).unwrap_or_else(|| panic!("{page} has no {begin}"));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("{page} has no {end}"));
    std::fs::write(page, format!("{before}{begin}{text}{end}{after}")).unwrap();
}
