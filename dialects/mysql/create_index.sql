{# MySQL has no IF NOT EXISTS here; MariaDB has: https://mariadb.com/kb/en/create-index/ -#}
{% from "idents.sql" import idents %}
CREATE INDEX /*M!100104 IF NOT EXISTS */ {{ ident(index.name) }} ON {{ table(table_name) }} ({{ idents(index.columns) }})
