"""A SQL warehouse made of Sail (a Spark-compatible engine) with real Delta tables.

Sail runs queries, INSERT, UPDATE, DELETE, MERGE and CREATE as they are. Around it:
- Spark's own parser reads every statement first, and what it refuses is refused.
- Parameters go in as literals of their type, which Sail wants in a command.
- PRIMARY KEY and FOREIGN KEY are checked as Unity Catalog checks them (key columns NOT NULL, the other table's key there), kept for the
  information schema, and left out of what Sail gets. A column DEFAULT wants its table feature.
- A table without USING is a Delta table. The columns of one that is made of a query may be null.
- INSERT gets the columns that it leaves out, as null, and a name for each value.
- An EXISTS in a DELETE is answered first.
- How many rows were touched is read in the Delta log: Sail counts all those of the files that are written anew.
- ALTER TABLE writes to the Delta table by the deltalake package (ADD COLUMNS), or copies the table (RENAME, DROP COLUMN, DROP NOT NULL), which
  wants the columns mapped, as Delta does. Types are not altered here.
- `information_schema` is made of what was created.
- Errors get Databricks' condition and SQLSTATE; counts get its column names.
"""

import base64
import datetime
import json
import re
import subprocess
import threading
import warnings
from dataclasses import dataclass, field
from pathlib import Path

warnings.filterwarnings("ignore")

from deltalake import DeltaTable, Field  # noqa: E402
from pyspark.errors import PySparkException  # noqa: E402
from pyspark.sql import SparkSession  # noqa: E402

CATALOG = "main"
# https://docs.databricks.com/en/error-messages/error-classes.html: what the engine here says, what Databricks says
CONDITIONS = [
    (r"TABLE_OR_VIEW_NOT_FOUND|Table not found|table '[^']*' not found", "TABLE_OR_VIEW_NOT_FOUND", "42P01"),
    (r"(Database|Schema) not found", "SCHEMA_NOT_FOUND", "42704"),
    (r"(Database|Schema) already exists", "SCHEMA_ALREADY_EXISTS", "42P06"),
    (r"(Table|View) already exists|table already exists", "TABLE_OR_VIEW_ALREADY_EXISTS", "42P07"),
    (r"[Cc]annot resolve|UNRESOLVED_COLUMN|No field named", "UNRESOLVED_COLUMN.WITHOUT_SUGGESTION", "42703"),
    (r"MERGE_CARDINALITY_VIOLATION", "DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE", "21506"),
    (r"[Nn]on-nullable|NOT NULL|[Ii]nvariant|null value", "DELTA_NOT_NULL_CONSTRAINT_VIOLATED", "23502"),
    (r"[Cc]oncurrent|[Cc]ommit conflict|conflict", "DELTA_CONCURRENT_APPEND", "2D521"),
    (r"MALFORMED_RECORD|malformed|[Ff]ailed to parse JSON", "MALFORMED_RECORD_IN_PARSING", "22023"),
    (r"[Cc]annot cast|CAST_INVALID_INPUT|[Cc]ast error", "CAST_INVALID_INPUT", "22018"),
]
# https://docs.databricks.com/api/workspace/statementexecution/executestatement: manifest.schema.columns.type_name
TYPE_NAMES = {"bigint": "LONG", "smallint": "SHORT", "tinyint": "BYTE", "void": "NULL"}
# https://github.com/databricks/databricks-jdbc (SupportManyParameters): the service takes so many
PARAMETERS_MAX = 256

NAME = r"(?:`(?:[^`]|``)+`|\w+)"
TABLE = rf"((?:{NAME}\.)?{NAME}\.{NAME})"
TOKEN = re.compile(r"'(?:[^'\\]|\\.)*'|`(?:[^`]|``)*`|--[^\n]*|/\*.*?\*/|:\w+|\w+|\s+|.", re.S)
KEY = re.compile(
    rf",\s*CONSTRAINT\s+({NAME})\s+(PRIMARY|FOREIGN)\s+KEY\s*\(([^)]*)\)(?:\s*REFERENCES\s+{TABLE}\s*(?:\(([^)]*)\))?)?", re.I
)


