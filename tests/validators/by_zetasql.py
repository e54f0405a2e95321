"""BigQuery, by ZetaSQL's analyser: Google's own, which resolves names and types too.

The catalog grows by what the statements create, so that later ones resolve. An entry may have "parameters", names
to types; without, a parameter is guessed from where it stands. Argument: a wasmtime cache file."""

import re
import sys
from collections.abc import Iterator
from functools import cache

from protocol import Refused, serve
from wasmtime import Config
from zetasql.api import Analyzer
from zetasql.core import wasm_client
from zetasql.core.exceptions import ZetaSQLError
from zetasql.types import (
    AllowedHintsAndOptions,
    AnalyzerOptions,
    LanguageFeature,
    LanguageOptions,
    ProductMode,
    ResolvedAddColumnAction,
    ResolvedAlterTableStmt,
    ResolvedColumnDefinition,
    ResolvedColumnRef,
    ResolvedCreateTableStmt,
    ResolvedCreateTableStmtBase,
    ResolvedNodeKind,
    ResolvedStatement,
    SimpleCatalog,
    SimpleColumn,
    SimpleTable,
    Type,
    TypeKind,
    ZetaSQLBuiltinFunctionOptions,
)


def cached_config() -> Config:
    config = Config()
    config.cache = sys.argv[1]
    return config


wasm_client.Config = cached_config

STATEMENTS = """
    QUERY INSERT UPDATE DELETE MERGE TRUNCATE CREATE_SCHEMA ALTER_SCHEMA CREATE_TABLE CREATE_TABLE_AS_SELECT
    CREATE_VIEW ALTER_TABLE ALTER_TABLE_SET_OPTIONS ALTER_VIEW DROP GRANT REVOKE BEGIN COMMIT ROLLBACK ASSERT
    EXECUTE_IMMEDIATE
""".split()

NOT_BIGQUERYS = "INSERT_ON_CONFLICT_CLAUSE DML_RETURNING CHECK_CONSTRAINT IDENTITY_COLUMNS GENERATED_BY_DEFAULT".split()

OPTIONS = """
    description friendly_name labels location expiration_timestamp default_table_expiration_days
    default_partition_expiration_days partition_expiration_days require_partition_filter is_case_insensitive
    max_time_travel_hours storage_billing_model rounding_mode
""".split()

# BigQuery's other names for INT64.
INTEGERS = "INT SMALLINT INTEGER BIGINT TINYINT BYTEINT".split()

# INFORMATION_SCHEMA's views, as far as a migration asks them.
VIEWS = {
    "SCHEMATA": "catalog_name schema_name location ddl",
    "TABLES": "table_catalog table_schema table_name table_type ddl",
    "COLUMNS": "table_catalog table_schema table_name column_name ordinal_position is_nullable data_type column_default",
    "COLUMN_FIELD_PATHS": "table_catalog table_schema table_name column_name field_path data_type description",
    "TABLE_OPTIONS": "table_catalog table_schema table_name option_name option_type option_value",
    "TABLE_CONSTRAINTS": "table_catalog table_schema table_name constraint_name constraint_type enforced",
    "KEY_COLUMN_USAGE": "table_catalog table_schema table_name constraint_name column_name ordinal_position",
    "CONSTRAINT_COLUMN_USAGE": "table_catalog table_schema table_name constraint_name column_name",
}
VIEW = re.compile(r"((?:[\w.`-]+\.)?INFORMATION_SCHEMA)`?\.`?(\w+)", re.IGNORECASE)

language = LanguageOptions.maximum_features()
language.product_mode = ProductMode.PRODUCT_EXTERNAL
for feature in NOT_BIGQUERYS:
    language.enabled_language_features.remove(getattr(LanguageFeature, f"FEATURE_{feature}"))
