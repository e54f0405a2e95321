"""SQL Server, by Microsoft's SqlParser. Argument: where the wheel is."""

import sys
from pathlib import Path

from protocol import serve
from sqlparser import SqlParser

parser = SqlParser(Path(sys.argv[1]))
serve(lambda entry: parser.parse(entry["sql"]))
parser.close()
