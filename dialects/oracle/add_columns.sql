{# ORA-01430: the column is there. https://docs.oracle.com/en/error-help/db/ora-01430/ -#}
{% set passed_over = -1430 %}
{% for column in columns %}
{% set statement %}
ALTER TABLE {{ table(table_name) }} ADD ({% include "column.sql" %})
{%- endset %}
{% include "guarded.sql" %}
{% endfor %}
