//! `docs/ci.md`: its workflows are valid, and what they run does on a SQLite store what the page says.

mod common;
use common::{Home, Ran, Store, ran};
use futures_util::FutureExt;
use serde_yaml::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PAGE: &str = include_str!("../docs/ci.md");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The fenced blocks of a language.
fn blocks(language: &str) -> Vec<&'static str> {
    let parts = PAGE.split("\n```").collect::<Vec<_>>();
    assert!(parts.len() % 2 == 1, "a block of docs/ci.md is not closed");
    parts.iter().skip(1).step_by(2).filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n')).collect()
}

/// The YAML block for a file.
#[track_caller]
fn yaml(file: &str) -> Value {
    let block = blocks("yaml").into_iter().find(|block| block.starts_with(&format!("# {file}\n"))).expect(file);
    serde_yaml::from_str(block).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The scripts of a job, in their order, without the one that installs the program.
#[track_caller]
fn scripts(job: &Value) -> Vec<String> {
    let github = job["steps"].as_sequence().into_iter().flatten().filter_map(|step| step["run"].as_str());
    let gitlab = job["script"].as_sequence().into_iter().flatten().map(|line| line.as_str().unwrap());
    let scripts: Vec<String> = github.chain(gitlab).filter(|script| !script.starts_with("cargo install")).map(String::from).collect();
    assert!(!scripts.is_empty(), "{job:?}");
    scripts
}

/// Every job of both workflows, by name.
fn jobs() -> Vec<(String, Value)> {
    let github = yaml(".github/workflows/store.yml")["jobs"].clone();
    let gitlab = yaml(".gitlab-ci.yml");
    let named = |jobs: &Value, of: &str| {
        let jobs = jobs.as_mapping().unwrap().iter();
        let jobs = jobs.filter(|(_, job)| job.get("steps").is_some() || job.get("script").is_some());
        jobs.map(|(name, job)| (format!("{of} {}", name.as_str().unwrap()), job.clone())).collect::<Vec<_>>()
    };
    [named(&github, "github"), named(&gitlab, "gitlab")].concat()
}

#[track_caller]
fn job(name: &str) -> Value {
    jobs().into_iter().find(|(known, _)| known == name).expect(name).1
}

/// A checkout in which a job runs, and the store that it works on.
struct Runner {
    home: Home,
    store: Store,
    url: String,
}

impl Runner {
    fn new() -> Runner {
        let home = Home::new();
        std::os::unix::fs::symlink(root().join("migrations"), home.path("migrations")).unwrap();
        let store = Store::sqlite();
        Runner { home, url: store.url.clone(), store }
    }

    fn with_url(url: &str) -> Runner {
        Runner { url: url.into(), ..Runner::new() }
    }

    /// Runs the scripts of a job as the CI does, until one fails: what the last one left behind.
    #[track_caller]
    fn job(&self, name: &str) -> Ran {
        let mut last = None;
        for script in scripts(&job(name)) {
            let ran = self.script(&script);
            let failed = ran.code != 0;
            last = Some(ran);
            if failed {
                break;
            }
        }
        last.unwrap()
    }

    fn script(&self, script: &str) -> Ran {
        let mut command = Command::new("bash");
        command.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", script]).current_dir(self.home.dir.path()).stdin(Stdio::null());
        let program = Path::new(env!("CARGO_BIN_EXE_amx-schema")).parent().unwrap();
        let path = std::env::var("PATH").unwrap();
        command.env("PATH", format!("{}:{path}", program.display()));
        command.env("AMX_HOME", self.home.path("amx")).env("AMX_URL", &self.url).env("AMX_USER", "tester");
        ran(command.env_remove("AMX_CONFIG_DIR"))
    }
}

#[test]
fn a_check_passes_before_and_after_a_deployment_and_says_what_is_pending() {
    let runner = Runner::new();
    let pending = runner.job("github check").ok();
    assert!(pending.starts_with("::notice::the deployment will migrate the store\nCREATE TABLE"), "{pending}");
    assert_eq!(runner.job("gitlab pending").code, 3);
    assert_eq!(job("gitlab pending")["allow_failure"]["exit_codes"][0].as_i64(), Some(3));
    runner.job("github deploy").ok();
    let applied: serde_json::Value = serde_json::from_str(&runner.home.read("migrated.json")).unwrap();
    assert_eq!(applied["pending"], serde_json::json!([]));
    assert_eq!(runner.job("github check").ok(), "");
    runner.job("gitlab pending").ok();
    runner.job("gitlab deploy").ok();
    runner.job("gitlab model").ok();
    runner.job("github drift").ok();
    runner.job("gitlab drift").ok();
}

#[test]
fn every_job_is_run_by_a_test() {
    let known = ["check", "deploy", "drift"].map(|name| format!("github {name}"));
    let known = known.into_iter().chain(["model", "pending", "deploy", "drift"].map(|name| format!("gitlab {name}")));
    assert_eq!(jobs().into_iter().map(|(name, _)| name).collect::<BTreeSet<_>>(), known.collect());
}

#[test]
fn each_command_line_is_one_that_the_program_takes() {
    let runner = Runner::new();
    runner.script("amx-schema migrate").ok();
    let mut lines = 0;
    for script in jobs().iter().flat_map(|(_, job)| scripts(job)) {
        for line in script.lines().map(str::trim).filter(|line| line.starts_with("amx-schema ")) {
            let ran = runner.script(line);
            assert_eq!(ran.code, 0, "{line}: {}", ran.stderr);
            lines += 1;
        }
    }
    let written =
        blocks("yaml").into_iter().flat_map(str::lines).filter(|line| !line.trim().starts_with('#') && line.contains("amx-schema "));
    let written = written.count();
    assert_eq!(lines, written, "a command line of docs/ci.md is in no script");
}

#[test]
fn a_check_fails_where_more_is_wrong_than_what_is_pending() {
    let runner = Runner::new();
    runner.job("github deploy").ok();
    runner
        .store
        .sql("INSERT INTO amx_history_ledger (version, name, applied_on, checksum) VALUES (99, 'later', '2030-01-01T00:00:00Z', '1');");
    let newer = runner.job("github check");
    assert!(newer.code == 3 && newer.stdout.contains("store_newer"), "{newer:?}");
    let nowhere = Runner::with_url("postgresql://u@127.0.0.1:1/db");
    assert_eq!(nowhere.job("github check").code, 5);
    assert_eq!(nowhere.job("gitlab pending").code, 5);
    // A secret that is not there is empty text.
    assert_eq!(Runner::with_url("").job("github check").code, 2);
}

#[test]
fn a_store_that_was_changed_by_hand_fails_the_drift_jobs() {
    let runner = Runner::new();
    runner.job("gitlab deploy").ok();
    runner.store.sql("DROP INDEX ix_amx_history_runs_landing;");
    for name in ["github drift", "gitlab drift", "github deploy", "gitlab deploy"] {
        runner.job(name).fails_with(3);
    }
    assert!(runner.home.read("drift.json").contains("ix_amx_history_runs_landing"));
}

#[test]
fn a_model_that_was_changed_without_its_migrations_fails_the_check() {
    let runner = Runner::new();
    std::fs::remove_file(runner.home.path("migrations")).unwrap();
    assert!(Command::new("cp").arg("-r").arg(root().join("migrations")).arg(runner.home.path("migrations")).status().unwrap().success());
    let file: PathBuf = runner.home.path("migrations/oracle/V2__sharing.sql");
    std::fs::remove_file(file).unwrap();
    runner.job("github check").fails_with(3);
    runner.job("gitlab model").fails_with(3);
}

#[test]
fn no_command_line_holds_a_credential() {
    for script in jobs().iter().flat_map(|(_, job)| scripts(job)) {
        assert!(!script.contains("--url") && !script.contains("://"), "{script}");
    }
}

#[test]
fn the_profiles_are_taken_and_their_secrets_are_where_the_page_says() {
    let home = Home::new();
    home.write("config.yml", &serde_yaml::to_string(&yaml("ci/amx/config.yml")).unwrap());
    let listed = home.run(&["profile", "list", "--json"]).json();
    assert!(listed.as_array().unwrap().iter().all(|profile| profile["error"].is_null()), "{listed}");
    let unset = home.command(&["migrate", "--check"]).env_remove("AMX_DB_PASSWORD").output().unwrap();
    assert_eq!(unset.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unset.stderr).starts_with("error[secret_unavailable]"));
    home.run(&["migrate", "--check", "--profile", "reader"]).fails("secret_unavailable", 2);
}

