    SELECT table_name AS table_name, column_name AS column_name FROM all_tab_columns WHERE owner = {{ lit(schema) }}
