SELECT table_name, column_name, full_data_type AS sql_type, LOWER(is_nullable) AS is_nullable
FROM information_schema.columns WHERE table_schema = {{ lit(schema) }} ORDER BY table_name, ordinal_position
