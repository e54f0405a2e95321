//! Reading the history back, on every real engine.

mod common;
use common::{HISTORY, Home, Store};

#[test]
fn a_list_is_newest_first_and_counts_described_results() {
    for store in Store::all() {
        let home = Home::with_history(HISTORY);
        home.migrated(&store);
        home.import(&store, &[]);
        let listed = home.on(&store, &["history", "list", "--json", "--limit", "3"]).json();
        let ids: Vec<_> = listed.as_array().unwrap().iter().map(|run| run["run_id"].as_str().unwrap()).collect();
        assert_eq!(ids, ["run_2026-11-21_14-28-015", "run_2026-09-15_04-00-014", "run_2026-09-08_17-43-013"], "{}", store.backend);
        assert_eq!((listed[1]["ok"].as_i64(), listed[1]["fail"].as_i64()), (Some(8), Some(5)));
    }
}

#[test]
fn a_list_goes_on_after_a_run_until_its_end() {
    for store in Store::all() {
        let home = Home::with_history(HISTORY);
        home.migrated(&store);
        home.import(&store, &[]);
        let (mut seen, mut after) = (0, None::<String>);
        loop {
            let mut args = vec!["history", "list", "--json", "--limit", "4"];
            if let Some(after) = &after {
                args.extend(["--after", after.as_str()]);
            }
            let page = home.on(&store, &args).json();
            let Some(last) = page.as_array().unwrap().last() else { break };
            seen += page.as_array().unwrap().len();
            after = Some(last["run_id"].as_str().unwrap().into());
        }
        assert_eq!(seen, 15, "{}", store.backend);
    }
}

#[test]
fn a_list_filters_by_person_state_and_dotted_scope() {
    for store in Store::all() {
        let home = Home::with_history(HISTORY);
        home.migrated(&store);
        home.import(&store, &[]);
        let count = |args: &[&str]| home.on(&store, &[&["history", "list", "--json"], args].concat()).json().as_array().unwrap().len();
        assert_eq!(count(&["--who", "tester"]), 15, "{}", store.backend);
        assert_eq!(count(&["--who", "Tester"]), 0);
        assert_eq!(count(&["--state", "failed"]), 2);
        assert_eq!(count(&["--scope", "sales"]), 2);
        assert_eq!(count(&["--scope", "sales.customer"]), 2);
        assert_eq!(count(&["--scope", "sales.cust"]), 0);
        assert_eq!(count(&["--scope", "satış.customer", "--state", "applied"]), 1);
        home.on(&store, &["history", "list", "--state", "done"]).fails("usage", 2);
    }
}

#[test]
fn a_run_that_is_not_there_is_unknown() {
    for store in Store::all() {
        let home = Home::new();
        home.migrated(&store);
        home.on(&store, &["history", "show", "run_1"]).fails("run_unknown", 2);
        home.on(&store, &["history", "list", "--after", "run_1"]).fails("run_unknown", 2);
    }
}
