"""Any dialect, by sqlfluff's parser. Argument: its name for the dialect."""

import logging
import re
import sys

from protocol import Refused, serve
from sqlfluff.core import FluffConfig, Linter

logging.disable(logging.CRITICAL)
linter = Linter(FluffConfig(overrides={"dialect": sys.argv[1], "templater": "raw"}))

# Snowflake's and Oracle's numbered parameters, which sqlfluff does not know, and before them all that may hold the like.
PARAMETER = re.compile(r"""('(?:[^'\\]|''|\\.)*'|"[^"]*"|--[^\n]*|/\*.*?\*/|\$\$.*?\$\$)|\?|(?<!:):\d+""", re.DOTALL)


def judge(entry: dict) -> None:
    parsed = linter.parse_string(PARAMETER.sub(lambda found: found[1] or "1", entry["sql"]))
    for violation in parsed.violations:
        raise Refused(violation.desc())
    if parsed.tree is None or len(list(parsed.tree.recursive_crawl("statement", recurse_into=False))) != 1:
        raise Refused("not one statement")


serve(judge)
