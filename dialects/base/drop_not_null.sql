ALTER TABLE {{ table(table_name) }} ALTER COLUMN {{ ident(column.name) }} DROP NOT NULL
