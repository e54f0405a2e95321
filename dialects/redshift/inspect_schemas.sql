{# The catalog tables are PostgreSQL's of long ago: https://docs.aws.amazon.com/redshift/latest/dg/c_intro_catalog_views.html. NAME is cast: it is read as text. -#}
SELECT CAST(n.nspname AS VARCHAR), COUNT(t.oid) FROM pg_catalog.pg_namespace n
LEFT JOIN pg_catalog.pg_class t ON t.relnamespace = n.oid AND t.relkind IN ('r', 'v', 'm')
GROUP BY n.nspname ORDER BY 1
