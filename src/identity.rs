//! Who is working, and on which machine.

use crate::store::source::Person;

/// The person at work: `AMX_USER`, else the login name, and this machine's name.
///
/// A name is shortened nowhere; characters that no store holds are left out.
pub fn person() -> Person {
    Person { who: who(), hostname: hostname() }
}

/// `AMX_USER`, else the login name.
fn who() -> String {
    let given = std::env::var("AMX_USER").ok().filter(|name| !name.trim().is_empty());
    let name = given.or_else(|| whoami::username().ok()).unwrap_or_default();
    storable(&name)
}

fn hostname() -> String {
    storable(&gethostname::gethostname().to_string_lossy())
}

fn storable(name: &str) -> String {
    let name: String = name.chars().filter(|c| !c.is_control()).collect();
    if name.trim().is_empty() { "unknown".into() } else { name }
}
