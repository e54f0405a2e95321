"""BigQuery's REST API, as far as amx-schema speaks it, in front of bqemulator. Arguments: zetasql's cache, port, emulator.

Faithful: ZetaSQL, Google's own analyser, refuses what BigQuery refuses, with the types that the parameters were declared
to have; names of datasets and tables mind case; jobs have ids that are refused the second time, a location, and errors
that the API tells as HTTP codes; results come in pages; a MERGE that matches a row twice is refused; DDL and
INFORMATION_SCHEMA are catalog.py's. Not: logins, quotas, conflicts (statements run one after the other), cost, time
limits, transactions, scripts; and of times after 2255 the emulator loses microseconds."""

import json
import re
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "validators"))

import by_zetasql as zetasql
from catalog import Catalog, Fault
from protocol import Refused
from zetasql import types as resolved

_, _, PORT, EMULATOR = sys.argv
PAGE = 10_000_000  # bytes: https://cloud.google.com/bigquery/docs/paging-results
REQUEST = 10_000_000  # https://cloud.google.com/bigquery/quotas#query_jobs
KEPT = 1_000  # jobs whose rows are still there
CODES = {"notFound": 404, "duplicate": 409, "accessDenied": 403}
MERGE = re.compile(r"\s*MERGE\s+(?:INTO\s+)?(?P<target>\S+)\s+(?:AS\s+)?(?P<alias>\S+)\s+USING\s+(?P<rest>.*)", re.I | re.S)
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
        if not re.fullmatch(r"[\w-]{1,1024}", reference["jobId"]) or query.get("useLegacySql", True):
            raise Fault("invalid", "a job id that is none, or legacy SQL")
        # Without a location it is that of the datasets that are named, else the US.
        named = [self.catalog.datasets[name].location for name in self.catalog.named(query["query"]) if name in self.catalog.datasets]
        location = reference.get("location") or next(iter(named), "US")
        if reference["jobId"] in self.jobs:
            raise Fault("duplicate", f"Already Exists: Job {self.name}:{location}.{reference['jobId']}")
        job = Job(reference["jobId"], configuration, location)
        try:
            self.run(job, query["query"], query.get("queryParameters", []))
        except Fault as fault:
            job.fault = fault
        self.jobs[job.id] = job
        if len(self.jobs) > KEPT:
            del self.jobs[next(iter(self.jobs))]
        return job

    def run(self, job: Job, sql: str, parameters: list[dict]) -> None:
        self.catalog.check_names(sql, job.location)
        self.catalog.declare(sql)
        kinds = {each["name"]: each["parameterType"]["type"] for each in parameters}
        if absent := set(re.findall(r"@(p\d+)", re.sub(r"'(?:[^'\\]|\\.)*'", "", sql))) - set(kinds):
            raise Fault("invalidQuery", f"Query parameter '{absent.pop()}' not found")
        try:
            statement = zetasql.analyse(sql, kinds)
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


PROJECTS: dict[str, Project] = {}
LOCK = threading.Lock()


def answer(method: str, path: list[str], asked: dict, body: bytes) -> dict:
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
    raise Fault("notFound", f"Not found: {method} /{'/'.join(path)}")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def go(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        url = urlsplit(self.path)
        asked = {name: values[-1] for name, values in parse_qs(url.query).items()}
        try:
            if len(body) > REQUEST:
                return self.say(413, {"error": {"code": 413, "message": "Request payload size exceeds the limit"}})
            self.say(200, answer(self.command, [unquote(part) for part in url.path.strip("/").split("/")], asked, body))
        except Fault as fault:
            code = CODES.get(fault.body["reason"], 400)
            error = {"code": code, "message": fault.body["message"], "errors": [fault.body | {"domain": "global"}]}
            self.say(code, {"error": error})
        except Exception as error:  # a flaw of this stand-in; the client is to hear of it
            self.say(500, {"error": {"code": 500, "message": repr(error), "errors": [{"reason": "internalError"}]}})
            raise

    do_GET = do_POST = go

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
