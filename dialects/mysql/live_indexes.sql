{# An index that the optimizer is told to pass over: https://mariadb.com/kb/en/ignored-indexes/, https://dev.mysql.com/doc/refman/8.0/en/invisible-indexes.html -#}
SELECT table_name AS table_name, LOWER(index_name) AS index_name,
  CONCAT(COALESCE(LOWER(column_name), '(expression)'), COALESCE(CONCAT('(', sub_part, ')'), ''), CASE WHEN collation = 'D' THEN ' desc' ELSE '' END) AS column_name,
  CASE WHEN non_unique = 0 THEN 'yes' ELSE 'no' END AS is_unique,
  CASE WHEN index_type <> 'BTREE' THEN LOWER(index_type) /*M!100600 WHEN ignored = 'YES' THEN 'ignored' */ /*!80000 WHEN is_visible = 'NO' THEN 'invisible' */ END AS flaw
FROM information_schema.statistics
WHERE table_schema = {{ lit(schema) }} AND index_name <> 'PRIMARY' AND SUBSTR(table_name, 1, {{ prefix|length }}) = {{ lit(prefix) }}
ORDER BY table_name, index_name, seq_in_index
