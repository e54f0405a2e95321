"""BigQuery's REST API, as far as amx-schema speaks it, in front of bqemulator. Arguments: zetasql's cache, port, emulator.

Faithful: ZetaSQL, Google's own analyser, refuses what BigQuery refuses, with the types that the parameters were declared
to have; names of datasets and tables mind case; jobs have ids that are refused the second time, a location, and errors
that the API tells as HTTP codes; results come in pages; a MERGE that matches a row twice is refused; DDL and
INFORMATION_SCHEMA are catalog.py's; a load lands as a whole in a table that is empty. Not: logins, quotas, conflicts (statements run one after the other), cost, time
limits, transactions, scripts; and of times after 2255 the emulator loses microseconds."""

import json
import re
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "validators"))

import by_zetasql as zetasql
from catalog import Catalog, Column, Fault, Table
from protocol import Refused
from zetasql import types as resolved

_, _, PORT, EMULATOR = sys.argv
PAGE = 10_000_000  # bytes: https://cloud.google.com/bigquery/docs/paging-results
REQUEST = 10_000_000  # https://cloud.google.com/bigquery/quotas#query_jobs
KEPT = 1_000  # jobs whose rows are still there
CODES = {"notFound": 404, "duplicate": 409, "accessDenied": 403}
MERGE = re.compile(r"\s*MERGE\s+(?:INTO\s+)?(?P<target>\S+)\s+(?:AS\s+)?(?P<alias>\S+)\s+USING\s+(?P<rest>.*)", re.I | re.S)
OF_ROWS = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|MERGE)\b", re.I)
FOLLOWS = re.compile(r"\s*ON\s+(?P<on>.*?)\bWHEN\s+MATCHED\b", re.I | re.S)


@dataclass
class Job:
    id: str
    configuration: dict
    location: str
    fault: Fault | None = None
    rows: list[dict] = field(default_factory=list)
    schema: dict = field(default_factory=lambda: {"fields": []})
    touched: str | None = None
    made: int = field(default_factory=lambda: int(time.time() * 1000))

    def reference(self, project: str) -> dict:
        return {"projectId": project, "jobId": self.id, "location": self.location}

    def resource(self, project: str) -> dict:
        status = {"state": "DONE"}
        if self.fault:
            status |= {"errorResult": self.fault.body, "errors": [self.fault.body]}
        query = {"numDmlAffectedRows": self.touched} if self.touched is not None else {}
        times = dict.fromkeys(["creationTime", "startTime", "endTime"], str(self.made))
        return {
            "kind": "bigquery#job",
            "id": f"{project}:{self.location}.{self.id}",
            "jobReference": self.reference(project),
            "configuration": self.configuration,
            "status": status,
            "statistics": times | {"query": query},
        }


