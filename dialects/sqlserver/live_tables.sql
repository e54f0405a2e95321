{# https://learn.microsoft.com/en-us/sql/relational-databases/system-catalog-views/sys-tables-transact-sql -#}
{% from "found.sql" import found %}
SELECT {{ found("o.name") }} AS table_name,
  CASE WHEN o.type = 'V' THEN 'view' WHEN o.type = 'SN' THEN 'synonym' WHEN t.is_external = 1 THEN 'external table'
    WHEN t.is_memory_optimized = 1 THEN 'memory-optimized table' ELSE 'table' END AS kind,
  CAST(e.value AS NVARCHAR(MAX)) AS comment
FROM sys.objects o JOIN sys.schemas s ON s.schema_id = o.schema_id LEFT JOIN sys.tables t ON t.object_id = o.object_id
LEFT JOIN sys.extended_properties e ON e.class = 1 AND e.major_id = o.object_id AND e.minor_id = 0 AND e.name = N'MS_Description'
WHERE s.name = N{{ lit(schema) }} AND o.type IN ('U', 'V', 'SN') AND LEFT(o.name, {{ prefix|length }}) = N{{ lit(prefix) }}
