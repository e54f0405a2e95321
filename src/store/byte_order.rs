//! Names that an engine gave in its own order, put into the order of their bytes.
//!
//! SQL Server compares UTF-16 code units and fills the shorter name up with blanks
//! (<https://learn.microsoft.com/en-us/sql/t-sql/language-elements/string-comparison-assignment>). Against the order of UTF-8 bytes that misplaces
//! a character beyond U+FFFF, which comes before those from U+E000 on, and a control character, which comes before the end of a name. What it
//! misplaces is close together, so that only a few names are held back at a time. Where the engine's order is that of bytes nothing changes.

/// What is held back of names that come one after the other.
pub(super) struct ByteOrder<T> {
    held: Vec<T>,
    /// What the names that are held back begin with.
    stem: String,
}

impl<T> ByteOrder<T> {
    pub fn new() -> ByteOrder<T> {
        ByteOrder { held: vec![], stem: String::new() }
    }

    /// Takes what came next and gives what is in its place.
    pub fn sorted(&mut self, page: Vec<T>, name: impl Fn(&T) -> &str) -> Vec<T> {
        let mut placed = Vec::with_capacity(page.len());
        for item in page {
            if !self.held.is_empty() && !may_precede(name(&item), &self.stem) {
                placed.append(&mut self.rest(&name));
            }
            if self.held.is_empty() {
                match stem(name(&item)) {
                    Some(stem) => self.stem = stem.into(),
                    None => {
                        placed.push(item);
                        continue;
                    }
                }
            }
            self.held.push(item);
        }
        placed
    }

    /// What is still held back.
    pub fn rest(&mut self, name: impl Fn(&T) -> &str) -> Vec<T> {
        self.held.sort_by(|one, other| name(one).cmp(name(other)));
        std::mem::take(&mut self.held)
    }
}

/// What comes before the first character that may be misplaced; nothing where there is none.
fn stem(name: &str) -> Option<&str> {
    let (at, first) = name.char_indices().find(|(_, c)| *c < ' ' || *c > '\u{ffff}')?;
    let stem = name.get(..at)?;
    // The end of a name counts as a blank.
    Some(if first < ' ' { stem.trim_end_matches(' ') } else { stem })
}

/// Whether a name belongs before one with that stem that the engine gave earlier. Behind the stem such a name ends, or has a character that may be
/// misplaced itself, or one from U+E000 on.
fn may_precede(name: &str, stem: &str) -> bool {
    let Some(rest) = name.strip_prefix(stem) else { return false };
    match rest.trim_start_matches(' ').chars().next() {
        None => true,
        Some(next) => !(' '..'\u{e000}').contains(&next),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cmp::Ordering;

    /// As SQL Server compares by a BIN2 collation.
    fn padded(one: &str, other: &str) -> Ordering {
        let units = |text: &str| text.encode_utf16().collect::<Vec<_>>();
        let (mut left, mut right) = (units(one), units(other));
        let length = left.len().max(right.len());
        left.resize(length, u16::from(b' '));
        right.resize(length, u16::from(b' '));
        left.cmp(&right)
    }

    fn in_byte_order(names: &[String], page: usize) -> (Vec<String>, usize) {
        let (mut order, mut placed, mut most) = (ByteOrder::new(), vec![], 0);
        for page in names.chunks(page) {
            placed.extend(order.sorted(page.to_vec(), |name| name.as_str()));
            most = most.max(order.held.len());
        }
        placed.extend(order.rest(|name| name.as_str()));
        (placed, most)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4_000) })]

        #[test]
        fn whatever_the_engine_s_order_the_names_come_by_their_bytes(
            names in proptest::collection::vec("[ ab\u{1}\t\u{d7ff}\u{e000}\u{ffef}\u{10000}😀]{1,5}", 0..40),
            page in 1..8usize,
        ) {
            let mut bytes: Vec<String> = names.iter().map(|name| name.trim().to_string()).filter(|name| !name.is_empty()).collect();
            bytes.sort();
            bytes.dedup();
            prop_assert_eq!(&in_byte_order(&bytes, page).0, &bytes);
            let mut engine = bytes.clone();
            engine.sort_by(|one, other| padded(one, other));
            prop_assert_eq!(in_byte_order(&engine, page).0, bytes);
        }
    }

    #[test]
    fn plain_names_are_not_held_back() {
        let mut names: Vec<String> = (0..1_000).map(|number| format!("sales.orders{number}.straße")).collect();
        names.extend(["sales.😀".into(), "sales.\u{ffef}".into(), "sales.\u{ffef}x".into(), "shop.a".into(), "shop.b".into()]);
        names.sort_by(|one, other| padded(one, other));
        let (placed, most) = in_byte_order(&names, 100);
        names.sort();
        assert_eq!(placed, names);
        assert!(most <= 3, "{most}");
    }
}
