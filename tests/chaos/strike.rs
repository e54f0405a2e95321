//! A fault befalls a command; then the same command goes on, and nothing is lost, there twice or other than it was written.

use crate::case::{Case, Fault, Verb};
use crate::common::chance::Chance;
use crate::common::proxy::Fate;
use crate::common::told::Told;
use crate::common::user::{as_nobody, is_root, limited, own, under};
use crate::world::{Ended, Files, LOCAL, Process, Start, World, foreign};
use amx_schema::error::Code;
use serde_yaml::Value as Yaml;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// How many times faster the program's clock goes where answers are held, and for how long they are: longer than it waits for any.
const FASTER: u32 = 20;
const HELD: Duration = Duration::from_millis(75_000 / FASTER as u64);

/// Runs a case in a world that is made as it was before. Whether the fault struck before the command was done.
///
/// # Panics
/// Where something does not hold.
pub fn run(world: &mut World, case: Case, seed: u64) -> bool {
    let (mut chance, position) = (case.chance(seed), case.position(seed));
    match case.fault {
        Fault::Together => together(world, case),
        Fault::FileCut | Fault::FileFlipped | Fault::FileForeign => damaged(world, case, &mut chance),
        _ => return befallen(world, case, position, &mut chance),
    }
    true
}

/// One process under a fault.
fn befallen(world: &mut World, case: Case, position: f64, chance: &mut Chance) -> bool {
    let (verb, start) = (case.verb, world.start_of(case.verb));
    let steps = world.steps(verb);
    world.reset(start);
    let mut told = world.told_before(start);
    // Where there is no store yet, the standby has none either.
    if case.fault == Fault::FailedOver && start != Start::New {
        world.copy_to_standby();
        told.extend(world.go_on_writing());
    }
    let config = world.ann.read("config.yml");
    let theirs = || if start == Start::New { String::new() } else { world.now().rows_of_bob() };
    let before = theirs();
    let message = 1 + (position * steps.messages as f64) as i64;
    // The disk is full for all but those that write to it alone.
    let is_stopped = |call: &&(String, usize)| case.fault != Fault::DiskFull || call.0 == "pwrite64";
    let calls: Vec<_> = steps.calls.iter().filter(is_stopped).cloned().collect();
    let call = calls.get((position * calls.len() as f64) as usize).cloned().unwrap_or(("pwrite64".into(), 1));
    let (ended, struck) = strike(world, case, message, &call, chance);
    let told = [told, if verb == Verb::Record { world.told(&ended.stdout) } else { vec![] }].concat();
    fits(case, &ended);
    let config_after = world.ann.read("config.yml");
    if case.fault == Fault::WrongServer {
        let (standby, proxy) = (world.standby.as_ref().unwrap(), world.proxy.as_ref().unwrap());
        let makes_one = [Verb::Enable, Verb::Migrate].contains(&verb);
        assert!(makes_one || standby.shell("SELECT run_id FROM amx_history_runs;").code != 0, "it wrote to a server that has no store");
        proxy.lead_to(world.store.port());
        proxy.cut_all();
    }
    if case.fault == Fault::FailedOver {
        // Who writes next finds out. Where the store itself is lost, what is written for it waits for it for ever.
        if start != Start::New {
            world.probe();
        }
    } else {
        assert!(theirs() == before, "rows of somebody else were changed");
    }
    world.nothing_is_lost(&told, start != Start::New && verb != Verb::Disable);
    world.goes_on(verb, &world.ann);
    let config_then = world.ann.read("config.yml");
    assert!([&config, &config_then].contains(&&config_after), "config.yml is neither as before nor as after:\n{config_after}");
    keeps(&config, &config_then);
    world.settle(start == Start::New || case.fault == Fault::FailedOver);
    world.whole();
    struck
}