language.supported_statement_kinds = [getattr(ResolvedNodeKind, f"RESOLVED_{name}_STMT") for name in STATEMENTS]
options = AnalyzerOptions(
    language_options=language,
    allow_undeclared_parameters=True,
    allowed_hints_and_options=AllowedHintsAndOptions(
        disallow_unknown_options=True,
        option=[AllowedHintsAndOptions.Option(name=name) for name in OPTIONS],
    ),
)
root = SimpleCatalog(
    name="",
    builtin_function_options=ZetaSQLBuiltinFunctionOptions(language_options=language),
    named_type=[SimpleCatalog.NamedType(name=alias, type=Type(type_kind=TypeKind.TYPE_INT64)) for alias in INTEGERS],
)
analyzer = Analyzer(options, root)


def spellings(parts: list[str]) -> Iterator[list[str]]:
    """`p`.`d`.`t`, `p.d`.`t` and so on: BigQuery takes dots within the backticks for those between them."""
    if len(parts) == 1:
        yield parts
        return
    for head, *tail in spellings(parts[1:]):
        yield [parts[0], head, *tail]
        yield [f"{parts[0]}.{head}", *tail]


def column(name: str, of: Type) -> SimpleColumn:
    return SimpleColumn(name=name, type=of, is_writable_column=True)


def columns(definitions: list[ResolvedColumnDefinition]) -> list[SimpleColumn]:
    return [column(definition.name, definition.type) for definition in definitions]


def tables(path: str) -> Iterator[SimpleTable]:
    """The entries of a table, one for each spelling of its name; new ones are empty."""
    for *schemas, name in spellings(path.split(".")):
        catalog = root
        for schema in schemas:
            inner = next((inner for inner in catalog.catalog if inner.name == schema), None)
            if inner is None:
                inner = SimpleCatalog(name=schema)
                catalog.catalog.append(inner)
            catalog = inner
        if catalog.get_table(name) is None:
            catalog.table.append(SimpleTable(name=name))
        yield catalog.get_table(name)


def declare_views(sql: str) -> None:
    for schema, view in VIEW.findall(sql):
        kinds = {"ordinal_position": TypeKind.TYPE_INT64}
        for table in tables(f"{schema}.{view}".replace("`", "")):
            table.column = [
                column(name, Type(type_kind=kinds.get(name, TypeKind.TYPE_STRING)))
                for name in VIEWS.get(view.upper(), "").split()
            ]


def is_column(expression: object) -> bool:
    return isinstance(expression, ResolvedColumnRef)


@cache
def type_named(name: str) -> Type:
    return analyzer.analyze_statement(f"SELECT CAST(NULL AS {name})").output_column_list[0].column.type


def analyse(sql: str, parameters: dict[str, str]) -> ResolvedStatement:
    """The statement as BigQuery understands it, with what the catalog holds; `parameters` gives the types of some."""
    declare_views(sql)
    options.query_parameters = [
        AnalyzerOptions.QueryParameter(name=name, type=of)
        for name, of in {name: type_named(of) for name, of in parameters.items()}.items()
    ]
    try:
        statement = analyzer.analyze_statement(sql)
    except ZetaSQLError as error:
        raise Refused(str(error)) from None
    match statement:
        case ResolvedCreateTableStmt(cluster_by_list=keys) if len(keys) > 4 or not all(map(is_column, keys)):
            raise Refused("CLUSTER BY takes up to four columns")
        case ResolvedCreateTableStmtBase(primary_key=key) if key and not key.unenforced:
            raise Refused("BigQuery has no PRIMARY KEY but NOT ENFORCED ones")
    return statement


def judge(entry: dict) -> None:
    match analyse(entry["sql"], entry.get("parameters", {})):
        case ResolvedCreateTableStmtBase() as statement:
            for table in tables(".".join(statement.name_path)):
                table.column = columns(statement.column_definition_list)
        case ResolvedAlterTableStmt() as statement:
            added = [
                action.column_definition
                for action in statement.alter_action_list
                if isinstance(action, ResolvedAddColumnAction)
            ]
            for table in tables(".".join(statement.name_path)):
                table.column.extend(columns(added))


if __name__ == "__main__":
    serve(judge)
