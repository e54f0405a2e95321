{# ORA-00955: the name is in use. https://docs.oracle.com/en/error-help/db/ora-00955/ -#}
{% set passed_over = -955 %}
{% set statement %}
CREATE TABLE {% include "table.sql" %}
{% endset %}
{% include "guarded.sql" %}
