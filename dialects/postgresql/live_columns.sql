{# The collation "default" is the database's. Since version 15 that may be ICU's or, since 17, the engine's own, whose order is that of the bytes:
   https://www.postgresql.org/docs/current/catalog-pg-database.html. An older pg_database lacks the column, its JSON form does not mind. -#}
SELECT t.relname, a.attname,
  pg_catalog.format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attgenerated <> '' OR a.attidentity = 'a' THEN ' generated always' ELSE '' END,
  CASE WHEN a.attnotnull THEN 'no' ELSE 'yes' END,
  CASE WHEN a.attidentity <> '' THEN 'identity' ELSE pg_catalog.pg_get_expr(d.adbin, d.adrelid) END,
  CASE WHEN c.collname IS NULL THEN NULL
    WHEN c.collname = 'default' THEN (SELECT CASE pg_catalog.to_jsonb(b) ->> 'datlocprovider' WHEN 'i' THEN 'ICU' WHEN 'b' THEN 'C.UTF-8' ELSE b.datcollate END
      FROM pg_catalog.pg_database b WHERE b.datname = pg_catalog.current_database())
    WHEN c.collnamespace <> 'pg_catalog'::pg_catalog.regnamespace THEN c.collnamespace::pg_catalog.regnamespace || '.' || c.collname
    ELSE c.collname END,
  pg_catalog.col_description(t.oid, a.attnum)
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class t ON t.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum LEFT JOIN pg_catalog.pg_collation c ON c.oid = a.attcollation
WHERE n.nspname = {{ lit(schema) }} AND t.relkind IN ('r', 'p', 'v', 'm', 'f') AND a.attnum > 0 AND NOT a.attisdropped
  AND substr(t.relname, 1, {{ prefix|length }}) = {{ lit(prefix) }}
ORDER BY t.relname, a.attnum
