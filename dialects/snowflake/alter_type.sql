{# https://docs.snowflake.com/en/sql-reference/sql/alter-table-column -#}
ALTER TABLE {{ table(table_name) }} ALTER COLUMN {{ ident(column.name) }} SET DATA TYPE {{ column.type }}
