DELETE FROM {{ table(ledger) }} WHERE {{ ident("version") }} = {{ version }}
  AND {% include "fenced.sql" %}
