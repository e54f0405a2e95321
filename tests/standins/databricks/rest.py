"""The SQL Statement Execution API in front of a warehouse: https://docs.databricks.com/api/workspace/statementexecution

Requests are checked against its schema. A statement runs behind those that came before it, so that it is first PENDING; it is waited for and
polled, cancelled while it is PENDING (one that runs comes to its end, as the service allows), and its result comes in chunks, inline or by links.
A token is had by OAuth as a service principal has it, or is the one in `url`."""

import base64
import ctypes
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import warehouse

ROOT = Path(__file__).resolve().parents[3]
TOKEN, CLIENT, SECRET, WAREHOUSE = "dapi-of-the-standin", "client-of-the-standin", "secret-of-the-standin", "test"
CHUNK_BYTES, INLINE_BYTES = 1 << 20, 25 << 20
REMEMBERED = 200  # statements; the service forgets theirs after an hour
FIELDS = {"statement": str, "warehouse_id": str, "catalog": str, "schema": str, "parameters": list, "wait_timeout": str, "on_wait_timeout": str}
FIELDS |= {"disposition": str, "format": str, "row_limit": int, "byte_limit": int}


class Refused(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, code: str, message: str):
        super().__init__(message)
        self.status, self.code = status, code


def invalid(message: str) -> Refused:
    return Refused(400, "INVALID_PARAMETER_VALUE", message)


class Statement:
    """A statement on its way."""

    def __init__(self, body: dict):
        self.id, self.body = str(uuid.uuid4()), body
        self.state, self.error, self.answer, self.chunks = "PENDING", None, None, [[]]
        self.over = threading.Event()
        self.lock = threading.Lock()

    def work(self, house: warehouse.Warehouse) -> None:
        with self.lock:
            if self.state != "PENDING":
                return
            self.state = "RUNNING"
        try:
            self.answer = house.run(self.body["statement"], self.body.get("parameters", []))
            self.cut()
            self.state = "SUCCEEDED"
        except warehouse.SqlError as error:
            self.fail("BAD_REQUEST", str(error), error.sqlstate)
        except Exception as error:  # noqa: BLE001: whatever it is, somebody waits for the end of the statement
            self.fail("INTERNAL_ERROR", f"{type(error).__name__}: {error}", "XX000")
        self.over.set()

    def fail(self, code: str, message: str, sqlstate: str) -> None:
        self.error = {"error_code": code, "message": message}, sqlstate
        self.state = "FAILED"

    def cancel(self) -> None:
        with self.lock:
            if self.state == "PENDING":
                self.state = "CANCELED"
                self.over.set()

    def cut(self) -> None:
        """Cuts the result into chunks."""
        size = total = 0
        for row in self.answer.rows:
            bytes_of = sum(len(value or "") for value in row)
            total += bytes_of
            if size + bytes_of > CHUNK_BYTES and self.chunks[-1]:
                self.chunks.append([])
                size = 0
            self.chunks[-1].append(row)
            size += bytes_of
        if total > INLINE_BYTES and self.body.get("disposition", "INLINE") == "INLINE":
            raise warehouse.SqlError(
                "INLINE", "54000", "Inline byte limit exceeded. Statements executed with disposition=INLINE can have a result size of at most "
                f"{INLINE_BYTES} bytes. Please execute the statement with disposition=EXTERNAL_LINKS if you want to download the full result."
            )

    def response(self, host: str) -> dict:
        status = {"state": self.state}
        if self.error:
            status["error"], status["sql_state"] = self.error
        response = {"statement_id": self.id, "status": status}
        if self.state == "SUCCEEDED":
            columns = [
                {"name": name, "type_text": kind.upper(), "type_name": warehouse.TYPE_NAMES.get(kind, kind.upper()), "position": at}
                for at, (name, kind) in enumerate(self.answer.columns)
            ]
            response["manifest"] = {
                "format": "JSON_ARRAY",
                "schema": {"column_count": len(columns), "columns": columns},
                "total_chunk_count": len(self.chunks),
                "total_row_count": len(self.answer.rows),
                "truncated": False,
            }
            response["result"] = self.chunk(0, host)
        return response

    def chunk(self, at: int, host: str) -> dict:
        before = sum(len(chunk) for chunk in self.chunks[:at])
        chunk = {"chunk_index": at, "row_offset": before, "row_count": len(self.chunks[at])}
        if at + 1 < len(self.chunks):
            link = f"/api/2.0/sql/statements/{self.id}/result/chunks/{at + 1}?row_offset={before + len(self.chunks[at])}"
            chunk |= {"next_chunk_index": at + 1, "next_chunk_internal_link": link}
        if self.body.get("disposition") == "EXTERNAL_LINKS":
            link = f"http://{host}/storage/{self.id}/{at}"
            return {"external_links": [chunk | {"external_link": link, "expiration": "2100-01-01T00:00:00.000Z"}]}
        return chunk | ({"data_array": self.chunks[at]} if self.chunks[at] else {})


