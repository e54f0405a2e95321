{# https://dev.mysql.com/doc/refman/8.0/en/alter-table.html: what is left out of the definition is lost -#}
ALTER TABLE {{ table(table_name) }} MODIFY COLUMN {% include "column.sql" %} COMMENT {{ lit(column.comment) }}