class SqlError(Exception):
    """What a statement fails with."""

    def __init__(self, condition: str, sqlstate: str, message: str):
        message = re.sub(r"^\[[A-Z_.]+\] |\s*SQLSTATE: \w{5}", "", message)
        super().__init__(f"[{condition}] {message} SQLSTATE: {sqlstate}")
        self.sqlstate = sqlstate


@dataclass
class Key:
    name: str
    primary: bool
    columns: list[str]
    of: tuple[str, str] | None


@dataclass
class Table:
    kind: str
    comment: str | None = None
    keys: list[Key] = field(default_factory=list)
    properties: dict[str, str] = field(default_factory=dict)
    comments: dict[str, str] = field(default_factory=dict)
    # name, type, whether it may be null, comment
    columns: list[tuple[str, str, bool, str | None]] = field(default_factory=list)
    location: str = ""

    def newest(self) -> Path:
        """The newest entry of the Delta log."""
        return max(Path(self.location.removeprefix("file://"), "_delta_log").glob("*.json"))


@dataclass
class Answer:
    """Columns as name and type, rows as text."""

    columns: list[tuple[str, str]]
    rows: list[list[str | None]]


def bare(name: str) -> str:
    return name.strip().strip("`").replace("``", "`").lower()


def names(listed: str) -> list[str]:
    return [bare(name) for name in listed.split(",")]


def place(table: str) -> tuple[str, str]:
    """Schema and name of a table as it is written."""
    *_, schema, name = (bare(part) for part in re.findall(NAME, table))
    return schema, name


def tokens(sql: str) -> list[str]:
    return TOKEN.findall(sql)


def literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def text_of(written: str) -> str:
    return re.sub(r"\\(.)", r"\1", written[1:-1])


def parts(sql: str) -> list[str]:
    """Splits at the commas that are in no parentheses."""
    found, depth = [""], 0
    for token in tokens(sql):
        depth += (token == "(") - (token == ")")
        if token == "," and depth == 0:
            found.append("")
        else:
            found[-1] += token
    return found


def clause(sql: str, *words: str) -> int:
    """Where the first of those words stands in no parentheses; the end where none does."""
    at, depth = 0, 0
    for token in tokens(sql):
        depth += (token == "(") - (token == ")")
        if depth == 0 and token.upper() in words:
            return at
        at += len(token)
    return at


class Parser:
    """Spark's parser in a process of its own. A shape that it took it takes again: the same but for numbers, texts and the schema."""

    def __init__(self, command: list[str]):
        # It ends with its input.
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.taken: set[str] = set()

    def check(self, sql: str) -> None:
        shape = re.sub(r"`\w+`\.", "``.", re.sub(r"\b\d+\b", "0", sql))
        if not re.search(r"\b(TIMESTAMP|DATE|INTERVAL|X|TBLPROPERTIES)\b", sql, re.I):
            shape = re.sub(r"'(?:[^'\\]|\\.)*'", "''", shape)
        if shape in self.taken:
            return
        print(json.dumps(sql), file=self.process.stdin, flush=True)
        if why := json.loads(self.process.stdout.readline()):
            raise SqlError("PARSE_SYNTAX_ERROR", "42601", why)
        self.taken.add(shape)


