"""T-SQL on SQLite: transactions, keys and rows are SQLite's; what T-SQL has and SQLite lacks is done here.

Control flow (IF, ELSE, DECLARE, EXEC), DDL and SET are read by this module; queries and DML go through sqlglot and a few
rewritings. The catalog (sys.*) is tables that DDL keeps, in the same transaction as what they describe."""

import functools
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import sqlglot
from sqlglot import exp

from tds import MAX, Column, Type

BIN2, CI_AS = "Latin1_General_100_BIN2", "SQL_Latin1_General_CP1_CI_AS"
COLLATIONS = {name.lower(): name for name in (BIN2, CI_AS)}
SYSTEM_TYPES = {"bigint": 127, "bit": 104, "datetime2": 42, "int": 56, "nvarchar": 231, "varchar": 167}

CATALOG = f"""
CREATE TABLE "sys.schemas" (schema_id INT NOT NULL PRIMARY KEY, name NVARCHAR(128) COLLATE {CI_AS} NOT NULL UNIQUE);
CREATE TABLE "sys.objects" (object_id INTEGER PRIMARY KEY AUTOINCREMENT, schema_id INT NOT NULL, name NVARCHAR(128) COLLATE {CI_AS} NOT NULL,
  type VARCHAR(2) NOT NULL, parent_object_id INT NOT NULL DEFAULT 0, UNIQUE (schema_id, name));
CREATE VIEW "sys.tables" AS SELECT object_id, schema_id, name, 0 AS is_external, 0 AS is_memory_optimized FROM "sys.objects" WHERE type = 'U';
CREATE TABLE "sys.types" (user_type_id INT NOT NULL PRIMARY KEY, name NVARCHAR(128) COLLATE {CI_AS} NOT NULL);
CREATE TABLE "sys.columns" (object_id INT NOT NULL, column_id INT NOT NULL, name NVARCHAR(128) COLLATE {CI_AS} NOT NULL, user_type_id INT NOT NULL,
  max_length INT NOT NULL, precision INT NOT NULL, scale INT NOT NULL, is_nullable BIT NOT NULL, is_identity BIT NOT NULL DEFAULT 0,
  is_computed BIT NOT NULL DEFAULT 0, collation_name NVARCHAR(128), PRIMARY KEY (object_id, column_id), UNIQUE (object_id, name));
CREATE TABLE "sys.default_constraints" (parent_object_id INT NOT NULL, parent_column_id INT NOT NULL, definition NVARCHAR(4000));
CREATE TABLE "sys.indexes" (object_id INT NOT NULL, index_id INT NOT NULL, name NVARCHAR(128) COLLATE {CI_AS}, type INT NOT NULL DEFAULT 2,
  type_desc NVARCHAR(60) NOT NULL DEFAULT 'NONCLUSTERED', is_unique BIT NOT NULL, is_primary_key BIT NOT NULL, is_disabled BIT NOT NULL DEFAULT 0,
  has_filter BIT NOT NULL DEFAULT 0, is_hypothetical BIT NOT NULL DEFAULT 0, PRIMARY KEY (object_id, index_id));
CREATE TABLE "sys.index_columns" (object_id INT NOT NULL, index_id INT NOT NULL, column_id INT NOT NULL, key_ordinal INT NOT NULL,
  is_descending_key BIT NOT NULL DEFAULT 0, is_included_column BIT NOT NULL DEFAULT 0);
CREATE TABLE "sys.foreign_keys" (object_id INT NOT NULL, name NVARCHAR(128) COLLATE {CI_AS} NOT NULL, parent_object_id INT NOT NULL,
  referenced_object_id INT NOT NULL, is_disabled BIT NOT NULL DEFAULT 0);
CREATE TABLE "sys.foreign_key_columns" (constraint_object_id INT NOT NULL, constraint_column_id INT NOT NULL, parent_object_id INT NOT NULL,
  parent_column_id INT NOT NULL, referenced_object_id INT NOT NULL, referenced_column_id INT NOT NULL);
CREATE TABLE "sys.extended_properties" (class INT NOT NULL, major_id INT NOT NULL, minor_id INT NOT NULL, name NVARCHAR(128) NOT NULL,
  value "nvarchar(max)", PRIMARY KEY (class, major_id, minor_id, name));
INSERT INTO "sys.schemas" VALUES (1, 'dbo'), (3, 'INFORMATION_SCHEMA'), (4, 'sys');
"""


class Refused(Exception):
    """An error as the server numbers it. `aborts`: whether it ends the transaction under XACT_ABORT."""

    def __init__(self, number: int, message: str, aborts: bool = True):
        super().__init__(message)
        self.number, self.message, self.aborts = number, message, aborts


@dataclass
class Result:
    """What one statement gives: rows of columns, or how many rows it touched, or neither."""

    columns: list[Column] | None = None
    rows: Iterator[tuple] = iter(())
    count: int | None = None


def units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def padded(one: str, other: str, key: Callable[[str], str]) -> int:
    """Compares as if the shorter text ended in blanks, by UTF-16 code unit."""
    one, other = key(one), key(other)
    length = max(units(one), units(other))
    left, right = (
        (text + " " * (length - units(text))).encode("utf-16-be", "surrogatepass") for text in (one, other)
    )
    return (left > right) - (left < right)


def concat(*parts: object) -> str:
    return "".join("" if part is None else str(part) for part in parts)


def nullable(function: Callable) -> Callable:
    return lambda *values: None if any(value is None for value in values) else function(*values)


