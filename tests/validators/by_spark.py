"""Databricks, by Spark's SQL parser."""

import spark_parser
from protocol import NoOpinion, Refused, serve

# Unity Catalog's, which Spark's grammar knows only as something it cannot do.
NOT_SPARKS = ("GRANT", "REVOKE")


def judge(entry: dict) -> None:
    sql = entry["sql"]
    if sql.lstrip().upper().startswith(NOT_SPARKS):
        raise NoOpinion
    if why := spark_parser.refusal(sql):
        raise Refused(why)


serve(judge)
