    SELECT table_name AS table_name, column_name AS column_name FROM {{ ident(schema) }}.INFORMATION_SCHEMA.COLUMNS
