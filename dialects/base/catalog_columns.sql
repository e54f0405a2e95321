    SELECT table_name AS table_name, column_name AS column_name FROM information_schema.columns WHERE table_schema = {{ lit(schema) }}
