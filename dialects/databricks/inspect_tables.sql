{# https://docs.databricks.com/en/sql/language-manual/information-schema/tables.html -#}
SELECT table_name AS name, CASE WHEN table_type IN ('MANAGED', 'EXTERNAL') THEN 'table' ELSE REPLACE(LOWER(table_type), '_', ' ') END AS kind
FROM information_schema.tables WHERE table_schema = {{ lit(schema) }} ORDER BY table_name
