ALTER TABLE {{ table(table_name) }}
{% for column in columns %}
  ADD COLUMN IF NOT EXISTS {% include "column.sql" %}{% if not loop.last %},{% endif %}

{% endfor %}
