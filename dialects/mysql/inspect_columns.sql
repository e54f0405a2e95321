SELECT table_name AS table_name, column_name AS column_name, CAST(column_type AS CHAR) AS sql_type, LOWER(is_nullable) AS is_nullable
FROM information_schema.columns WHERE table_schema = {{ lit(schema) }} ORDER BY table_name, ordinal_position
