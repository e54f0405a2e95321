{# Not between double quotes: where there is no such column, SQLite takes "column" for a text and makes an index of it:
   https://www.sqlite.org/quirks.html#double_quoted_string_literals_are_accepted -#}
CREATE INDEX IF NOT EXISTS {{ ident(index.name) }} ON {{ table(table_name) }} ({% for column in index.columns %}`{{ folded(column)|replace("`", "``") }}`{% if not loop.last %}, {% endif %}{% endfor %})
