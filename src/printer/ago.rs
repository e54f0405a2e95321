//! Times as people tell them.

use chrono::{DateTime, Utc};

/// How long ago, in the largest unit that fits.
pub fn ago(now: DateTime<Utc>, then: DateTime<Utc>) -> String {
    let seconds = (now - then).num_seconds();
    let units = [(86_400 * 365, "year"), (86_400 * 30, "month"), (86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];
    if seconds < 0 {
        return then.format("%Y-%m-%d %H:%M").to_string();
    }
    match units.into_iter().find(|(length, _)| seconds >= *length) {
        None => "just now".into(),
        Some((length, unit)) => {
            let count = seconds / length;
            format!("{} ago", counted(count.unsigned_abs(), unit))
        }
    }
}

/// So many of a thing whose plural ends in s.
pub fn counted(count: u64, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn a_time_is_told_in_the_largest_unit_that_fits() {
        let now = DateTime::from_timestamp(1_780_000_000, 0).unwrap();
        let told = |seconds| ago(now, now - TimeDelta::seconds(seconds));
        assert_eq!(told(0), "just now");
        assert_eq!(told(61), "1 minute ago");
        assert_eq!(told(7_300), "2 hours ago");
        assert_eq!(told(5 * 86_400), "5 days ago");
    }

    #[test]
    fn a_time_to_come_is_told_as_it_is() {
        let now = DateTime::from_timestamp(1_780_000_000, 0).unwrap();
        assert_eq!(ago(now, now + TimeDelta::hours(1)), "2026-05-28 21:26");
    }
}
