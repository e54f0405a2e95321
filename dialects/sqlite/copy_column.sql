{# Not between double quotes: where there is no such column, SQLite takes "column" for a text and fills the other one with it:
   https://www.sqlite.org/quirks.html#double_quoted_string_literals_are_accepted -#}
UPDATE {{ table(table_name) }} SET {{ ident(column.name) }} = `{{ column.was|replace("`", "``") }}`
