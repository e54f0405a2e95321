"""Databricks, by Spark's SQL parser: its classes in a JVM, without a session."""

from pathlib import Path

import pyspark
from protocol import NoOpinion, Refused, serve
from py4j.java_gateway import GatewayParameters, JavaGateway, launch_gateway
from py4j.protocol import Py4JJavaError

# Unity Catalog's, which Spark's grammar knows only as something it cannot do.
NOT_SPARKS = ("GRANT", "REVOKE")

port, token = launch_gateway(
    classpath=str(Path(pyspark.__file__).parent / "jars" / "*"),
    javaopts=["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"],
    die_on_exit=True,
    enable_auth=True,
)
gateway = JavaGateway(gateway_parameters=GatewayParameters(port=port, auth_token=token))
parser = gateway.jvm.org.apache.spark.sql.execution.SparkSqlParser()


def judge(entry: dict) -> None:
    sql = entry["sql"]
    if sql.lstrip().upper().startswith(NOT_SPARKS):
        raise NoOpinion
    try:
        parser.parsePlan(sql)
    except Py4JJavaError as error:
        raise Refused(error.java_exception.getMessage().strip()) from None


serve(judge)
