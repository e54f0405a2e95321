{# ORA-00904: there is no column of the old name. https://docs.oracle.com/en/error-help/db/ora-00904/ -#}
{% set passed_over = -904 %}
{% set statement %}
ALTER TABLE {{ table(table_name) }} RENAME COLUMN {{ ident(column.was) }} TO {{ ident(column.name) }}
{%- endset %}
{% include "guarded.sql" %}
