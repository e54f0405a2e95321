SELECT o.name AS name, CASE WHEN o.type = 'V' THEN 'view' WHEN t.is_external = 1 THEN 'external table' ELSE 'table' END AS kind
FROM sys.objects o JOIN sys.schemas s ON s.schema_id = o.schema_id LEFT JOIN sys.tables t ON t.object_id = o.object_id
WHERE s.name = N{{ lit(schema) }} AND o.type IN ('U', 'V') ORDER BY o.name