/// Lets the fault befall the command. How it ended, and whether it struck before that.
fn strike(world: &World, case: Case, message: i64, call: &(String, usize), chance: &mut Chance) -> (Ended, bool) {
    let given = world.command(case.verb, &world.ann);
    let at_call = |effect: &str| {
        let inject = format!("inject={}:{effect}:when={}", call.0, call.1);
        Process::start(&mut traced(&call.0, &inject, &given)).end()
    };
    let on_the_line = |fate: Fate, mark: &'static [u8], message: i64| {
        let proxy = world.proxy.as_ref().unwrap();
        proxy.at_message(message, mark, fate);
        let ended = Process::start(&mut world.command(case.verb, &world.ann)).end();
        (ended, !proxy.spare())
    };
    let stopped = |ended: Ended| {
        let struck = ended.code != Some(0);
        (ended, struck)
    };
    match case.fault {
        Fault::Killed => stopped(at_call("signal=KILL")),
        Fault::Interrupted => stopped(at_call("signal=INT")),
        Fault::Terminated => stopped(at_call("signal=TERM")),
        Fault::StdoutClosed => (unread(given, chance), true),
        Fault::DiskFull if case.point.is_multiple_of(2) => {
            let kib = [0, 1, 4, 16, 32, 64, 100, 140][chance.below(8)];
            stopped(Process::start(&mut limited(kib, &given)).end())
        }
        Fault::DiskFull => {
            stopped(Process::start(&mut traced("pwrite64", &format!("inject=pwrite64:error=ENOSPC:when={}+", call.1), &given)).end())
        }
        Fault::HomeReadOnly => stopped(read_only(world, &given)),
        Fault::LineCut => on_the_line(Fate::Cut, b"", message),
        Fault::AnswerLost => on_the_line(Fate::Unanswered, b"", message),
        Fault::CommitLost => on_the_line(Fate::Unanswered, b"COMMIT", 1 + message % 2),
        Fault::AnswersHeld => {
            let proxy = world.proxy.as_ref().unwrap();
            proxy.at_message(message, b"", Fate::Held(HELD));
            let ended = Process::start(&mut clock(&format!("+0 x{FASTER}"), true, given)).end();
            (ended, !proxy.spare())
        }
        Fault::SessionsEnded => {
            let server = world.server.clone().unwrap();
            on_the_line(Fate::After(Box::new(move || server.lock().unwrap().end_sessions())), b"", message)
        }
        Fault::Restarted => {
            let server = world.server.clone().unwrap();
            on_the_line(Fate::After(Box::new(move || server.lock().unwrap().restart())), b"", message)
        }
        Fault::FailedOver | Fault::WrongServer => {
            let (proxy, port) = (world.proxy.clone().unwrap(), world.standby.as_ref().unwrap().port());
            let switch = move || {
                proxy.lead_to(port);
                proxy.cut_all();
            };
            let struck = on_the_line(Fate::After(Box::new(switch.clone())), b"", message);
            switch();
            struck
        }
        Fault::ClockBack => {
            let back = ["-90", "-1h", "-30d", "-3y"][case.point % 4];
            (Process::start(&mut clock(back, false, given)).end(), true)
        }
        Fault::Together | Fault::FileCut | Fault::FileFlipped | Fault::FileForeign => unreachable!(),
    }
}

/// The program under strace, which meddles with one kind of its system calls.
fn traced(call: &str, inject: &str, given: &Command) -> Command {
    under(&["strace", "-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", inject], given)
}

/// With another clock, for timeouts as well or not.
fn clock(offset: &str, and_timeouts: bool, mut given: Command) -> Command {
    given.env("LD_PRELOAD", libfaketime().unwrap()).env("FAKETIME", offset);
    if !and_timeouts {
        given.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    }
    given
}

/// The library that gives a program another clock.
pub fn libfaketime() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?.map(|entry| entry.unwrap().path());
    folders.map(|folder| folder.join("faketime/libfaketime.so.1")).find(|path| path.exists())
}

