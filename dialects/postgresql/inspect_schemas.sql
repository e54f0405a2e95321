{# information_schema.schemata would leave out the schemas of other owners. -#}
SELECT n.nspname, count(t.oid) FROM pg_catalog.pg_namespace n
LEFT JOIN pg_catalog.pg_class t ON t.relnamespace = n.oid AND t.relkind IN ('r', 'p', 'v', 'm', 'f')
GROUP BY n.nspname ORDER BY n.nspname
