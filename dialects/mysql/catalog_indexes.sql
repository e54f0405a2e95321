    SELECT DISTINCT table_name AS table_name, index_name AS index_name FROM information_schema.statistics WHERE table_schema = {{ lit(schema) }}
