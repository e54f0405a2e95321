{# https://cloud.google.com/bigquery/docs/reference/standard-sql/data-definition-language#alter_table_rename_column_statement -#}
ALTER TABLE {{ table(table_name) }} RENAME COLUMN IF EXISTS {{ ident(column.was) }} TO {{ ident(column.name) }}
