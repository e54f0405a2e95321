{# A key that is disabled keeps nothing out: https://docs.oracle.com/en/database/oracle/oracle-database/19/refrn/ALL_CONSTRAINTS.html -#}
SELECT CASE k.constraint_type WHEN 'P' THEN 'primary' ELSE 'foreign' END AS kind, k.table_name AS table_name, k.constraint_name AS name,
  c.column_name AS column_name, CASE WHEN r.owner <> k.owner THEN r.owner || '.' END || r.table_name AS ref_table, rc.column_name AS ref_column
FROM all_constraints k JOIN all_cons_columns c ON c.owner = k.owner AND c.constraint_name = k.constraint_name
LEFT JOIN all_constraints r ON r.owner = k.r_owner AND r.constraint_name = k.r_constraint_name
LEFT JOIN all_cons_columns rc ON rc.owner = r.owner AND rc.constraint_name = r.constraint_name AND rc.position = c.position
WHERE k.owner = {{ lit(schema) }} AND k.constraint_type IN ('P', 'R') AND k.status = 'ENABLED'
  AND SUBSTR(k.table_name, 1, {{ prefix|length }}) = {{ lit(folded(prefix)) }}
ORDER BY k.table_name, k.constraint_name, c.position
