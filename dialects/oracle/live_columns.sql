{# The default is a LONG, which no expression takes. An identity's is its sequence. -#}
SELECT c.table_name AS table_name, c.column_name AS column_name,
  {% include "column_type.sql" %} || CASE c.virtual_column WHEN 'YES' THEN ' generated always' END AS sql_type,
  CASE c.nullable WHEN 'Y' THEN 'yes' ELSE 'no' END AS is_nullable, c.data_default AS column_default, c.collation AS collation_name,
  (SELECT n.comments FROM all_col_comments n WHERE n.owner = c.owner AND n.table_name = c.table_name AND n.column_name = c.column_name) AS remarks
FROM all_tab_cols c
WHERE c.owner = {{ lit(schema) }} AND c.hidden_column = 'NO' AND SUBSTR(c.table_name, 1, {{ prefix|length }}) = {{ lit(folded(prefix)) }}
ORDER BY c.table_name, c.column_id
