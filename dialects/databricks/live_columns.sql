{# The full type names a collation where there is one: https://docs.databricks.com/en/sql/language-manual/information-schema/columns.html -#}
SELECT table_name, LOWER(column_name) AS column_name, LOWER(full_data_type) AS sql_type, LOWER(is_nullable) AS is_nullable, column_default,
  CAST(NULL AS STRING) AS collation_name, comment
FROM information_schema.columns WHERE table_schema = {{ lit(schema) }} AND SUBSTR(table_name, 1, {{ prefix|length }}) = {{ lit(prefix) }}
ORDER BY table_name, ordinal_position
