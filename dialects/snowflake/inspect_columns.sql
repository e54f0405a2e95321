SELECT c.table_name, c.column_name, {% include "sql_type.sql" %},
  LOWER(c.is_nullable)
FROM information_schema.columns c WHERE c.table_schema = {{ lit(schema) }} ORDER BY c.table_name, c.ordinal_position