class Project:
    """One project: its datasets and its jobs."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.jobs: dict[str, Job] = {}
        self.known: dict[tuple, resolved.ResolvedStatement] = {}
        self.catalog = Catalog(name, self.emulate)

    def emulate(self, sql: str, parameters: list[dict] | None = None) -> dict:
        """What the emulator says to a statement."""
        body = {"query": sql, "useLegacySql": False, "maxResults": 10**9, "formatOptions": {"useInt64Timestamp": True}}
        if parameters:
            body |= {"parameterMode": "NAMED", "queryParameters": parameters}
        request = urllib.request.Request(
            f"{EMULATOR}/bigquery/v2/projects/{self.name}/queries",
            data=json.dumps(body).encode(),
            headers={"content-type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request) as answer:
                said = json.load(answer)
        except urllib.error.HTTPError as error:
            raise Fault("invalidQuery", error.read().decode()) from None
        if errors := said.get("errors"):
            message = errors[0]["message"]
            if null := re.search(r"NOT NULL constraint failed: \w+\.(\w+)", message):
                raise Fault("invalidQuery", f"Required field {null[1]} cannot be null")
            raise Fault(errors[0]["reason"], message)
        return said

    def insert(self, body: dict) -> Job:
        """https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/insert"""
        reference, configuration = body["jobReference"], body["configuration"]
        query = configuration["query"]
        if query.get("useLegacySql", True):
            raise Fault("invalid", "legacy SQL")
        # Without a location it is that of the datasets that are named, else the US.
        named = [self.catalog.datasets[name].location for name in self.catalog.named(query["query"]) if name in self.catalog.datasets]
        location = reference.get("location") or next(iter(named), "US")
        return self.keep(reference["jobId"], configuration, location, lambda job: self.run(job, query["query"], query.get("queryParameters", [])))

    def keep(self, id: str, configuration: dict, location: str, run: Callable[[Job], None]) -> Job:
        """Runs a job whose id is new, and keeps what it came to."""
        if not re.fullmatch(r"[\w-]{1,1024}", id):
            raise Fault("invalid", "a job id that is none")
        if id in self.jobs:
            raise Fault("duplicate", f"Already Exists: Job {self.name}:{location}.{id}")
        job = Job(id, configuration, location)
        try:
            run(job)
        except Fault as fault:
            job.fault = fault
        self.jobs[job.id] = job
        if len(self.jobs) > KEPT:
            del self.jobs[next(iter(self.jobs))]
        return job

    def upload(self, kind: str, body: bytes) -> Job:
        """A load job with its rows: https://cloud.google.com/bigquery/docs/reference/api-uploads#multipart"""
        boundary = re.fullmatch(r"multipart/related; boundary=([\w-]+)", kind)
        if not boundary:
            raise Fault("invalid", f"an upload of {kind}")
        _, about, rows, end = (b"\r\n" + body).split(b"\r\n--" + boundary[1].encode())
        if end.strip() != b"--":
            raise Fault("invalid", "an upload that does not end")
        about, rows = (part.split(b"\r\n\r\n", 1)[1] for part in (about, rows))
        about = json.loads(about)
        reference, configuration = about["jobReference"], about["configuration"]
        load = configuration["load"]
        wanted = {"sourceFormat": "NEWLINE_DELIMITED_JSON", "createDisposition": "CREATE_NEVER", "writeDisposition": "WRITE_EMPTY"}
        if {name: load.get(name) for name in wanted} != wanted or set(load) != {*wanted, "destinationTable"}:
            raise Fault("invalid", f"this stand-in does not load so: {load}")
        path = [load["destinationTable"][name] for name in ("datasetId", "tableId")]
        location = reference.get("location") or self.dataset(path[0])["location"]
        return self.keep(reference["jobId"], configuration, location, lambda job: self.load(path, rows, job.location))

    def load(self, path: list[str], text: bytes, location: str) -> None:
        """https://cloud.google.com/bigquery/docs/loading-data-cloud-storage-json"""
        table = self.catalog.table(path, location)
        name = "`" + "`.`".join(path) + "`"
        if self.emulate(f"SELECT 1 FROM {name} LIMIT 1").get("rows"):
            raise Fault("duplicate", f"Already Exists: Table {self.name}:{'.'.join(path)}")
        kinds = {column.name: column.type for column in table.columns}
        rows = [{name: of_json(kinds.get(name), value) for name, value in json.loads(line).items()} for line in text.splitlines()]
        columns = [f"CAST(JSON_VALUE(j, '$.{name}') AS {'INT64' if kind == 'TIMESTAMP' else kind})" for name, kind in kinds.items()]
        columns = [f"TIMESTAMP_MICROS({text})" if kind == "TIMESTAMP" else text for text, kind in zip(columns, kinds.values(), strict=True)]
        bound = {"name": "p1", "parameterType": {"type": "STRING"}, "parameterValue": {"value": json.dumps(rows, ensure_ascii=False)}}
        source = "UNNEST(JSON_QUERY_ARRAY(PARSE_JSON(@p1))) AS j"
        self.emulate(f"INSERT INTO {name} ({', '.join(f'`{name}`' for name in kinds)}) SELECT {', '.join(columns)} FROM {source}", [bound])

    def make_table(self, dataset: str, body: dict) -> dict:
        """https://cloud.google.com/bigquery/docs/reference/rest/v2/tables/insert"""
        location = self.dataset(dataset)["location"]
        if int(body["expirationTime"]) < time.time() * 1000:
            raise Fault("invalid", "Invalid value for: expirationTime")
        columns = [Column(each["name"], SQL_TYPES[each["type"]]) for each in body["schema"]["fields"]]
        self.catalog.add(dataset, body["tableReference"]["tableId"], Table(columns))
        return body | {"kind": "bigquery#table", "location": location}

    def run(self, job: Job, sql: str, parameters: list[dict]) -> None:
        self.catalog.check_names(sql, job.location)
        kinds = {each["name"]: each["parameterType"]["type"] for each in parameters}
        if absent := set(re.findall(r"@(p\d+)", re.sub(r"'(?:[^'\\]|\\.)*'", "", sql))) - set(kinds):
            raise Fault("invalidQuery", f"Query parameter '{absent.pop()}' not found")
        try:
            statement = self.understood(sql, kinds)
        except Refused as refused:
            text = str(refused).removeprefix("[INVALID_ARGUMENT] ")
            if absent := re.match(r"Table not found: `?([\w.]+)", text):
                self.catalog.table(absent[1].split("."), job.location)
            raise Fault("invalidQuery", text) from None
        sql = self.catalog.with_views(sql, job.location)
        if isinstance(statement, resolved.ResolvedExecuteImmediateStmt):
            said = self.emulate("SELECT " + re.sub(r"^\s*EXECUTE\s+IMMEDIATE\s", "", sql, flags=re.I))
            return self.run(job, said["rows"][0]["f"][0]["v"], [])
        if self.catalog.apply(statement, sql, job.location):
            return None
        if isinstance(statement, resolved.ResolvedMergeStmt):
            self.refuse_twice_matched(sql, parameters)
        said = self.emulate(sql, parameters)
        job.rows, job.schema = said.get("rows", []), said.get("schema", job.schema)
        job.touched = said.get("numDmlAffectedRows")
        return None

    def understood(self, sql: str, kinds: dict[str, str]) -> resolved.ResolvedStatement:
        """What ZetaSQL makes of a statement. It takes its time, so that one of rows, whose meaning is in the tables' columns, is
        asked for once: what differs in the names of datasets and in numbers alone is the same."""
        datasets = sorted(set(self.catalog.named(sql)) & set(self.catalog.datasets))
        if not OF_ROWS.match(sql):
            self.catalog.declare(sql)
            return zetasql.analyse(sql, kinds)
        text = sql
        for at, name in enumerate(datasets):
            text = re.sub(rf"\b{name}\b", f"dataset_{'abcdefgh'[at]}", text)
        shape = [
            (name, [(column.name, column.type, column.null) for column in table.columns])
            for dataset in datasets
            for name, table in self.catalog.datasets[dataset].tables.items()
        ]
        key = (re.sub(r"\b\d+\b", "0", text), tuple(kinds.items()), repr(shape))
        if key not in self.known:
            self.catalog.declare(sql)
            self.known[key] = zetasql.analyse(sql, kinds)
        return self.known[key]

    def refuse_twice_matched(self, sql: str, parameters: list[dict]) -> None:
        """https://cloud.google.com/bigquery/docs/reference/standard-sql/dml-syntax#merge_statement"""
        merge = MERGE.match(sql)
        depth, end = 0, 0
        for end, character in enumerate(merge["rest"]):
            depth += {"(": 1, ")": -1}.get(character, 0)
            if depth == 0 and merge["rest"][end:].split(None, 1)[0].upper() == "ON" and merge["rest"][end - 1].isspace():
                break
        if found := FOLLOWS.match(merge["rest"][end:]):
            joined = f"{merge['target']} AS {merge['alias']} JOIN {merge['rest'][:end]} ON {found['on']}"
            said = self.emulate(f"SELECT COUNT(*) FROM {joined} GROUP BY {merge['alias']}.rowid HAVING COUNT(*) > 1 LIMIT 1", parameters)
            if said.get("rows"):
                raise Fault("invalidQuery", "UPDATE/MERGE must match at most one source row for each target row")

    def job(self, id: str, location: str | None) -> Job:
        job = self.jobs.get(id)
        # Outside of the US and the EU nobody finds a job without its location.
        if job is None or (location or ("US" if job.location not in ("US", "EU") else job.location)).lower() != job.location.lower():
            raise Fault("notFound", f"Not found: Job {self.name}:{location + '.' if location else ''}{id}")
        return job

    def results(self, id: str, asked: dict) -> dict:
        """https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/getQueryResults"""
        job = self.job(id, asked.get("location"))
        if job.fault:
            raise job.fault
        first = last = int(asked.get("pageToken", asked.get("startIndex", 0)))
        size, most = 0, int(asked.get("maxResults", len(job.rows)))
        while last < len(job.rows) and last - first < most and (size < PAGE or last == first):
            size += len(json.dumps(job.rows[last]))
            last += 1
        rows = job.rows[first:last]
        if asked.get("formatOptions.useInt64Timestamp") != "true":
            rows = [self.with_float_times(row, job.schema) for row in rows]
        page = {
            "kind": "bigquery#getQueryResultsResponse",
            "jobReference": job.reference(self.name),
            "jobComplete": True,
            "schema": job.schema,
            "totalRows": str(len(job.rows)),
            "rows": rows,
        }
        if last < len(job.rows):
            page["pageToken"] = str(last)
        if job.touched is not None:
            page["numDmlAffectedRows"] = job.touched
        return page

    def with_float_times(self, row: dict, schema: dict) -> dict:
        def cell(cell: dict, of: dict) -> dict:
            is_time = of["type"] == "TIMESTAMP" and cell["v"] is not None
            return {"v": repr(int(cell["v"]) / 1e6)} if is_time else cell

        return {"f": [cell(*pair) for pair in zip(row["f"], schema["fields"], strict=True)]}

    def datasets(self, most: int) -> dict:
        listed = [self.dataset(name) for name in sorted(self.catalog.datasets)[:most]]
        return {"kind": "bigquery#datasetList", "datasets": listed}

    def dataset(self, name: str) -> dict:
        if name not in self.catalog.datasets:
            raise Fault("notFound", f"Not found: Dataset {self.name}:{name}")
        reference = {"projectId": self.name, "datasetId": name}
        return {"kind": "bigquery#dataset", "datasetReference": reference, "location": self.catalog.datasets[name].location}


