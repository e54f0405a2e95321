{# MySQL has no IF EXISTS here; MariaDB has: https://mariadb.com/kb/en/drop-index/ -#}
DROP INDEX /*M!100104 IF EXISTS */ {{ ident(index) }} ON {{ table(table_name) }}
