//! The JSON that amx-cli's columns hold (Python's, with `NaN` and `Infinity`, and sometimes none at all), and writing JSON without building
//! a tree.

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::{self, Write as _};

/// How deep JSON may be nested. serde_json reads 127 levels, and some are needed for what the text is put into.
const DEPTH_MAX: usize = 100;
const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];

/// JSON as any strict reader takes it, or `None` where the text is not JSON.
///
/// Bare `NaN`, `Infinity` and `-Infinity` become strings; all else keeps its bytes, but for blanks around the whole. What serde_json could
/// not read back (half a surrogate pair, a number beyond `f64`, more than 100 levels) counts as not JSON, so that whatever this returns can
/// be embedded and read again.
pub fn repair(text: &str) -> Option<Cow<'_, str>> {
    let text = text.trim_matches(BLANKS);
    let mut scan = Scan { text, bytes: text.as_bytes(), at: 0, open: Vec::new() };
    let mut fixed = String::new();
    let mut copied = 0;
    loop {
        match scan.value()? {
            Seen::Opening => continue,
            Seen::Value => {}
            Seen::Bare(start) => {
                fixed.push_str(text.get(copied..start)?);
                fixed.push('"');
                fixed.push_str(text.get(start..scan.at)?);
                fixed.push('"');
                copied = scan.at;
            }
        }
        if !scan.another()? {
            break;
        }
    }
    if fixed.is_empty() {
        return Some(Cow::Borrowed(text));
    }
    fixed.push_str(text.get(copied..)?);
    Some(Cow::Owned(fixed))
}

/// What [`Scan::value`] went past.
enum Seen {
    /// The opening of an array or object that is not empty: a value follows.
    Opening,
    /// A whole value.
    Value,
    /// `NaN`, `Infinity` or `-Infinity`, from this byte on.
    Bare(usize),
}

/// A walk over JSON text without recursion. `None` means: not JSON.
struct Scan<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// The `[` and `{` that are not closed yet.
    open: Vec<u8>,
}

impl Scan<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn word(&mut self, rest: &[u8]) -> Option<()> {
        self.bytes.get(self.at..)?.starts_with(rest).then(|| self.at += rest.len())
    }

    fn value(&mut self) -> Option<Seen> {
        self.blanks();
        let start = self.at;
        match self.next()? {
            opening @ (b'{' | b'[') => {
                if self.open.len() == DEPTH_MAX {
                    return None;
                }
                self.blanks();
                // In ASCII the closing bracket is two after the opening one, for both kinds.
                if self.peek() == Some(opening + 2) {
                    self.at += 1;
                    return Some(Seen::Value);
                }
                self.open.push(opening);
                if opening == b'{' {
                    self.key()?;
                }
                return Some(Seen::Opening);
            }
            b'"' => self.string()?,
            b't' => self.word(b"rue")?,
            b'f' => self.word(b"alse")?,
            b'n' => self.word(b"ull")?,
            b'N' => return self.word(b"aN").map(|()| Seen::Bare(start)),
            b'I' => return self.word(b"nfinity").map(|()| Seen::Bare(start)),
            b'-' if self.peek() == Some(b'I') => return self.word(b"Infinity").map(|()| Seen::Bare(start)),
            b'-' | b'0'..=b'9' => self.number(start)?,
            _ => return None,
        }
        Some(Seen::Value)
    }

    /// Goes on to the next value, past what closes; false at the end of the text.
    fn another(&mut self) -> Option<bool> {
        loop {
            self.blanks();
            let Some(&opening) = self.open.last() else {
                return (self.at == self.bytes.len()).then_some(false);
            };
            match self.next()? {
                b',' if opening == b'{' => return self.key().map(|()| true),
                b',' => return Some(true),
                closing if closing == opening + 2 => self.open.truncate(self.open.len() - 1),
                _ => return None,
            }
        }
    }

    fn key(&mut self) -> Option<()> {
        self.blanks();
        if self.next()? != b'"' {
            return None;
        }
        self.string()?;
        self.blanks();
        (self.next()? == b':').then_some(())
    }

    /// The rest of a string, after its opening quote.
    fn string(&mut self) -> Option<()> {
        loop {
            self.at += special(self.bytes.get(self.at..)?)?;
            match self.next()? {
                b'"' => return Some(()),
                b'\\' => match self.next()? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                    b'u' => match self.unit()? {
                        0xD800..=0xDBFF => {
                            self.word(b"\\u")?;
                            if !matches!(self.unit()?, 0xDC00..=0xDFFF) {
                                return None;
                            }
                        }
                        0xDC00..=0xDFFF => return None,
                        _ => {}
                    },
                    _ => return None,
                },
                _ => return None,
            }
        }
    }

    /// The four digits of a `\u`.
    fn unit(&mut self) -> Option<u16> {
        let digits = self.text.get(self.at..self.at + 4)?;
        // from_str_radix would take a sign as well.
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        self.at += 4;
        u16::from_str_radix(digits, 16).ok()
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    fn number(&mut self, start: usize) -> Option<()> {
        self.at = start;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let zero_first = self.peek() == Some(b'0');
        let whole = self.digits();
        if whole == 0 || (zero_first && whole > 1) {
            return None;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return None;
            }
        }
        let mut large = whole > 300;
        if matches!(self.peek(), Some(b'e' | b'E')) {
            large = true;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if self.digits() == 0 {
                return None;
            }
        }
        let finite = || self.text.get(start..self.at)?.parse::<f64>().ok().filter(|number| number.is_finite());
        if large { finite().map(|_| ()) } else { Some(()) }
    }
}

