ALTER TABLE {{ table(table_name) }} RENAME COLUMN {{ ident(column.was) }} TO {{ ident(column.name) }}
