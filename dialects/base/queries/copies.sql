SELECT {% include "queries/columns.sql" %} FROM {{ table(table_name) }}
WHERE {% include "queries/keyed.sql" %}
