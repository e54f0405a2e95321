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
mod tests;