FUNCTIONS: dict[str, tuple[int, Callable]] = {
    "DATALENGTH": (1, nullable(lambda text: 2 * units(text))),
    "NCHAR": (1, nullable(chr)),
    "TSQL_CONCAT": (-1, concat),
    "TSQL_CHARINDEX": (2, nullable(lambda part, text: units(text[: text.find(part)]) + 1 if part in text else 0)),
    "TSQL_UNITS": (1, nullable(units)),
    "TSQL_NOW": (0, lambda: datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")),
}

TOKEN = re.compile(
    r"(?P<space>\s+|--[^\n]*|/\*.*?\*/)|(?P<text>N?'(?:[^']|'')*')|(?P<name>\[(?:[^\]]|\]\])*\])|(?P<variable>@@?\w+)"
    r"|(?P<word>[A-Za-z_#][\w#$]*)|(?P<number>\d+)|(?P<symbol><>|<=|>=|.)",
    re.DOTALL,
)
BEGINS = {"ALTER", "BEGIN", "COMMIT", "CREATE", "DECLARE", "DELETE", "DROP", "EXEC", "EXECUTE", "IF", "INSERT", "ROLLBACK", "SELECT", "SET", "UPDATE"}


@dataclass(frozen=True)
class Token:
    kind: str
    text: str

    def is_(self, word: str) -> bool:
        return self.kind in ("word", "symbol") and self.text.upper() == word

    def value(self) -> str:
        """A name or a text without what is around it."""
        match self.kind:
            case "text":
                return self.text[self.text.index("'") + 1 : -1].replace("''", "'")
            case "name":
                return self.text[1:-1].replace("]]", "]")
        return self.text


@functools.lru_cache(500)
def tokens(sql: str) -> tuple[Token, ...]:
    found = (Token(match.lastgroup, match.group()) for match in TOKEN.finditer(sql))
    return tuple(token for token in found if token.kind != "space")


def joined(part: list[Token]) -> str:
    return " ".join(token.text for token in part)


def split(part: list[Token]) -> list[list[Token]]:
    """The items between commas that are in no parentheses."""
    items, depth = [[]], 0
    for token in part:
        depth += token.is_("(") - token.is_(")")
        if token.is_(",") and depth == 0:
            items.append([])
        else:
            items[-1].append(token)
    return items


class Cursor:
    """A place in a statement's tokens."""

    def __init__(self, part: list[Token]):
        self.part, self.at = part, 0

    def peek(self, *words: str) -> bool:
        ahead = self.part[self.at : self.at + len(words)]
        return len(ahead) == len(words) and all(token.is_(word) for token, word in zip(ahead, words))

    def skip(self, *words: str) -> bool:
        found = self.peek(*words)
        self.at += len(words) if found else 0
        return found

    def need(self, *words: str) -> None:
        if not self.skip(*words):
            raise self.wrong()

    def wrong(self) -> Refused:
        near = self.part[self.at].text if self.at < len(self.part) else "end"
        return Refused(102, f"Incorrect syntax near '{near}'.", aborts=False)

    def next(self) -> Token:
        if self.at >= len(self.part):
            raise self.wrong()
        self.at += 1
        return self.part[self.at - 1]

    def object(self) -> tuple[str, str]:
        """A name of one or two parts, as schema and name."""
        name = self.next().value()
        if self.skip("."):
            return name, self.next().value()
        return "dbo", name

    def items(self) -> list[list[Token]]:
        """The items in the parentheses that come next."""
        self.need("(")
        first, depth = self.at, 1
        while depth:
            token = self.next()
            depth += token.is_("(") - token.is_(")")
        return split(self.part[first : self.at - 1])

    def rest(self) -> list[Token]:
        rest, self.at = self.part[self.at :], len(self.part)
        return rest


@dataclass(frozen=True)
class Definition:
    """A column as CREATE TABLE and ALTER TABLE give it."""

    name: str
    type: Type
    nullable: bool
    collation: str | None
    default: str | None

    def max_length(self) -> int:
        match self.type.name:
            case "nvarchar" | "varchar":
                return -1 if self.type.size == MAX else self.type.size
        return {"bigint": 8, "int": 4, "bit": 1, "datetime2": 8}[self.type.name]

    def sql(self) -> str:
        """The same for SQLite, whose types limit nothing."""
        name = quoted(self.name)
        parts = [name, quoted(self.type.sql())]
        if self.collation:
            parts.append(f"COLLATE {self.collation}")
        if not self.nullable:
            parts.append("NOT NULL")
        if self.default:
            parts.append(f"DEFAULT {self.default}")
        if self.type.name in ("nvarchar", "varchar") and self.type.size != MAX:
            longest = self.type.size // (2 if self.type.name == "nvarchar" else 1)
            parts.append(f"CONSTRAINT {quoted('length of ' + self.name)} CHECK (TSQL_UNITS({name}) <= {longest})")
        return " ".join(parts)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def definition(item: list[Token]) -> Definition:
    cursor = Cursor(item)
    name, word = cursor.next().value(), cursor.next().text.lower()
    argument = joined(cursor.items()[0]).lower() if cursor.peek("(") else None
    if word not in SYSTEM_TYPES:
        raise Refused(2715, f"Column, parameter, or variable #1: Cannot find data type {word}.", aborts=False)
    match word:
        case "nvarchar":
            size = MAX if argument == "max" else 2 * int(argument or 1)
        case "varchar":
            size = MAX if argument == "max" else int(argument or 1)
        case "datetime2":
            size = int(argument or 7)
        case _:
            size = 0
    collation = None
    if cursor.skip("COLLATE"):
        wanted = cursor.next().text
        if (collation := COLLATIONS.get(wanted.lower())) is None:
            raise Refused(448, f"Invalid collation '{wanted}'.", aborts=False)
    elif word in ("nvarchar", "varchar"):
        collation = CI_AS
    default = None
    if cursor.skip("DEFAULT"):
        first = cursor.at
        while cursor.at < len(item) and not (cursor.peek("NOT", "NULL") or (cursor.peek("NULL") and cursor.at > first)):
            cursor.next()
        default = joined(item[first : cursor.at])
    null = not cursor.skip("NOT", "NULL")
    cursor.skip("NULL")
    if cursor.at != len(item):
        raise cursor.wrong()
    return Definition(name, Type(word, size), null, collation, default)


class Session:
    """One client's connection. `locks` holds who has which application lock, for all sessions of the server."""

    def __init__(self, file: Path, locks: dict[str, "Session"], guard: threading.Lock, reads_only: bool):
        self.locks, self.guard, self.reads_only = locks, guard, reads_only
        self.db = sqlite3.connect(file, isolation_level=None, check_same_thread=False, cached_statements=0)
        for name, (count, function) in FUNCTIONS.items():
            self.db.create_function(name, count, function, deterministic=name != "TSQL_NOW")
        self.db.create_collation(BIN2, lambda one, other: padded(one, other, str))
        self.db.create_collation(CI_AS, lambda one, other: padded(one, other, str.casefold))
        self.db.execute("PRAGMA synchronous = OFF")
        self.db.execute("PRAGMA foreign_keys = ON")
        self.wait(-1)
        self.depth = 0
        self.xact_abort = False
        self.variables: dict[str, object] = {}
        self.parameters: dict[str, tuple[Type, object]] = {}
        self.loading: tuple[str, list[str]] | None = None

    def close(self) -> None:
        with self.guard:
            for name in [name for name, holder in self.locks.items() if holder is self]:
                del self.locks[name]
        self.db.close()

    def wait(self, milliseconds: int) -> None:
        self.db.execute(f"PRAGMA busy_timeout = {2_000_000_000 if milliseconds < 0 else milliseconds}")

    # What a client sends.

    def run(self, sql: str, parameters: dict[str, tuple[Type, object]] | None = None) -> Iterator[Result]:
        """Runs a batch statement by statement. An error under XACT_ABORT ends its transaction."""
        self.parameters, self.variables = parameters or {}, {}
        depth = self.depth
        try:
            yield from self.batch(sql)
        except Refused as refused:
            if refused.aborts and self.xact_abort and self.depth:
                self.end("ROLLBACK")
            raise
        if parameters is not None and self.depth != depth:
            raise Refused(266, "Transaction count after EXECUTE indicates a mismatching number of BEGIN and COMMIT statements.")

    def load(self, rows: Iterator[tuple]) -> int:
        """The rows that follow INSERT BULK, all or none."""
        table, columns = self.loading
        self.loading = None
        names, marks = ", ".join(map(quoted, columns)), ", ".join("?" * len(columns))
        count = 0
        try:
            for row in rows:
                self.sqlite(f"INSERT INTO {table} ({names}) VALUES ({marks})", row)
                count += 1
        except Refused:
            if self.xact_abort and self.depth:
                self.end("ROLLBACK")
            raise
        return count

    # Control flow.

    def batch(self, sql: str) -> Iterator[Result]:
        cursor = Cursor(list(tokens(sql)))
        while cursor.at < len(cursor.part):
            if not cursor.skip(";"):
                yield from self.statement(cursor, True)

    def statement(self, cursor: Cursor, wanted: bool) -> Iterator[Result]:
        if cursor.skip("IF"):
            first = cursor.at
            depth = 0
            while depth or not (cursor.part[cursor.at].kind == "word" and cursor.part[cursor.at].text.upper() in BEGINS):
                token = cursor.next()
                depth += token.is_("(") - token.is_(")")
            condition = joined(cursor.part[first : cursor.at])
            holds = wanted and self.scalar(f"SELECT CASE WHEN {condition} THEN 1 ELSE 0 END") == 1
            yield from self.statement(cursor, holds)
            if cursor.skip("ELSE"):
                yield from self.statement(cursor, wanted and not holds)
            return
        first, depth, cases = cursor.at, 0, 0
        while cursor.at < len(cursor.part):
            token = cursor.part[cursor.at]
            if depth == 0 and (token.is_(";") or (token.is_("ELSE") and not cases)):
                break
            depth += token.is_("(") - token.is_(")")
            cases += token.is_("CASE") - token.is_("END")
            cursor.at += 1
        if wanted:
            yield from self.single(cursor.part[first : cursor.at])

    def single(self, part: list[Token]) -> Iterator[Result]:
        cursor = Cursor(part)
        word = cursor.next().text.upper()
        match word:
            case "SELECT" | "INSERT" | "UPDATE" | "DELETE":
                if word == "INSERT" and cursor.skip("BULK"):
                    yield self.insert_bulk(cursor)
                else:
                    yield self.dml(joined(part), word)
                return
            case "EXEC" | "EXECUTE":
                yield from self.procedure(cursor)
                return
            case "SET":
                self.option(cursor)
            case "DECLARE":
                self.variables[cursor.next().text] = None
                cursor.rest()
            case "BEGIN" | "COMMIT" | "ROLLBACK":
                if not (cursor.skip("TRANSACTION") or cursor.skip("TRAN")):
                    raise cursor.wrong()
                self.end(word)
            case "CREATE" | "ALTER" | "DROP":
                if self.reads_only:
                    raise Refused(262, f"{word} permission denied in database 'analytics'.")
                self.ddl(word, cursor)
            case _:
                cursor.at = 0
                raise cursor.wrong()
        if cursor.at != len(part):
            raise cursor.wrong()
        yield Result()

    def end(self, word: str) -> None:
        """Begins or ends a transaction."""
        match word:
            case "BEGIN":
                self.depth += 1
            case _ if self.depth == 0:
                number = 3902 if word == "COMMIT" else 3903
                raise Refused(number, f"The {word} TRANSACTION request has no corresponding BEGIN TRANSACTION.")
            case "COMMIT" if self.depth > 1:
                self.depth -= 1
            case _:
                if self.db.in_transaction:
                    self.db.execute(word)
                self.depth = 0

    def option(self, cursor: Cursor) -> None:
        if cursor.skip("LOCK_TIMEOUT"):
            sign = -1 if cursor.skip("-") else 1
            return self.wait(sign * int(cursor.next().text))
        if cursor.skip("TEXTSIZE") or cursor.skip("LANGUAGE"):
            cursor.next()
            return None
        options = [cursor.next().text.upper()]
        while cursor.skip(","):
            options.append(cursor.next().text.upper())
        on = cursor.skip("ON")
        if not on:
            cursor.need("OFF")
        known = "XACT_ABORT ANSI_NULLS ANSI_PADDING ANSI_WARNINGS ARITHABORT CONCAT_NULL_YIELDS_NULL QUOTED_IDENTIFIER NUMERIC_ROUNDABORT NOCOUNT IMPLICIT_TRANSACTIONS"
        for option in options:
            if option not in known.split():
                raise Refused(195, f"'{option}' is not a recognized SET option.", aborts=False)
            if option == "XACT_ABORT":
                self.xact_abort = on
        return None

    def procedure(self, cursor: Cursor) -> Iterator[Result]:
        if cursor.peek("("):
            [[text]] = cursor.items()
            yield from self.batch(text.value())
            return
        into = None
        if cursor.part[cursor.at].kind == "variable":
            into = cursor.next().text
            cursor.need("=")
        _, procedure = cursor.object()
        named, plain = {}, []
        for item in split(cursor.rest()):
            value = self.argument(item[-1])
            if len(item) == 3 and item[1].is_("="):
                named[item[0].text] = value
            else:
                plain.append(value)
        match procedure.lower():
            case "sp_getapplock":
                self.variables[into] = self.lock(named["@Resource"])
            case "sp_addextendedproperty":
                self.describe(*plain[:2], plain[2:], new=True)
            case "sp_updateextendedproperty":
                self.describe(*plain[:2], plain[2:], new=False)
            case "sp_rename" if plain[2:] == ["COLUMN"]:
                self.rename_column(*plain[:2])
            case _:
                raise Refused(2812, f"Could not find stored procedure '{procedure}'.", aborts=False)
        yield Result()

    def argument(self, token: Token) -> object:
        match token.kind:
            case "variable":
                return self.parameters[token.text[1:]][1] if token.text[1:] in self.parameters else self.variables[token.text]
            case "number":
                return int(token.text)
        return token.value()

    def lock(self, name: str) -> int:
        with self.guard:
            holder = self.locks.setdefault(name, self)
        return 0 if holder is self else -1

    # Queries and DML.

    def sqlite(self, sql: str, values: object = ()) -> sqlite3.Cursor:
        """Runs a statement of SQLite's, with its errors as the server numbers them. The first one of a transaction waits for its turn to write,
        so that no two meet."""
        try:
            if self.depth and not self.db.in_transaction:
                self.db.execute("BEGIN IMMEDIATE")
            return self.db.execute(sql, values)
        except sqlite3.IntegrityError as error:
            raise violated(str(error)) from None
        except sqlite3.OperationalError as error:
            text = str(error)
            if "locked" in text:
                raise Refused(1222, "Lock request time out period exceeded.") from None
            if column := re.match(r"no such column: (.*)|table (?:.*) has no column named (.*)", text):
                name = (column[1] or column[2]).split(".")[-1].strip('"')
                raise Refused(207, f"Invalid column name '{name}'.", aborts=False) from None
            raise Refused(8180, f"the stand-in cannot run it: {text}: {sql}", aborts=False) from None

    def scalar(self, sql: str, *values: object) -> object:
        if values:
            found = self.sqlite(sql, values).fetchone()
        else:
            found = next(self.dml(sql, "SELECT").rows, None)
        return found[0] if found else None

    def dml(self, sql: str, word: str) -> Result:
        if self.reads_only and word != "SELECT":
            raise Refused(229, f"The {word} permission was denied on the object, database 'analytics'.")
        tree = parsed(sql).copy()
        used = {node.name for node in tree.find_all(exp.Parameter)}
        for name in used:
            if name not in self.parameters and f"@{name}" not in self.variables and name.upper() != "TRANCOUNT":
                raise Refused(137, f'Must declare the scalar variable "@{name}".', aborts=False)
        for table in tree.find_all(exp.Table):
            if table.args.get("db") is not None and not self.sqlite(f"PRAGMA table_info({quoted(flat(table))})").fetchone():
                raise Refused(208, f"Invalid object name '{flat(table)}'.", aborts=False)
        values = {name: self.parameters[name][1] if name in self.parameters else self.variables.get(f"@{name}") for name in used}
        values |= {"TRANCOUNT": self.depth}
        columns = self.described(tree) if word == "SELECT" else None
        done = self.sqlite(translated(tree), values)
        if columns is None:
            return Result(count=done.rowcount)
        return Result(columns, iter(done.fetchall()))

    def insert_bulk(self, cursor: Cursor) -> Result:
        if self.reads_only:
            raise Refused(229, "The INSERT permission was denied on the object, database 'analytics'.")
        schema, name = cursor.object()
        columns = [item[0].value() for item in cursor.items()]
        options = {joined(item).upper() for item in cursor.items()} if cursor.skip("WITH") else set()
        # Without these a bulk load passes over what guards the table.
        if options != {"CHECK_CONSTRAINTS", "FIRE_TRIGGERS", "KEEP_NULLS"}:
            raise Refused(4834, "this stand-in takes a bulk load only with CHECK_CONSTRAINTS, FIRE_TRIGGERS and KEEP_NULLS")
        self.loading = quoted(f"{schema}.{name}"), columns
        return Result()

    # The types of an answer.

    def described(self, query: exp.Expression) -> list[Column]:
        if isinstance(query, exp.SetOperation):
            left, right = self.described(query.left), self.described(query.right)
            return [Column(one.name, wider(one.type, other.type), one.nullable or other.nullable) for one, other in zip(left, right)]
        sources: dict[str, list[Column]] = {}
        outer = set()
        tables = [query.args["from_"].this] if query.args.get("from_") else []
        for join in query.args.get("joins") or []:
            tables.append(join.this)
            if join.side:
                outer.add(join.this.alias_or_name)
        for source in tables:
            for nested in [source, *[join.this for join in source.args.get("joins") or []]]:
                sources[nested.alias_or_name.lower()] = self.source(nested)
        return [self.projected(item, sources, outer) for item in query.expressions]

    def source(self, source: exp.Expression) -> list[Column]:
        if isinstance(source, exp.Subquery):
            return self.described(source.this)
        rows = self.sqlite(f"PRAGMA table_info({quoted(flat(source))})").fetchall()
        return [Column(name, declared(kind), not required) for _, name, kind, required, _, _ in rows]

    def projected(self, item: exp.Expression, sources: dict[str, list[Column]], outer: set[str]) -> Column:
        name = item.alias_or_name if isinstance(item, (exp.Alias, exp.Column)) else ""
        kind, null = self.typed(item.this if isinstance(item, exp.Alias) else item, sources)
        return Column(name, kind, null or bool(outer))

    def typed(self, node: exp.Expression, sources: dict[str, list[Column]]) -> tuple[Type, bool]:
        match node:
            case exp.Column():
                for alias, columns in sources.items():
                    if not node.table or node.table.lower() == alias:
                        for column in columns:
                            if column.name.lower() == node.name.lower():
                                return column.type, column.nullable
                raise Refused(207, f"Invalid column name '{node.name}'.", aborts=False)
            case exp.Count():
                return Type("int"), False
            case exp.Literal() if node.is_string:
                return Type("varchar", max(len(node.name), 1)), False
            case exp.National():
                return Type("nvarchar", max(2 * units(node.name), 2)), False
            case exp.Literal() | exp.Null():
                return Type("int"), isinstance(node, exp.Null)
            case exp.Parameter():
                return (self.parameters[node.name][0] if node.name in self.parameters else Type("int")), True
            case exp.Case():
                branches = [branch.args["true"] for branch in node.args["ifs"]]
                branches += [node.args["default"]] if node.args.get("default") is not None else []
                kinds = [self.typed(branch, sources)[0] for branch in branches if not isinstance(branch, exp.Null)]
                return functools.reduce(wider, kinds), True
            case exp.Max() | exp.Min() | exp.Lower() | exp.Paren() | exp.Collate():
                return self.typed(node.this, sources)[0], True
            case exp.Div() | exp.Add() if not texts(node):
                return wider(self.typed(node.left, sources)[0], self.typed(node.right, sources)[0]), True
            case exp.Cast():
                return declared(node.to.sql("tsql")), True
        return Type("nvarchar", MAX), True

    # DDL.

    def ddl(self, word: str, cursor: Cursor) -> None:
        match word:
            case "CREATE" if cursor.skip("SCHEMA"):
                self.create_schema(cursor)
            case "CREATE" if cursor.skip("TABLE"):
                self.create_table(cursor)
            case "CREATE":
                self.create_index(cursor)
            case "ALTER":
                cursor.need("TABLE")
                self.alter_table(cursor)
            case "DROP" if cursor.skip("INDEX"):
                self.drop_index(cursor)
            case "DROP" if cursor.skip("TABLE"):
                self.drop_table(cursor)
            case "DROP" if cursor.skip("SCHEMA"):
                self.drop_schema(cursor)
            case _:
                raise cursor.wrong()

    def create_schema(self, cursor: Cursor) -> None:
        name = cursor.next().value()
        if self.scalar('SELECT 1 FROM "sys.schemas" WHERE name = ?', name):
            raise Refused(2714, f"There is already an object named '{name}' in the database.")
        self.sqlite('INSERT INTO "sys.schemas" SELECT max(schema_id) + 1, ? FROM "sys.schemas"', (name,))

    def drop_schema(self, cursor: Cursor) -> None:
        lenient = cursor.skip("IF", "EXISTS")
        name = cursor.next().value()
        number = self.scalar('SELECT schema_id FROM "sys.schemas" WHERE name = ?', name)
        if number is None and not lenient:
            raise Refused(15151, f"Cannot drop the schema '{name}', because it does not exist or you do not have permission.")
        if self.scalar('SELECT 1 FROM "sys.objects" WHERE schema_id = ?', number):
            raise Refused(3729, f"Cannot drop schema '{name}' because it is being referenced by an object.")
        self.sqlite('DELETE FROM "sys.schemas" WHERE schema_id = ?', (number,))

    def object_id(self, schema: str, name: str) -> int | None:
        sql = 'SELECT o.object_id FROM "sys.objects" o JOIN "sys.schemas" s ON s.schema_id = o.schema_id WHERE s.name = ? AND o.name = ?'
        return self.scalar(sql, schema, name)

    def table(self, cursor: Cursor) -> tuple[int, str]:
        schema, name = cursor.object()
        found = self.object_id(schema, name)
        if found is None:
            raise Refused(4902, f'Cannot find the object "{schema}.{name}" because it does not exist or you do not have permissions.', aborts=False)
        return found, f"{schema}.{name}"

    def column_id(self, table: int, name: str) -> int | None:
        return self.scalar('SELECT column_id FROM "sys.columns" WHERE object_id = ? AND name = ?', table, name)

    def columns_of(self, table: int, items: list[list[Token]]) -> list[tuple[str, int]]:
        found = []
        for item in items:
            name = item[0].value()
            if (number := self.column_id(table, name)) is None:
                raise Refused(1911, f"Column name '{name}' does not exist in the target table or view.", aborts=False)
            found.append((name, number))
        return found

    def create_table(self, cursor: Cursor) -> None:
        schema, name = cursor.object()
        number = self.scalar('SELECT schema_id FROM "sys.schemas" WHERE name = ?', schema)
        if number is None:
            raise Refused(2760, f'The specified schema name "{schema}" either does not exist or you do not have permission to use it.')
        if self.object_id(schema, name) is not None:
            raise Refused(2714, f"There is already an object named '{name}' in the database.")
        items = cursor.items()
        table = self.sqlite('INSERT INTO "sys.objects" (schema_id, name, type) VALUES (?, ?, \'U\')', (number, name)).lastrowid
        clauses = []
        for item in [item for item in items if not item[0].is_("CONSTRAINT")]:
            clauses.append(self.note_column(table, definition(item)).sql())
        for item in [item for item in items if item[0].is_("CONSTRAINT")]:
            clauses.append(self.constraint(table, number, Cursor(item[1:])))
        self.sqlite(f"CREATE TABLE {quoted(f'{schema}.{name}')} ({', '.join(clauses)})")

    def note_column(self, table: int, column: Definition) -> Definition:
        if self.column_id(table, column.name) is not None:
            raise Refused(2705, f"Column names in each table must be unique. Column name '{column.name}' is specified more than once.", aborts=False)
        values = (
            *(table, table, column.name, SYSTEM_TYPES[column.type.name], column.max_length()),
            *(19 if column.type.name == "bigint" else 0, column.type.size if column.type.name == "datetime2" else 0, column.nullable, column.collation),
        )
        self.sqlite(
            'INSERT INTO "sys.columns" (object_id, column_id, name, user_type_id, max_length, precision, scale, is_nullable, collation_name)'
            ' VALUES (?, (SELECT coalesce(max(column_id), 0) + 1 FROM "sys.columns" WHERE object_id = ?), ?, ?, ?, ?, ?, ?, ?)',
            values,
        )
        if column.default:
            number = self.column_id(table, column.name)
            self.sqlite('INSERT INTO "sys.default_constraints" VALUES (?, ?, ?)', (table, number, f"({column.default})"))
        return column

    def constraint(self, table: int, schema: int, cursor: Cursor) -> str:
        name = cursor.next().value()
        if cursor.skip("PRIMARY", "KEY"):
            clustered = not cursor.skip("NONCLUSTERED")
            columns = self.columns_of(table, cursor.items())
            self.key_fits(table, columns, 900 if clustered else 1700)
            self.note_index(table, name, columns, unique=True, primary=True)
            return f"CONSTRAINT {quoted(name)} PRIMARY KEY ({', '.join(quoted(column) for column, _ in columns)})"
        cursor.need("FOREIGN", "KEY")
        columns = self.columns_of(table, cursor.items())
        cursor.need("REFERENCES")
        target, target_name = self.table(cursor)
        key = self.columns_of(target, cursor.items())
        number = self.sqlite(
            'INSERT INTO "sys.objects" (schema_id, name, type, parent_object_id) VALUES (?, ?, \'F\', ?)', (schema, name, table)
        ).lastrowid
        self.sqlite('INSERT INTO "sys.foreign_keys" VALUES (?, ?, ?, ?, 0)', (number, name, table, target))
        for place, ((_, column), (_, other)) in enumerate(zip(columns, key), 1):
            self.sqlite('INSERT INTO "sys.foreign_key_columns" VALUES (?, ?, ?, ?, ?, ?)', (number, place, table, column, target, other))
        left, right = (", ".join(quoted(column) for column, _ in names) for names in (columns, key))
        return f"CONSTRAINT {quoted(name)} FOREIGN KEY ({left}) REFERENCES {quoted(target_name)} ({right})"

    def key_fits(self, table: int, columns: list[tuple[str, int]], most: int) -> None:
        sizes = [self.scalar('SELECT max_length FROM "sys.columns" WHERE object_id = ? AND column_id = ?', table, number) for _, number in columns]
        if -1 in sizes:
            raise Refused(1919, "Column in table is of a type that is invalid for use as a key column in an index.", aborts=False)
        if sum(sizes) > most:
            raise Refused(1944, f"a key of {sum(sizes)} bytes would be made with a warning and would refuse rows: at most {most}")

    def note_index(self, table: int, name: str, columns: list[tuple[str, int]], unique: bool, primary: bool) -> None:
        number = self.scalar('SELECT coalesce(max(index_id), 1) + 1 FROM "sys.indexes" WHERE object_id = ?', table)
        self.sqlite(
            'INSERT INTO "sys.indexes" (object_id, index_id, name, is_unique, is_primary_key) VALUES (?, ?, ?, ?, ?)',
            (table, number, name, unique, primary),
        )
        for place, (_, column) in enumerate(columns, 1):
            self.sqlite('INSERT INTO "sys.index_columns" (object_id, index_id, column_id, key_ordinal) VALUES (?, ?, ?, ?)', (table, number, column, place))

    def create_index(self, cursor: Cursor) -> None:
        unique = cursor.skip("UNIQUE")
        cursor.skip("NONCLUSTERED")
        cursor.need("INDEX")
        name = cursor.next().value()
        cursor.need("ON")
        table, full = self.table(cursor)
        if self.index_id(table, name) is not None:
            raise Refused(1913, f"The operation failed because an index or statistics with name '{name}' already exists on table '{full}'.")
        columns = self.columns_of(table, cursor.items())
        self.key_fits(table, columns, 1700)
        self.note_index(table, name, columns, unique, primary=False)
        names = ", ".join(quoted(column) for column, _ in columns)
        self.sqlite(f"CREATE {'UNIQUE ' * unique}INDEX {quoted(f'{full}.{name}')} ON {quoted(full)} ({names})")

    def index_id(self, table: int, name: str) -> int | None:
        return self.scalar('SELECT index_id FROM "sys.indexes" WHERE object_id = ? AND name = ?', table, name)

    def drop_index(self, cursor: Cursor) -> None:
        lenient = cursor.skip("IF", "EXISTS")
        name = cursor.next().value()
        cursor.need("ON")
        table, full = self.table(cursor)
        number = self.index_id(table, name)
        if number is None:
            if lenient:
                return
            raise Refused(3701, f"Cannot drop the index '{full}.{name}', because it does not exist or you do not have permission.")
        for catalog in ("sys.indexes", "sys.index_columns"):
            self.sqlite(f"DELETE FROM {quoted(catalog)} WHERE object_id = ? AND index_id = ?", (table, number))
        self.sqlite(f"DROP INDEX {quoted(f'{full}.{name}')}")

    def drop_table(self, cursor: Cursor) -> None:
        lenient = cursor.skip("IF", "EXISTS")
        schema, name = cursor.object()
        table = self.object_id(schema, name)
        if table is None:
            if lenient:
                return
            raise Refused(3701, f"Cannot drop the table '{schema}.{name}', because it does not exist or you do not have permission.")
        if self.scalar('SELECT 1 FROM "sys.foreign_keys" WHERE referenced_object_id = ? AND parent_object_id <> ?', table, table):
            raise Refused(3726, f"Could not drop object '{schema}.{name}' because it is referenced by a FOREIGN KEY constraint.")
        self.sqlite(f"DROP TABLE {quoted(f'{schema}.{name}')}")
        for catalog in ("sys.columns", "sys.indexes", "sys.index_columns"):
            self.sqlite(f"DELETE FROM {quoted(catalog)} WHERE object_id = ?", (table,))
        for catalog in ("sys.default_constraints", "sys.foreign_keys", "sys.foreign_key_columns"):
            self.sqlite(f"DELETE FROM {quoted(catalog)} WHERE parent_object_id = ?", (table,))
        self.sqlite('DELETE FROM "sys.extended_properties" WHERE major_id = ?', (table,))
        self.sqlite('DELETE FROM "sys.objects" WHERE object_id = ? OR parent_object_id = ?', (table, table))

    def alter_table(self, cursor: Cursor) -> None:
        table, full = self.table(cursor)
        if cursor.skip("ADD"):
            column = self.note_column(table, definition(cursor.rest()))
            if not column.nullable and column.default is None and self.scalar(f"SELECT 1 FROM {quoted(full)} LIMIT ?", 1):
                raise Refused(4901, f"ALTER TABLE only allows columns to be added that can contain nulls. Column '{column.name}' cannot.")
            self.rewrite(table, full, column)
            return
        drop = cursor.skip("DROP", "COLUMN")
        if not drop:
            cursor.need("ALTER", "COLUMN")
        lenient = cursor.skip("IF", "EXISTS")
        name = cursor.part[cursor.at].value()
        number = self.column_id(table, name)
        if number is None:
            if lenient:
                cursor.next()
                return
            raise Refused(4924, f"ALTER TABLE failed because column '{name}' does not exist in table '{full}'.", aborts=False)
        if self.scalar('SELECT 1 FROM "sys.index_columns" WHERE object_id = ? AND column_id = ?', table, number) and drop:
            raise Refused(5074, f"The object is dependent on column '{name}'.", aborts=False)
        if drop:
            cursor.next()
            self.sqlite('DELETE FROM "sys.columns" WHERE object_id = ? AND column_id = ?', (table, number))
            self.sqlite('DELETE FROM "sys.extended_properties" WHERE major_id = ? AND minor_id = ?', (table, number))
            self.sqlite(f"ALTER TABLE {quoted(full)} DROP COLUMN {quoted(name)}")
            return
        column = definition(cursor.rest())
        if not column.nullable and self.scalar(f"SELECT 1 FROM {quoted(full)} WHERE {quoted(name)} IS NULL LIMIT ?", 1):
            raise Refused(515, f"Cannot insert the value NULL into column '{name}', table '{full}'; column does not allow nulls. UPDATE fails.")
        self.sqlite(
            'UPDATE "sys.columns" SET user_type_id = ?, max_length = ?, is_nullable = ?, collation_name = ? WHERE object_id = ? AND column_id = ?',
            (SYSTEM_TYPES[column.type.name], column.max_length(), column.nullable, column.collation, table, number),
        )
        self.rewrite(table, full, column)

    def rewrite(self, table: int, full: str, column: Definition) -> None:
        """Adds a column, or gives it another definition: in place, as SQLite's own documentation does it
        (https://www.sqlite.org/lang_altertable.html#otheralter)."""
        sql = self.scalar("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", full)
        items = split_clauses(sql[sql.index("(") + 1 : -1])
        fresh = column.sql()
        own = [at for at, item in enumerate(items) if item.startswith(quoted(column.name) + " ")]
        first_key = next((at for at, item in enumerate(items) if item.startswith("CONSTRAINT ")), len(items))
        if own:
            items[own[0]] = fresh
        elif column.default is not None or column.nullable:
            self.sqlite(f"ALTER TABLE {quoted(full)} ADD COLUMN {fresh}")
            return
        else:
            items.insert(first_key, fresh)
        self.sqlite("PRAGMA writable_schema = ON")
        self.sqlite("UPDATE sqlite_master SET sql = ? WHERE type = 'table' AND name = ?", (f"CREATE TABLE {quoted(full)} ({', '.join(items)})", full))
        self.sqlite("PRAGMA writable_schema = RESET")

    def rename_column(self, old: str, new: str) -> None:
        cursor = Cursor(list(tokens(old)))
        schema, name = cursor.next().value(), (cursor.need("."), cursor.next().value())[1]
        cursor.need(".")
        column, table = cursor.next().value(), self.object_id(schema, name)
        if table is None or self.column_id(table, column) is None:
            raise Refused(15248, "Either the parameter @objname is ambiguous or the claimed @objtype (COLUMN) is wrong.")
        if self.column_id(table, new) is not None:
            raise Refused(15335, f"Error: The new name '{new}' is already in use as a COLUMN name and would cause a duplicate that is not permitted.")
        self.sqlite('UPDATE "sys.columns" SET name = ? WHERE object_id = ? AND name = ?', (new, table, column))
        self.sqlite(f"ALTER TABLE {quoted(f'{schema}.{name}')} RENAME COLUMN {quoted(column)} TO {quoted(new)}")

    def describe(self, name: str, value: str, place: list, new: bool) -> None:
        levels = dict(zip(place[::2], place[1::2]))
        table = self.object_id(levels["SCHEMA"], levels["TABLE"])
        if table is None:
            raise Refused(15135, f"Object is invalid. Extended properties are not permitted on '{levels['TABLE']}', or the object does not exist.")
        minor = self.column_id(table, levels["COLUMN"]) if "COLUMN" in levels else 0
        at = (table, minor, name)
        there = self.scalar('SELECT 1 FROM "sys.extended_properties" WHERE class = 1 AND major_id = ? AND minor_id = ? AND name = ?', *at)
        if new and there:
            raise Refused(15233, f"Property cannot be added. Property '{name}' already exists.")
        if not new and not there:
            raise Refused(15217, f"Property cannot be updated or deleted. Property '{name}' does not exist.")
        if new:
            self.sqlite('INSERT INTO "sys.extended_properties" VALUES (1, ?, ?, ?, ?)', (*at, value))
        else:
            self.sqlite('UPDATE "sys.extended_properties" SET value = ? WHERE class = 1 AND major_id = ? AND minor_id = ? AND name = ?', (value, *at))


def split_clauses(text: str) -> list[str]:
    items, depth, quote, start = [], 0, "", 0
    for at, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "()":
            depth += 1 if character == "(" else -1
        elif character == "," and depth == 0:
            items.append(text[start:at].strip())
            start = at + 1
    return [*items, text[start:].strip()]


def violated(text: str) -> Refused:
    """SQLite's word on a constraint as the server's."""
    what, _, where = text.partition(" constraint failed: ")
    column = where.split(", ")[-1].rpartition(".")[2]
    match what:
        case "UNIQUE":
            return Refused(2627, f"Violation of PRIMARY KEY constraint. Cannot insert duplicate key in object ({where}).")
        case "NOT NULL":
            return Refused(515, f"Cannot insert the value NULL into column '{column}'; column does not allow nulls. INSERT fails.")
        case "CHECK":
            return Refused(2628, f"String or binary data would be truncated: {where}.")
    return Refused(547, "The statement conflicted with the FOREIGN KEY constraint.")


@functools.lru_cache(500)
def parsed(sql: str) -> exp.Expression:
    try:
        return sqlglot.parse_one(sql.replace("@@TRANCOUNT", "@TRANCOUNT"), read="tsql")
    except sqlglot.errors.ParseError as error:
        raise Refused(102, f"Incorrect syntax: {error}", aborts=False) from None


def flat(table: exp.Table) -> str:
    return f"{table.db or 'dbo'}.{table.name}"


def texts(node: exp.Expression) -> bool:
    """Whether a + puts texts together."""
    return isinstance(node, exp.Add) and any(isinstance(side, (exp.National, exp.Convert)) or side.is_string for side in (node.left, node.right))


def declared(kind: str) -> Type:
    name, _, argument = kind.lower().rstrip(")").partition("(")
    if name == "integer":
        return Type("int")
    if name in ("nvarchar", "varchar"):
        return Type(name, MAX if argument in ("max", "") else int(argument) * (2 if name == "nvarchar" else 1))
    return Type(name, int(argument or 0))


def wider(one: Type, other: Type) -> Type:
    """Which of two types a CASE or a UNION takes."""
    order = ["varchar", "nvarchar", "bit", "int", "bigint", "datetime2"]
    first, second = sorted((one, other), key=lambda kind: order.index(kind.name))
    if second.name not in ("varchar", "nvarchar"):
        return second
    sizes = [kind.size if kind.size == MAX or kind.name == second.name else kind.size * 2 for kind in (first, second)]
    return Type(second.name, max(sizes))


def object_query(name: str) -> str:
    cursor = Cursor(list(tokens(name)))
    schema, table = cursor.object()
    escape = lambda text: text.replace("'", "''")  # noqa: E731
    return (
        'SELECT o.object_id FROM "sys.objects" AS o JOIN "sys.schemas" AS s ON s.schema_id = o.schema_id'
        f" WHERE s.name = '{escape(schema)}' AND o.name = '{escape(table)}'"
    )


def subquery(sql: str) -> exp.Expression:
    return exp.Paren(this=sqlglot.parse_one(sql, read="sqlite"))


def rewritten(node: exp.Expression) -> exp.Expression:
    """One node of a T-SQL tree as SQLite takes it."""
    match node:
        case exp.Parameter():
            return exp.Placeholder(this=node.name)
        case exp.National():
            return exp.Literal.string(node.name)
        case exp.Concat():
            return exp.Anonymous(this="TSQL_CONCAT", expressions=node.expressions)
        case exp.StrPosition():
            return exp.Anonymous(this="TSQL_CHARINDEX", expressions=[node.args["substr"], node.this])
        case exp.Convert() if node.args.get("style") is not None and node.args["style"].name == "126":
            return exp.Anonymous(this="TSQL_NOW")
        case exp.Add() if texts(node):
            return exp.DPipe(this=node.left, expression=node.right)
        case exp.Cast():
            return node.this
        case exp.Left():
            return exp.Anonymous(this="substr", expressions=[node.this, exp.Literal.number(1), node.expression])
        case exp.ObjectId():
            return subquery(object_query(node.this.name))
        case exp.CurrentSchema():
            return subquery(f'SELECT name FROM "sys.schemas" WHERE schema_id = {node.this.sql("sqlite")}')
        case exp.Anonymous() if node.name.upper() == "SCHEMA_ID":
            return subquery(f'SELECT schema_id FROM "sys.schemas" WHERE name = {node.expressions[0].sql("sqlite")}')
        case exp.Anonymous() if node.name.upper() == "COLUMNPROPERTY":
            table, column, _ = (part.sql("sqlite") for part in node.expressions)
            return subquery(f'SELECT column_id FROM "sys.columns" WHERE object_id = {table} AND name = {column}')
        case exp.Table() if node.args.get("db") is not None:
            node.set("this", exp.to_identifier(flat(node), quoted=True))
            node.set("db", None)
    return node


def translated(tree: exp.Expression) -> str:
    # The inner nodes first, so that what replaces an outer one has them rewritten.
    for node in reversed(list(tree.walk())):
        fresh = rewritten(node)
        if fresh is not node:
            node.replace(fresh)
    if isinstance(tree, exp.Update) and tree.args.get("from_"):
        tree = update_from(tree)
    return tree.sql("sqlite")


def update_from(tree: exp.Update) -> exp.Expression:
    """UPDATE of an alias that FROM gives, with a list of values beside it."""
    table = tree.args["from_"].this
    [join] = table.args.pop("joins")
    values = join.this
    alias = values.args.pop("alias")
    names = ", ".join(f"column{number} AS {column.sql('sqlite')}" for number, column in enumerate(alias.columns, 1))
    source = f"(SELECT {names} FROM ({values.sql('sqlite')})) AS {quoted(alias.name)}"
    sets = ", ".join(item.sql("sqlite") for item in tree.expressions)
    return exp.Command(this=f"UPDATE {table.sql('sqlite')} SET {sets} FROM {source} WHERE {join.args['on'].sql('sqlite')}")
