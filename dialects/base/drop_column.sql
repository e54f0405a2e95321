ALTER TABLE {{ table(table_name) }} DROP COLUMN IF EXISTS {{ ident(column.name) }}
