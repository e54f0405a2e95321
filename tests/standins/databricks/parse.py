"""Spark's own parser for the stand-in: a statement a line in JSON, and a line back: null, or what Spark says of it."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "validators"))

import spark_parser  # noqa: E402

for line in sys.stdin:
    print(json.dumps(spark_parser.refusal(json.loads(line))), flush=True)
