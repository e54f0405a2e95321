//! Four machines record, pull and flush over lines that break, are killed and come back. At the end all of them and the store hold the same,
//! with everything that was acknowledged in it once.
//!
//! It takes `AMX_SOAK_SECONDS` on each engine, 25 where it is not said. What the machines do follows from `AMX_TEST_SEED`; how it falls
//! together does not, so that a seed gives the same load again and not always the same fault.

#[path = "soak/check.rs"]
mod check;
mod common;
#[path = "soak/machine.rs"]
mod machine;

use common::chance::Chance;
use common::proxy::Weather;
use common::told::once;
use common::{Home, Store};
use machine::{Board, Machine, Worker};
use std::time::{Duration, Instant};

/// How many machines there are.
const MACHINES: usize = 4;

fn duration() -> Duration {
    Duration::from_secs(std::env::var("AMX_SOAK_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(25))
}

/// What a line does until the end, when it is fair again.
fn storm(machine: &Machine, chance: &mut Chance, until: Instant) {
    let ms = |chance: &mut Chance, most: usize| Duration::from_millis(chance.below(most) as u64);
    while Instant::now() < until {
        let weather = match chance.below(10) {
            0..5 => Weather::Fair,
            5 | 6 => Weather::Refused,
            7 => Weather::Slow(ms(chance, 30)),
            _ => Weather::Deaf,
        };
        machine.proxy.weather(weather);
        if weather == Weather::Refused || chance.percent(30) {
            machine.proxy.cut_all();
        }
        let lasts = ms(chance, if weather == Weather::Deaf { 200 } else { 1500 });
        std::thread::sleep(lasts.min(until.saturating_duration_since(Instant::now())));
    }
    machine.proxy.cut_all();
    machine.proxy.weather(Weather::Fair);
}

fn machines_that_are_cut_off_and_killed_come_to_the_same(store: &Store) {
    let mut chance = Chance::new();
    Home::new().migrated(store);
    let machines: Vec<Machine> = (1..=MACHINES).map(|number| Machine::new(store, number)).collect();
    let board = Board::default();
    let until = Instant::now() + duration();
    let told: Vec<_> = std::thread::scope(|scope| {
        let mut working = vec![];
        for machine in &machines {
            let mut of_line = chance.fork();
            scope.spawn(move || storm(machine, &mut of_line, until));
            for letter in ['a', 'b'] {
                let worker = Worker::new(machine, letter, &board, chance.fork());
                working.push(scope.spawn(move || worker.work(until)));
            }
        }
        working.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let acknowledged = told.iter().filter(|told| told.answer.is_some()).count();
    eprintln!("{}: {} operations given, {acknowledged} acknowledged", store.backend, told.len());
    machines.iter().for_each(Machine::settle);
    // What one sent last the others have not seen yet.
    machines.iter().for_each(Machine::settle);
    check::all_the_same(store, &machines, &mut chance);
    once(store.backend, |sql| store.sql(sql), &told);
}

#[test]
fn machines_that_are_cut_off_and_killed_come_to_the_same_on_postgresql() {
    Store::postgresql().iter().for_each(machines_that_are_cut_off_and_killed_come_to_the_same);
}

#[test]
fn machines_that_are_cut_off_and_killed_come_to_the_same_on_mariadb() {
    Store::mysql().iter().for_each(machines_that_are_cut_off_and_killed_come_to_the_same);
}
