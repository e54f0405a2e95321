{# https://learn.microsoft.com/en-us/sql/relational-databases/system-catalog-views/sys-indexes-transact-sql -#}
{% from "found.sql" import found %}
SELECT {{ found("t.name") }} AS table_name, {{ found("x.name") }} AS index_name,
  CONCAT({{ found("k.name") }}, CASE WHEN i.is_descending_key = 1 THEN ' desc' ELSE '' END) AS column_name,
  CASE WHEN x.is_unique = 1 THEN 'yes' ELSE 'no' END AS is_unique,
  CASE WHEN x.is_disabled = 1 THEN 'disabled' WHEN x.has_filter = 1 THEN 'partial' WHEN x.type > 2 THEN LOWER(x.type_desc) END AS flaw
FROM sys.indexes x JOIN sys.tables t ON t.object_id = x.object_id JOIN sys.schemas s ON s.schema_id = t.schema_id
JOIN sys.index_columns i ON i.object_id = x.object_id AND i.index_id = x.index_id JOIN sys.columns k ON k.object_id = i.object_id AND k.column_id = i.column_id
WHERE s.name = N{{ lit(schema) }} AND x.is_primary_key = 0 AND x.is_hypothetical = 0 AND i.key_ordinal > 0
  AND LEFT(t.name, {{ prefix|length }}) = N{{ lit(prefix) }}
ORDER BY t.name, x.name, i.key_ordinal