/// Where the first byte is that a JSON string cannot hold as it is: a quote, a backslash or a control character.
fn special(bytes: &[u8]) -> Option<usize> {
    let special = |b: u8| (b < 0x20) | (b == b'"') | (b == b'\\');
    // Whole blocks without a branch a byte, which the compiler turns into vector instructions: most of a history is plain prose.
    let plain = bytes.chunks_exact(32).take_while(|block| !block.iter().fold(false, |any, &b| any | special(b))).count() * 32;
    bytes.get(plain..)?.iter().position(|&b| special(b)).map(|at| plain + at)
}

/// Appends text as a JSON string.
pub fn push_text(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    // Only ASCII is ever escaped, so the cuts fall between characters.
    while let Some(at) = special(rest.as_bytes()) {
        let (plain, from) = rest.split_at(at);
        out.push_str(plain);
        let (special, after) = from.split_at(1);
        match special {
            "\"" => out.push_str("\\\""),
            "\\" => out.push_str("\\\\"),
            "\n" => out.push_str("\\n"),
            "\r" => out.push_str("\\r"),
            "\t" => out.push_str("\\t"),
            _ => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04x}", special.as_bytes().first().copied().unwrap_or_default());
            }
        }
        rest = after;
    }
    out.push_str(rest);
    out.push('"');
}

/// Appends a number with all its digits; one that JSON lacks becomes the string that stands for it.
pub fn push_number(out: &mut String, number: f64) {
    if !number.is_finite() {
        out.push_str(if number.is_nan() {
            "\"NaN\""
        } else if number < 0.0 {
            "\"-Infinity\""
        } else {
            "\"Infinity\""
        });
        return;
    }
    // serde_json's digits cost a fifth of what std's do, and most rows hold several times. The longest is 24 bytes.
    let mut buffer = [0; 32];
    let mut rest = &mut buffer[..];
    let written = serde_json::to_writer(&mut rest, &number).is_ok();
    let left = rest.len();
    match std::str::from_utf8(&buffer[..buffer.len() - left]) {
        Ok(digits) if written => out.push_str(digits),
        _ => out.push_str(&number.to_string()),
    }
}

/// What an `alternatives_json` says, in the shared store's form.
#[derive(Debug, Clone, PartialEq)]
pub struct Alternatives {
    /// A JSON array of `{text, logprob}`, other keys of an alternative after these.
    pub json: String,
    /// The text of the first alternative.
    pub first: Option<String>,
    /// Whether `json` holds all that the source said. False where an element has no text, or its own log probability had to give way: the
    /// source is then worth keeping.
    pub whole: bool,
}

