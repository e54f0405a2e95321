"""Microsoft's SqlParser, which the language server in the mssql-cli wheel holds."""

import ctypes
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from protocol import Refused

DYNAMIC = re.compile(r"\b(?:EXEC(?:UTE)?\s*\(\s*|sp_executesql\s+)N?'((?:[^']|'')*)'", re.IGNORECASE)


def end_with_parent() -> None:
    """The language server does not mind that nobody speaks to it any more: https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html"""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class SqlParser:
    """The language server, and what it says of a batch."""

    def __init__(self, home: Path):
        """`home`: where the wheel is."""
        self.server = subprocess.Popen(
            [home / "mssqlcli/mssqltoolsservice/bin/MicrosoftSqlToolsServiceLayer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            preexec_fn=end_with_parent,
            env=os.environ
            | {
                "HOME": str(home),
                "LD_LIBRARY_PATH": str(home / "psycopg2_binary.libs"),
                "CLR_OPENSSL_VERSION_OVERRIDE": "1.1",
                "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1",
                "COMPlus_EnableDiagnostics": "0",
            },
        )
        self.call("initialize", {"processId": os.getpid(), "capabilities": {}})

    def receive(self) -> dict:
        length = 0
        while (line := self.server.stdout.readline()).strip():
            name, _, value = line.partition(b":")
            if name.lower().endswith(b"content-length"):  # the very first has a byte-order mark
                length = int(value)
        if not length:
            sys.exit(f"the language server ended with {self.server.wait()}")
        return json.loads(self.server.stdout.read(length))

    def call(self, method: str, params: dict) -> dict:
        body = json.dumps({"jsonrpc": "2.0", "id": method, "method": method, "params": params}).encode()
        self.server.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.server.stdin.flush()
        while (message := self.receive()).get("id") != method:
            pass
        return message["result"]

    def parse(self, batch: str) -> None:
        """Accepts a batch or raises what is wrong with it. EXEC('…') and sp_executesql N'…' in it are batches of their own."""
        answer = self.call("query/syntaxparse", {"ownerUri": "file:///batch.sql", "query": batch})
        if not answer["parseable"]:
            raise Refused(" ".join(answer["errors"]))
        for literal in DYNAMIC.findall(batch):
            self.parse(literal.replace("''", "'"))

    def close(self) -> None:
        self.server.kill()
