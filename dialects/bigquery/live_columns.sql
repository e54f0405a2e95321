{# A column without a default has the word NULL: https://cloud.google.com/bigquery/docs/information-schema-columns. Descriptions are told for the
   paths within a column, of which its own is the first: https://cloud.google.com/bigquery/docs/information-schema-column-field-paths.
   Names of columns do not mind case: https://cloud.google.com/bigquery/docs/reference/standard-sql/lexical#case_sensitivity -#}
SELECT c.table_name AS table_name, LOWER(c.column_name) AS column_name, c.data_type AS sql_type, LOWER(c.is_nullable) AS is_nullable,
  NULLIF(c.column_default, 'NULL') AS column_default, CAST(NULL AS STRING) AS collation_name, p.description AS comment
FROM {{ ident(schema) }}.INFORMATION_SCHEMA.COLUMNS AS c
LEFT JOIN {{ ident(schema) }}.INFORMATION_SCHEMA.COLUMN_FIELD_PATHS AS p
  ON p.table_name = c.table_name AND p.column_name = c.column_name AND p.field_path = c.column_name
WHERE SUBSTR(c.table_name, 1, {{ prefix|length }}) = {{ lit(prefix) }}
ORDER BY c.table_name, c.ordinal_position
