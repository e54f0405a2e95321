{# https://docs.databricks.com/en/sql/language-manual/information-schema/tables.html; each catalog has an information schema of its own -#}
SELECT table_name,
  CASE WHEN table_type NOT IN ('MANAGED', 'EXTERNAL') THEN REPLACE(LOWER(table_type), '_', ' ') WHEN UPPER(data_source_format) = 'DELTA' THEN 'table'
    ELSE CONCAT(LOWER(COALESCE(data_source_format, 'other')), ' table') END AS kind,
  comment
FROM information_schema.tables WHERE table_schema = {{ lit(schema) }} AND SUBSTR(table_name, 1, {{ prefix|length }}) = {{ lit(prefix) }}
