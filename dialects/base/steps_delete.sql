DELETE FROM {{ table(steps) }} WHERE {{ ident("version") }} = {{ version }}
  AND {% include "fenced.sql" %}
