    SELECT t.relname AS table_name, a.attname AS column_name FROM pg_catalog.pg_attribute a
    JOIN pg_catalog.pg_class t ON t.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
    WHERE n.nspname = {{ lit(schema) }} AND t.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