#[test]
fn the_table_has_every_exit_status() {
    let listed = PAGE.lines().filter_map(|line| line.strip_prefix("| ")?.split(' ').next()?.parse().ok());
    let codes = amx_schema::error::Code::ALL.iter().map(|code| code.exit()).chain([0]);
    assert_eq!(listed.collect::<BTreeSet<u8>>(), codes.collect());
}

#[test]
fn the_log_is_the_one_on_the_page() {
    let [log, waiting] = blocks("text")[..] else { panic!("two logs are shown") };
    let (home, store) = (Home::new(), Store::sqlite());
    let ran = home.on(&store, &["migrate"]);
    let written: Vec<&str> = ran.stderr.lines().chain(ran.stdout.lines()).collect();
    let shown: Vec<&str> = log.lines().filter(|line| *line != "…").collect();
    let found: Vec<&str> = written.iter().copied().filter(|line| shown.contains(line)).collect();
    assert_eq!(found, shown, "{written:#?}");
    assert!(home.on(&store, &["migrate", "--json"]).stderr.is_empty());
    assert!(waiting.starts_with("warning: ") && waiting.ends_with(" is migrating this store; waiting for it"), "{waiting}");
}

#[test]
fn a_run_that_waits_says_for_whom_and_one_that_is_cancelled_is_finished_by_the_next() {
    let [_, waiting] = blocks("text")[..] else { panic!("two logs are shown") };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for store in Store::all() {
        let home = Home::new();
        home.on(&store, &["migrate", "--target", "1"]).ok();
        store.sql("UPDATE amx_history_lock SET who = 'ann', hostname = 'laptop', pid = 7, since = '2026-11-21T10:00:00Z';");
        let profile = amx_schema::profile::Profile::from_url(&store.url).unwrap();
        let schema = profile.backend.dialect().unwrap().schema_name(&store.schema).unwrap();
        let connecting =
            amx_schema::driver::connect(&profile, home.dir.path(), amx_schema::driver::Access::Write, amx_schema::driver::unheard());
        let mut holder = runtime.block_on(connecting).unwrap();
        assert!(runtime.block_on(holder.try_lock(&format!("{}.amx_history", schema.folded))).unwrap());

        let log = home.path("log");
        let mut migrate = home.command(&["migrate", "--url", &store.url, "--schema", &store.schema]);
        let mut child = migrate.stderr(std::fs::File::create(&log).unwrap()).stdout(Stdio::null()).spawn().unwrap();
        let started = Instant::now();
        while !std::fs::read_to_string(&log).unwrap().contains("waiting for it\n") {
            assert!(started.elapsed() < Duration::from_secs(20), "{}: it does not wait", store.backend);
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(130), "{}", store.backend);
        let log = std::fs::read_to_string(&log).unwrap();
        assert_eq!(log.lines().next(), Some(waiting), "{}", store.backend);
        assert!(log.contains("error[interrupted]: "), "{log}");
        home.on(&store, &["migrate", "--lock-timeout", "300ms"]).fails("locked", 7);

        runtime.block_on(holder.close().boxed());
        home.on(&store, &["migrate"]).ok();
        home.on(&store, &["migrate", "--check"]).ok();
    }
}

impl Ran {
    #[track_caller]
    fn fails_with(&self, exit: i32) {
        assert_eq!(self.code, exit, "{self:?}");
    }
}
