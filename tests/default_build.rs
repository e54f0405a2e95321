//! The build without features of its own: what it says of Oracle, whose driver is not in it. `make test` runs this before the rest, which has it.
#![cfg(not(feature = "oracle"))]

mod common;
use common::Home;

#[test]
fn a_backend_without_a_driver_is_accepted_in_a_profile_and_named_when_it_is_used() {
    let home = Home::new();
    home.write("config.yml", "db_profiles: {s: {backend: oracle, host: h, user: u, service_name: svc}}\n");
    assert!(home.run(&["profile", "list"]).ok().contains("h/svc"));
    for args in [&["enable", "--yes"][..], &["diff"], &["migrate"]] {
        let refused = home.run(&[args, &["--profile", "s"]].concat()).fails("backend_not_built", 4);
        assert!(refused.stderr.contains("dump-ddl --dialect oracle"), "{}", refused.stderr);
    }
    assert!(home.run(&["dump-ddl", "--profile", "s"]).ok().contains("(Oracle dialect)"));
}
