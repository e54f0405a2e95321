"""SQL Server, by Microsoft's SqlParser, which the language server in the mssql-cli wheel holds.

A batch's EXEC('…') and sp_executesql N'…' are judged as batches of their own."""

import itertools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

from protocol import Refused, serve

home = Path(sys.argv[1]).resolve()
DYNAMIC = re.compile(r"\b(?:EXEC(?:UTE)?\s*\(\s*|sp_executesql\s+)N?'((?:[^']|'')*)'", re.IGNORECASE)

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


def send(method: str, params: dict, **more: object) -> None:
    body = json.dumps({"jsonrpc": "2.0", "method": method, "params": params} | more).encode()
    server.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
    server.stdin.flush()


def receive() -> dict:
    length = 0
    while (line := server.stdout.readline()).strip():
        name, _, value = line.partition(b":")
        if name.lower().endswith(b"content-length"):  # the very first has a byte-order mark
            length = int(value)
    if not length:
        raise SystemExit(f"the language server ended with {server.wait()}")
    return json.loads(server.stdout.read(length))


uris = (f"file:///{number}.sql" for number in itertools.count())


def judge(sql: str) -> None:
    uri = next(uris)
    send("textDocument/didOpen", {"textDocument": {"uri": uri, "languageId": "SQL", "version": 1, "text": sql}})
    while True:
        message = receive()
        params = message.get("params") or {}
        if message.get("method") == "textDocument/publishDiagnostics" and params["uri"] == uri:
            break
    for diagnostic in params["diagnostics"]:
        start = diagnostic["range"]["start"]
        raise Refused(f"{start['line'] + 1}:{start['character'] + 1} {diagnostic['message']}")
    for literal in DYNAMIC.findall(sql):
        judge(literal.replace("''", "'"))


send("initialize", {"processId": os.getpid(), "capabilities": {}}, id="1")
serve(judge)
server.kill()
