{# NULL is written out: without it ANSI_NULL_DFLT decides: https://learn.microsoft.com/en-us/sql/t-sql/statements/set-ansi-null-dflt-on-transact-sql -#}
{{ ident(column.name) }} {{ column.type }}{% if column.default %} DEFAULT {{ column.default }}{% endif %}{% if not column.null %} NOT{% endif %} NULL
