{# RENAME COLUMN comes with MySQL 8.0 and MariaDB 10.5; CHANGE COLUMN takes the whole definition: https://mariadb.com/kb/en/alter-table/ -#}
ALTER TABLE {{ table(table_name) }} CHANGE COLUMN /*M!100002 IF EXISTS */ {{ ident(column.was) }} {% include "column.sql" %} COMMENT {{ lit(column.comment) }}
