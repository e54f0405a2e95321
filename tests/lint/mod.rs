//! SQL read as each engine's own shell and parser read it, and a lint for what the validators of tests/validators let pass.
//!
//! What is said of an engine here is said again on purpose: were it taken from `dialects/`, a mistake there would go unseen.
#![allow(dead_code)]

use amx_schema::dialect::Backend;
use std::collections::BTreeMap;

/// What SQL is made of. Comments and blanks are none of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// A keyword or a bare name, in capitals.
    Word(String),
    /// A name between the engine's quotes, as the engine reads it.
    Name(String),
    /// A text, as the engine reads it.
    Text(String),
    Number(String),
    Symbol(char),
}

impl Token {
    fn is(&self, word: &str) -> bool {
        matches!(self, Token::Word(is) if is == word)
    }
}

/// How an engine reads quotes.
struct Lexis {
    /// Around text.
    texts: &'static str,
    /// Before and after a name.
    names: &'static [(char, char)],
    /// Whether a backslash in a text escapes.
    backslash: bool,
    /// Whether a doubled quote in a text is one.
    doubled: bool,
    /// Whether the same goes for names.
    doubled_in_names: bool,
    /// What begins a comment to the end of the line, beside `--`.
    line_comments: &'static [&'static str],
}

fn lexis(backend: Backend) -> Lexis {
    let standard = Lexis { texts: "'", names: &[('"', '"')], backslash: false, doubled: true, doubled_in_names: true, line_comments: &[] };
    match backend {
        Backend::PostgreSql | Backend::Oracle => standard,
        Backend::Sqlite => Lexis { names: &[('"', '"'), ('`', '`'), ('[', ']')], ..standard },
        Backend::SqlServer => Lexis { names: &[('"', '"'), ('[', ']')], ..standard },
        Backend::Redshift => Lexis { backslash: true, ..standard },
        Backend::Snowflake => Lexis { backslash: true, line_comments: &["//"], ..standard },
        Backend::MySql => Lexis { texts: "'\"", names: &[('`', '`')], backslash: true, line_comments: &["#"], ..standard },
        Backend::Databricks => Lexis { texts: "'\"", names: &[('`', '`')], backslash: true, doubled: false, ..standard },
        Backend::BigQuery => {
            Lexis { texts: "'\"", names: &[('`', '`')], backslash: true, doubled: false, doubled_in_names: false, line_comments: &["#"] }
        }
    }
}

/// The tokens of a text and where each begins.
///
/// # Errors
/// Where a quote or a comment does not end, or where there is a form of quoting that nothing of ours writes.
pub fn placed_tokens(backend: Backend, sql: &str) -> Result<Vec<(usize, Token)>, String> {
    let lexis = lexis(backend);
    let mut tokens = vec![];
    let mut at = 0;
    while let Some(c) = sql[at..].chars().next() {
        let rest = &sql[at..];
        let start = at;
        if c.is_whitespace() {
            at += c.len_utf8();
        } else if rest.starts_with("--") || lexis.line_comments.iter().any(|mark| rest.starts_with(mark)) {
            at += rest.find('\n').unwrap_or(rest.len());
        } else if rest.starts_with("/*") {
            at += rest.find("*/").ok_or("a comment does not end")? + 2;
        } else if lexis.texts.contains(c) {
            if backend == Backend::BigQuery && rest.starts_with(&c.to_string().repeat(3)) {
                return Err("text in triple quotes".into());
            }
            let (text, length) = quoted(rest, c, lexis.backslash, lexis.doubled).ok_or("a text does not end")?;
            tokens.push((start, Token::Text(text)));
            at += length;
        } else if let Some((_, close)) = lexis.names.iter().find(|(open, _)| *open == c) {
            let backslash = !lexis.doubled_in_names;
            let (name, length) = quoted(rest, *close, backslash, lexis.doubled_in_names).ok_or("a name does not end")?;
            tokens.push((start, Token::Name(name)));
            at += length;
        } else if rest.starts_with("$$") {
            return Err("text between dollars".into());
        } else if c.is_alphanumeric() || c == '_' {
            let length = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(rest.len());
            at += length;
            let word = rest[..length].to_uppercase();
            if sql[at..].starts_with('\'') {
                match word.as_str() {
                    "N" if matches!(backend, Backend::SqlServer | Backend::Oracle) => continue,
                    _ => return Err(format!("a text with {word} before it")),
                }
            }
            tokens.push((start, if c.is_ascii_digit() { Token::Number(word) } else { Token::Word(word) }));
        } else {
            tokens.push((start, Token::Symbol(c)));
            at += c.len_utf8();
        }
    }
    Ok(tokens)
}

