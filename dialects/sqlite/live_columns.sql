{# No catalog tells a column's collation; the index of the primary key tells that of the key. -#}
SELECT lower(t.name), lower(c.name), lower(c.type) || CASE WHEN c.hidden > 1 THEN ' generated always' ELSE '' END,
  CASE WHEN c."notnull" THEN 'no' ELSE 'yes' END, CASE WHEN upper(c.dflt_value) <> 'NULL' THEN c.dflt_value END,
  (SELECT upper(x.coll) FROM pragma_index_list(t.name) i, pragma_index_xinfo(i.name) x WHERE i.origin = 'pk' AND x.key AND x.cid = c.cid), NULL
FROM pragma_table_list t, pragma_table_xinfo(t.name) c
WHERE t.schema = 'main' AND substr(lower(t.name), 1, {{ prefix|length }}) = {{ lit(prefix) }}
ORDER BY t.name, c.cid