class Warehouse:
    """One engine for all clients: a statement runs when the one before it is done."""

    def __init__(self, sail_port: int, folder: str, parser: Parser):
        session = SparkSession.builder.remote(f"sc://127.0.0.1:{sail_port}")
        session = session.config("spark.sql.warehouse.dir", folder).config("spark.sql.session.timeZone", "UTC")
        self.spark = session.getOrCreate()
        self.parser = parser
        self.schemas: dict[str, dict[str, Table]] = {"default": {}}
        self.shown = False
        self.busy = threading.Lock()

    def run(self, sql: str, parameters: list[dict]) -> Answer:
        with self.busy:
            self.parser.check(sql)
            return self.dispatch(self.bind(sql, parameters).strip())

    def bind(self, sql: str, parameters: list[dict]) -> str:
        if len(parameters) > PARAMETERS_MAX:
            raise SqlError("TOO_MANY_PARAMETERS", "54023", f"{len(parameters)} parameters; there may be {PARAMETERS_MAX}.")
        values = {parameter["name"]: self.value(parameter) for parameter in parameters}

        def bound(token: str) -> str:
            if not re.fullmatch(r":[A-Za-z_]\w*", token):
                return token
            if token[1:] not in values:
                raise SqlError("UNBOUND_SQL_PARAMETER", "42P02", f"Found the unbound parameter: {token[1:]}.")
            return values[token[1:]]

        return "".join(map(bound, tokens(sql)))

    def value(self, parameter: dict) -> str:
        value, kind = parameter.get("value"), parameter.get("type", "STRING").upper()
        if value is None:
            return f"CAST(NULL AS {kind})"
        fits = {"BIGINT": r"[+-]?\d+", "BOOLEAN": r"true|false", "TIMESTAMP": r"\d{4,}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)?"}
        if kind in fits and not re.fullmatch(fits[kind], value):
            raise SqlError("INVALID_PARAMETER_VALUE", "22023", f"{parameter['name']} is no {kind}.")
        return literal(value) if kind == "STRING" else f"CAST({literal(value)} AS {kind})"

    def sail(self, sql: str) -> Answer:
        try:
            frame = self.spark.sql(sql)
            fields, rows = frame.schema.fields, frame.collect()
        except PySparkException as error:
            raise self.folded(str(error)) from None
        columns = [(field.name, field.dataType.simpleString()) for field in fields]
        return Answer(columns, [[shown(value) for value in row] for row in rows])

    def folded(self, message: str) -> SqlError:
        for pattern, condition, sqlstate in CONDITIONS:
            if re.search(pattern, message):
                return SqlError(condition, sqlstate, message[:500])
        return SqlError("STANDIN", "0A000", message[:500])

    def table(self, written: str) -> Table:
        schema, name = place(written)
        if schema not in self.schemas:
            raise SqlError("SCHEMA_NOT_FOUND", "42704", f"The schema `{schema}` cannot be found.")
        if name not in self.schemas[schema]:
            raise SqlError("TABLE_OR_VIEW_NOT_FOUND", "42P01", f"The table or view `{schema}`.`{name}` cannot be found.")
        return self.schemas[schema][name]

    def dispatch(self, sql: str) -> Answer:
        for pattern, method in self.COMMANDS:
            if match := re.match(pattern, sql, re.I | re.S):
                return method(self, sql, match)
        if re.match(r"(SELECT|WITH|SHOW|DESCRIBE)\b", sql, re.I):
            return self.sail(self.with_information_schema(sql))
        raise SqlError("STANDIN", "0A000", f"the stand-in does not know the statement: {sql[:80]}")

    # What is created

    def create_schema(self, sql: str, match: re.Match) -> Answer:
        name = bare(match[2])
        if name in self.schemas:
            if match[1]:
                return Answer([], [])
            raise SqlError("SCHEMA_ALREADY_EXISTS", "42P06", f"Cannot create schema `{name}` because it already exists.")
        self.sail(f"CREATE SCHEMA `{name}`")
        self.schemas[name] = {}
        return self.done()

    def drop_schema(self, sql: str, match: re.Match) -> Answer:
        name = bare(match[2])
        if name not in self.schemas:
            if match[1]:
                return Answer([], [])
            raise SqlError("SCHEMA_NOT_FOUND", "42704", f"The schema `{name}` cannot be found.")
        if self.schemas[name] and not match[3]:
            raise SqlError("SCHEMA_NOT_EMPTY", "2BP01", f"Cannot drop a schema `{name}` because it contains objects.")
        self.sail(f"DROP SCHEMA `{name}` CASCADE")
        del self.schemas[name]
        return self.done()

    def create_table(self, sql: str, match: re.Match) -> Answer:
        schema, name = place(match[2])
        if schema not in self.schemas:
            raise SqlError("SCHEMA_NOT_FOUND", "42704", f"The schema `{schema}` cannot be found.")
        if name in self.schemas[schema]:
            if match[1]:
                return Answer([], [])
            raise SqlError("TABLE_OR_VIEW_ALREADY_EXISTS", "42P07", f"`{schema}`.`{name}` already exists.")
        table = Table("MANAGED")
        head, rest = sql[: match.end()], sql[match.end() :]
        body = rest.lstrip().startswith("(") and rest[: self.closing(rest)] or ""
        tail = rest[len(body) :]
        words = [token.upper() for token in tokens(body)]
        if "DEFAULT" in words and "delta.feature.allowColumnDefaults" not in tail:
            raise SqlError("WRONG_COLUMN_DEFAULTS_FOR_DELTA_FEATURE_NOT_ENABLED", "0AKDE", "A DEFAULT wants delta.feature.allowColumnDefaults.")
        for constraint, kind, columns, of, _ in KEY.findall(body):
            key = Key(bare(constraint), kind.upper() == "PRIMARY", names(columns), place(of) if of else None)
            if key.primary and not all(re.search(rf"`?{column}`?\s+\w+\s+NOT\s+NULL", body, re.I) for column in key.columns):
                raise SqlError("INVALID_PRIMARY_KEY", "42831", f"A column of `{key.name}` is nullable.")
            if key.of and not any(other.primary for other in self.table(of).keys):
                raise SqlError("FOREIGN_KEY_MISMATCH", "42830", f"The table of `{key.name}` has no primary key.")
            table.keys.append(key)
        body = KEY.sub("", body)
        if not re.search(r"\bUSING\b", tail, re.I):
            at = clause(tail, "AS", "COMMENT", "TBLPROPERTIES")
            tail = f"{tail[:at]} USING DELTA {tail[at:]}"
        if comment := re.search(r"\bCOMMENT\s+('(?:[^'\\]|\\.)*')", tail, re.I):
            table.comment = text_of(comment[1])
        try:
            self.sail(head + body + tail)
        except TypeError:
            pass  # Sail counts the rows of CREATE TABLE … AS in a type that its client does not know
        self.schemas[schema][name] = table
        self.read_columns(schema, name)
        if not body:
            table.columns = [(column, kind, True, comment) for column, kind, _, comment in table.columns]
        return self.done()

    def closing(self, sql: str) -> int:
        """Where the first parentheses end."""
        at = depth = 0
        for token in tokens(sql):
            at += len(token)
            depth += (token == "(") - (token == ")")
            if token == ")" and depth == 0:
                return at
        return at

    def create_view(self, sql: str, match: re.Match) -> Answer:
        schema, name = place(match[1])
        self.sail(sql)
        self.schemas[schema][name] = Table("VIEW")
        return self.read_columns(schema, name)

    def drop(self, sql: str, match: re.Match) -> Answer:
        schema, name = place(match[3])
        if name not in self.schemas.get(schema, {}):
            if match[2]:
                return Answer([], [])
            self.table(match[3])
        self.sail(sql)
        del self.schemas[schema][name]
        return self.done()

    def done(self) -> Answer:
        self.shown = False
        return Answer([], [])

    def read_columns(self, schema: str, name: str) -> Answer:
        """Notes the columns of what was created, out of the Delta log where it is a table."""
        table = self.schemas[schema][name]
        if table.kind == "VIEW":
            described = self.sail(f"DESCRIBE TABLE `{schema}`.`{name}`").rows
            table.columns = [(column, kind, True, None) for column, kind, _ in described if column]
        else:
            types = {"long": "bigint", "integer": "int", "short": "smallint", "byte": "tinyint"}
            described = self.sail(f"DESCRIBE TABLE EXTENDED `{schema}`.`{name}`").rows
            [table.location] = [value for key, value, _ in described if key == "Location"]
            fields = json.loads(DeltaTable(table.location).schema().to_json())["fields"]
            simple = lambda kind: types.get(kind, kind) if isinstance(kind, str) else json.dumps(kind)  # noqa: E731
            table.columns = [
                (one["name"], simple(one["type"]), one["nullable"], table.comments.get(one["name"], one["metadata"].get("comment")))
                for one in fields
            ]
        return self.done()

    # What is altered

    def alter(self, sql: str, match: re.Match) -> Answer:
        (schema, name), table, action = place(match[1]), self.table(match[1]), match[2].strip()
        if added := re.fullmatch(r"ADD\s+COLUMNS?\s*(.*)", action, re.I | re.S):
            self.add_columns(schema, name, added[1].strip())
        elif properties := re.fullmatch(r"SET\s+TBLPROPERTIES\s*\((.*)\)", action, re.I | re.S):
            table.properties |= dict(re.findall(r"'([^']*)'\s*=\s*'([^']*)'", properties[1]))
        elif comment := re.fullmatch(rf"ALTER\s+COLUMN\s+({NAME})\s+COMMENT\s+('.*')", action, re.I | re.S):
            table.comments[self.column(table, comment[1])] = text_of(comment[2])
        elif nullable := re.fullmatch(rf"ALTER\s+COLUMN\s+({NAME})\s+DROP\s+NOT\s+NULL", action, re.I):
            column = self.column(table, nullable[1])
            self.copy(schema, name, [(old, old, kind, null or old == column) for old, kind, null, _ in table.columns])
        elif renamed := re.fullmatch(rf"RENAME\s+COLUMN\s+({NAME})\s+TO\s+({NAME})", action, re.I):
            column, new = self.column(table, renamed[1]), bare(renamed[2])
            self.mapped(table)
            self.copy(schema, name, [(old, new if old == column else old, kind, null) for old, kind, null, _ in table.columns])
        elif dropped := re.fullmatch(rf"DROP\s+COLUMN\s+(IF\s+EXISTS\s+)?({NAME})", action, re.I):
            self.mapped(table)
            if bare(dropped[2]) in [column for column, *_ in table.columns] or not dropped[1]:
                column = self.column(table, dropped[2])
                self.copy(schema, name, [(old, old, kind, null) for old, kind, null, _ in table.columns if old != column])
        else:
            raise SqlError("STANDIN", "0A000", f"the stand-in does not alter that: {action[:80]}")
        return self.read_columns(schema, name)

    def column(self, table: Table, written: str) -> str:
        if bare(written) not in [column.lower() for column, *_ in table.columns]:
            raise SqlError("UNRESOLVED_COLUMN.WITHOUT_SUGGESTION", "42703", f"A column with name {written} cannot be resolved.")
        return bare(written)

    def mapped(self, table: Table) -> None:
        if table.properties.get("delta.columnMapping.mode") != "name":
            raise SqlError("DELTA_UNSUPPORTED_COLUMN_MAPPING_SCHEMA_CHANGE", "0AKDC", "The table has no column mapping.")

    def add_columns(self, schema: str, name: str, written: str) -> None:
        table, fields = self.schemas[schema][name], []
        for column in parts(written[1:-1] if written.startswith("(") else written):
            defined = re.fullmatch(rf"\s*({NAME})\s+(\w+)\s*(.*?)\s*", column, re.S)
            comment = re.search(r"COMMENT\s+('(?:[^'\\]|\\.)*')", defined[3], re.I)
            rest = defined[3].replace(comment[0], "") if comment else defined[3]
            if "DEFAULT" in rest.upper():
                raise SqlError("WRONG_COLUMN_DEFAULTS_FOR_DELTA_ALTER_TABLE_ADD_COLUMN_NOT_SUPPORTED", "0AKDC", "Set the DEFAULT afterwards.")
            if rest.strip():
                raise SqlError("DELTA_ADD_COLUMN_NOT_NULL", "0AKDC", f"A column is not added with {rest}.")
            if bare(defined[1]) in [known.lower() for known, *_ in table.columns]:
                raise SqlError("FIELD_ALREADY_EXISTS", "42710", f"Cannot add column, because {defined[1]} already exists.")
            kind = {"BIGINT": "long", "INT": "integer"}.get(defined[2].upper(), defined[2].lower())
            fields.append(Field(bare(defined[1]), kind, nullable=True, metadata={"comment": text_of(comment[1])} if comment else {}))
        DeltaTable(table.location).alter.add_columns(fields)

    def copy(self, schema: str, name: str, columns: list[tuple[str, str, str, bool]]) -> None:
        """The table made anew with the columns (the old name, the new name, type, whether it may be null) and the rows that it has."""
        defined = ", ".join(f"`{new}` {kind}{'' if null else ' NOT NULL'}" for _, new, kind, null in columns)
        table = self.schemas[schema][name]
        for old, new, *_ in columns:
            if comment := next((comment for column, *_, comment in table.columns if column == old), None):
                table.comments[new] = comment
        old_names = ", ".join(f"`{old}` AS `{new}`" for old, new, *_ in columns)
        new_names = ", ".join(f"`{new}`" for _, new, *_ in columns)
        both = f"`{schema}`.`{name}`", f"`{schema}`.`{name}__copied`"
        self.sail(f"CREATE TABLE {both[1]} ({defined}) USING DELTA")
        self.sail(f"INSERT INTO {both[1]} ({new_names}) SELECT {old_names} FROM {both[0]}")
        self.sail(f"DROP TABLE {both[0]}")
        self.sail(f"CREATE TABLE {both[0]} ({defined}) USING DELTA")
        self.sail(f"INSERT INTO {both[0]} ({new_names}) SELECT {new_names} FROM {both[1]}")
        self.sail(f"DROP TABLE {both[1]}")

    def comment_on(self, sql: str, match: re.Match) -> Answer:
        self.table(match[1]).comment = text_of(match[2])
        return self.done()

    # What is written

    def counted(self, **columns: int) -> Answer:
        """https://docs.databricks.com/en/sql/language-manual/delta-merge-into.html and its neighbours: one row that counts."""
        return Answer([(column, "bigint") for column in columns], [[str(count) for count in columns.values()]])

    def insert(self, sql: str, match: re.Match) -> Answer:
        table = self.table(match[1])
        given, body = names(match[2]), match[3]
        for column in given:
            self.column(table, column)
        numbered = ", ".join(f"`c{at}`" for at in range(len(given)))
        if re.match(r"SELECT\b", body, re.I):
            items = body[len("SELECT") :]
            end = clause(items, "FROM", "WHERE")
            listed = [re.sub(rf"\s+AS\s+{NAME}\s*$", "", item, flags=re.I | re.S) for item in parts(items[:end])]
            body = "SELECT " + ", ".join(f"{item} AS `c{at}`" for at, item in enumerate(listed)) + " " + items[end:]
            source = f"({body}) AS x"
        else:
            source = f"({body}) AS x({numbered})"
        value = {column: f"x.`c{at}`" for at, column in enumerate(given)}
        every = [(column, value.get(column.lower(), f"CAST(NULL AS {kind})"), null) for column, kind, null, _ in table.columns]
        for column, _, null in every:
            if not null and column.lower() not in value:
                raise SqlError("DELTA_NOT_NULL_CONSTRAINT_VIOLATED", "23502", f"NOT NULL constraint violated for column: {column}.")
        columns = ", ".join(f"`{column}`" for column, *_ in every)
        selected = ", ".join(f"{one} AS `{column}`" for column, one, _ in every)
        [[count]] = self.sail(f"INSERT INTO {match[1]} ({columns}) SELECT {selected} FROM {source}").rows
        return self.counted(num_affected_rows=int(count), num_inserted_rows=int(count))

    def metrics(self, table: Table, sql: str) -> dict[str, int]:
        """What the Delta log says of a statement; nothing where it committed nothing."""
        before = table.newest()
        self.sail(sql)
        after = table.newest()
        entries = [] if before == after else [json.loads(line) for line in after.read_text().splitlines()]
        return next((entry["commitInfo"]["operationMetrics"] for entry in entries if "commitInfo" in entry), {})

    def update(self, sql: str, match: re.Match) -> Answer:
        metrics = self.metrics(self.table(match[1]), sql)
        return self.counted(num_affected_rows=metrics.get("numUpdatedRows", 0))

    def delete(self, sql: str, match: re.Match) -> Answer:
        while found := re.search(r"\bEXISTS\s*(?=\()", sql, re.I):
            inner = sql[found.end() :][: self.closing(sql[found.end() :])]
            there = self.sail(f"SELECT COUNT(*) FROM {inner} AS x").rows != [["0"]]
            sql = f"{sql[: found.start()]}{'TRUE' if there else 'FALSE'}{sql[found.end() + len(inner) :]}"
        metrics = self.metrics(self.table(match[1]), sql)
        return self.counted(num_affected_rows=metrics.get("numDeletedRows", 0))

    def merge(self, sql: str, match: re.Match) -> Answer:
        metrics = self.metrics(self.table(match[1]), sql)
        updated, deleted, inserted = (metrics.get(f"numTargetRows{what}", 0) for what in ("Updated", "Deleted", "Inserted"))
        return self.counted(
            num_affected_rows=updated + deleted + inserted, num_updated_rows=updated, num_deleted_rows=deleted, num_inserted_rows=inserted
        )

    # What is asked

    def with_information_schema(self, sql: str) -> str:
        found = tokens(sql)
        if not any(bare(token) == "information_schema" for token in found):
            return sql
        if not self.shown:
            self.show()
        return re.sub(rf"(?:\b{CATALOG}\.)?\binformation_schema\.(\w+)", r"information_schema_\1", sql, flags=re.I)

    def show(self) -> None:
        """https://docs.databricks.com/en/sql/language-manual/sql-ref-information-schema.html"""
        schemas, tables, columns, constraints, usage, references = [], [], [], [], [], []
        for schema in [*self.schemas, "information_schema"]:
            schemas.append((CATALOG, schema, "tests", None))
        for schema, its in self.schemas.items():
            for name, table in its.items():
                where = (CATALOG, schema, name)
                tables.append((*where, table.kind, table.comment, "DELTA" if table.kind == "MANAGED" else None))
                for at, (column, kind, null, comment) in enumerate(table.columns):
                    data_type = TYPE_NAMES.get(kind, kind.upper())
                    columns.append((*where, column, at + 1, None, "YES" if null else "NO", kind, data_type, comment))
                for key in table.keys:
                    who = (CATALOG, schema, key.name)
                    constraints.append((*who, *where, "PRIMARY KEY" if key.primary else "FOREIGN KEY", "NO"))
                    for at, column in enumerate(key.columns):
                        usage.append((*who, *where, column, at + 1, None if key.primary else at + 1))
                    if key.of:
                        other = next(other for other in self.schemas[key.of[0]][key.of[1]].keys if other.primary)
                        references.append((*who, CATALOG, key.of[0], other.name))
        who, where = "constraint_catalog string, constraint_schema string, constraint_name string", "table_catalog string, table_schema string, table_name string"
        for view, rows, defined in (
            ("schemata", schemas, "catalog_name string, schema_name string, schema_owner string, comment string"),
            ("tables", tables, f"{where}, table_type string, comment string, data_source_format string"),
            (
                "columns",
                columns,
                f"{where}, column_name string, ordinal_position int, column_default string, is_nullable string, "
                "full_data_type string, data_type string, comment string",
            ),
            ("table_constraints", constraints, f"{who}, {where}, constraint_type string, enforced string"),
            ("key_column_usage", usage, f"{who}, {where}, column_name string, ordinal_position int, position_in_unique_constraint int"),
            (
                "referential_constraints",
                references,
                f"{who}, unique_constraint_catalog string, unique_constraint_schema string, unique_constraint_name string",
            ),
        ):
            self.spark.createDataFrame(rows, defined).createOrReplaceTempView(f"information_schema_{view}")
        self.shown = True

    COMMANDS = [
        (rf"CREATE\s+SCHEMA\s+(IF\s+NOT\s+EXISTS\s+)?({NAME})\s*$", create_schema),
        (rf"DROP\s+SCHEMA\s+(IF\s+EXISTS\s+)?({NAME})\s*(CASCADE)?\s*(?:RESTRICT)?\s*$", drop_schema),
        (rf"CREATE\s+TABLE\s+(IF\s+NOT\s+EXISTS\s+)?{TABLE}", create_table),
        (rf"CREATE\s+(?:OR\s+REPLACE\s+)?VIEW\s+{TABLE}", create_view),
        (rf"DROP\s+(TABLE|VIEW)\s+(IF\s+EXISTS\s+)?{TABLE}\s*$", drop),
        (rf"ALTER\s+TABLE\s+{TABLE}\s+(.*)$", alter),
        (rf"COMMENT\s+ON\s+TABLE\s+{TABLE}\s+IS\s+('(?:[^'\\]|\\.)*')\s*$", comment_on),
        (rf"INSERT\s+INTO\s+{TABLE}\s*\(([^)]*)\)\s*(.*)$", insert),
        (rf"UPDATE\s+{TABLE}\s", update),
        (rf"MERGE\s+INTO\s+{TABLE}\s", merge),
        (rf"DELETE\s+FROM\s+{TABLE}\s", delete),
    ]


def shown(value: object) -> str | None:
    """A value as JSON_ARRAY has it: text. What a TIMESTAMP has beyond milliseconds is lost."""
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case datetime.datetime():
            return value.isoformat(timespec="milliseconds") + "Z"
        case bytes() | bytearray():
            return base64.b64encode(value).decode()
        case _:
            return str(value)
