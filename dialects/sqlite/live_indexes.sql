SELECT lower(t.name), lower(i.name),
  coalesce(lower(x.name), '(expression)') || CASE WHEN upper(x.coll) <> 'BINARY' THEN ' collate ' || lower(x.coll) ELSE '' END
    || CASE WHEN x."desc" THEN ' desc' ELSE '' END,
  CASE WHEN i."unique" THEN 'yes' ELSE 'no' END, CASE WHEN i.partial THEN 'partial' END
FROM pragma_table_list t, pragma_index_list(t.name) i, pragma_index_xinfo(i.name) x
WHERE t.schema = 'main' AND i.origin <> 'pk' AND x.key AND substr(lower(t.name), 1, {{ prefix|length }}) = {{ lit(prefix) }}
ORDER BY t.name, i.name, x.seqno