/// The tokens of a text.
///
/// # Errors
/// As [`placed_tokens`].
pub fn tokens(backend: Backend, sql: &str) -> Result<Vec<Token>, String> {
    Ok(placed_tokens(backend, sql)?.into_iter().map(|(_, token)| token).collect())
}

/// What is between a quote and its end, and how long it is with both.
fn quoted(text: &str, close: char, backslash: bool, doubled: bool) -> Option<(String, usize)> {
    let mut inside = String::new();
    let mut rest = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = rest.next() {
        if c == '\\' && backslash {
            inside.push(rest.next()?.1);
        } else if c != close {
            inside.push(c);
        } else if doubled && rest.peek().is_some_and(|(_, next)| *next == close) {
            inside.push(close);
            rest.next();
        } else {
            return Some((inside, at + close.len_utf8()));
        }
    }
    None
}

/// The statements of a script, parted as the vendor's own shell parts them. What such a shell alone understands is left out.
///
/// # Errors
/// As [`placed_tokens`].
pub fn statements(backend: Backend, script: &str) -> Result<Vec<String>, String> {
    let by_line = |is_end: fn(&str) -> bool| {
        let lines: Vec<_> = script.lines().collect();
        lines.split(|line| is_end(line)).map(|part| part.join("\n")).collect::<Vec<_>>()
    };
    let parts = match backend {
        Backend::SqlServer => by_line(|line| line.trim().eq_ignore_ascii_case("GO")),
        Backend::Oracle => by_line(|line| line == "/"),
        _ => {
            let mut parts = vec![];
            let mut from = 0;
            for (at, token) in placed_tokens(backend, script)? {
                if token == Token::Symbol(';') {
                    parts.push(script[from..at].to_string());
                    from = at + 1;
                }
            }
            parts.push(script[from..].to_string());
            parts
        }
    };
    let mut statements = vec![];
    for part in parts {
        let shells_own = |line: &&str| backend == Backend::Oracle && line.starts_with("SET ");
        let lines: Vec<_> = part.lines().filter(|line| !line.trim_start().starts_with("--") && !shells_own(line)).collect();
        let statement = lines.join("\n").trim().to_string();
        if !tokens(backend, &statement)?.is_empty() {
            statements.push(statement);
        }
    }
    Ok(statements)
}

/// A column as a statement declares it.
#[derive(Debug, Clone)]
struct Column {
    name: String,
    kind: String,
    arguments: Vec<String>,
    not_null: bool,
    default: bool,
}

impl Column {
    fn argument(&self, number: usize) -> Option<u32> {
        self.arguments.get(number).and_then(|argument| argument.parse().ok())
    }

    fn is_max(&self) -> bool {
        self.arguments.first().is_some_and(|argument| argument == "MAX")
    }
}

/// Looks at statement after statement and keeps the tables that they make, so that an index is judged by its columns.
pub struct Lint {
    backend: Backend,
    columns: BTreeMap<(String, String), Column>,
    found: Vec<String>,
    /// How many keys and indexes it has looked at.
    pub keys: usize,
}

impl Lint {
    pub fn new(backend: Backend) -> Lint {
        Lint { backend, columns: BTreeMap::new(), found: vec![], keys: 0 }
    }

    /// What is wrong with a statement, in the order in which it is found.
    ///
    /// # Errors
    /// As [`placed_tokens`].
    pub fn statement(&mut self, sql: &str) -> Result<Vec<String>, String> {
        if self.backend == Backend::SqlServer && sql.lines().any(|line| line.trim().eq_ignore_ascii_case("GO")) {
            self.find("GO inside a batch");
        }
        let tokens = tokens(self.backend, sql)?;
        self.tokens(&tokens)?;
        Ok(std::mem::take(&mut self.found))
    }

    /// The columns of a table that it has seen.
    pub fn columns_of(&self, table: &str) -> Vec<&str> {
        let of_table = |(of, _): &&(String, String)| of.eq_ignore_ascii_case(table);
        self.columns.keys().filter(of_table).map(|(_, column)| column.as_str()).collect()
    }

    fn find(&mut self, what: impl Into<String>) {
        self.found.push(what.into());
    }

