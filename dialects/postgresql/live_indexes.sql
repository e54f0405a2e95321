{# Bit 1 of indoption is DESC: https://www.postgresql.org/docs/current/catalog-pg-index.html -#}
SELECT t.relname, i.relname,
  pg_catalog.pg_get_indexdef(x.indexrelid, k.at, TRUE) || CASE WHEN a.attcollation <> x.indcollation[k.at - 1] THEN ' of another collation' ELSE '' END
    || CASE WHEN x.indoption[k.at - 1] & 1 = 1 THEN ' desc' ELSE '' END,
  CASE WHEN x.indisunique THEN 'yes' ELSE 'no' END,
  CASE WHEN NOT x.indisvalid OR NOT x.indisready THEN 'invalid' WHEN x.indpred IS NOT NULL THEN 'partial' WHEN m.amname <> 'btree' THEN m.amname END
FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid JOIN pg_catalog.pg_class t ON t.oid = x.indrelid
JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace JOIN pg_catalog.pg_am m ON m.oid = i.relam
CROSS JOIN LATERAL generate_series(1, x.indnkeyatts::int) AS k(at)
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[k.at - 1]
WHERE n.nspname = {{ lit(schema) }} AND NOT x.indisprimary AND substr(t.relname, 1, {{ prefix|length }}) = {{ lit(prefix) }}
ORDER BY t.relname, i.relname, k.at
