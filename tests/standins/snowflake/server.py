"""Snowflake as far as amx-schema needs it: fakesnow (DuckDB behind it) over the protocol of Snowflake's drivers, with JSON answers.

What is Snowflake's here and not fakesnow's or DuckDB's:
- Keys are declared and not enforced: they are taken out of CREATE TABLE and kept for SHOW PRIMARY KEYS and SHOW IMPORTED KEYS.
- A VARCHAR's length is enforced.
- UPDATE, DELETE and MERGE lock their table until the transaction ends; others wait for it for LOCK_TIMEOUT seconds.
- BEGIN within a transaction is ignored, DDL commits, AUTOCOMMIT may be off, and a refused statement ends its transaction.
- The pipe operator (`SHOW … ->> SELECT … FROM $1`).
- A database or a warehouse that is not there does not fail the login, but the statements that need it.
- Refused, though DuckDB would take them: CREATE INDEX, ON CONFLICT, RETURNING, types that Snowflake does not have.
- Timestamps are exact.
- Large answers come in chunks, each to be fetched by itself.

What is neither's, so that tests need not wait: a transaction in somebody's way is aborted after 20 s without a statement, not 5 minutes, and a
session ends after 10 minutes, not 4 hours.

What is DuckDB's still:
- A transaction sees the data as they were at its first statement, not as they are at each. Where that shows, as a conflict of two updates, the
  answer is that of a lock that was not had.
- No warehouse works, nothing is billed, and privileges are not checked. The role `NOBODY` may only log in.
- The error codes of a statement in an aborted transaction are made up.
- Every password but `wrong`, every token but `wrong` and every signed JWT is taken.
"""

import gzip
import json
import logging
import re
import secrets
import sys
import threading
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import duckdb
import fakesnow.instance
import fakesnow.transforms
import pyarrow as pa
import snowflake.connector.errors
import uvicorn
from fakesnow import info_schema
from fakesnow.conn import FakeSnowflakeConnection
from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

DATABASE, WAREHOUSE = "ANALYTICS", "WH"
INLINE_ROWS = 5000
IDLE_SECONDS = 600
ORPHAN_SECONDS = 20
EPOCH = datetime(1970, 1, 1)
MISSING_TYPES = "JSONB JSON UUID HUGEINT TIMESTAMPTZ CLOB BLOB BIT BYTEA SERIAL BIGSERIAL HSTORE MONEY XML"
PARAMETERS = {
    "AUTOCOMMIT": bool, "TRANSACTION_ABORT_ON_ERROR": bool, "ERROR_ON_NONDETERMINISTIC_MERGE": bool, "ERROR_ON_NONDETERMINISTIC_UPDATE": bool,
    "QUOTED_IDENTIFIERS_IGNORE_CASE": bool, "ROWS_PER_RESULTSET": int, "TIMEZONE": str, "STATEMENT_TIMEOUT_IN_SECONDS": int,
    "STATEMENT_QUEUED_TIMEOUT_IN_SECONDS": int, "LOCK_TIMEOUT": int, "QUERY_TAG": str,
}  # fmt: skip


