{# No IF EXISTS here: https://www.sqlite.org/lang_altertable.html#altertabdropcol -#}
ALTER TABLE {{ table(table_name) }} DROP COLUMN {{ ident(column.name) }}
