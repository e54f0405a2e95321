{# No IF NOT EXISTS here. -#}
ALTER TABLE {{ table(table_name) }} ADD COLUMNS (
{% for column in columns %}
  {%+ include "column.sql" %}{% if not loop.last %},{% endif %}

{% endfor %}
)
