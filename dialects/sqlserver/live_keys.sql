{# A key that is disabled guards nothing: https://learn.microsoft.com/en-us/sql/relational-databases/tables/disable-foreign-key-constraints-with-insert-and-update-statements -#}
{% from "found.sql" import found %}
SELECT c.kind, {{ found("c.table_name") }} AS table_name, {{ found("c.name") }} AS name, {{ found("c.column_name") }} AS column_name,
  {{ found("c.ref_table") }} AS ref_table, {{ found("c.ref_column") }} AS ref_column
FROM (
  SELECT 'primary' AS kind, t.schema_id AS schema_id, t.name AS table_name, x.name AS name, k.name AS column_name, CAST(NULL AS NVARCHAR(128)) AS ref_table, CAST(NULL AS NVARCHAR(128)) AS ref_column,
    i.key_ordinal AS place
  FROM sys.indexes x JOIN sys.tables t ON t.object_id = x.object_id
  JOIN sys.index_columns i ON i.object_id = x.object_id AND i.index_id = x.index_id JOIN sys.columns k ON k.object_id = i.object_id AND k.column_id = i.column_id
  WHERE x.is_primary_key = 1 AND x.is_disabled = 0
  UNION ALL
  SELECT 'foreign', t.schema_id, t.name, f.name, k.name, CONCAT(CASE WHEN r.schema_id = t.schema_id THEN N'' ELSE CONCAT(SCHEMA_NAME(r.schema_id), N'.') END, r.name), rk.name,
    i.constraint_column_id
  FROM sys.foreign_keys f JOIN sys.tables t ON t.object_id = f.parent_object_id JOIN sys.tables r ON r.object_id = f.referenced_object_id
  JOIN sys.foreign_key_columns i ON i.constraint_object_id = f.object_id
  JOIN sys.columns k ON k.object_id = i.parent_object_id AND k.column_id = i.parent_column_id
  JOIN sys.columns rk ON rk.object_id = i.referenced_object_id AND rk.column_id = i.referenced_column_id
  WHERE f.is_disabled = 0
) c
WHERE c.schema_id = SCHEMA_ID(N{{ lit(schema) }}) AND LEFT(c.table_name, {{ prefix|length }}) = N{{ lit(prefix) }}
ORDER BY c.table_name, c.name, c.place
