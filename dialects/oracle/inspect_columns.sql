SELECT c.table_name AS table_name, c.column_name AS column_name,
  {% include "column_type.sql" %} AS sql_type,
  CASE c.nullable WHEN 'Y' THEN 'yes' ELSE 'no' END AS is_nullable
FROM all_tab_cols c WHERE c.owner = {{ lit(schema) }} AND c.hidden_column = 'NO' ORDER BY c.table_name, c.column_id