class Refused(Exception):
    """A statement that Snowflake refuses, with its error code."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


@dataclass
class Session:
    connection: FakeSnowflakeConnection
    database: bool
    warehouse: bool
    role: str
    parameters: dict
    in_transaction: bool = False
    begun: bool = False
    aborted: bool = False
    used: float = 0
    locks: set = field(default_factory=set)
    busy: threading.Lock = field(default_factory=threading.Lock)


class Nothing(dict):
    """fakesnow keeps every answer, for RESULT_SCAN."""

    def __setitem__(self, key: str, value: object) -> None:
        pass


class Locks:
    """Who holds which table."""

    def __init__(self):
        self.changed = threading.Condition()
        self.holders: dict[str, Session] = {}

    def take(self, session: Session, table: str) -> None:
        until = time.monotonic() + session.parameters.get("LOCK_TIMEOUT", 43200)
        with self.changed:
            while not self.changed.wait_for(lambda: self.holders.get(table, session) is session, 1):
                self.abort_idle(self.holders[table])
                if time.monotonic() > until:
                    raise Refused("000625", f"Statement has locked table '{table}' in a transaction and this lock has not yet been released.")
            self.holders[table] = session
            session.locks.add(table)

    def abort_idle(self, holder: Session) -> None:
        """A transaction that is in somebody's way, and whose client may be gone."""
        if time.monotonic() - holder.used > ORPHAN_SECONDS and holder.busy.acquire(blocking=False):
            finish(holder, "rollback")
            holder.in_transaction = holder.aborted = True
            holder.busy.release()

    def free(self, session: Session) -> None:
        with self.changed:
            for table in session.locks:
                del self.holders[table]
            session.locks.clear()
            self.changed.notify_all()


service = fakesnow.instance.FakeSnow(create_database_on_connect=False, create_schema_on_connect=False)
sessions: dict[str, Session] = {}
chunks: dict[str, bytes] = {}
locks = Locks()
ddl = threading.RLock()
keys: dict[tuple[str, str], list] = {}


def microseconds(tree: exp.Expression, otherwise=fakesnow.transforms.to_timestamp) -> exp.Expression:
    """TO_TIMESTAMP_NTZ(n, 6), which fakesnow divides in floating point."""
    if isinstance(tree, exp.UnixToTime) and tree.text("scale") == "6":
        return exp.Anonymous(this="make_timestamp", expressions=[exp.cast(tree.this, "BIGINT")])
    return otherwise(tree)


def prepare() -> None:
    service.results_cache = Nothing()
    fakesnow.transforms.to_timestamp = microseconds
    connection = service.connect()
    connection.cursor().execute(f"CREATE DATABASE {DATABASE}")
    # DATETIME_PRECISION is in Snowflake's view and not in fakesnow's.
    view = info_schema.SQL_CREATE_GLOBAL_INFORMATION_SCHEMA_COLUMNS_VIEW.replace("create view if not exists", "create or replace view")
    precision = "case when columns.data_type like 'TIMESTAMP%' then 6 end as DATETIME_PRECISION, COLLATION_NAME"
    connection._duck_conn.execute(view.replace("COLLATION_NAME", precision))
    connection._duck_conn.execute(info_schema.SQL_CREATE_INFORMATION_SCHEMA_COLUMNS_VIEW.substitute(catalog=DATABASE).replace("view if not exists", "or replace view"))


async def body(request: Request) -> dict:
    data = await request.body()
    return json.loads(gzip.decompress(data) if request.headers.get("content-encoding") == "gzip" else data)


def refusal(code: str, message: str, status: int = 200) -> JSONResponse:
    data = {"queryId": str(uuid.uuid4()), "errorCode": code, "sqlState": "22000"}
    return JSONResponse({"data": data, "code": code, "message": message, "success": False}, status)


def end_idle_sessions() -> None:
    """As Snowflake does, if sooner: clients of its drivers that do not say goodbye are many in a suite."""
    for token, session in list(sessions.items()):
        if time.monotonic() - session.used > IDLE_SECONDS:
            del sessions[token]
            finish(session, "rollback")
            session.connection.close()


