{# The catalog tables are PostgreSQL's of long ago: https://docs.aws.amazon.com/redshift/latest/dg/c_intro_catalog_views.html. NAME is cast: it is read as text. -#}
SELECT CAST(t.relname AS VARCHAR), CAST(a.attname AS VARCHAR), pg_catalog.format_type(a.atttypid, a.atttypmod),
  CASE WHEN a.attnotnull THEN 'no' ELSE 'yes' END, pg_catalog.pg_get_expr(d.adbin, d.adrelid), CAST(NULL AS VARCHAR), pg_catalog.col_description(t.oid, a.attnum)
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class t ON t.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE n.nspname = {{ lit(schema) }} AND t.relkind IN ('r', 'v', 'm') AND a.attnum > 0 AND NOT a.attisdropped
  AND substring(t.relname, 1, {{ prefix|length }}) = {{ lit(prefix) }}
ORDER BY 1, a.attnum