/// Reads any of the three shapes (strings; `{text, signal, score, band}`; `{text, scores, ensemble, band}`) from JSON that [`repair`] has
/// passed.
///
/// `logprob` is that of the first alternative, where it is known. `None` where the JSON is not a list. An element without a text is left
/// out.
pub fn alternatives(json: &str, logprob: Option<f64>) -> Option<Alternatives> {
    let List(list) = serde_json::from_str(json).ok()?;
    let mut out = Alternatives { json: String::with_capacity(json.len() + 24 * list.len() + 2), first: None, whole: true };
    out.json.push('[');
    for one in &list {
        let Some(text) = &one.text else {
            out.whole = false;
            continue;
        };
        let mut given = one.logprob();
        if out.first.is_none() {
            out.first = Some(text.clone().into_owned());
            if let Some(known) = logprob {
                out.whole &= given.is_none_or(|own| own == known);
                given = Some(known);
            }
        }
        // A log probability that is not a number has no place of its own.
        out.whole &= one.logprob.is_none_or(|own| own.get() == "null") || given.is_some();
        one.push(&mut out.json, text, given, false);
    }
    out.json.push(']');
    Some(out)
}

/// Adds the texts of an object's older rows to the alternatives of the row that stands, each with `"superseded": true`, its `logprob` and
/// other keys.
///
/// `older` holds each older row's description and [`Alternatives::json`], oldest first. A description comes before the alternatives of its
/// row. Empty texts are left out, and a text that several older rows have is added once: the first time.
pub fn append_superseded<'a>(standing: Option<String>, older: impl Iterator<Item = (Option<&'a str>, Option<&'a str>)>) -> Option<String> {
    let mut added = HashSet::new();
    let mut json = String::new();
    for (description, alternatives) in older {
        // A list that this module wrote can always be read; were it not so, nothing could be added from it.
        let List(list) = alternatives.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
        let own = list.iter().any(|one| one.text.as_deref() == description);
        if let Some(text) = description.filter(|text| !own && !text.is_empty() && added.insert((*text).to_owned())) {
            Alternative::default().push(&mut json, text, None, true);
        }
        for one in &list {
            if let Some(text) = one.text.as_deref().filter(|text| !text.is_empty() && added.insert((*text).to_owned())) {
                one.push(&mut json, text, one.logprob(), true);
            }
        }
    }
    if json.is_empty() {
        return standing;
    }
    let mut all = standing.unwrap_or_else(|| "[]".to_owned());
    all.truncate(all.len() - 1);
    if all.len() > 1 {
        all.push(',');
    }
    all.push_str(&json);
    all.push(']');
    Some(all)
}

/// One alternative, as found.
#[derive(Default)]
struct Alternative<'a> {
    text: Option<Cow<'a, str>>,
    logprob: Option<&'a RawValue>,
    other: Vec<(Cow<'a, str>, &'a RawValue)>,
}

impl Alternative<'_> {
    fn logprob(&self) -> Option<f64> {
        serde_json::from_str(self.logprob?.get()).ok()
    }

    /// Appends the alternative, after a comma where it is not the first of its list.
    fn push(&self, out: &mut String, text: &str, logprob: Option<f64>, superseded: bool) {
        if out.ends_with('}') {
            out.push(',');
        }
        out.push_str("{\"text\":");
        push_text(out, text);
        out.push_str(",\"logprob\":");
        match logprob {
            Some(number) => push_number(out, number),
            None => out.push_str("null"),
        }
        for (key, value) in &self.other {
            if superseded && key == "superseded" {
                continue;
            }
            out.push(',');
            push_text(out, key);
            out.push(':');
            out.push_str(value.get());
        }
        out.push_str(if superseded { ",\"superseded\":true}" } else { "}" });
    }
}

