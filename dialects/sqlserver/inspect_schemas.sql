{# Where the database's collation ignores case, the store's schema is found under the name that was asked for. -#}
SELECT CASE WHEN s.name = N{{ lit(schema) }} THEN N{{ lit(schema) }} ELSE s.name END AS name, COUNT(o.object_id) AS tables
FROM sys.schemas s LEFT JOIN sys.objects o ON o.schema_id = s.schema_id AND o.type IN ('U', 'V')
GROUP BY s.name ORDER BY s.name
