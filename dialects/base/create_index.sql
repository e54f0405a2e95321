CREATE INDEX IF NOT EXISTS {{ ident(index.name) }} ON {{ table(table_name) }} ({% for column in index.columns %}{{ ident(column) }}{% if not loop.last %}, {% endif %}{% endfor %})
