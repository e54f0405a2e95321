SELECT t.relname, CASE t.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table' ELSE 'table' END
FROM pg_catalog.pg_class t JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
WHERE n.nspname = {{ lit(schema) }} AND t.relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY t.relname