/// Its stdout is closed, after a first part of it was read or at once.
fn unread(mut given: Command, chance: &mut Chance) -> Ended {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let process = Process::start_with(given.stdout(writer));
    // The command has the other end too.
    drop(given);
    let mut first = vec![0; chance.below(3) * 100];
    let _ = reader.read(&mut first);
    drop(reader);
    process.end()
}

/// As a user who may not write to the home folder, but to the store where that is a file.
fn read_only(world: &World, given: &Command) -> Ended {
    let home = world.ann.dir.path();
    let mode = |folder, file| {
        let set = |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        std::fs::read_dir(home).unwrap().for_each(|entry| set(&entry.unwrap().path(), file));
        set(home, folder);
    };
    let folders = || [Some(home), Some(world.inputs.dir.path()), world.folder()].into_iter().flatten();
    mode(0o555, 0o444);
    let ended = match is_root() {
        true => {
            folders().for_each(|folder| own(folder, "65534:65534"));
            let ended = Process::start(&mut as_nobody(given)).end();
            folders().for_each(|folder| own(folder, "0:0"));
            ended
        }
        false => Process::start(&mut under(&["env"], given)).end(),
    };
    mode(0o755, 0o644);
    ended
}

/// Requires that a command ended as one may that such a thing befell.
#[track_caller]
fn fits(case: Case, ended: &Ended) {
    let allowed: &[Code] = match case.fault {
        Fault::Killed | Fault::ClockBack | Fault::Together | Fault::StdoutClosed => &[],
        Fault::Interrupted | Fault::Terminated => &[Code::Interrupted],
        Fault::DiskFull | Fault::HomeReadOnly => &[Code::Io],
        Fault::LineCut | Fault::AnswerLost | Fault::CommitLost | Fault::SessionsEnded | Fault::Restarted | Fault::FailedOver => {
            &[Code::Unreachable]
        }
        Fault::AnswersHeld => &[Code::Unreachable, Code::Locked],
        Fault::WrongServer => &[Code::Unreachable, Code::StoreMissing, Code::FlushIncomplete],
        // A configuration may name any server then, or none.
        Fault::FileCut | Fault::FileFlipped | Fault::FileForeign => Code::ALL,
    };
    let stopped_by = match case.fault {
        Fault::Killed => Some(9),
        // Before it listens for them they end it as any process.
        Fault::Interrupted => Some(2),
        Fault::Terminated => Some(15),
        _ => None,
    };
    let fits = match ended.code {
        None => ended.signal == stopped_by,
        Some(0) => case.fault != Fault::StdoutClosed || !ended.stderr.contains("error["),
        Some(exit) => {
            let is_told = |code: &&Code| i32::from(code.exit()) == exit && ended.stderr.contains(&format!("error[{}]: ", code.word()));
            let told = allowed.iter().find(is_told);
            told.is_some_and(|code| *code != Code::Internal) && ended.stderr.lines().any(|line| line.starts_with("hint: "))
        }
    };
    assert!(fits && !ended.stderr.contains("panicked"), "it ended as it may not: {ended:#?}");
}

