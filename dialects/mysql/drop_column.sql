{# MySQL has no IF EXISTS here; MariaDB has: https://mariadb.com/kb/en/alter-table/ -#}
ALTER TABLE {{ table(table_name) }} DROP COLUMN /*M!100002 IF EXISTS */ {{ ident(column.name) }}
