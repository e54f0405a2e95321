{# No view of the catalog has the columns of a key. The first SHOW is $2, the second $1:
   https://docs.snowflake.com/en/sql-reference/sql/show-primary-keys
   https://docs.snowflake.com/en/sql-reference/sql/show-imported-keys
   https://docs.snowflake.com/en/sql-reference/operators-flow -#}
SHOW PRIMARY KEYS IN SCHEMA {{ ident(schema) }}
->> SHOW IMPORTED KEYS IN SCHEMA {{ ident(schema) }}
->> SELECT k.kind, k.table_name, k.name, k.column_name, k.ref_table, k.ref_column FROM (
  SELECT 'primary' AS kind, "table_name" AS table_name, "constraint_name" AS name, "column_name" AS column_name, '' AS ref_table, '' AS ref_column, "key_sequence" AS at
  FROM $2
  UNION ALL SELECT 'foreign', "fk_table_name", "fk_name", "fk_column_name",
    CASE WHEN "pk_schema_name" = "fk_schema_name" THEN '' ELSE "pk_schema_name" || '.' END || "pk_table_name", "pk_column_name", "key_sequence"
  FROM $1
) k WHERE STARTSWITH(k.table_name, {{ lit(folded(prefix)) }}) ORDER BY k.table_name, k.name, k.at