    fn tokens(&mut self, tokens: &[Token]) -> Result<(), String> {
        self.dynamic(tokens)?;
        self.anywhere(tokens);
        let table = find(tokens, &["CREATE", "TABLE"]);
        // A table that is made by a query has its columns from there.
        let by_query = |tokens: &&[Token]| {
            let first = tokens.iter().find(|token| token.is("AS") || **token == Token::Symbol('('));
            first.is_none_or(|token| token.is("AS"))
        };
        if let Some(columns) = table.map(|at| &tokens[at + 2..]).filter(|tokens| !by_query(tokens)) {
            self.create_table(columns);
        }
        if let Some(at) = find(tokens, &["ALTER", "TABLE"]) {
            self.alter_table(&tokens[at + 2..]);
        }
        let index =
            tokens.iter().position(|token| token.is("INDEX")).filter(|&at| tokens[..at].iter().rev().take(3).any(|t| t.is("CREATE")));
        if let Some(at) = index {
            self.create_index(&tokens[at + 1..]);
        }
        if tokens.first().is_some_and(|token| token.is("GRANT")) {
            self.grant(tokens);
        }
        Ok(())
    }

    /// A statement in a text that is executed.
    fn dynamic(&mut self, tokens: &[Token]) -> Result<(), String> {
        for pair in tokens.windows(3) {
            let text = match (self.backend, pair) {
                (Backend::Oracle, [Token::Word(execute), Token::Word(immediate), Token::Text(text)])
                    if execute == "EXECUTE" && immediate == "IMMEDIATE" =>
                {
                    text
                }
                (Backend::SqlServer, [Token::Word(execute), Token::Symbol('('), Token::Text(text)]) if execute.starts_with("EXEC") => text,
                _ => continue,
            };
            // A text that goes on is no whole statement.
            if let Ok(inner) = self::tokens(self.backend, text) {
                self.tokens(&inner)?;
            }
        }
        Ok(())
    }

    fn anywhere(&mut self, tokens: &[Token]) {
        let guarded = find(tokens, &["IF", "NOT", "EXISTS"]).is_some();
        let longest =
            tokens.iter().filter_map(|token| if let Token::Name(name) = token { Some(name.len()) } else { None }).max().unwrap_or(0);
        match self.backend {
            Backend::Oracle => {
                if guarded {
                    self.find("IF NOT EXISTS");
                }
                if tokens.contains(&Token::Text(String::new())) {
                    self.find("'' is NULL");
                }
                if longest > 128 {
                    self.find("a name of more than 128 bytes");
                }
                if let Some(found) = self.lob_misused(tokens) {
                    self.find(found);
                }
                let block = tokens.first().is_some_and(|token| token.is("BEGIN") || token.is("DECLARE"));
                if !block && tokens.last() == Some(&Token::Symbol(';')) {
                    self.find("; after a statement");
                }
            }
            Backend::SqlServer => {
                if guarded && find(tokens, &["TABLE", "IF", "NOT", "EXISTS"]).is_some() {
                    self.find("IF NOT EXISTS");
                }
                if find(tokens, &["CREATE", "SCHEMA"]).is_some_and(|at| at > 0) {
                    self.find("CREATE SCHEMA beside something else");
                }
            }
            Backend::BigQuery | Backend::Databricks | Backend::Redshift if tokens.iter().any(|token| token.is("UNIQUE")) => {
                self.find("UNIQUE");
            }
            _ => {}
        }
    }

