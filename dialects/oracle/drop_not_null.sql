{# ORA-01451: it may be null already. https://docs.oracle.com/en/error-help/db/ora-01451/ -#}
{% set passed_over = -1451 %}
{% set statement %}
ALTER TABLE {{ table(table_name) }} MODIFY ({{ ident(column.name) }} NULL)
{%- endset %}
{% include "guarded.sql" %}
