{# The catalog tables are PostgreSQL's of long ago: https://docs.aws.amazon.com/redshift/latest/dg/c_intro_catalog_views.html. NAME is cast: it is read as text. -#}
SELECT CAST(t.relname AS VARCHAR), CASE t.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' ELSE 'materialized view' END
FROM pg_catalog.pg_class t JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
WHERE n.nspname = {{ lit(schema) }} AND t.relkind IN ('r', 'v', 'm') ORDER BY 1
