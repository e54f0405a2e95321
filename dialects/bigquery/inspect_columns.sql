SELECT table_name AS table_name, column_name AS column_name, data_type AS sql_type, LOWER(is_nullable) AS is_nullable
FROM {{ ident(schema) }}.INFORMATION_SCHEMA.COLUMNS ORDER BY table_name, ordinal_position
