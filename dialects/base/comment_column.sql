COMMENT ON COLUMN {{ table(table_name) }}.{{ ident(column) }} IS {{ lit(comment) }}
