{# The primary key is read from its index, which tells a key over the beginning of a column from one over all of it. -#}
SELECT kind, table_name, name, column_name, ref_table, ref_column FROM (
  SELECT 'primary' AS kind, table_name AS table_name, index_name AS name,
    CONCAT(LOWER(column_name), COALESCE(CONCAT('(', sub_part, ')'), '')) AS column_name, NULL AS ref_table, NULL AS ref_column, seq_in_index AS place
  FROM information_schema.statistics WHERE table_schema = {{ lit(schema) }} AND index_name = 'PRIMARY'
  UNION ALL
  SELECT 'foreign', table_name, constraint_name, LOWER(column_name),
    CONCAT(CASE WHEN referenced_table_schema = table_schema THEN '' ELSE CONCAT(referenced_table_schema, '.') END, referenced_table_name),
    LOWER(referenced_column_name), ordinal_position
  FROM information_schema.key_column_usage WHERE table_schema = {{ lit(schema) }} AND referenced_table_name IS NOT NULL
) k WHERE SUBSTR(table_name, 1, {{ prefix|length }}) = {{ lit(prefix) }} ORDER BY table_name, name, place
