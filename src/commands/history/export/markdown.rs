//! Descriptions for people: Markdown as GitHub and most catalogs read it.

use super::Described;
use crate::printer::is_hidden;
use std::collections::BTreeMap;

/// What is said of one table.
#[derive(Default)]
struct Section<'a> {
    whole: Option<&'a Described>,
    columns: Vec<(&'a str, &'a Described)>,
}

/// A heading for each table, what is said of it, and a table of its columns.
pub(super) fn text(described: &[Described]) -> String {
    let mut tables: BTreeMap<&str, Section<'_>> = BTreeMap::new();
    for row in described {
        match row.target_kind.as_str() {
            "COLUMN" => {
                let (table, column) = parts(&row.target_qname);
                tables.entry(table).or_default().columns.push((column, row));
            }
            _ => tables.entry(&row.target_qname).or_default().whole = Some(row),
        }
    }
    let sections = tables.into_iter().map(|(name, Section { whole, columns })| {
        let mut section = format!("## {}\n", escaped(name));
        if let Some(row) = whole {
            let kind = row.target_kind.to_lowercase().replace('_', " ");
            section += &format!("\n**{kind}** ({}): {}\n", row.confidence, escaped(&row.description));
        }
        if !columns.is_empty() {
            section += "\n| column | description | confidence |\n| --- | --- | --- |\n";
        }
        for (column, row) in columns {
            section += &format!("| {} | {} | {} |\n", escaped(column), escaped(&row.description), row.confidence);
        }
        section
    });
    sections.collect::<Vec<_>>().join("\n")
}

/// A column's table and its own name. A dot within double quotes is part of a name.
fn parts(qname: &str) -> (&str, &str) {
    let mut quoted = false;
    let mut last = None;
    for (at, c) in qname.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '.' if !quoted => last = Some(at),
            _ => {}
        }
    }
    last.map_or((qname, qname), |at| (&qname[..at], &qname[at + 1..]))
}

/// Text that Markdown shows as it is, on one line.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = None;
    let text = text.replace("\r\n", "\n");
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let within_a_word = |other: Option<char>| other.is_some_and(char::is_alphanumeric);
        match c {
            '\n' | '\r' => out += "<br>",
            // In the middle of a word it has no meaning.
            '_' if within_a_word(before) && within_a_word(chars.peek().copied()) => out.push(c),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '&' | '~' | '|' | '#' => out.extend(['\\', c]),
            c if is_hidden(c) && c != '\t' => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
        before = Some(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_within_quotes_is_part_of_a_name() {
        assert_eq!(parts("sales.customer.c_id"), ("sales.customer", "c_id"));
        assert_eq!(parts("sales.\"a.b\".\"c \"\".\"\" d\""), ("sales.\"a.b\"", "\"c \"\".\"\" d\""));
        assert_eq!(parts("alone"), ("alone", "alone"));
    }

    #[test]
    fn text_is_shown_as_it_is_on_one_line() {
        assert_eq!(escaped("a|b\r\nc\nd"), "a\\|b<br>c<br>d");
        assert_eq!(escaped("c_first_name, _x_ and a\\|b"), "c_first_name, \\_x\\_ and a\\\\\\|b");
        assert_eq!(escaped("<script> & `*`"), "\\<script\\> \\& \\`\\*\\`");
    }
}
