{# ORA-00942: there is no such table. https://docs.oracle.com/en/error-help/db/ora-00942/ -#}
{% set passed_over = -942 %}
{% set statement %}
DROP TABLE {{ table(table_name) }}
{%- endset %}
{% include "guarded.sql" %}
