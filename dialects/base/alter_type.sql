ALTER TABLE {{ table(table_name) }} ALTER COLUMN {{ ident(column.name) }} TYPE {{ column.type }}
