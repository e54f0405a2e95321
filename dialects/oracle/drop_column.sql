{# ORA-00904: there is no such column. https://docs.oracle.com/en/error-help/db/ora-00904/ -#}
{% set passed_over = -904 %}
{% set statement %}
ALTER TABLE {{ table(table_name) }} DROP COLUMN {{ ident(column.name) }}
{%- endset %}
{% include "guarded.sql" %}
