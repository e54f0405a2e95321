{# What is left out is not kept: neither collation nor nullability. No default may stand here.
   https://learn.microsoft.com/en-us/sql/t-sql/statements/alter-table-transact-sql -#}
ALTER TABLE {{ table(table_name) }} ALTER COLUMN {{ ident(column.name) }} {{ column.type }}{% if not column.null %} NOT{% endif %} NULL
