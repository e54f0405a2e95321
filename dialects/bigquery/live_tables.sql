{# An option is told as the literal that it was given as: https://cloud.google.com/bigquery/docs/information-schema-table-options -#}
SELECT t.table_name AS table_name, CASE WHEN t.table_type = 'BASE TABLE' THEN 'table' ELSE LOWER(t.table_type) END AS kind,
  JSON_VALUE(o.option_value) AS comment
FROM {{ ident(schema) }}.INFORMATION_SCHEMA.TABLES AS t
LEFT JOIN {{ ident(schema) }}.INFORMATION_SCHEMA.TABLE_OPTIONS AS o ON o.table_name = t.table_name AND o.option_name = 'description'
WHERE SUBSTR(t.table_name, 1, {{ prefix|length }}) = {{ lit(prefix) }}
