ALTER TABLE {{ table(table_name) }} ALTER COLUMN {{ ident(column.name) }} SET DEFAULT {{ column.default }}
