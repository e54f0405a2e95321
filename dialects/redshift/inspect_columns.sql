{# The catalog tables are PostgreSQL's of long ago: https://docs.aws.amazon.com/redshift/latest/dg/c_intro_catalog_views.html. NAME is cast: it is read as text. -#}
SELECT CAST(t.relname AS VARCHAR), CAST(a.attname AS VARCHAR), pg_catalog.format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN 'no' ELSE 'yes' END
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class t ON t.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
WHERE n.nspname = {{ lit(schema) }} AND t.relkind IN ('r', 'v', 'm') AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY 1, a.attnum
