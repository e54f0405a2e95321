SELECT table_name AS name, CASE WHEN table_type = 'BASE TABLE' THEN 'table' ELSE LOWER(table_type) END AS kind
FROM information_schema.tables WHERE table_schema = {{ lit(schema) }} ORDER BY table_name
