SELECT CASE k.contype WHEN 'p' THEN 'primary' ELSE 'foreign' END, t.relname, k.conname, a.attname,
  CASE WHEN r.relnamespace = t.relnamespace THEN '' ELSE r.relnamespace::pg_catalog.regnamespace || '.' END || r.relname, ra.attname
FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class t ON t.oid = k.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
CROSS JOIN LATERAL unnest(k.conkey, k.confkey) WITH ORDINALITY AS c(number, ref_number, at)
JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = c.number
LEFT JOIN pg_catalog.pg_class r ON r.oid = k.confrelid LEFT JOIN pg_catalog.pg_attribute ra ON ra.attrelid = k.confrelid AND ra.attnum = c.ref_number
WHERE n.nspname = {{ lit(schema) }} AND k.contype IN ('p', 'f') AND substr(t.relname, 1, {{ prefix|length }}) = {{ lit(prefix) }}
ORDER BY t.relname, k.conname, c.at
