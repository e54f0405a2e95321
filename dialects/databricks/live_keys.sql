{# https://docs.databricks.com/en/sql/language-manual/information-schema/table_constraints.html, …/key_column_usage.html, …/referential_constraints.html -#}
SELECT CASE WHEN c.constraint_type = 'PRIMARY KEY' THEN 'primary' ELSE 'foreign' END AS kind, c.table_name, c.constraint_name, LOWER(k.column_name) AS column_name,
  CASE WHEN u.table_schema = c.table_schema THEN u.table_name ELSE CONCAT(u.table_schema, '.', u.table_name) END AS ref_table, LOWER(u.column_name) AS ref_column
FROM information_schema.table_constraints c
JOIN information_schema.key_column_usage k ON k.constraint_schema = c.constraint_schema AND k.constraint_name = c.constraint_name AND k.table_name = c.table_name
LEFT JOIN information_schema.referential_constraints r ON r.constraint_schema = c.constraint_schema AND r.constraint_name = c.constraint_name
LEFT JOIN information_schema.key_column_usage u ON u.constraint_schema = r.unique_constraint_schema AND u.constraint_name = r.unique_constraint_name
  AND u.ordinal_position = k.position_in_unique_constraint
WHERE c.table_schema = {{ lit(schema) }} AND c.constraint_type IN ('PRIMARY KEY', 'FOREIGN KEY') AND SUBSTR(c.table_name, 1, {{ prefix|length }}) = {{ lit(prefix) }}
ORDER BY c.table_name, c.constraint_name, k.ordinal_position