    /// What is done with a LOB column of a table that was seen, and cannot be:
    /// https://docs.oracle.com/en/database/oracle/oracle-database/19/adlob/LOB-restrictions.html
    fn lob_misused(&self, tokens: &[Token]) -> Option<&'static str> {
        let named = |name: &str| tokens.iter().any(|token| matches!(token, Token::Name(_) | Token::Word(_)) && name_of(token) == name);
        let is_lob = |token: &Token| {
            matches!(token, Token::Name(_) | Token::Word(_))
                && self.columns.iter().any(|((table, column), is)| *column == name_of(token) && is.kind.ends_with("LOB") && named(table))
        };
        // What is set is not compared.
        let set = tokens.iter().position(|token| token.is("SET")).unwrap_or(tokens.len());
        let set_ends = tokens.iter().skip(set).position(|token| token.is("WHERE")).map_or(tokens.len(), |at| set + at);
        let compares = |token: Option<&Token>| {
            token.is_some_and(|token| matches!(token, Token::Symbol('=' | '<' | '>' | '!')) || token.is("IN") || token.is("BETWEEN"))
        };
        let one = tokens.iter().any(|token| token.is("DISTINCT"))
            || tokens.windows(2).any(|pair| ["UNION", "MINUS", "INTERSECT"].iter().any(|word| pair[0].is(word)) && !pair[1].is("ALL"));
        let (mut depth, mut listed, mut lists) = (0, None, None);
        for (at, token) in tokens.iter().enumerate() {
            match token {
                Token::Symbol('(') => depth += 1,
                Token::Symbol(')') => depth -= 1,
                token if token.is("SELECT") => lists = Some(depth),
                token if token.is("FROM") => lists = None,
                token if token.is("BY") => listed = Some(depth),
                token if token.is("FETCH") || token.is("HAVING") => listed = None,
                token if is_lob(token) => {
                    let before = at.checked_sub(1).and_then(|at| tokens.get(at));
                    if (compares(tokens.get(at + 1)) || compares(before)) && !(set..set_ends).contains(&at) {
                        return Some("a LOB compared");
                    }
                    if listed == Some(depth) {
                        return Some("a LOB in GROUP BY or ORDER BY");
                    }
                    if one && lists == Some(depth) {
                        return Some("a LOB in DISTINCT or UNION");
                    }
                }
                _ => {}
            }
        }
        None
    }

    fn create_table(&mut self, tokens: &[Token]) {
        let tokens = tokens.strip_prefix([word("IF"), word("NOT"), word("EXISTS")].as_slice()).unwrap_or(tokens);
        if matches!(tokens.first(), Some(Token::Text(_))) {
            self.find("a name between double quotes is a text");
        }
        let (table, rest) = object(tokens);
        let (items, _) = list(rest);
        for item in items.iter().filter(|item| !is_key(item)) {
            if let Some(column) = column(item) {
                self.column(&column);
                if self.backend == Backend::Databricks && column.default {
                    self.find("DEFAULT needs a table feature");
                }
                let inline_key = find(item, &["PRIMARY", "KEY"]).is_some();
                let name = column.name.clone();
                self.columns.insert((table.clone(), name.clone()), column);
                if inline_key {
                    self.key(&table, &[name], true);
                    self.enforced(item);
                }
            }
        }
        for item in items.iter().filter(|item| is_key(item)) {
            if let Some(at) = find(item, &["PRIMARY", "KEY"]) {
                let (names, _) = list(&item[at..]);
                let names: Vec<_> = names.iter().filter_map(|name| name.first().map(name_of)).collect();
                let clustered = !item.iter().any(|token| token.is("NONCLUSTERED"));
                self.key(&table, &names, clustered);
            }
            self.enforced(item);
        }
    }

    fn enforced(&mut self, key: &[Token]) {
        let is_key = find(key, &["PRIMARY", "KEY"]).is_some() || find(key, &["FOREIGN", "KEY"]).is_some();
        if self.backend == Backend::BigQuery && is_key && find(key, &["NOT", "ENFORCED"]).is_none() {
            self.find("a key without NOT ENFORCED");
        }
    }

    fn alter_table(&mut self, tokens: &[Token]) {
        let (table, rest) = object(tokens);
        let adds: Vec<_> = split(rest).into_iter().filter(|clause| clause.first().is_some_and(|token| token.is("ADD"))).collect();
        if self.backend == Backend::Redshift && split(rest).len() > 1 {
            self.find("several ADD COLUMN in one ALTER");
        }
        for clause in adds {
            let clause = &clause[1..];
            let clause = match clause.first() {
                Some(token) if token.is("COLUMN") || token.is("COLUMNS") => &clause[1..],
                _ => clause,
            };
            let clause = clause.strip_prefix([word("IF"), word("NOT"), word("EXISTS")].as_slice()).unwrap_or(clause);
            let items = match clause.first() {
                Some(Token::Symbol('(')) => list(clause).0,
                _ => vec![clause.to_vec()],
            };
            for column in items.iter().filter_map(|item| column(item)) {
                self.column(&column);
                match self.backend {
                    Backend::BigQuery if column.not_null => self.find("ADD COLUMN with NOT NULL"),
                    Backend::BigQuery | Backend::Databricks if column.default => self.find("ADD COLUMN with DEFAULT"),
                    _ => {}
                }
                self.columns.insert((table.clone(), column.name.clone()), column);
            }
        }
    }

    fn create_index(&mut self, tokens: &[Token]) {
        if matches!(self.backend, Backend::Snowflake | Backend::BigQuery | Backend::Databricks | Backend::Redshift) {
            return self.find("CREATE INDEX");
        }
        let Some(on) = tokens.iter().position(|token| token.is("ON")) else { return };
        let (table, rest) = object(&tokens[on + 1..]);
        let (names, _) = list(rest);
        let names: Vec<_> = names.iter().filter_map(|name| name.first().map(name_of)).collect();
        self.key(&table, &names, false);
    }

    fn key(&mut self, table: &str, names: &[String], clustered: bool) {
        self.keys += 1;
        let columns: Vec<_> = names.iter().filter_map(|name| self.columns.get(&(table.to_string(), name.clone())).cloned()).collect();
        let mut bytes = 0;
        for column in &columns {
            match self.backend {
                Backend::Oracle if matches!(column.kind.as_str(), "CLOB" | "NCLOB" | "BLOB" | "LONG") => self.find("a LOB in a key"),
                Backend::SqlServer if column.is_max() => self.find("MAX in a key"),
                Backend::BigQuery
                    if !["STRING", "INT64", "TIMESTAMP", "DATETIME", "DATE", "BOOL", "NUMERIC", "BIGNUMERIC"]
                        .contains(&column.kind.as_str()) =>
                {
                    self.find(format!("{} in a key", column.kind));
                }
                Backend::Databricks if !column.not_null => self.find("a key column that may be null"),
                _ => {}
            }
            bytes += match column.kind.as_str() {
                "NVARCHAR" | "NCHAR" => column.argument(0).unwrap_or(0) * 2,
                "VARCHAR" | "CHAR" => column.argument(0).unwrap_or(0),
                _ => 8,
            };
        }
        let limit = if clustered { 900 } else { 1700 };
        if self.backend == Backend::SqlServer && bytes > limit {
            self.find(format!("a key of more than {limit} bytes"));
        }
    }

    fn column(&mut self, column: &Column) {
        if !types(self.backend).split_whitespace().any(|known| known == column.kind) {
            self.find(format!("no type {}", column.kind));
        }
        let length = column.argument(0);
        match (self.backend, column.kind.as_str()) {
            (Backend::Snowflake, "VARCHAR") if column.is_max() => self.find("VARCHAR(MAX)"),
            (Backend::Snowflake, "NUMBER") if length.is_some_and(|digits| digits > 38) => self.find("NUMBER of more than 38 digits"),
            (Backend::Redshift, "VARCHAR") if length.is_none() => self.find("VARCHAR without a length is 256"),
            (Backend::Redshift, "VARCHAR") if length.is_some_and(|bytes| bytes > 65535) => self.find("VARCHAR of more than 65535"),
            (Backend::Oracle, "VARCHAR2") if length.is_none() => self.find("VARCHAR2 without a length"),
            (Backend::Oracle, "VARCHAR2") if length.is_some_and(|bytes| bytes > 4000) => self.find("VARCHAR2 of more than 4000"),
            (Backend::SqlServer, "NVARCHAR") if length.is_none() && !column.is_max() => self.find("NVARCHAR without a length is 1"),
            (Backend::SqlServer, "NVARCHAR") if length.is_some_and(|units| units > 4000) => self.find("NVARCHAR of more than 4000"),
            _ => {}
        }
    }

    fn grant(&mut self, tokens: &[Token]) {
        let Some(to) = tokens.iter().position(|token| token.is("TO")) else { return };
        let whom = tokens.get(to + 1);
        match self.backend {
            Backend::Snowflake if !whom.is_some_and(|token| token.is("ROLE") || token.is("DATABASE") || token.is("SHARE")) => {
                self.find("GRANT to what is no role");
            }
            Backend::BigQuery if !matches!(whom, Some(Token::Text(text)) if text.contains(':')) => {
                self.find("GRANT without user: or group:")
            }
            _ => {}
        }
    }
}