async def login(request: Request) -> JSONResponse:
    data = (await body(request))["data"]
    if "wrong" in (data.get("PASSWORD"), data.get("TOKEN")):
        return refusal("390100", "Incorrect username or password was specified.")
    if data.get("AUTHENTICATOR") == "SNOWFLAKE_JWT" and data["TOKEN"].count(".") != 2:
        return refusal("390144", "JWT token is invalid.")
    role = request.query_params.get("roleName", "PUBLIC").upper()
    if role == "MISSING":
        return refusal("390189", f"Role '{role}' specified in the connect string does not exist or not authorized.")
    parameters = data.get("SESSION_PARAMETERS", {})
    unknown = [name for name, value in parameters.items() if not isinstance(value, PARAMETERS.get(name, type(None)))]
    if unknown:
        return refusal("390186", f"invalid session parameters {unknown}")
    names = {name: request.query_params.get(name, "").upper() for name in ("databaseName", "warehouse")}
    connection = await run_in_threadpool(service.connect, names["databaseName"] or None)
    end_idle_sessions()
    token = secrets.token_urlsafe(32)
    sessions[token] = Session(connection, names["databaseName"] == DATABASE, names["warehouse"] == WAREHOUSE, role, parameters, used=time.monotonic())
    info = {"databaseName": DATABASE if sessions[token].database else None, "warehouseName": WAREHOUSE if sessions[token].warehouse else None}
    answer = {"token": token, "masterToken": "m", "validityInSeconds": 3600, "masterValidityInSeconds": 14400, "parameters": [], "sessionInfo": info}
    return JSONResponse({"data": answer, "code": None, "message": None, "success": True})


