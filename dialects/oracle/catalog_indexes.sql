    SELECT table_name AS table_name, index_name AS index_name FROM all_indexes WHERE table_owner = {{ lit(schema) }} AND status = 'VALID'