/// The types of each engine that a migration may use. Others may exist; they are not ours.
fn types(backend: Backend) -> &'static str {
    match backend {
        Backend::PostgreSql => "VARCHAR TEXT TIMESTAMPTZ BIGINT INTEGER BOOLEAN JSONB",
        Backend::MySql => "VARCHAR LONGTEXT DATETIME BIGINT INT TINYINT BOOLEAN",
        Backend::Sqlite => "TEXT INTEGER REAL BLOB",
        Backend::SqlServer => {
            "NVARCHAR NCHAR VARCHAR CHAR DATETIME2 DATETIMEOFFSET BIGINT INT SMALLINT TINYINT BIT DECIMAL FLOAT VARBINARY UNIQUEIDENTIFIER"
        }
        Backend::Oracle => "VARCHAR2 NVARCHAR2 CHAR NCHAR CLOB NCLOB BLOB RAW NUMBER BINARY_DOUBLE DATE TIMESTAMP",
        Backend::Snowflake => "VARCHAR NUMBER FLOAT BOOLEAN TIMESTAMP_NTZ TIMESTAMP_TZ TIMESTAMP_LTZ DATE BINARY VARIANT ARRAY OBJECT",
        Backend::BigQuery => "STRING INT64 FLOAT64 NUMERIC BIGNUMERIC BOOL TIMESTAMP DATETIME DATE BYTES JSON ARRAY STRUCT",
        Backend::Databricks => "STRING BIGINT INT SMALLINT TINYINT DOUBLE DECIMAL BOOLEAN TIMESTAMP DATE BINARY ARRAY MAP STRUCT",
        Backend::Redshift => "VARCHAR CHAR BIGINT INTEGER SMALLINT DECIMAL DOUBLE BOOLEAN TIMESTAMPTZ TIMESTAMP DATE SUPER VARBYTE",
    }
}

