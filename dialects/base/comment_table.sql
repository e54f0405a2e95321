COMMENT ON TABLE {{ table(table_name) }} IS {{ lit(comment) }}