SQL_TYPES = {"STRING": "STRING", "INTEGER": "INT64", "BOOLEAN": "BOOL", "TIMESTAMP": "TIMESTAMP"}


def of_json(kind: str | None, value: object) -> object:
    """A value of a loaded row, as the emulator is to have it."""
    match kind:
        case "STRING" if isinstance(value, str):
            return value
        case "INT64" if re.fullmatch(r"-?\d+", str(value)):
            return str(value)
        case "BOOL" if isinstance(value, bool):
            return value
        case "TIMESTAMP" if isinstance(value, str):
            at = datetime.strptime(value, "%Y-%m-%d %H:%M:%S.%f%z") - datetime(1970, 1, 1, tzinfo=UTC)
            return str(at // timedelta(microseconds=1))
    raise Fault("invalid", f"Error while reading data: {value!r} is no {kind}")


PROJECTS: dict[str, Project] = {}
LOCK = threading.Lock()


def answer(method: str, path: list[str], asked: dict, kind: str, body: bytes) -> dict:
    if path[:1] == ["upload"] and method == "POST" and path[5:] == ["jobs"] and asked == {"uploadType": "multipart"}:
        with LOCK:
            at = PROJECTS.setdefault(path[4], Project(path[4]))
            return at.upload(kind, body).resource(at.name)
    if path[:3] != ["bigquery", "v2", "projects"] or len(path) < 5:
        raise Fault("notFound", f"Not found: {method} /{'/'.join(path)}")
    with LOCK:
        at = PROJECTS.setdefault(path[3], Project(path[3]))
        match [method, *path[4:]]:
            case ["POST", "jobs"]:
                return at.insert(json.loads(body)).resource(at.name)
            case ["GET", "jobs", id]:
                return at.job(id, asked.get("location")).resource(at.name)
            case ["GET", "queries", id]:
                return at.results(id, asked)
            case ["GET", "datasets"]:
                return at.datasets(int(asked.get("maxResults", 1000)))
            case ["GET", "datasets", name]:
                return at.dataset(name)
            case ["POST", "datasets", name, "tables"]:
                return at.make_table(name, json.loads(body))
            case ["DELETE", "datasets", name, "tables", table]:
                at.catalog.remove(name, table)
                return {}
    raise Fault("notFound", f"Not found: {method} /{'/'.join(path)}")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def go(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        url = urlsplit(self.path)
        asked = {name: values[-1] for name, values in parse_qs(url.query).items()}
        try:
            if len(body) > REQUEST and not url.path.startswith("/upload/"):
                return self.say(413, {"error": {"code": 413, "message": "Request payload size exceeds the limit"}})
            path = [unquote(part) for part in url.path.strip("/").split("/")]
            self.say(200, answer(self.command, path, asked, self.headers.get("content-type", ""), body))
        except Fault as fault:
            code = CODES.get(fault.body["reason"], 400)
            error = {"code": code, "message": fault.body["message"], "errors": [fault.body | {"domain": "global"}]}
            self.say(code, {"error": error})
        except Exception as error:  # a flaw of this stand-in; the client is to hear of it
            self.say(500, {"error": {"code": 500, "message": repr(error), "errors": [{"reason": "internalError"}]}})
            raise

    do_GET = do_POST = do_DELETE = go

    def say(self, code: int, body: dict) -> None:
        data = json.dumps(body, ensure_ascii=False).encode()
        self.send_response(code)
        self.send_header("content-type", "application/json; charset=UTF-8")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


Server(("127.0.0.1", int(PORT)), Handler).serve_forever()