fn word(text: &str) -> Token {
    Token::Word(text.into())
}

fn find(tokens: &[Token], words: &[&str]) -> Option<usize> {
    tokens.windows(words.len()).position(|window| window.iter().zip(words).all(|(token, word)| token.is(word)))
}

fn name_of(token: &Token) -> String {
    match token {
        Token::Name(text) | Token::Word(text) | Token::Text(text) | Token::Number(text) => text.to_uppercase(),
        Token::Symbol(symbol) => symbol.to_string(),
    }
}

/// A name with dots, its last part, and what follows it.
fn object(tokens: &[Token]) -> (String, &[Token]) {
    let mut at = 0;
    while tokens.get(at + 1) == Some(&Token::Symbol('.')) {
        at += 2;
    }
    (tokens.get(at).map(name_of).unwrap_or_default(), tokens.get(at + 1..).unwrap_or_default())
}

/// The parts between commas that are in no parentheses.
fn split(tokens: &[Token]) -> Vec<Vec<Token>> {
    let mut parts = vec![vec![]];
    let mut depth = 0;
    for token in tokens {
        match token {
            Token::Symbol('(') => depth += 1,
            Token::Symbol(')') => depth -= 1,
            _ => {}
        }
        match parts.last_mut() {
            Some(part) if *token != Token::Symbol(',') || depth > 0 => part.push(token.clone()),
            _ => parts.push(vec![]),
        }
    }
    parts
}

/// The items of the first parentheses, and what follows them.
fn list(tokens: &[Token]) -> (Vec<Vec<Token>>, &[Token]) {
    let Some(open) = tokens.iter().position(|token| *token == Token::Symbol('(')) else { return (vec![], &[]) };
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token {
            Token::Symbol('(') => depth += 1,
            Token::Symbol(')') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return (split(&tokens[open + 1..at]), &tokens[at + 1..]);
        }
    }
    (split(&tokens[open + 1..]), &[])
}

fn is_key(item: &[Token]) -> bool {
    let begins = |words: &[&str]| find(item, words) == Some(0);
    begins(&["CONSTRAINT"]) || begins(&["PRIMARY", "KEY"]) || begins(&["FOREIGN", "KEY"]) || begins(&["KEY"]) || begins(&["UNIQUE"])
}

fn column(item: &[Token]) -> Option<Column> {
    let [name, Token::Word(kind), rest @ ..] = item else { return None };
    let arguments = match rest.first() {
        Some(Token::Symbol('(')) => list(rest).0.iter().filter_map(|argument| argument.first().map(name_of)).collect(),
        _ => vec![],
    };
    let not_null = find(rest, &["NOT", "NULL"]).is_some();
    let default = rest.iter().any(|token| token.is("DEFAULT"));
    Some(Column { name: name_of(name), kind: kind.clone(), arguments, not_null, default })
}
