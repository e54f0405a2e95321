"""Oracle's SQL, as this project writes it, on SQLite: a file a schema, and in each what Oracle's catalog would say of it.

It is strict where it can be: a bound '' and the literal '' are NULL, a text too long for its column is refused, a CLOB is not compared, grouped or sorted,
DDL commits, and an error has Oracle's number. What it is not: an optimizer, users with privileges, or a judge
of syntax, which tests/validators are."""

import re
import sqlite3
import threading
from pathlib import Path

CATALOG = """
CREATE TABLE all_objects (owner, object_name, object_type);
CREATE TABLE all_tables (owner, table_name, temporary);
CREATE TABLE all_mviews (owner, mview_name);
CREATE TABLE all_tab_comments (owner, table_name, comments);
CREATE TABLE all_col_comments (owner, table_name, column_name, comments);
CREATE TABLE all_tab_cols (owner, table_name, column_name, column_id INTEGER PRIMARY KEY, data_type, char_length, char_used, data_length,
  data_precision, data_scale, nullable, data_default, collation, hidden_column DEFAULT 'NO', virtual_column DEFAULT 'NO');
CREATE VIEW all_tab_columns AS SELECT * FROM all_tab_cols;
CREATE TABLE all_constraints (owner, table_name, constraint_name, constraint_type, status, index_name, r_owner, r_constraint_name);
CREATE TABLE all_cons_columns (owner, table_name, constraint_name, column_name, position);
CREATE TABLE all_indexes (owner, table_owner, table_name, index_name, index_type, uniqueness, status, visibility);
CREATE TABLE all_ind_columns (index_owner, table_owner, table_name, index_name, column_name, column_position, descend);
CREATE TABLE all_users (username, oracle_maintained);
"""
TABLES_OF_A_TABLE = ["all_tables", "all_tab_comments", "all_col_comments", "all_tab_cols", "all_constraints", "all_cons_columns", "all_ind_columns"]
TOKEN = re.compile(r"""'(?:[^']|'')*'|"[^"]*"|--[^\n]*|/\*.*?\*/|:\d+|[A-Za-z_][A-Za-z0-9_$#]*|\d+|\s+|.""", re.DOTALL)


class Refused(Exception):
    def __init__(self, code: int, message: str):
        super().__init__(f"ORA-{code:05}: {message}")
        self.code = code


def folded(error: sqlite3.Error) -> Refused:
    text = str(error)
    for part, code in [
        ("no such table", 942),
        ("no such index", 1418),
        ("no such column", 904),
        ("has no column", 904),
        ("duplicate column", 1430),
        ("already exists", 955),
        ("UNIQUE", 1),
        ("NOT NULL", 1400),
        ("FOREIGN KEY", 2291),
        ("length(", 12899),
        ("CHECK", 2290),
        ("locked", 54),
        ("busy", 54),
    ]:
        if part in text:
            return Refused(code, text)
    return Refused(900, text)


def tokens(sql: str) -> list[str]:
    return TOKEN.findall(sql)


def literal(token: str) -> str:
    return token[1:-1].replace("''", "'")


