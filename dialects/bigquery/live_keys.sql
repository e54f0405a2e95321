{# A foreign key refers to the primary key: https://cloud.google.com/bigquery/docs/primary-foreign-keys. Of which table, its row in the last of these
   views tells: https://cloud.google.com/bigquery/docs/information-schema-constraint-column-usage -#}
SELECT CASE k.constraint_type WHEN 'PRIMARY KEY' THEN 'primary' ELSE 'foreign' END AS kind, u.table_name AS table_name, u.constraint_name AS name,
  LOWER(u.column_name) AS column_name, CASE r.table_schema WHEN u.table_schema THEN r.table_name ELSE CONCAT(r.table_schema, '.', r.table_name) END AS ref_table,
  CAST(NULL AS STRING) AS ref_column
FROM {{ ident(schema) }}.INFORMATION_SCHEMA.TABLE_CONSTRAINTS AS k
JOIN {{ ident(schema) }}.INFORMATION_SCHEMA.KEY_COLUMN_USAGE AS u ON u.constraint_name = k.constraint_name AND u.table_name = k.table_name
LEFT JOIN (SELECT DISTINCT constraint_name, table_schema, table_name FROM {{ ident(schema) }}.INFORMATION_SCHEMA.CONSTRAINT_COLUMN_USAGE) AS r
  ON r.constraint_name = k.constraint_name AND k.constraint_type = 'FOREIGN KEY'
WHERE SUBSTR(u.table_name, 1, {{ prefix|length }}) = {{ lit(prefix) }}
ORDER BY u.table_name, u.constraint_name, u.ordinal_position
