SELECT kind, lower(table_name), name, lower(column_name), lower(ref_table), lower(ref_column) FROM (
  SELECT 'primary' AS kind, t.name AS table_name, 'primary' AS name, c.name AS column_name, NULL AS ref_table, NULL AS ref_column, c.pk AS place
  FROM pragma_table_list t, pragma_table_xinfo(t.name) c WHERE t.schema = 'main' AND c.pk > 0
  UNION ALL
  SELECT 'foreign', t.name, 'foreign ' || f.id, f."from", f."table", f."to", f.seq
  FROM pragma_table_list t, pragma_foreign_key_list(t.name) f WHERE t.schema = 'main'
) WHERE substr(lower(table_name), 1, {{ prefix|length }}) = {{ lit(prefix) }} ORDER BY table_name, name, place
