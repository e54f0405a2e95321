"""SQL Server, by Microsoft's SqlParser, which the language server in the mssql-cli wheel holds.

A batch's EXEC('…') and sp_executesql N'…' are judged as batches of their own. Argument: where the wheel is."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from protocol import Refused, serve

home = Path(sys.argv[1])
server = subprocess.Popen(
    [home / "mssqlcli/mssqltoolsservice/bin/MicrosoftSqlToolsServiceLayer"],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    env=os.environ
    | {
        "HOME": str(home),
        "LD_LIBRARY_PATH": str(home / "psycopg2_binary.libs"),
        "CLR_OPENSSL_VERSION_OVERRIDE": "1.1",
        "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1",
        "COMPlus_EnableDiagnostics": "0",
    },
)

DYNAMIC = re.compile(r"\b(?:EXEC(?:UTE)?\s*\(\s*|sp_executesql\s+)N?'((?:[^']|'')*)'", re.IGNORECASE)


def receive() -> dict:
    length = 0
    while (line := server.stdout.readline()).strip():
        name, _, value = line.partition(b":")
        if name.lower().endswith(b"content-length"):  # the very first has a byte-order mark
            length = int(value)
    if not length:
        sys.exit(f"the language server ended with {server.wait()}")
    return json.loads(server.stdout.read(length))


def call(method: str, params: dict) -> dict:
    body = json.dumps({"jsonrpc": "2.0", "id": method, "method": method, "params": params}).encode()
    server.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
    server.stdin.flush()
    while (message := receive()).get("id") != method:
        pass
    return message["result"]


def parse(batch: str) -> None:
    answer = call("query/syntaxparse", {"ownerUri": "file:///batch.sql", "query": batch})
    if not answer["parseable"]:
        raise Refused(" ".join(answer["errors"]))
    for literal in DYNAMIC.findall(batch):
        parse(literal.replace("''", "'"))


call("initialize", {"processId": os.getpid(), "capabilities": {}})
serve(lambda entry: parse(entry["sql"]))
server.kill()
