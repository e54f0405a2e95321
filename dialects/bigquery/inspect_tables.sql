SELECT table_name AS name, CASE WHEN table_type = 'BASE TABLE' THEN 'table' ELSE LOWER(table_type) END AS kind
FROM {{ ident(schema) }}.INFORMATION_SCHEMA.TABLES ORDER BY table_name
