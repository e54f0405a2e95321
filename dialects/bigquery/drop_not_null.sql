{# It is an error where the column may be null already:
   https://cloud.google.com/bigquery/docs/reference/standard-sql/data-definition-language#alter_column_drop_not_null_statement -#}
{% set statement = "ALTER TABLE " ~ table(table_name) ~ " ALTER COLUMN " ~ ident(column.name) ~ " DROP NOT NULL" %}
EXECUTE IMMEDIATE IF(EXISTS(SELECT 1 FROM {{ ident(schema) }}.INFORMATION_SCHEMA.COLUMNS WHERE table_name = {{ lit(table_name) }} AND column_name = {{ lit(column.name) }} AND is_nullable = 'NO'), {{ lit(statement) }}, 'SELECT 1')
