{# https://docs.databricks.com/en/sql/language-manual/sql-ref-syntax-ddl-alter-table-manage-column.html -#}
ALTER TABLE {{ table(table_name) }} ALTER COLUMN {{ ident(column) }} COMMENT {{ lit(comment) }}
