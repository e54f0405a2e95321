ALTER TABLE {{ table(table_name) }} COMMENT = {{ lit(comment) }}
