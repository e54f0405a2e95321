SELECT o.name AS table_name, k.name AS column_name,
  {% include "sql_type.sql" %} AS sql_type,
  CASE WHEN k.is_nullable = 1 THEN 'yes' ELSE 'no' END AS is_nullable
FROM sys.columns k JOIN sys.objects o ON o.object_id = k.object_id JOIN sys.schemas s ON s.schema_id = o.schema_id
JOIN sys.types y ON y.user_type_id = k.user_type_id
WHERE s.name = N{{ lit(schema) }} AND o.type IN ('U', 'V') ORDER BY o.name, k.column_id