#[derive(Default)]
struct List<'a>(Vec<Alternative<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for List<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Vec::deserialize(from).map(List)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Alternative<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Shape;
        impl<'de> Visitor<'de> for Shape {
            type Value = Alternative<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or an object with a text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Alternative { text: Some(Cow::Borrowed(text)), ..Alternative::default() })
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Alternative { text: Some(Cow::Owned(text.to_owned())), ..Alternative::default() })
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut found = Alternative::default();
                while let Some(Text(key)) = map.next_key()? {
                    let value: &'de RawValue = map.next_value()?;
                    match &*key {
                        "text" if value.get().starts_with('"') => {
                            let Text(text) = serde_json::from_str(value.get()).map_err(A::Error::custom)?;
                            found.text = Some(text);
                        }
                        "text" => {}
                        "logprob" => found.logprob = Some(value),
                        _ => found.other.push((key, value)),
                    }
                }
                Ok(found)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Alternative::default())
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Alternative::default())
            }

            fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
                Ok(Alternative::default())
            }

            fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
                Ok(Alternative::default())
            }

            fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
                Ok(Alternative::default())
            }

            fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
                Ok(Alternative::default())
            }
        }
        from.deserialize_any(Shape)
    }
}

/// A JSON string, borrowed where it has no escapes. serde's own `Cow` never borrows.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Borrow;
        impl<'de> Visitor<'de> for Borrow {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        from.deserialize_str(Borrow)
    }
}

