{% from "found.sql" import found %}
SELECT {{ found("o.name") }} AS table_name, {{ found("k.name") }} AS column_name,
  {% include "sql_type.sql" %} AS sql_type,
  CASE WHEN k.is_nullable = 1 THEN 'yes' ELSE 'no' END AS is_nullable, d.definition AS column_default, k.collation_name AS collation_name,
  CAST(e.value AS NVARCHAR(MAX)) AS comment
FROM sys.columns k JOIN sys.objects o ON o.object_id = k.object_id JOIN sys.schemas s ON s.schema_id = o.schema_id
JOIN sys.types y ON y.user_type_id = k.user_type_id
LEFT JOIN sys.default_constraints d ON d.parent_object_id = k.object_id AND d.parent_column_id = k.column_id
LEFT JOIN sys.extended_properties e ON e.class = 1 AND e.major_id = k.object_id AND e.minor_id = k.column_id AND e.name = N'MS_Description'
WHERE s.name = N{{ lit(schema) }} AND o.type IN ('U', 'V') AND LEFT(o.name, {{ prefix|length }}) = N{{ lit(prefix) }}
ORDER BY o.name, k.column_id
