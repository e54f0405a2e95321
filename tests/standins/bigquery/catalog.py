"""What datasets and tables there are, as BigQuery's own DDL has made them.

ZetaSQL resolves the DDL, this remembers what it says, and the emulator is given as much of it as it knows: columns
with their types, NOT NULL and defaults. Keys and clustering, which BigQuery does not enforce either, and descriptions
are kept here alone, and INFORMATION_SCHEMA is answered from here."""

import itertools
import json
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import by_zetasql as zetasql
from zetasql import types as resolved

# How a table is named in a statement: `dataset`.`table`, with or without the backticks.
NAMED = re.compile(r"`?\b([A-Za-z_]\w*)`?\.`?([A-Za-z_]\w*)\b`?")


VERSIONS = itertools.count()


class Fault(Exception):
    """An error as the API tells it: https://cloud.google.com/bigquery/docs/error-messages."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.body = {"reason": reason, "message": message}


@dataclass
class Column:
    name: str
    type: str
    null: bool = True
    default: str | None = None
    description: str | None = None


@dataclass
class ForeignKey:
    name: str
    columns: list[str]
    table: tuple[str, str]


@dataclass
class Table:
    columns: list[Column]
    primary_key: list[str] = field(default_factory=list)
    foreign_keys: list[ForeignKey] = field(default_factory=list)
    options: dict[str, str] = field(default_factory=dict)

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name.lower() == name.lower()), None)


@dataclass
class Dataset:
    location: str
    tables: dict[str, Table] = field(default_factory=dict)
    version: int = field(default_factory=lambda: next(VERSIONS))


def sql_type(of: resolved.Type) -> str:
    return of.type_kind.name.removeprefix("TYPE_")


def zetasql_type(name: str) -> resolved.Type:
    return resolved.Type(type_kind=resolved.TypeKind[f"TYPE_{name}"])


def text_options(options: list) -> dict[str, str]:
    return {option.name: option.value.value.value.string_value for option in options}


def column_of(definition: resolved.ResolvedColumnDefinition) -> Column:
    notes = definition.annotations
    default = definition.default_value
    return Column(
        name=definition.name,
        type=sql_type(definition.type),
        null=not (notes and notes.not_null),
        default=default.sql if default else None,
        description=text_options(notes.option_list).get("description") if notes else None,
    )


def relation(names: list[str], rows: list[dict]) -> str:
    """Rows as a subquery, which is short however many there are: the emulator takes its time over long statements."""
    kinds = {"ordinal_position": "INT64"}
    columns = [f"CAST(JSON_VALUE(r, '$.{name}') AS {kinds.get(name, 'STRING')}) AS {name}" for name in names]
    text = json.dumps(json.dumps([{name: row.get(name) for name in names} for row in rows]))
    return f"(SELECT {', '.join(columns)} FROM UNNEST(JSON_QUERY_ARRAY({text})) AS r)"


class Resolver(zetasql.Analyzer):
    """ZetaSQL keeps the catalogs that were asked for last: to hand it one takes longer than to resolve a statement."""

    MOST = 50

    def __init__(self) -> None:
        super().__init__(zetasql.options, zetasql.root)
        self.kept: OrderedDict[object, int] = OrderedDict()
        self.id = 0

    def use(self, key: object, declare: Callable[[], None]) -> None:
        """Has the catalog of that key in use, which `declare` makes."""
        if key in self.kept:
            self.kept.move_to_end(key)
        else:
            declare()
            self.kept[key] = self.service.register_catalog(simple_catalog=self.catalog).registered_id
            if len(self.kept) > self.MOST:
                self.service.unregister_catalog(registered_id=self.kept.popitem(last=False)[1])
        self.id = self.kept[key]

    def analyze_statement(self, sql: str) -> resolved.ResolvedStatement:
        response = self.service.analyze(sql_statement=sql, options=self.options, registered_catalog_id=self.id)
        return response.resolved_statement


zetasql.analyzer = resolver = Resolver()


class Catalog:
    """The datasets of one project. `run` has the emulator run a statement."""

    def __init__(self, project: str, run: Callable[[str], object]) -> None:
        self.project = project
        self.run = run
        self.datasets: dict[str, Dataset] = {}

    def dataset(self, name: str, location: str) -> Dataset:
        found = self.datasets.get(name)
        if found is None or found.location.lower() != location.lower():
            raise Fault("notFound", f"Not found: Dataset {self.project}:{name} was not found in location {location}")
        return found

    def table(self, path: list[str], location: str) -> Table:
        dataset, name = path
        found = self.dataset(dataset, location).tables.get(name)
        if found is None:
            raise Fault("notFound", f"Not found: Table {self.project}:{dataset}.{name} was not found in location {location}")
        return found

    def named(self, sql: str) -> list[str]:
        """The datasets that a statement names, in any case."""
        known = {name.lower() for name in self.datasets}
        return [dataset for dataset, _ in NAMED.findall(sql) if dataset.lower() in known]

    def check_names(self, sql: str, location: str) -> None:
        """Refuses what differs in case alone, or is elsewhere: ZetaSQL would find it."""
        for dataset, name in NAMED.findall(sql):
            if dataset in self.named(sql) and name.upper() != "INFORMATION_SCHEMA":
                tables = self.dataset(dataset, location).tables
                if name not in tables and name.lower() in map(str.lower, tables):
                    self.table([dataset, name], location)

    def declare(self, sql: str) -> None:
        """Tells ZetaSQL of the tables in the datasets that a statement names."""
        datasets = sorted(set(self.named(sql)) & set(self.datasets))
        views = frozenset(zetasql.VIEW.findall(sql))

        def declare() -> None:
            zetasql.root.catalog.clear()
            zetasql.declare_views(sql)
            for dataset in datasets:
                for name, table in self.datasets[dataset].tables.items():
                    for entry in zetasql.tables(f"{dataset}.{name}"):
                        entry.column = [zetasql.column(each.name, zetasql_type(each.type)) for each in table.columns]

        resolver.use((views, *[(name, self.datasets[name].version) for name in datasets]), declare)

    def with_views(self, sql: str, location: str) -> str:
        """The statement with what INFORMATION_SCHEMA holds in its place."""

        def rows(found: re.Match) -> str:
            scope = found[1].replace("`", "").split(".")[:-1]
            view = found[2].upper()
            if view == "SCHEMATA":
                here = {name: each for name, each in self.datasets.items() if each.location.lower() == location.lower()}
                entries = [{"catalog_name": self.project, "schema_name": name, "location": each.location} for name, each in here.items()]
            elif not scope:
                raise Fault("invalidQuery", f'Table "INFORMATION_SCHEMA.{view}" must be qualified with a dataset (e.g. dataset.table).')
            else:
                dataset = self.dataset(scope[-1], location)
                entries = [
                    {"table_catalog": self.project, "table_schema": scope[-1], "table_name": name} | row
                    for name, table in dataset.tables.items()
                    for row in self.rows_of(view, name, table)
                ]
            return relation(zetasql.VIEWS[view].split(), entries)

        return zetasql.VIEW.sub(rows, sql)

    def rows_of(self, view: str, name: str, table: Table) -> Iterator[dict]:
        match view:
            case "TABLES":
                yield {"table_type": "BASE TABLE"}
            case "TABLE_OPTIONS":
                for option, value in table.options.items():
                    yield {"option_name": option, "option_type": "STRING", "option_value": json.dumps(value)}
            case "COLUMNS" | "COLUMN_FIELD_PATHS":
                for at, each in enumerate(table.columns, 1):
                    nullable = "YES" if each.null else "NO"
                    of = {"column_name": each.name, "field_path": each.name, "data_type": each.type}
                    rest = {"is_nullable": nullable, "column_default": each.default or "NULL", "description": each.description}
                    yield of | rest | {"ordinal_position": at}
            case "TABLE_CONSTRAINTS" | "KEY_COLUMN_USAGE" | "CONSTRAINT_COLUMN_USAGE":
                yield from self.rows_of_keys(view, name, table)
            case _:
                raise Fault("invalidQuery", f"INFORMATION_SCHEMA.{view} is not in this stand-in")

    def rows_of_keys(self, view: str, name: str, table: Table) -> Iterator[dict]:
        keys = [(f"{name}.{key.name}", "FOREIGN KEY", key.columns, key.table) for key in table.foreign_keys]
        if table.primary_key:
            keys.append((f"{name}.pk$", "PRIMARY KEY", table.primary_key, None))
        for constraint, kind, columns, target in keys:
            row = {"constraint_name": constraint, "constraint_type": kind, "enforced": "NO"}
            if view == "TABLE_CONSTRAINTS":
                yield row
                continue
            # CONSTRAINT_COLUMN_USAGE names the table and the columns that a foreign key refers to.
            used = columns
            if view == "CONSTRAINT_COLUMN_USAGE" and target:
                row |= {"table_schema": target[0], "table_name": target[1]}
                used = self.datasets[target[0]].tables[target[1]].primary_key
            for at, column in enumerate(used, 1):
                yield row | {"column_name": column, "ordinal_position": at}

    def apply(self, statement: resolved.ResolvedStatement, sql: str, location: str) -> bool:
        """Runs DDL; false where the statement is none."""
        match statement:
            case resolved.ResolvedCreateSchemaStmt():
                self.create_schema(statement, location)
                return True
            case resolved.ResolvedCreateTableStmtBase():
                change = partial(self.create_table, statement, sql, location)
            case resolved.ResolvedAlterTableSetOptionsStmt() | resolved.ResolvedAlterTableStmt():
                change = partial(self.alter_table, statement, location)
            case resolved.ResolvedDropStmt():
                change = partial(self.drop, statement, location)
            case _:
                return False
        try:
            change()
        finally:
            if dataset := self.datasets.get(statement.name_path[0]):
                dataset.version = next(VERSIONS)
        return True

    def create_schema(self, statement: resolved.ResolvedCreateSchemaStmt, location: str) -> None:
        wanted = text_options(statement.option_list).get("location", location)
        if wanted.lower() != location.lower():
            raise Fault("invalidQuery", f"The location of the dataset, {wanted}, is not that of the query, {location}")
        [name] = statement.name_path
        if name in self.datasets:
            # The names of a project are those of all its locations.
            if statement.create_mode.name != "CREATE_IF_NOT_EXISTS" or self.datasets[name].location.lower() != location.lower():
                raise Fault("duplicate", f"Already Exists: Dataset {self.project}:{name}")
            return
        self.run(f"CREATE SCHEMA `{name}`")
        self.datasets[name] = Dataset(location)

    def create_table(self, statement: resolved.ResolvedCreateTableStmtBase, sql: str, location: str) -> None:
        dataset, name = statement.name_path
        tables = self.dataset(dataset, location).tables
        if name in tables:
            if statement.create_mode.name != "CREATE_IF_NOT_EXISTS":
                raise Fault("duplicate", f"Already Exists: Table {self.project}:{dataset}.{name}")
            return
        table = Table([column_of(each) for each in statement.column_definition_list], options=text_options(statement.option_list))
        names = [column.name for column in table.columns]
        if statement.primary_key:
            table.primary_key = [names[at] for at in statement.primary_key.column_offset_list]
        for at, key in enumerate(statement.foreign_key_list, 1):
            columns = [names[offset] for offset in key.referencing_column_offset_list]
            [target] = {found for found in NAMED.findall(sql) if f"{found[1]}" == key.referenced_table.name.split(".")[-1]}
            table.foreign_keys.append(ForeignKey(key.constraint_name or f"fk${at}", columns, target))
        if isinstance(statement, resolved.ResolvedCreateTableAsSelectStmt):
            self.run(sql)
        else:
            columns = ", ".join(map(self.defined, table.columns))
            self.run(f"CREATE TABLE `{dataset}`.`{name}` ({columns})")
        tables[name] = table

    def add(self, dataset: str, name: str, table: Table) -> None:
        """Makes a table that the API was asked for."""
        there = self.datasets[dataset]
        if name in there.tables:
            raise Fault("duplicate", f"Already Exists: Table {self.project}:{dataset}.{name}")
        self.run(f"CREATE TABLE `{dataset}`.`{name}` ({', '.join(map(self.defined, table.columns))})")
        there.tables[name], there.version = table, next(VERSIONS)

    def remove(self, dataset: str, name: str) -> None:
        """Drops a table that the API was asked to."""
        there = self.datasets.get(dataset)
        if there is None or name not in there.tables:
            raise Fault("notFound", f"Not found: Table {self.project}:{dataset}.{name}")
        self.run(f"DROP TABLE `{dataset}`.`{name}`")
        del there.tables[name]
        there.version = next(VERSIONS)

    def defined(self, column: Column) -> str:
        default = f" DEFAULT {column.default}" if column.default else ""
        return f"`{column.name}` {column.type}{default}{'' if column.null else ' NOT NULL'}"

    def alter_table(self, statement: resolved.ResolvedStatement, location: str) -> None:
        table = self.table(statement.name_path, location)
        if isinstance(statement, resolved.ResolvedAlterTableSetOptionsStmt):
            table.options |= text_options(statement.option_list)
        else:
            for action in statement.alter_action_list:
                self.alter(statement.name_path, action, location)

    def alter(self, path: list[str], action: object, location: str) -> None:
        table = self.table(path, location)
        alter = f"ALTER TABLE `{path[0]}`.`{path[1]}`"
        match action:
            case resolved.ResolvedAddColumnAction():
                column = column_of(action.column_definition)
                if table.column(column.name):
                    if not action.is_if_not_exists:
                        raise Fault("invalidQuery", f"Column already exists: {column.name}")
                    return
                if not column.null or column.default:
                    raise Fault("invalidQuery", f"Cannot add column {column.name} as REQUIRED or with a default to a table that is there")
                self.run(f"{alter} ADD COLUMN {self.defined(column)}")
                table.columns.append(column)
                return
            case resolved.ResolvedRenameColumnAction() | resolved.ResolvedDropColumnAction():
                name = action.name
            case _:
                name = action.column
        column = table.column(name)
        if column is None:
            if action.is_if_exists:
                return
            raise Fault("invalidQuery", f"Column not found: {name}")
        match action:
            case resolved.ResolvedRenameColumnAction():
                self.run(f"{alter} RENAME COLUMN `{column.name}` TO `{action.new_name}`")
                column.name = action.new_name
            case resolved.ResolvedDropColumnAction():
                self.run(f"{alter} DROP COLUMN `{column.name}`")
                table.columns.remove(column)
            case resolved.ResolvedAlterColumnOptionsAction():
                column.description = text_options(action.option_list).get("description", column.description)
            case resolved.ResolvedAlterColumnDropNotNullAction():
                if column.null:
                    raise Fault("invalidQuery", f"ALTER TABLE ALTER COLUMN DROP NOT NULL requires that column {name} is NOT NULL")
                self.run(f"{alter} ALTER COLUMN `{column.name}` DROP NOT NULL")
                column.null = True
            case resolved.ResolvedAlterColumnSetDefaultAction():
                self.run(f"{alter} ALTER COLUMN `{column.name}` SET DEFAULT {action.default_value.sql}")
                column.default = action.default_value.sql
            case _:
                raise Fault("invalidQuery", f"{type(action).__name__} is not in this stand-in")

    def drop(self, statement: resolved.ResolvedDropStmt, location: str) -> None:
        try:
            if statement.object_type == "SCHEMA":
                [name] = statement.name_path
                if self.dataset(name, location).tables and statement.drop_mode.name != "CASCADE":
                    raise Fault("resourceInUse", f"Dataset {self.project}:{name} is still in use")
                self.run(f"DROP SCHEMA `{name}` CASCADE")
                del self.datasets[name]
            else:
                self.table(statement.name_path, location)
                dataset, name = statement.name_path
                self.run(f"DROP TABLE `{dataset}`.`{name}`")
                del self.datasets[dataset].tables[name]
        except Fault as fault:
            if fault.body["reason"] != "notFound" or not statement.is_if_exists:
                raise
