{# MySQL has no IF NOT EXISTS here; MariaDB has: https://mariadb.com/kb/en/create-index/ -#}
CREATE INDEX /*M!100104 IF NOT EXISTS */ {{ ident(index.name) }} ON {{ table(table_name) }} ({% for column in index.columns %}{{ ident(column) }}{% if not loop.last %}, {% endif %}{% endfor %})
