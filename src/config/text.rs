//! One entry of the file set or removed in its text, all else left as it stands.
//!
//! `yamlpath` says where things are. What is put there is written here and not by `yamlpatch`, which loses the neighbours of a value in braces,
//! comment lines next to what it removes, CRLF, quotes, and a missing final line feed (tried with 1.26).

use super::yaml11::{Yaml11, yaml11};
use super::{key_text, parse};
use crate::error::{Code, Error, Result};
use crate::profile::Scalar;
use serde_yaml::{Mapping, Value};
use std::ops::Range;
use std::path::Path;
use yamlpath::{Component, Document, Route};

/// What is put into the file.
#[derive(Clone)]
pub(super) enum Node {
    Leaf(Scalar),
    Map(Vec<(String, Node)>),
}

impl Node {
    /// As it is read again.
    fn value(&self) -> Value {
        match self {
            Node::Leaf(Scalar::Bool(value)) => Value::Bool(*value),
            Node::Leaf(Scalar::Int(value)) => Value::Number((*value).into()),
            Node::Leaf(Scalar::Text(text)) => Value::String(text.clone()),
            Node::Map(entries) => Value::Mapping(entries.iter().map(|(key, node)| (Value::String(key.clone()), node.value())).collect()),
        }
    }

    fn flow(&self) -> String {
        match self {
            Node::Leaf(scalar) => written(scalar, None),
            Node::Map(entries) => {
                let entries: Vec<String> = entries.iter().map(|(key, node)| flow_entry(key, node)).collect();
                format!("{{{}}}", entries.join(", "))
            }
        }
    }
}

fn flow_entry(key: &str, node: &Node) -> String {
    format!("{}: {}", quoted(key, None), node.flow())
}

/// The lines of an entry in block style.
fn block_entry(key: &str, node: &Node, indent: usize, step: usize, lines: &mut Vec<String>) {
    let blanks = " ".repeat(indent);
    let key = quoted(key, None);
    match node {
        Node::Map(entries) if !entries.is_empty() => {
            lines.push(format!("{blanks}{key}:"));
            for (key, node) in entries {
                block_entry(key, node, indent + step, step, lines);
            }
        }
        _ => lines.push(format!("{blanks}{key}: {}", node.flow())),
    }
}

fn written(scalar: &Scalar, style: Option<char>) -> String {
    match scalar {
        Scalar::Bool(value) => value.to_string(),
        Scalar::Int(value) => value.to_string(),
        Scalar::Text(text) => quoted(text, style),
    }
}

/// Text as YAML: plain where every reader takes it for this very text, else quoted, in the style that stood there if it can hold it.
pub(super) fn quoted(text: &str, style: Option<char>) -> String {
    let word = |c: char| c.is_ascii_alphanumeric() || "_./@-".contains(c);
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '/')
        && text.chars().all(|c| word(c) || c == ':')
        // `a:b` is text, `a:` a key; inside braces readers differ but where a slash follows, as in a reference.
        && text.split(':').skip(1).all(|part| part.starts_with('/'))
        && !matches!(text, "y" | "Y" | "n" | "N")
        && yaml11(text) == Yaml11::Text;
    if plain && style.is_none() {
        return text.to_owned();
    }
    let printable = |c: char| matches!(c, ' '..='~' | '\u{a0}'..='\u{2027}' | '\u{202a}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}' | '\u{10000}'..);
    if style != Some('"') && text.chars().all(printable) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if printable(c) => out.push(c),
            c if u32::from(c) < 0x100 => out.push_str(&format!("\\x{:02X}", u32::from(c))),
            c if u32::from(c) < 0x10000 => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push_str(&format!("\\U{:08X}", u32::from(c))),
        }
    }
    out.push('"');
    out
}

pub(super) fn route<'a>(path: &[&'a str]) -> Route<'a> {
    Route::from(path.iter().map(|key| Component::from(*key)).collect::<Vec<_>>())
}

/// The text with one entry of the map at `parent` set, or removed where there is no node.
/// It is read again before it is given back: anything but that one change is an error, and never a damaged file.
pub(super) fn change(text: &str, path: &Path, parent: &[&str], key: &str, node: Option<Node>) -> Result<String> {
    let refused = |why: String| {
        Error::new(
            Code::ConfigInvalid,
            format!("{} cannot be edited in place at `{key}`: {why}", path.display()),
            "make the change by hand; the file was left as it is",
        )
    };
    let before = parse(text, path)?;
    let expected = match expected(&before, parent, key, node.as_ref()) {
        Ok(Some(expected)) => expected,
        Ok(None) => return Ok(text.to_owned()),
        Err(why) => return Err(refused(why)),
    };
    let after = Editor { text, root: &before }.apply(parent, key, node.as_ref()).map_err(&refused)?;
    match parse(&after, path) {
        Ok(read) if read.iter().eq(expected.iter()) => Ok(after),
        _ => Err(refused("the way it is written there leaves no room for it".to_owned())),
    }
}

