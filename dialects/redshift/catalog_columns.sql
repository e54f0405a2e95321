    SELECT CAST(t.relname AS VARCHAR) AS table_name, CAST(a.attname AS VARCHAR) AS column_name FROM pg_catalog.pg_attribute a
    JOIN pg_catalog.pg_class t ON t.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
    WHERE n.nspname = {{ lit(schema) }} AND t.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
