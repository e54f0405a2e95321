DROP TABLE IF EXISTS {{ table(table_name) }}