def bound(binding: dict) -> object:
    kind, value = binding["type"], binding["value"]
    if value is None or kind == "TEXT":
        return value
    if kind == "FIXED":
        return int(value)
    if kind == "BOOLEAN":
        return value == "true"
    if kind == "TIMESTAMP_NTZ":
        return EPOCH + timedelta(microseconds=int(value) // 1000)
    raise Refused("002019", f"a bound value of type {kind}")


async def query(request: Request) -> JSONResponse:
    token = request.headers.get("authorization", "").removeprefix('Snowflake Token="').removesuffix('"')
    session = sessions.get(token)
    if session is None:
        return refusal("390104", "User must login again to access the service.")
    session.used = time.monotonic()
    asked = await body(request)
    return await run_in_threadpool(answer, session, asked, str(request.base_url))


def answer(session: Session, asked: dict, base: str) -> JSONResponse:
    with session.busy:
        try:
            bindings = asked.get("bindings") or {}
            params = [bound(bindings[str(at + 1)]) for at in range(len(bindings))]
            return JSONResponse({"data": result(run(session, asked["sqlText"], params), base), "success": True})
        except Refused as refused:
            message = str(refused)
            code = refused.code
        except snowflake.connector.errors.Error as error:
            code, message = native(f"{error.errno:06d}", error.msg)
        except duckdb.Error as error:
            code, message = native("000000", str(error))
        except SqlglotError as error:
            code, message = "001003", f"SQL compilation error:\nsyntax error: {error}"
        except Exception as error:
            logging.exception("the stand-in failed at %s", asked["sqlText"])
            code, message = "000603", f"the stand-in failed: {error!r}"
        if session.in_transaction and session.parameters.get("TRANSACTION_ABORT_ON_ERROR"):
            finish(session, "rollback")
            session.in_transaction = session.aborted = True
        elif not session.in_transaction:
            finish(session, "rollback")
        return refusal(code, message)


def native(code: str, message: str) -> tuple[str, str]:
    """Snowflake's error codes, where fakesnow has others or DuckDB its own words."""
    for pattern, code_of_it in (
        ("NOT NULL constraint failed", "100072"),
        ("already exists", "002002"),
        ("does not exist|no schema|Table with name", "002003"),
        ("onflict|has been altered", "000625"),
        ("[Cc]olumn .* not found|does not have a column|Referenced column", "000904"),
        ("Malformed JSON|not recognize|Could not convert|Conversion Error", "100038"),
    ):
        if re.search(pattern, message):
            return code_of_it, message
    return code, message


def run(session: Session, sql: str, params: list) -> pa.Table:
    """A statement, or several behind pipes, of which each may read what those before it gave."""
    *before, last = re.split(r"->>", sql)
    if not before:
        return run_one(session, last, params)
    duck = session.connection._duck_conn
    names = [f"pipe_{at}" for at in range(len(before))]
    for name, statement in zip(names, before):
        duck.register(name, run_one(session, statement.strip(), []))
    for back, name in enumerate(reversed(names), 1):
        last = re.sub(rf"\${back}\b", name, last)
    # fakesnow would look for the pipes in the current schema.
    translated = session.connection.cursor()._transform(parse_one(last, dialect="snowflake"), None)
    table = duck.execute(translated.sql(dialect="duckdb")).to_arrow_table()
    for name in names:
        duck.unregister(name)
    return table


def run_one(session: Session, sql: str, params: list) -> pa.Table:
    if setting := re.fullmatch(r"ALTER SESSION SET (\w+) = (\S+)", sql.strip()):
        name, value = setting.groups()
        if PARAMETERS.get(name) is not int:
            raise Refused("000002", f"invalid property '{name}' for 'SESSION'")
        session.parameters[name] = int(value)
        return status()
    if shown := re.fullmatch(r'SHOW (PRIMARY|IMPORTED) KEYS IN SCHEMA "(\w+)"', sql.strip()):
        return shown_keys(*shown.groups())
    tree = parse_one(sql, dialect="snowflake")
    if isinstance(tree, exp.Transaction):
        if not session.in_transaction:
            session.in_transaction, session.begun, session.aborted = True, False, False
        return status()
    if isinstance(tree, exp.Commit | exp.Rollback):
        aborted = session.aborted
        finish(session, "commit" if isinstance(tree, exp.Commit) else "rollback")
        if aborted and isinstance(tree, exp.Commit):
            raise Refused("090247", "Transaction was already rolled back due to error.")
        return status()
    if session.aborted:
        raise Refused("090232", "Transaction is aborted: only ROLLBACK and COMMIT are taken.")
    may(session, tree)
    if isinstance(tree, exp.Grant):
        return status()
    if isinstance(tree, exp.Create | exp.Alter | exp.Drop | exp.Comment):
        finish(session, "commit")
        with ddl:
            return define(session, tree)
    if not isinstance(tree, exp.Insert | exp.Update | exp.Delete | exp.Merge):
        begin(session)
        return executed(session, tree, sql, params)
    table = tree.find(exp.Table)
    if not isinstance(tree, exp.Insert):
        locks.take(session, f"{table.db}.{table.name}")
    session.in_transaction |= not session.parameters.get("AUTOCOMMIT", True)
    begin(session, alone=not session.in_transaction)
    counts = executed(session, tree, sql, params)
    fits(session, table)
    if not session.in_transaction:
        finish(session, "commit")
    return counts


def begin(session: Session, alone: bool = False) -> None:
    """DuckDB's transaction begins as late as it can, after the lock of the table was had, so that it sees what the others did until then."""
    if (session.in_transaction or alone) and not session.begun:
        session.connection._duck_conn.begin()
        session.begun = True


def finish(session: Session, how: str) -> None:
    if session.begun:
        getattr(session.connection._duck_conn, how)()
    session.in_transaction = session.begun = session.aborted = False
    locks.free(session)


def may(session: Session, tree: exp.Expression) -> None:
    """Refuses what Snowflake refuses and fakesnow does not."""
    tables = [table for table in tree.find_all(exp.Table) if not isinstance(table.this, exp.Func)]
    if tables and not session.database:
        raise Refused("090105", f"Cannot perform {tree.key.upper()}. This session does not have a current database. Call 'USE DATABASE', or use a qualified name.")
    catalog = all(table.db.upper() == "INFORMATION_SCHEMA" for table in tables)
    needs_warehouse = isinstance(tree, exp.Query | exp.DML) or isinstance(tree, exp.Create) and tree.expression
    if needs_warehouse and tables and not catalog and not session.warehouse:
        raise Refused("000606", "No active warehouse selected in the current session.  Select an active warehouse with the 'use warehouse' command.\n")
    if session.role == "NOBODY" and tables and not catalog:
        raise Refused("003001", "SQL access control error:\nInsufficient privileges to operate on table")
    if isinstance(tree, exp.Create) and tree.args.get("kind") == "INDEX":
        raise Refused("002140", "CREATE INDEX is for hybrid tables only")
    if tree.find(exp.OnConflict, exp.Returning):
        raise Refused("001003", "SQL compilation error:\nsyntax error unexpected 'ON' or 'RETURNING'.")


def define(session: Session, tree: exp.Expression) -> pa.Table:
    """DDL. Keys are for the record only."""
    if isinstance(tree, exp.Create) and tree.args.get("kind") == "TABLE":
        for column in tree.find_all(exp.ColumnDef):
            written = column.kind.sql(dialect="snowflake").split("(")[0].upper() if column.kind else ""
            if written in MISSING_TYPES.split():
                raise Refused("002040", f"SQL compilation error:\nUnsupported data type '{written}'.")
        declared = [part for part in tree.this.expressions if isinstance(part, exp.Constraint | exp.PrimaryKey | exp.ForeignKey)]
        for part in declared:
            part.pop()
        name = (tree.this.this.db, tree.this.this.name) if isinstance(tree.this, exp.Schema) else (tree.this.db, tree.this.name)
        table = executed(session, tree, tree.sql(dialect="snowflake"), [])
        keys.setdefault(name, declared)
        return table
    table = executed(session, tree, tree.sql(dialect="snowflake"), [])
    if isinstance(tree, exp.Drop):
        for dropped in tree.find_all(exp.Table):
            for name in [name for name in keys if name == (dropped.db, dropped.name) or tree.args["kind"] == "SCHEMA" and name[0] == dropped.db]:
                del keys[name]
    return table


def shown_keys(which: str, schema: str) -> pa.Table:
    rows = []
    for (in_schema, table), declared in sorted(keys.items(), key=lambda item: item[0]):
        for constraint in declared if in_schema == schema else []:
            name = constraint.name if isinstance(constraint, exp.Constraint) else f"SYS_CONSTRAINT_{table}"
            key = constraint.find(exp.PrimaryKey, exp.ForeignKey)
            columns = [column.name for column in key.expressions]
            if which == "PRIMARY" and isinstance(key, exp.PrimaryKey):
                for at, column in enumerate(columns, 1):
                    rows.append({"schema_name": schema, "table_name": table, "column_name": column, "key_sequence": at, "constraint_name": name})
            elif which == "IMPORTED" and isinstance(key, exp.ForeignKey):
                target = key.args["reference"].this
                for at, (column, other) in enumerate(zip(columns, target.expressions, strict=True), 1):
                    rows.append({
                        "pk_schema_name": target.this.db, "pk_table_name": target.this.name, "pk_column_name": other.name, "fk_schema_name": schema,
                        "fk_table_name": table, "fk_column_name": column, "key_sequence": at, "fk_name": name,
                    })  # fmt: skip
    primary = "schema_name table_name column_name key_sequence constraint_name"
    imported = "pk_schema_name pk_table_name pk_column_name fk_schema_name fk_table_name fk_column_name key_sequence fk_name"
    fields = [pa.field(name, pa.int64() if name == "key_sequence" else pa.string()) for name in (primary if which == "PRIMARY" else imported).split()]
    return pa.Table.from_pylist(rows, schema=pa.schema(fields))


def executed(session: Session, tree: exp.Expression, sql: str, params: list) -> pa.Table:
    cursor = session.connection.cursor()
    if isinstance(tree, exp.Merge):
        # fakesnow's own way needs a current schema; DuckDB has MERGE itself.
        merge = cursor._transform(tree, params).sql(dialect="duckdb") + " RETURNING merge_action"
        actions = session.connection._duck_conn.execute(merge, params).to_arrow_table().column(0).to_pylist()
        done = {"INSERT": "inserted", "UPDATE": "updated", "DELETE": "deleted"}
        return pa.table({f"number of rows {word}": [actions.count(action)] for action, word in done.items()})
    cursor.execute(sql, binding_params=params or None, server=True)
    return cursor._arrow_table


def fits(session: Session, table: exp.Table) -> None:
    """Refuses text that is longer than its column, of which DuckDB knows no length."""
    duck = session.connection._duck_conn
    known = "SELECT ext_column_name, ext_character_maximum_length FROM _fs_global._fs_information_schema._fs_columns_ext"
    known += " WHERE ext_table_schema = ? AND ext_table_name = ? AND ext_character_maximum_length < 16777216"
    longer = [f'length("{column}") > {length}' for column, length in duck.execute(known, [table.db, table.name]).fetchall()]
    if longer and duck.execute(f'SELECT 1 FROM "{table.db}"."{table.name}" WHERE {" OR ".join(longer)} LIMIT 1').fetchone():
        raise Refused("100078", "String is too long and would be truncated")


def status() -> pa.Table:
    return pa.table({"status": ["Statement executed successfully."]})


def described(field: pa.Field) -> dict:
    kind, precision, scale, length = "text", None, None, 16777216
    if pa.types.is_boolean(field.type):
        kind = "boolean"
    elif pa.types.is_decimal(field.type):
        kind, precision, scale = "fixed", field.type.precision, field.type.scale
    elif pa.types.is_integer(field.type):
        kind, precision, scale = "fixed", 38, 0
    elif pa.types.is_floating(field.type):
        kind = "real"
    elif pa.types.is_date(field.type):
        kind = "date"
    elif pa.types.is_timestamp(field.type):
        kind, scale = ("timestamp_tz" if field.type.tz else "timestamp_ntz"), 6
    length = length if kind == "text" else None
    return {"name": field.name, "type": kind, "nullable": True, "precision": precision, "scale": scale, "length": length, "byteLength": length}


def cell(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, datetime):
        zone = " 1440" if value.tzinfo else ""
        in_utc = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        micros = (in_utc - EPOCH) // timedelta(microseconds=1)
        return f"{Decimal(micros).scaleb(-6):.6f}{zone}"
    if isinstance(value, date):
        return str((value - EPOCH.date()).days)
    return str(value)


def result(table: pa.Table, base: str) -> dict:
    columns = [[cell(value) for value in column.to_pylist()] for column in table.columns]
    rows = [list(row) for row in zip(*columns)]
    data = {"queryId": str(uuid.uuid4()), "rowtype": [described(field) for field in table.schema], "queryResultFormat": "json", "total": len(rows)}
    data |= {"rowset": rows[:INLINE_ROWS], "returned": min(len(rows), INLINE_ROWS)}
    for at in range(INLINE_ROWS, len(rows), INLINE_ROWS):
        part = rows[at : at + INLINE_ROWS]
        # A chunk is the rows without the brackets around them.
        text = json.dumps(part)[1:-1].encode()
        name = secrets.token_urlsafe(16)
        chunks[name] = gzip.compress(text)
        chunk = {"url": f"{base}chunks/{name}", "rowCount": len(part), "uncompressedSize": len(text), "compressedSize": len(chunks[name])}
        data.setdefault("chunks", []).append(chunk)
    return data


async def chunk(request: Request) -> Response:
    content = chunks.pop(request.path_params["name"], None)
    return Response(status_code=404) if content is None else Response(content, headers={"content-encoding": "gzip"})


if __name__ == "__main__":
    # It says that it does not know DEFAULT_DDL_COLLATION, which DuckDB need not know.
    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    prepare()
    routes = [
        Route("/session/v1/login-request", login, methods=["POST"]),
        Route("/queries/v1/query-request", query, methods=["POST"]),
        Route("/chunks/{name}", chunk),
    ]
    uvicorn.run(Starlette(routes=routes), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
