{# https://cloud.google.com/bigquery/docs/reference/standard-sql/data-definition-language#alter_column_set_options_statement -#}
ALTER TABLE {{ table(table_name) }} ALTER COLUMN {{ ident(column) }} SET OPTIONS (description = {{ lit(comment) }})
