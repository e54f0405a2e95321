SELECT t.relname, CASE WHEN t.relkind IN ('r', 'p') AND t.relpersistence = 'p' THEN 'table' WHEN t.relkind IN ('r', 'p') THEN 'unlogged table'
  WHEN t.relkind = 'v' THEN 'view' WHEN t.relkind = 'm' THEN 'materialized view' ELSE 'foreign table' END,
  pg_catalog.obj_description(t.oid, 'pg_class')
FROM pg_catalog.pg_class t JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
WHERE n.nspname = {{ lit(schema) }} AND t.relkind IN ('r', 'p', 'v', 'm', 'f') AND substr(t.relname, 1, {{ prefix|length }}) = {{ lit(prefix) }}
