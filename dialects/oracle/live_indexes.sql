{# Each CLOB has an index of its own, which is none of anybody's. https://docs.oracle.com/en/database/oracle/oracle-database/19/refrn/ALL_INDEXES.html -#}
SELECT i.table_name AS table_name, i.index_name AS index_name, c.column_name || CASE c.descend WHEN 'DESC' THEN ' desc' END AS column_name,
  CASE i.uniqueness WHEN 'UNIQUE' THEN 'yes' ELSE 'no' END AS is_unique,
  CASE WHEN i.status = 'UNUSABLE' THEN 'unusable' WHEN i.visibility = 'INVISIBLE' THEN 'invisible' WHEN i.index_type <> 'NORMAL' THEN LOWER(i.index_type) END AS flaw
FROM all_indexes i JOIN all_ind_columns c ON c.index_owner = i.owner AND c.index_name = i.index_name
WHERE i.table_owner = {{ lit(schema) }} AND i.index_type <> 'LOB' AND SUBSTR(i.table_name, 1, {{ prefix|length }}) = {{ lit(folded(prefix)) }}
  AND NOT EXISTS (SELECT 1 FROM all_constraints k WHERE k.owner = i.table_owner AND k.table_name = i.table_name AND k.constraint_type = 'P' AND k.index_name = i.index_name)
ORDER BY i.table_name, i.index_name, c.column_position