class Service:
    """The workspace."""

    def __init__(self, house: warehouse.Warehouse):
        self.house, self.statements, self.tokens = house, {}, {TOKEN: float("inf")}
        self.workers = ThreadPoolExecutor(max_workers=1)
        self.lock = threading.Lock()

    def token(self, authorization: str, form: dict) -> dict:
        wanted = "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if not secrets.compare_digest(authorization, wanted):
            raise Refused(401, "invalid_client", "Client authentication failed")
        if form != {"grant_type": ["client_credentials"], "scope": ["all-apis"]}:
            raise Refused(400, "invalid_request", "grant_type and scope are wanted")
        token = secrets.token_urlsafe()
        self.tokens[token] = time.monotonic() + 3600
        return {"access_token": token, "token_type": "Bearer", "expires_in": 3600, "scope": "all-apis"}

    def admit(self, authorization: str) -> None:
        if self.tokens.get(authorization.removeprefix("Bearer "), 0) < time.monotonic():
            raise Refused(401, "UNAUTHENTICATED", "Credential was not sent or was of an unsupported type for this API.")

    def execute(self, body: dict, host: str) -> dict:
        for name, value in body.items():
            if name not in FIELDS or not isinstance(value, FIELDS[name]):
                raise invalid(f"the field {name} is not known or of another type")
        if not body.get("statement"):
            raise invalid("statement is missing")
        if body.get("warehouse_id") != WAREHOUSE:
            raise Refused(404, "RESOURCE_DOES_NOT_EXIST", f"SQL warehouse {body.get('warehouse_id')} does not exist.")
        if body.get("catalog", warehouse.CATALOG) != warehouse.CATALOG:
            raise Refused(400, "BAD_REQUEST", f"[NO_SUCH_CATALOG_EXCEPTION] Catalog '{body['catalog']}' was not found. SQLSTATE: 42704")
        wait = re.fullmatch(r"(\d+)s", body.get("wait_timeout", "10s"))
        if not wait or not (int(wait[1]) == 0 or 5 <= int(wait[1]) <= 50):
            raise invalid("wait_timeout is 0s, or 5s to 50s")
        if body.get("on_wait_timeout", "CONTINUE") not in ("CONTINUE", "CANCEL"):
            raise invalid("on_wait_timeout")
        if body.get("disposition", "INLINE") not in ("INLINE", "EXTERNAL_LINKS") or body.get("format", "JSON_ARRAY") != "JSON_ARRAY":
            raise invalid("disposition or format")
        for parameter in body.get("parameters", []):
            if not set(parameter) <= {"name", "value", "type"} or not isinstance(parameter.get("value"), str | None):
                raise invalid("a parameter has a name, a type and a value that is text")
        statement = Statement(body)
        with self.lock:
            self.statements[statement.id] = statement
            while len(self.statements) > REMEMBERED:
                del self.statements[next(iter(self.statements))]
        self.workers.submit(statement.work, self.house)
        if not statement.over.wait(int(wait[1])) and body.get("on_wait_timeout") == "CANCEL":
            statement.cancel()
            statement.over.wait()
        return statement.response(host)

    def statement(self, known: str) -> Statement:
        if known not in self.statements:
            raise Refused(404, "RESOURCE_DOES_NOT_EXIST", f"The statement {known} was not found.")
        return self.statements[known]

    def answer(self, method: str, url: str, headers: dict, body: bytes) -> object:
        path, host = urlparse(url).path.rstrip("/"), headers.get("host", "")
        authorization = headers.get("authorization", "")
        if stored := re.fullmatch(r"/storage/([\w-]+)/(\d+)", path):
            if authorization:
                raise Refused(400, "InvalidArgument", "Only one auth mechanism allowed")
            return self.statement(stored[1]).chunks[int(stored[2])]
        if (method, path) == ("POST", "/oidc/v1/token"):
            return self.token(authorization, parse_qs(body.decode()))
        self.admit(authorization)
        if (method, path) == ("GET", f"/api/2.0/sql/warehouses/{WAREHOUSE}"):
            return {"id": WAREHOUSE, "name": "stand-in", "state": "RUNNING"}
        match method, path.removeprefix("/api/2.0/sql/statements").split("/")[1:]:
            case "POST", []:
                return self.execute(json.loads(body), host)
            case "GET", [known]:
                return self.statement(known).response(host)
            case "POST", [known, "cancel"]:
                self.statement(known).cancel()
                return {}
            case "GET", [known, "result", "chunks", at]:
                return self.statement(known).chunk(int(at), host)
        raise Refused(404, "ENDPOINT_NOT_FOUND", f"No API found for '{method} {path}'")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    disable_nagle_algorithm = True

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            status, answer = 200, self.server.service.answer(self.command, self.path, headers, body)
        except Refused as error:
            status, answer = error.status, {"error_code": error.code, "message": str(error)}
        text = json.dumps(answer, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = handle_any

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    service: Service


def dies_with_us() -> None:
    """A child is ended by the kernel when this process is: prctl(2), PR_SET_PDEATHSIG."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def main(port: int, folder: Path) -> None:
    sail_port, bin_folder = free_port(), Path(sys.executable).parent
    options = {
        # The one session is the warehouse: Sail ends one that nothing was asked of for five minutes, which compiling the tests may take.
        "SAIL_SPARK__SESSION_TIMEOUT_SECS": "86400",
        "SAIL_CATALOG__LIST": f'[{{name="{warehouse.CATALOG}", type="memory", initial_database=["default"]}}]',
        "SAIL_CATALOG__DEFAULT_CATALOG": warehouse.CATALOG,
    }
    command = [bin_folder / "sail", "spark", "server", "--ip", "127.0.0.1", "--port", str(sail_port)]
    with (folder / "sail.log").open("w") as log:
        subprocess.Popen(command, env=os.environ | options, stdout=log, stderr=log, preexec_fn=dies_with_us)
    parser = warehouse.Parser([str(ROOT / "target/validators/spark/bin/python"), str(Path(__file__).parent / "parse.py")])
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", sail_port)) == 0:
                break
        time.sleep(0.1)
    house = warehouse.Warehouse(sail_port, str(folder / "warehouse"), parser)
    house.run("SELECT 1 AS one", [])
    server = Server(("127.0.0.1", port), Handler)
    server.service = Service(house)
    server.serve_forever()


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
main(int(sys.argv[1]), Path(sys.argv[2]))
