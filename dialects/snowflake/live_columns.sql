SELECT c.table_name, c.column_name, {% include "sql_type.sql" %},
  LOWER(c.is_nullable), CASE WHEN c.is_identity = 'YES' THEN 'identity' ELSE c.column_default END, c.collation_name, c.comment
FROM information_schema.columns c WHERE c.table_schema = {{ lit(schema) }} AND STARTSWITH(c.table_name, {{ lit(folded(prefix)) }})
ORDER BY c.table_name, c.ordinal_position
