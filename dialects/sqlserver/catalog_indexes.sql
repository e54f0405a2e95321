    SELECT t.name AS table_name, x.name AS index_name FROM sys.indexes x
    JOIN sys.tables t ON t.object_id = x.object_id JOIN sys.schemas s ON s.schema_id = t.schema_id
    WHERE s.name = N{{ lit(schema) }} AND x.name IS NOT NULL AND x.is_disabled = 0
