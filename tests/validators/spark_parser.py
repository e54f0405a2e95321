"""Spark's SQL parser: its classes in a JVM, without a session."""

from pathlib import Path

import pyspark
from py4j.java_gateway import GatewayParameters, JavaGateway, launch_gateway
from py4j.protocol import Py4JJavaError

port, token = launch_gateway(
    classpath=str(Path(pyspark.__file__).parent / "jars" / "*"),
    javaopts=["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"],
    die_on_exit=True,
    enable_auth=True,
)
gateway = JavaGateway(gateway_parameters=GatewayParameters(port=port, auth_token=token))
parser = gateway.jvm.org.apache.spark.sql.execution.SparkSqlParser()


def refusal(sql: str) -> str | None:
    """What Spark says of a statement that it cannot parse."""
    try:
        parser.parsePlan(sql)
    except Py4JJavaError as error:
        return error.java_exception.getMessage().strip()
    return None
