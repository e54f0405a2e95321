{# https://learn.microsoft.com/en-us/sql/t-sql/statements/drop-index-transact-sql -#}
DROP INDEX IF EXISTS {{ ident(index) }} ON {{ table(table_name) }}
