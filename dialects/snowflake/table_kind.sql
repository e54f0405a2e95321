{# https://docs.snowflake.com/en/sql-reference/info-schema/tables; a transient table differs in how long its past is kept, not in what it takes -#}
CASE WHEN t.is_dynamic = 'YES' THEN 'dynamic table' WHEN t.table_type = 'BASE TABLE' THEN 'table' ELSE LOWER(t.table_type) END
