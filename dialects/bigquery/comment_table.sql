{# https://cloud.google.com/bigquery/docs/reference/standard-sql/data-definition-language#alter_table_set_options_statement -#}
ALTER TABLE {{ table(table_name) }} SET OPTIONS (description = {{ lit(comment) }})
