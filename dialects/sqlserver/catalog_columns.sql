    SELECT t.name AS table_name, k.name AS column_name FROM sys.columns k
    JOIN sys.tables t ON t.object_id = k.object_id JOIN sys.schemas s ON s.schema_id = t.schema_id WHERE s.name = N{{ lit(schema) }}