/// The scope that a `scope_json` (schema → list of tables) means: `sales` for a schema without tables, `sales.customer` for each table,
/// joined by `, `; `*` where there is none, or where the text has another shape.
///
/// Names stay plain, in the order of the file; `scope_json` itself stays in the run's metadata, for a name with a dot or a comma.
pub fn scope(json: Option<&str>) -> String {
    let parsed = json.and_then(repair).and_then(|json| serde_json::from_str::<serde_json::Value>(&json).ok());
    let mut names = Vec::new();
    for (schema, tables) in parsed.as_ref().and_then(|scope| scope.as_object()).into_iter().flatten() {
        let one = std::slice::from_ref(tables);
        let before = names.len();
        for table in tables.as_array().map_or(one, Vec::as_slice).iter().filter_map(|table| table.as_str()) {
            names.push(format!("{schema}.{table}"));
        }
        if names.len() == before {
            names.push(schema.clone());
        }
    }
    let joined = names.join(", ");
    if joined.is_empty() { "*".to_owned() } else { joined }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    #[test]
    fn bare_numbers_that_json_lacks_become_strings() {
        let fixed = repair(r#" {"a": NaN, "b": [Infinity, -Infinity, -1], "NaN": "NaN"} "#).unwrap();
        assert_eq!(fixed, r#"{"a": "NaN", "b": ["Infinity", "-Infinity", -1], "NaN": "NaN"}"#);
        assert_eq!(repair("NaN").unwrap(), "\"NaN\"");
    }

    #[test]
    fn what_cannot_be_read_back_is_not_json() {
        let deep = "[".repeat(101) + &"]".repeat(101);
        let bad = [
            "",
            "x",
            "{",
            "{]",
            "[1,]",
            "{\"a\"}",
            "{\"a\":}",
            "{a:1}",
            "1 2",
            "01",
            "1.",
            "-",
            "+1",
            "1e",
            "1e999",
            "\"\\ud800\"",
            "\"\\udc00\"",
            "\"\\ud800\\u0041\"",
            "\"\\u12g4\"",
            "\"\\u+123\"",
            "\"\\x\"",
            "\"\n\"",
            "\"",
            "nul",
            "Nan",
            "{'a': 1}",
            "[1 2]",
            "[}",
            "]",
            "\u{feff}{}",
            "\"\\u12\u{20ac}\"",
            &deep,
        ];
        for text in bad {
            assert_eq!(repair(text), None, "{text}");
        }
    }

    #[test]
    fn all_shapes_of_alternatives_become_text_and_logprob() {
        let out = alternatives(
            r#"["a\u00e9", {"text": "b", "signal": "logprob", "score": 0.5, "band": "high"}, {"text":"c","scores":{"x":1},"ensemble":2}]"#,
            Some(-0.25),
        );
        let out = out.unwrap();
        assert_eq!(
            out.json,
            r#"[{"text":"aé","logprob":-0.25},{"text":"b","logprob":null,"signal":"logprob","score":0.5,"band":"high"},{"text":"c","logprob":null,"scores":{"x":1},"ensemble":2}]"#
        );
        assert_eq!((out.first.as_deref(), out.whole), (Some("aé"), true));
    }

    #[test]
    fn an_element_without_text_is_left_out_and_told() {
        let out = alternatives(r#"[1, null, true, [2], {"x": 1}, {"text": 5}, "a"]"#, None).unwrap();
        assert_eq!((out.json.as_str(), out.whole), (r#"[{"text":"a","logprob":null}]"#, false));
        assert_eq!(alternatives("{}", None), None);
        assert_eq!(alternatives("[]", Some(1.0)).unwrap().json, "[]");
    }

    #[test]
    fn an_own_log_probability_is_kept_unless_a_known_one_takes_its_place() {
        let json = r#"[{"text":"a","logprob":-1},{"text":"b","logprob":-2.5}]"#;
        let out = alternatives(json, None).unwrap();
        assert_eq!((out.json.as_str(), out.whole), (r#"[{"text":"a","logprob":-1.0},{"text":"b","logprob":-2.5}]"#, true));
        assert!(!alternatives(json, Some(-3.0)).unwrap().whole);
        assert!(!alternatives(r#"[{"text":"a","logprob":"NaN"}]"#, None).unwrap().whole);
    }

    #[test]
    fn superseded_texts_are_added_once_and_never_empty() {
        let old = r#"[{"text":"b","logprob":-1.5,"band":"low"},{"text":"","logprob":null}]"#;
        let out = append_superseded(Some("[]".into()), [(Some("a"), Some(old)), (Some("b"), None), (Some(""), None)].into_iter());
        let expected = r#"[{"text":"a","logprob":null,"superseded":true},{"text":"b","logprob":-1.5,"band":"low","superseded":true}]"#;
        assert_eq!(out.as_deref(), Some(expected));
        let out = append_superseded(None, [(None, None)].into_iter());
        assert_eq!(out, None);
    }

    #[test]
    fn scope_names_schemas_and_tables_in_order() {
        assert_eq!(scope(Some(r#"{"sales": [], "hr": ["b", "a.x"], "x": null, "y": "t"}"#)), "sales, hr.b, hr.a.x, x, y.t");
        for none in [None, Some("{}"), Some("null"), Some("oops"), Some("[1]"), Some("")] {
            assert_eq!(scope(none), "*");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((any::<String>(), inner), 0..6).prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_text_is_either_not_json_or_can_be_read(text in "\\PC*|[\\[\\]{}\",:\\\\ua0-9.eE+\\- NIinfty]*") {
            if let Some(fixed) = repair(&text) {
                prop_assert!(serde_json::from_str::<Value>(&fixed).is_ok(), "{fixed}");
                let _ = alternatives(&fixed, Some(0.5));
            } else if let Ok(value) = serde_json::from_str::<Value>(&text) {
                prop_assert!(false, "{value} was refused");
            }
            let _ = scope(Some(&text));
        }

        #[test]
        fn valid_json_is_unchanged(value in any_json()) {
            for text in [serde_json::to_string(&value).unwrap(), serde_json::to_string_pretty(&value).unwrap()] {
                prop_assert_eq!(repair(&text), Some(Cow::Borrowed(text.as_str())));
            }
        }

        #[test]
        fn text_and_numbers_written_read_back_the_same(text in any::<String>(), number in any::<f64>()) {
            let mut out = String::new();
            push_text(&mut out, &text);
            prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
            out.clear();
            push_number(&mut out, number);
            if number.is_finite() {
                prop_assert_eq!(serde_json::from_str::<f64>(&out).unwrap(), number);
            } else {
                prop_assert!(serde_json::from_str::<String>(&out).is_ok());
            }
        }
    }
}