def timestamp(text: str) -> str:
    """A literal's instant, as it is kept: Oracle's own eleven bytes, which sort as instants do."""
    year, month, day, hour, minute, second = map(int, re.findall(r"\d+", text)[:6])
    fraction = text.partition(".")[2].ljust(9, "0")[:9]
    parts = bytes([year // 100 + 100, year % 100 + 100, month, day, hour + 1, minute + 1, second + 1])
    return f"X'{(parts + int(fraction).to_bytes(4, 'big')).hex()}'"


def split(text: str) -> list[str]:
    """The parts between commas that are in no parentheses."""
    parts, depth = [""], 0
    for token in tokens(text):
        depth += (token == "(") - (token == ")")
        if token == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += token
    return [part.strip() for part in parts]


def names(text: str) -> list[str]:
    return re.findall(r'"([^"]*)"', text)


def nothing_for_null(parts: list[str]) -> list[str]:
    """To Oracle's || a NULL is nothing, which here only a CASE without ELSE gives it."""
    out, cases = [], []
    words = [(at, part) for at, part in enumerate(parts) if not part.isspace()]
    for index, (at, part) in enumerate(words):
        word = part.upper()
        if word == "CASE":
            cases.append([index >= 2 and words[index - 1][1] == words[index - 2][1] == "|", False])
        elif word == "ELSE" and cases:
            cases[-1][1] = True
        elif word == "END" and cases:
            before, has_else = cases.pop()
            after = [part for _, part in words[index + 1 : index + 3]] == ["|", "|"]
            if (before or after) and not has_else:
                out.append((at, "ELSE '' "))
    for at, part in reversed(out):
        parts.insert(at, part)
    return parts


def compare(one: str | None, other: str | None) -> int | None:
    return None if one is None or other is None else (one > other) - (one < other)


class Database:
    def __init__(self, folder: Path):
        self.folder = folder
        self.mutex = threading.Lock()
        self.locks: dict[int, object] = {}

    def schemas(self) -> list[str]:
        return [file.stem for file in self.folder.glob("*.db")]

    def path(self, schema: str) -> Path:
        return self.folder / f"{schema}.db"

    def create_user(self, name: str) -> None:
        with self.mutex:
            if self.path(name).exists():
                return
            making = self.path(name).with_suffix(".new")
            connection = sqlite3.connect(making)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(CATALOG)
            connection.execute("INSERT INTO all_users VALUES (?, 'N')", [name])
            connection.commit()
            connection.close()
            making.rename(self.path(name))


class Session:
    def __init__(self, database: Database):
        self.database = database
        self.open: dict[str, sqlite3.Connection] = {}

    # --- transactions

    @property
    def in_transaction(self) -> bool:
        return any(connection.in_transaction for connection in self.open.values())

    def end(self, word: str) -> None:
        for connection in self.open.values():
            if connection.in_transaction:
                connection.execute(word)

    def close(self) -> None:
        self.end("ROLLBACK")
        for connection in self.open.values():
            connection.close()
        with self.database.mutex:
            self.database.locks = {number: holder for number, holder in self.database.locks.items() if holder is not self}

    def schema(self, name: str | None) -> sqlite3.Connection:
        """The file of a schema; one without any where there is no such schema, or none was named."""
        path = self.database.path(name) if name else None
        if path is None or not path.exists():
            self.open.pop(name, None)
            empty = sqlite3.connect(":memory:", isolation_level=None)
            empty.executescript(CATALOG)
            empty.executemany("INSERT INTO all_users VALUES (?, 'N')", [(user,) for user in self.database.schemas()])
            return self.functions(empty)
        if name not in self.open:
            connection = sqlite3.connect(path, isolation_level=None, timeout=60)
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = OFF")
            self.open[name] = self.functions(connection)
        return self.open[name]

    @staticmethod
    def functions(connection: sqlite3.Connection) -> sqlite3.Connection:
        for name, count, function in [
            ("DBMS_LOB_COMPARE", 2, compare),
            ("TO_CLOB", 1, lambda text: text),
            ("TO_CHAR", 1, lambda text: text),
            ("NVL", 2, lambda one, other: other if one is None else one),
            ("CHR", 1, chr),
            ("EMPTY_CLOB", 0, lambda: ""),
        ]:
            connection.create_function(name, count, function, deterministic=True)
        return connection

    # --- statements

    def run(self, sql: str, rows: list[list]) -> tuple[list[tuple[str, str | None]], list[tuple], int]:
        """Columns, each with its declared type where it is one of a table, rows, and how many rows were touched."""
        word = next((token.upper() for token in tokens(sql) if token[0].isalpha()), "")
        try:
            if word in ("BEGIN", "DECLARE"):
                return [], [], self.block(sql)
            if word in ("CREATE", "ALTER", "DROP", "COMMENT"):
                self.end("COMMIT")
                self.ddl(sql)
                return [], [], 0
            return self.dml(word, sql, rows)
        except sqlite3.Error as error:
            raise folded(error) from error

    def translated(self, sql: str) -> tuple[str, str | None]:
        """The same in SQLite's words, and the schema that it is about."""
        parts = [token for token in tokens(sql) if not token.startswith(("--", "/*"))]
        schema, out, at = None, [], 0
        owner = re.search(r"owner = '([^']*)'", sql)
        aliases = re.findall(r'"[^"]+"\."[^"]+" ("[^"]+")', sql)
        while at < len(parts):
            token, rest = parts[at], parts[at + 1 : at + 3]
            if token.startswith('"') and token not in aliases and rest and rest[0] == "." and rest[1].startswith('"'):
                schema = token[1:-1]
                at += 1
            elif token == "''":
                out.append("NULL")
            elif token.startswith('"'):
                out.append(f"[{token[1:-1]}]")  # between double quotes SQLite would take what is no column for a text
            elif token.startswith(":") and token[1:].isdigit():
                out.append("?")
            elif token.upper() == "TIMESTAMP" and any(part.startswith("'") for part in rest):
                ahead = next(part for part in parts[at + 1 :] if part.startswith("'"))
                out.append(timestamp(literal(ahead)))
                at = parts.index(ahead, at)
            else:
                out.append(token)
            at += 1
        text = "".join(nothing_for_null(out))
        text = re.sub(r"\bDBMS_LOB\.COMPARE\b", "DBMS_LOB_COMPARE", text)
        text = re.sub(r"\s+FROM DUAL\b", "", text)
        text = re.sub(r"\bFETCH FIRST (\d+) ROWS ONLY\b", r"LIMIT \1", text)
        text = text.replace("TO_CHAR(SYS_EXTRACT_UTC(SYSTIMESTAMP), 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')", "strftime('%Y-%m-%dT%H:%M:%SZ', 'now')")
        text = re.sub(r"\bCAST\(NULL AS VARCHAR2\(\d+\)\)", "NULL", text)
        return text, schema or (owner[1] if owner else None)

    def dml(self, word: str, sql: str, rows: list[list]) -> tuple[list[tuple[str, str | None]], list[tuple], int]:
        if "nls_database_parameters" in sql:
            return [("VALUE", None)], [("AL32UTF8",)], 0
        if "all_users" in sql and "all_objects" in sql:
            counts = [(name, self.schema(name).execute("SELECT COUNT(*) FROM all_objects WHERE object_type IN ('TABLE', 'VIEW')").fetchone()[0])
                      for name in sorted(self.database.schemas())]
            return [("NAME", None), ("TABLES", None)], counts, 0
        text, schema = self.translated(sql)
        connection = self.schema(schema)
        types = self.types(connection, sql)
        self.judge(sql, {name for name, kind in types.items() if kind == "CLOB"})
        if word == "SELECT":
            cursor = connection.execute(text, rows[0] if rows else [])
            return [(column[0], types.get(column[0])) for column in cursor.description], cursor.fetchall(), 0
        if not connection.in_transaction:
            self.schema(schema).execute("BEGIN IMMEDIATE")
        touched = 0
        for values in rows or [[]]:
            touched += max(connection.execute(text, values).rowcount, 0)
        return [], [], touched

    @staticmethod
    def types(connection: sqlite3.Connection, sql: str) -> dict[str, str]:
        """The types of the columns of the tables that a statement names."""
        known = connection.execute("SELECT table_name, column_name, data_type FROM all_tab_cols").fetchall()
        named = set(names(sql))
        return {column: kind for table, column, kind in known if table in named}

    @staticmethod
    def judge(sql: str, lobs: set[str]) -> None:
        """Refuses what Oracle does not do with a CLOB."""
        parts = [token for token in tokens(sql) if not token.isspace()]
        words = [token.upper() for token in parts]
        setting, listing, depth = False, None, 0
        for at, token in enumerate(parts):
            depth += (token == "(") - (token == ")")
            if words[at] == "SET":
                setting = True
            elif words[at] == "WHERE":
                setting = False
            elif words[at] == "BY":
                listing = depth
            elif words[at] in ("FETCH", "HAVING"):
                listing = None
            elif token[1:-1] in lobs and token.startswith('"'):
                around = [parts[at - 1] if at else "", words[at + 1] if at + 1 < len(parts) else ""]
                compared = any(sign in ("=", "<", ">", "!", "IN") for sign in around) and not setting
                if compared or listing == depth:
                    raise Refused(932, f"inconsistent datatypes: expected - got CLOB ({token})")

    # --- blocks

    def block(self, sql: str) -> int:
        request = re.search(r"DBMS_LOCK\.REQUEST\(id => (\d+)", sql)
        if request:
            with self.database.mutex:
                holder = self.database.locks.setdefault(int(request[1]), self)
            return 0 if holder is self else 1
        user = re.search(r"'CREATE USER \"(\w+)\"", sql)
        if user:
            self.end("COMMIT")
            self.database.create_user(user[1])
            return 0
        guarded = re.search(r"EXECUTE IMMEDIATE ('(?:[^']|'')*');", sql)
        passed_over = re.search(r"SQLCODE != -(\d+)", sql)
        if not guarded or not passed_over:
            raise Refused(6550, "a block that this stand-in does not know")
        try:
            self.run(literal(guarded[1]), [])
        except Refused as refused:
            if refused.code != int(passed_over[1]):
                raise
        return 0

    # --- DDL

    def ddl(self, sql: str) -> None:
        if re.match(r"ALTER SESSION\b", sql):
            return
        if dropped := re.match(r'DROP USER "(\w+)" CASCADE', sql):
            if not self.database.path(dropped[1]).exists():
                raise Refused(1918, f"user '{dropped[1]}' does not exist")
            self.open.pop(dropped[1], None)
            for suffix in (".db", ".db-wal", ".db-shm"):
                self.database.path(dropped[1]).with_suffix(suffix).unlink(missing_ok=True)
            return
        schema, name = names(sql)[:2]
        if not self.database.path(schema).exists():
            raise Refused(1918, f"user '{schema}' does not exist")
        connection = self.schema(schema)
        connection.execute("BEGIN IMMEDIATE")
        try:
            for pattern, change in [
                (r"CREATE TABLE\b", self.create_table),
                (r"CREATE INDEX\b", self.create_index),
                (r"DROP INDEX\b", self.drop_index),
                (r"DROP TABLE\b", self.drop_table),
                (r"ALTER TABLE\b", self.alter_table),
                (r"COMMENT ON\b", self.comment),
            ]:
                if re.match(pattern, sql):
                    change(connection, schema, name, sql)
                    break
            else:
                raise Refused(900, "invalid SQL statement")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    def column(self, connection: sqlite3.Connection, schema: str, table: str, item: str) -> str:
        """Notes a column in the catalog, and gives its definition in SQLite's words."""
        name, rest = re.match(r'"([^"]*)"\s+(.*)', item, re.DOTALL).groups()
        kind, arguments = re.match(r"(\w+)(?:\(([^)]*)\))?", rest).groups()
        digits = [int(digit) for digit in re.findall(r"\d+", arguments or "")]
        length = digits[0] if kind == "VARCHAR2" else None
        precision = digits[0] if kind == "NUMBER" and digits else None
        shown = f"TIMESTAMP({digits[0]})" if kind == "TIMESTAMP" else kind
        null = "NOT NULL" not in rest
        connection.execute(
            "INSERT INTO all_tab_cols (owner, table_name, column_name, data_type, char_length, char_used, data_precision, data_scale, nullable, collation)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [schema, table, name, shown, length, "C" if length else None, precision, 0 if precision else None, "Y" if null else "N",
             "USING_NLS_COMP" if kind in ("VARCHAR2", "CLOB") else None],
        )
        text = f'"{name}" {dict(VARCHAR2="TEXT", CLOB="TEXT", NUMBER="INTEGER", TIMESTAMP="BLOB")[kind]}'
        text += "" if null else " NOT NULL"
        text += f' CHECK (length("{name}") <= {length})' if length else ""
        check = re.search(r"CHECK \(.*\)$", rest)
        return text + (f" {check[0]}" if check else "")

    def create_table(self, connection: sqlite3.Connection, schema: str, table: str, sql: str) -> None:
        items = []
        if connection.execute("SELECT 1 FROM all_tables WHERE table_name = ?", [table]).fetchone():
            raise Refused(955, "name is already used by an existing object")
        for item in split(sql[sql.index("(") + 1 : sql.rindex(")")]):
            if not item.startswith("CONSTRAINT"):
                items.append(self.column(connection, schema, table, item))
                continue
            constraint, kind = names(item)[0], "P" if "PRIMARY KEY" in item else "R"
            own, _, other = item.partition("REFERENCES")
            columns = names(own)[1:]
            key = None
            if kind == "R":
                key = f"PK_{names(other)[1]}"
                items.append(f'FOREIGN KEY ({", ".join(columns)}) REFERENCES "{names(other)[1]}" ({", ".join(names(other)[2:])})')
            else:
                items.append(f'PRIMARY KEY ({", ".join(columns)})')
            connection.execute(
                "INSERT INTO all_constraints VALUES (?, ?, ?, ?, 'ENABLED', ?, ?, ?)",
                [schema, table, constraint, kind, constraint if kind == "P" else None, schema if key else None, key],
            )
            rows = [(schema, table, constraint, column, at + 1) for at, column in enumerate(columns)]
            connection.executemany("INSERT INTO all_cons_columns VALUES (?, ?, ?, ?, ?)", rows)
        connection.execute(f'CREATE TABLE "{table}" ({", ".join(items)})')
        connection.execute("INSERT INTO all_objects VALUES (?, ?, 'TABLE')", [schema, table])
        connection.execute("INSERT INTO all_tables VALUES (?, ?, 'N')", [schema, table])

    def create_index(self, connection: sqlite3.Connection, schema: str, index: str, sql: str) -> None:
        _, _, _, table, *columns = names(sql)
        listed = ", ".join(f'"{column}"' for column in columns)
        connection.execute(f'CREATE INDEX "{index}" ON "{table}" ({listed})')
        connection.execute("INSERT INTO all_indexes VALUES (?, ?, ?, ?, 'NORMAL', 'NONUNIQUE', 'VALID', 'VISIBLE')", [schema, schema, table, index])
        rows = [(schema, schema, table, index, column, at + 1) for at, column in enumerate(columns)]
        connection.executemany("INSERT INTO all_ind_columns VALUES (?, ?, ?, ?, ?, ?, 'ASC')", rows)

    def drop_index(self, connection: sqlite3.Connection, _schema: str, index: str, _sql: str) -> None:
        connection.execute(f'DROP INDEX "{index}"')
        for table in ("all_indexes", "all_ind_columns"):
            connection.execute(f"DELETE FROM {table} WHERE index_name = ?", [index])

    def drop_table(self, connection: sqlite3.Connection, _schema: str, table: str, _sql: str) -> None:
        connection.execute(f'DROP TABLE "{table}"')
        connection.execute("DELETE FROM all_objects WHERE object_name = ?", [table])
        for catalog in [*TABLES_OF_A_TABLE, "all_indexes"]:
            connection.execute(f"DELETE FROM {catalog} WHERE table_name = ?", [table])

    def alter_table(self, connection: sqlite3.Connection, schema: str, table: str, sql: str) -> None:
        if added := re.search(r"\bADD \((.*)\)$", sql, re.DOTALL):
            for item in split(added[1]):
                # What SQLite says of a column that is there comes first.
                connection.execute(f'ALTER TABLE "{table}" ADD COLUMN {self.column(connection, schema, table, item)}')
        elif dropped := re.search(r'\bDROP COLUMN "([^"]*)"', sql):
            connection.execute(f'ALTER TABLE "{table}" DROP COLUMN "{dropped[1]}"')
            for catalog in ("all_tab_cols", "all_col_comments"):
                connection.execute(f"DELETE FROM {catalog} WHERE table_name = ? AND column_name = ?", [table, dropped[1]])
        else:
            raise Refused(900, "a change of a table that this stand-in does not know")

    def comment(self, connection: sqlite3.Connection, schema: str, table: str, sql: str) -> None:
        text = literal(tokens(sql.rstrip())[-1])
        column = names(sql)[2] if sql.startswith("COMMENT ON COLUMN") else None
        catalog, key = ("all_col_comments", [schema, table, column]) if column else ("all_tab_comments", [schema, table])
        where = "owner = ? AND table_name = ?" + (" AND column_name = ?" if column else "")
        connection.execute(f"DELETE FROM {catalog} WHERE {where}", key)
        connection.execute(f"INSERT INTO {catalog} VALUES ({', '.join('?' * (len(key) + 1))})", [*key, text])
