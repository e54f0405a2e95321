//! What a run's results come to in one hash: the same on every machine and every backend.

use crate::history::RunResult;
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};

/// A run's results, counted and hashed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hashed {
    /// How many there are; of rows that are there twice with the same content, one.
    pub results: u64,
    /// SHA-256 over their lines, 64 hex digits.
    pub hash: String,
}

/// A result as it is hashed: its object, and one compact JSON array, as RFC 8785 writes it, with a line feed. Their order is that of the lines.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    target_qname: String,
    text: String,
}

impl Line {
    /// The line of a result.
    pub fn new(target_qname: &str, target_kind: &str, description: Option<&str>, confidence: &str) -> Line {
        // serde_json writes arrays of strings and null as RFC 8785 does.
        let text = json!([target_qname, target_kind, description, confidence]).to_string() + "\n";
        Line { target_qname: target_qname.into(), text }
    }

    /// About how many bytes it takes.
    pub fn size(&self) -> usize {
        self.target_qname.len() + self.text.len()
    }

    /// The same.
    pub fn of(result: &RunResult) -> Line {
        Line::new(&result.target_qname, &result.target_kind, result.description.as_deref(), &result.confidence)
    }
}

/// Takes in lines one by one, in byte order of their objects, and holds on to none but the last.
#[derive(Debug, Default)]
pub struct Hashing {
    sha: Sha256,
    results: u64,
    last: Option<Line>,
    disordered: bool,
}

impl Hashing {
    /// Takes in a line. One that is the same as the last is no other result.
    pub fn add(&mut self, line: Line) {
        match &self.last {
            Some(last) if *last == line => return,
            Some(last) => self.disordered |= *last > line,
            None => {}
        }
        self.sha.update(&line.text);
        self.results += 1;
        self.last = Some(line);
    }

    /// What they come to; nothing where they came in another order, as from an engine that orders by UTF-16. Then they are to be collected and
    /// [sorted](Hashing::sorted).
    pub fn end(self) -> Option<Hashed> {
        let hash = self.sha.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        (!self.disordered).then_some(Hashed { results: self.results, hash })
    }

    /// What lines come to that are here in any order.
    pub fn sorted(mut lines: Vec<Line>) -> Hashed {
        lines.sort();
        let mut hashing = Hashing::default();
        lines.into_iter().for_each(|line| hashing.add(line));
        let Hashing { sha, results, .. } = hashing;
        Hashed { results, hash: sha.finalize().iter().map(|byte| format!("{byte:02x}")).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(object: &str, description: &str) -> Line {
        Line::new(object, "TABLE", Some(description), "high")
    }

    fn hashed(lines: &[Line]) -> Option<Hashed> {
        let mut hashing = Hashing::default();
        lines.iter().for_each(|line| hashing.add(line.clone()));
        hashing.end()
    }

    #[test]
    fn the_hash_is_over_a_compact_json_array_a_line() {
        let line = Line::new("sales.\"a b\"", "TABLE", Some("two\nlines, ı and \u{1}"), "high");
        assert_eq!(line.text, "[\"sales.\\\"a b\\\"\",\"TABLE\",\"two\\nlines, ı and \\u0001\",\"high\"]\n");
        assert_eq!(Line::new("a", "TABLE", None, "low").text, "[\"a\",\"TABLE\",null,\"low\"]\n");
    }

    #[test]
    fn no_result_has_the_hash_of_nothing() {
        let none = hashed(&[]).unwrap();
        assert_eq!((none.results, &none.hash[..8]), (0, "e3b0c442"));
    }

    #[test]
    fn lines_in_another_order_are_to_be_sorted_and_come_to_the_same() {
        // U+FFFD is before U+1F600 by bytes and after it by UTF-16.
        let (bmp, astral) = (line("s.\u{fffd}", "one"), line("s.\u{1f600}", "two"));
        let wanted = hashed(&[bmp.clone(), astral.clone()]).unwrap();
        assert_eq!(hashed(&[astral.clone(), bmp.clone()]), None);
        assert_eq!(Hashing::sorted(vec![astral, bmp]), wanted);
    }

    #[test]
    fn objects_are_in_the_order_of_their_bytes_and_not_of_what_json_makes_of_them() {
        let (quote, hash) = (line("s.\"", "one"), line("s.#", "two"));
        assert!(hashed(&[quote, hash]).is_some());
    }

    #[test]
    fn a_row_that_is_there_twice_with_the_same_content_counts_once() {
        let once = hashed(&[line("a", "one"), line("b", "two")]);
        assert_eq!(hashed(&[line("a", "one"), line("a", "one"), line("b", "two")]), once);
        assert_eq!(hashed(&[line("a", "one"), line("a", "other"), line("b", "two")]).unwrap().results, 3);
    }
}
