//! SQL split into tokens, so that a checksum does not depend on comments, blanks or line ends, and does on everything else.

/// The tokens of a text, one a line. A line end within a quoted text counts as a line feed, however the file was checked out.
///
/// Comments are left out, but for executable ones (`/*! … */`, `/*M! … */`) and hints (`/*+ … */`), whose content is tokens like any other.
pub fn normalized(sql: &str, backslash_escapes: bool) -> String {
    let sql = sql.replace("\r\n", "\n");
    let mut tokens: Vec<&str> = vec![];
    let mut rest = sql.as_str();
    while let Some(first) = rest.chars().next() {
        let length = if first.is_whitespace() {
            rest = rest.trim_start();
            continue;
        } else if rest.starts_with("--") {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
            continue;
        } else if let Some(open) = ["/*!", "/*M!", "/*+"].into_iter().find(|open| rest.starts_with(open)) {
            open.len()
        } else if rest.starts_with("/*") {
            rest = rest.find("*/").map_or("", |end| &rest[end + 2..]);
            continue;
        } else if rest.starts_with("*/") {
            2
        } else if matches!(first, '\'' | '"' | '`') {
            quoted(rest, first, backslash_escapes)
        } else if word_part(first) {
            rest.find(|c| !word_part(c)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        tokens.push(&rest[..length]);
        rest = &rest[length..];
    }
    tokens.join("\n")
}

fn word_part(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$' | '.')
}

/// The length of a quoted text with its quotes. A doubled quote inside begins the next token, which changes nothing: the two are always neighbours.
fn quoted(text: &str, quote: char, backslash_escapes: bool) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if backslash_escapes && quote == '\'' => escaped = true,
            c if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    fn normalized(sql: &str) -> String {
        super::normalized(sql, false)
    }

    #[test]
    fn comments_blanks_and_line_ends_do_not_count() {
        let one = "-- why\r\nCREATE TABLE t (a INT /* small */,\r\n  b INT);\r\n";
        let other = "CREATE TABLE t(a INT, b INT);";
        assert_eq!(normalized(one), normalized(other));
    }

    #[test]
    fn every_token_counts() {
        assert_ne!(normalized("CREATE TABLE t (a INT)"), normalized("CREATE TABLE t (a BIGINT)"));
        assert_ne!(normalized("SELECT 'a b'"), normalized("SELECT 'a  b'"));
        assert_ne!(normalized("SELECT 'a--b'"), normalized("SELECT 'a'"));
        assert_ne!(normalized("SELECT a b"), normalized("SELECT ab"));
    }

    #[test]
    fn executable_comments_and_hints_are_tokens() {
        assert_ne!(normalized("VARCHAR(9) /*!80017 COLLATE x */"), normalized("VARCHAR(9)"));
        assert_ne!(normalized("VARCHAR(9) /*!80017 COLLATE x */"), normalized("VARCHAR(9) /*!80017 COLLATE y */"));
        assert_ne!(normalized("SELECT /*+ FULL(t) */ 1"), normalized("SELECT 1"));
    }

    #[test]
    fn a_line_end_within_a_text_is_one_however_it_is_written() {
        assert_eq!(normalized("SELECT 'a\r\nb'"), normalized("SELECT 'a\nb'"));
    }

    #[test]
    fn a_backslash_escapes_where_the_engine_says_so() {
        assert_eq!(super::normalized(r"SELECT 'a\' -- b'", true), "SELECT\n'a\\' -- b'");
        assert_eq!(super::normalized(r"SELECT 'a\' -- b'", false), "SELECT\n'a\\'");
    }

    #[test]
    fn text_that_never_ends_is_one_token() {
        assert_eq!(normalized("SELECT 'open"), "SELECT\n'open");
        assert_eq!(normalized("SELECT 1 /* open"), "SELECT\n1");
    }
}