/// Requires that a configuration is one and has every key that it had.
#[track_caller]
fn keeps(before: &str, after: &str) {
    let yaml = |text: &str| serde_yaml::from_str::<Yaml>(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    fn covers(before: &Yaml, after: &Yaml) -> bool {
        match (before, after) {
            (Yaml::Mapping(before), Yaml::Mapping(after)) => {
                before.iter().all(|(key, value)| after.get(key).is_some_and(|now| covers(value, now)))
            }
            // What the program may set.
            _ => true,
        }
    }
    assert!(covers(&yaml(before), &yaml(after)), "keys are gone:\n{before}\n{after}");
    let comments = |text: &str| text.matches('#').count();
    assert!(comments(before) <= comments(after), "comments are gone:\n{before}\n{after}");
}

/// Several processes at once, half of them of another command, in one home or in two.
fn together(world: &mut World, case: Case) {
    let (other, count, is_one_home) = case.beside();
    let start = match (world.start_of(case.verb), world.start_of(other)) {
        (Start::New, Start::New) => Start::New,
        (Start::Settled, _) | (_, Start::Settled) => Start::Settled,
        _ => Start::Member,
    };
    world.reset(start);
    let second = if is_one_home { &world.ann } else { &world.bob };
    let process = |at: usize| {
        let (verb, home) = if at.is_multiple_of(2) { (case.verb, &world.ann) } else { (other, second) };
        (verb, std::ptr::eq(home, &world.ann), Process::start(&mut world.command(verb, home)))
    };
    let started: Vec<_> = (0..count).map(process).collect();
    let mut answered: Vec<Told> = vec![];
    for (verb, is_ann, process) in started {
        let ended = process.end();
        fits(case, &ended);
        if verb == Verb::Record && is_ann {
            answered = world.told(&ended.stdout);
            assert!(answered.iter().all(|told| told.answer.is_some()), "not all was answered");
        }
    }
    world.nothing_is_lost(&[world.told_before(start), answered].concat(), start != Start::New);
    world.ok(case.verb, &world.ann);
    world.ok(other, second);
    world.settle(true);
    world.whole();
}

/// A command finds a local file damaged; the file is put right, and it goes on.
fn damaged(world: &mut World, case: Case, chance: &mut Chance) {
    world.reset(world.start_of(case.verb).max(Start::Member));
    let name = [LOCAL, "history.db", "config.yml"][case.point % 3];
    let (before, path) = (Files::of(world.ann.dir.path()), world.ann.path(name));
    let theirs = world.store.rows_of_bob();
    damage(case.fault, &path, chance);
    let ended = Process::start(&mut world.command(case.verb, &world.ann)).end();
    fits(case, &ended);
    assert!(world.store.rows_of_bob() == theirs, "rows of somebody else were changed");
    before.restore(world.ann.dir.path());
    world.ok(Verb::Diff, &world.ann);
    if case.fault == Fault::FileFlipped {
        // What was flipped is as good as what was written, to a program. The case ends here where it was sent.
        return;
    }
    world.goes_on(case.verb, &world.ann);
    world.settle(false);
    world.whole();
}

fn damage(fault: Fault, path: &Path, chance: &mut Chance) {
    let mut bytes = std::fs::read(path).unwrap();
    let is_database = path.extension().is_some_and(|extension| extension == "db");
    match fault {
        Fault::FileCut if is_database => bytes.truncate(chance.below(bytes.len() / 4096) * 4096),
        Fault::FileCut => bytes.truncate(chance.below(bytes.len())),
        Fault::FileFlipped => {
            let count = 1 << chance.below(8);
            for _ in 0..count {
                let at = chance.below(bytes.len());
                bytes[at] ^= 1 << chance.below(8);
            }
        }
        _ if is_database => {
            let sql = [
                "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO customers VALUES (1, 'ann')",
                "CREATE TABLE amx_history_runs (run_id TEXT); CREATE TABLE amx_history_results (run_id TEXT); CREATE TABLE local_outbox (id)",
                "CREATE TABLE analysis_runs (id INTEGER PRIMARY KEY); CREATE TABLE run_results (id INTEGER PRIMARY KEY)",
                "PRAGMA user_version = 900; PRAGMA application_id = 77; CREATE VIEW amx_history_runs AS SELECT 1 AS run_id",
            ];
            let sql: &&str = chance.one(&sql);
            return foreign(path, sql);
        }
        _ => {
            let texts =
                ["- a\n- b\n", "db_profiles: 3\n", "[]", "services: {web: {image: nginx}}\n", "history_store_enabled: [yes]\n", "%\u{0}\n"];
            bytes = chance.one(&texts[..]).as_bytes().to_vec();
        }
    }
    std::fs::write(path, bytes).unwrap();
}
