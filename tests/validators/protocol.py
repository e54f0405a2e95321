"""What `validate` and the validators say to each other: its JSON list of {"label", "sql"} goes in on stdin,
a list of verdicts as long comes out on stdout."""

import json
import sys
from collections.abc import Callable


class Refused(Exception):
    """The statement is not valid."""


class NoOpinion(Exception):
    """The statement is none this validator can judge."""


def serve(judge: Callable[[dict], None]) -> None:
    """Answers for every entry; `judge` raises what it thinks of one it does not accept."""
    verdicts = []
    for entry in json.load(sys.stdin):
        verdict = {"verdict": "accept", "error": None}
        try:
            judge(entry)
        except Refused as refusal:
            verdict = {"verdict": "refuse", "error": str(refusal)}
        except NoOpinion:
            verdict["verdict"] = "none"
        verdicts.append(verdict)
    json.dump(verdicts, sys.stdout)