/// What the file is to say afterwards; none where it says so already.
fn expected(before: &Mapping, parent: &[&str], key: &str, node: Option<&Node>) -> Result<Option<Mapping>, String> {
    let mut root = before.clone();
    let mut map = &mut root;
    for name in parent {
        let key = map.keys().find(|known| key_text(known).as_deref() == Some(*name)).cloned();
        let slot = map.entry(key.unwrap_or_else(|| Value::from(*name))).or_insert(Value::Null);
        if slot.is_null() {
            *slot = Value::Mapping(Mapping::new());
        }
        map = slot.as_mapping_mut().ok_or_else(|| format!("`{name}` is not a map"))?;
    }
    match node {
        Some(node) => {
            let old = map.insert(Value::from(key), node.value());
            // Equal text may still be read otherwise by YAML 1.1 where it is not quoted.
            let clear = !matches!(node, Node::Leaf(Scalar::Text(text)) if yaml11(text) != Yaml11::Text);
            Ok((old != Some(node.value()) || !clear).then_some(root))
        }
        None => {
            let named = map.keys().find(|known| key_text(known).as_deref() == Some(key)).cloned();
            Ok(named.and_then(|name| map.shift_remove(&name)).map(|_| root))
        }
    }
}

/// One entry's place in the text.
struct Pair {
    key: Range<usize>,
    /// Just behind the colon.
    colon: usize,
    /// The value without what surrounds it; empty where there is none.
    value: Range<usize>,
    /// The end of key and value.
    end: usize,
}

/// Finds places in the text and splices it. Its errors say why a place will not do.
struct Editor<'a> {
    text: &'a str,
    root: &'a Mapping,
}

