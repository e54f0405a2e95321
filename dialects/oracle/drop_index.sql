{# ORA-01418: there is no such index. https://docs.oracle.com/en/error-help/db/ora-01418/ -#}
{% set passed_over = -1418 %}
{% set statement %}
DROP INDEX {{ table(index) }}
{%- endset %}
{% include "guarded.sql" %}