impl Editor<'_> {
    fn apply(&self, parent: &[&str], key: &str, node: Option<&Node>) -> Result<String, String> {
        let map = parent.iter().try_fold(self.root, |map, name| {
            map.iter().find(|(key, _)| key_text(key).as_deref() == Some(*name)).and_then(|(_, value)| value.as_mapping())
        });
        let there = map.is_some_and(|map| map.keys().any(|known| key_text(known).as_deref() == Some(key)));
        match (node, there) {
            (Some(_), true) if map.and_then(|map| map.get(key)).is_some_and(|old| old.is_mapping() || old.is_sequence()) => {
                Err("what stands there is not one value".to_owned())
            }
            (Some(Node::Leaf(scalar)), true) => self.replace(&[parent, &[key]].concat(), scalar),
            (Some(node), false) => self.insert(parent, map, key, node),
            (None, true) => self.remove(parent, map, key),
            _ => Err("it is there already".to_owned()),
        }
    }

    /// Another value behind a key, in the quotes that the old one had.
    fn replace(&self, path: &[&str], scalar: &Scalar) -> Result<String, String> {
        let pair = self.pair(path)?;
        let old = self.get(pair.value.clone())?;
        if old.is_empty() {
            return self.splice(pair.colon..pair.colon, &format!(" {}", written(scalar, None)));
        }
        if old.starts_with(['&', '*', '!', '|', '>']) {
            return Err("its value has an anchor, a tag or lines of its own".to_owned());
        }
        let style = old.chars().next().filter(|c| matches!(c, '"' | '\''));
        self.splice(pair.value, &written(scalar, style))
    }

    fn insert(&self, parent: &[&str], map: Option<&Mapping>, key: &str, node: &Node) -> Result<String, String> {
        let [name, ..] = parent else {
            return match self.top()? {
                Some(top) => self.insert_into(&[], top, map, key, node, 2),
                None => self.append(key, node),
            };
        };
        if !self.root.contains_key(*name) {
            return self.insert(&[], Some(self.root), name, &Node::Map(vec![(key.to_owned(), node.clone())]));
        }
        let pair = self.pair(parent)?;
        let column = self.column(pair.key.start);
        let value = self.get(pair.value.clone())?;
        let in_braces = self.in_braces(&[])?;
        let empty = value.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).is_some_and(|inside| inside.trim().is_empty());
        match (column, in_braces) {
            // `db_profiles:` and `db_profiles: {}` on a line of their own get a block below them.
            (Some(column), false) if value.is_empty() || empty || matches!(value, "~" | "null") => {
                // A comment between the two stays.
                let gap = self.get(pair.colon..pair.value.start)?;
                let from = if gap.trim_matches(' ').is_empty() { pair.colon } else { pair.value.start };
                let cleared = self.splice(from..pair.value.end, "")?;
                let editor = Editor { text: &cleared, root: self.root };
                let mut lines = Vec::new();
                block_entry(key, node, column + 2, 2, &mut lines);
                editor.insert_lines(pair.colon, &lines)
            }
            (_, true) if value.is_empty() => {
                let entry = Node::Map(vec![(key.to_owned(), node.clone())]);
                self.splice(pair.colon..pair.colon, &format!(" {}", entry.flow()))
            }
            _ => {
                let step = self.column(pair.value.start).zip(column).map_or(2, |(inner, outer)| inner.saturating_sub(outer)).max(2);
                self.insert_into(parent, pair.value, map, key, node, step)
            }
        }
    }

    /// A new last entry of the map at `span`.
    fn insert_into(
        &self,
        path: &[&str],
        span: Range<usize>,
        map: Option<&Mapping>,
        key: &str,
        node: &Node,
        step: usize,
    ) -> Result<String, String> {
        let written = self.get(span.clone())?;
        if written.starts_with('{') {
            let entry = flow_entry(key, node);
            let last = map.and_then(|map| map.keys().last()).map(|last| key_text(last).ok_or("its last key is not text")).transpose()?;
            return match last {
                None => self.splice(span.start + 1..span.start + 1, &entry),
                Some(last) => {
                    let end = self.pair(&[path, &[last.as_str()]].concat())?.end;
                    self.splice(end..end, &format!(", {entry}"))
                }
            };
        }
        let indent = self.column(span.start).ok_or("it does not begin on a line of its own")?;
        let mut lines = Vec::new();
        block_entry(key, node, indent, step, &mut lines);
        self.insert_lines(span.end, &lines)
    }

    /// An entry at the end of a file that has none: it may have comments, or nothing at all.
    fn append(&self, key: &str, node: &Node) -> Result<String, String> {
        let mut lines = Vec::new();
        block_entry(key, node, 0, 2, &mut lines);
        match self.text.is_empty() {
            true => Ok(lines.iter().map(|line| format!("{line}\n")).collect()),
            false if self.text.ends_with('\n') => self.splice(
                self.text.len()..self.text.len(),
                &lines.iter().map(|line| format!("{line}{}", self.line_end())).collect::<String>(),
            ),
            false => self.insert_lines(self.text.len(), &lines),
        }
    }

    fn remove(&self, parent: &[&str], map: Option<&Mapping>, key: &str) -> Result<String, String> {
        let path = [parent, &[key]].concat();
        let pair = self.pair(&path)?;
        if self.column(pair.key.start).is_none() || self.in_braces(parent)? {
            return self.remove_from_braces(&pair);
        }
        let start = self.line_start(pair.key.start);
        let end = self.line_rest(pair.end)?;
        if map.is_some_and(|map| map.len() == 1) && !parent.is_empty() {
            // Nothing below the key would make it null; an empty map is what AMX writes.
            let outer = self.pair(parent)?;
            let removed = self.splice(start..end, "")?;
            return Editor { text: &removed, root: self.root }.splice(outer.colon..outer.colon, " {}");
        }
        self.splice(start..end, "")
    }

    fn in_braces(&self, parent: &[&str]) -> Result<bool, String> {
        let span = match parent {
            [] => self.top()?.unwrap_or_default(),
            _ => self.pair(parent)?.value,
        };
        Ok(self.get(span)?.starts_with('{'))
    }

    /// An entry between braces goes with one comma: the one behind it, else the one before it.
    fn remove_from_braces(&self, pair: &Pair) -> Result<String, String> {
        let behind = self.skip(pair.end);
        if self.text.get(behind..).is_some_and(|rest| rest.starts_with(',')) {
            let rest = self.get(behind + 1..self.text.len())?;
            let blanks = rest.len() - rest.trim_start_matches(' ').len();
            // What stands between the entry and its comma can only be comments and blanks, and stays.
            let between = self.get(pair.end..behind)?.trim_start_matches(' ');
            return self.splice(pair.key.start..behind + 1 + blanks, between);
        }
        let before = self.get(0..pair.key.start)?.trim_end();
        match before.strip_suffix(',') {
            // On a line of its own the comma may end in a comment's line; there it stays, which YAML allows.
            Some(rest) if !self.get(self.line_start(rest.len())..rest.len())?.contains('#') => self.splice(rest.len()..pair.end, ""),
            _ => self.splice(pair.key.start..pair.end, ""),
        }
    }

    /// The document's one map; none where it is empty.
    fn top(&self) -> Result<Option<Range<usize>>, String> {
        let document = self.document()?;
        let Ok(top) = document.top_feature() else { return Ok(None) };
        let span = top.location.byte_span.0..top.location.byte_span.1;
        if self.root.is_empty() && !self.get(span.clone())?.starts_with('{') {
            return Err("the file is an explicit null".to_owned());
        }
        Ok(Some(span.start..self.content_end(&document, span)?))
    }

    fn pair(&self, path: &[&str]) -> Result<Pair, String> {
        let odd = || "it is written in a way that is not edited here (an anchor, an alias, a key without a colon)".to_owned();
        let document = self.document()?;
        let feature = document.query_key_only(&route(path)).map_err(|_| odd())?;
        let key = feature.location.byte_span.0..feature.location.byte_span.1;
        let whole = feature.parent().map(|pair| pair.location.byte_span).ok_or_else(odd)?;
        let colon = self.text.get(key.end..).and_then(|rest| {
            let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
            rest.get(blanks..)?.starts_with(':').then_some(key.end + blanks + 1)
        });
        let (Some(colon), true) = (colon, whole.0 == key.start) else { return Err(odd()) };
        let end = self.content_end(&document, key.start..whole.1.max(colon))?;
        let start = self.skip(colon);
        let value = if start < end { start..end } else { colon..colon };
        Ok(Pair { key, colon, end: if value.is_empty() { colon } else { end }, value })
    }

    /// The end of what the span says: the parser counts comment lines that follow a block to it, whosever they are.
    fn content_end(&self, document: &Document, span: Range<usize>) -> Result<usize, String> {
        let mut end = span.start + self.get(span.clone())?.trim_end().len();
        loop {
            let line = self.line_start(end).max(span.start);
            let text = self.get(line..end)?;
            let hash = line + text.len() - text.trim_start().len();
            // A line of a block scalar may begin with `#` too.
            if line == span.start || !text.trim_start().starts_with('#') || !document.range_spanned_by_comment(hash, hash + 1) {
                return Ok(end);
            }
            end = span.start + self.get(span.start..line)?.trim_end().len();
        }
    }

    fn document(&self) -> Result<Document, String> {
        Document::new(self.text).map_err(|error| error.to_string())
    }

    /// The next place that is neither blank nor in a comment.
    fn skip(&self, from: usize) -> usize {
        let mut place = from;
        while let Some(rest) = self.text.get(place..) {
            let blanks = rest.len() - rest.trim_start().len();
            place += blanks;
            match rest.get(blanks..) {
                // A `#` begins a comment only after a blank.
                Some(comment) if comment.starts_with('#') && blanks > 0 => place += comment.find('\n').unwrap_or(comment.len()),
                _ => break,
            }
        }
        place
    }

    /// The column of a place before which its line has blanks only.
    fn column(&self, place: usize) -> Option<usize> {
        let before = self.text.get(self.line_start(place)..place)?;
        let before = before.trim_start_matches('\u{feff}');
        before.bytes().all(|byte| byte == b' ').then_some(before.len())
    }

    fn line_start(&self, place: usize) -> usize {
        self.text.get(..place).and_then(|before| before.rfind('\n')).map_or(0, |feed| feed + 1)
    }

    /// The end of the line, its line end included, where nothing but a comment follows.
    fn line_rest(&self, place: usize) -> Result<usize, String> {
        let rest = self.get(place..self.text.len())?;
        let line = rest.split_inclusive('\n').next().unwrap_or_default();
        match line.trim_start() {
            text if text.is_empty() || text.starts_with('#') => Ok(place + line.len()),
            _ => Err("more follows on its line".to_owned()),
        }
    }

    /// Puts whole lines below the line that `place` is in.
    fn insert_lines(&self, place: usize, lines: &[String]) -> Result<String, String> {
        let end = self.line_rest(place)?;
        let feed = self.line_end();
        let joined = lines.join(feed);
        match self.text.get(..end).is_some_and(|before| before.ends_with('\n')) {
            true => self.splice(end..end, &format!("{joined}{feed}")),
            // The last line has no line feed, and the new last line gets none either.
            false => self.splice(end..end, &format!("{feed}{joined}")),
        }
    }

    fn line_end(&self) -> &'static str {
        match self.text.find('\n') {
            Some(feed) if self.text.get(..feed).is_some_and(|line| line.ends_with('\r')) => "\r\n",
            _ => "\n",
        }
    }

    fn get(&self, range: Range<usize>) -> Result<&str, String> {
        self.text.get(range).ok_or_else(|| "its place was not found".to_owned())
    }

    fn splice(&self, range: Range<usize>, new: &str) -> Result<String, String> {
        let before = self.get(0..range.start)?;
        let after = self.get(range.end..self.text.len())?;
        Ok([before, new, after].concat())
    }
}
