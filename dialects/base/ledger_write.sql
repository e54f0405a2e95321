INSERT INTO {{ table(ledger) }} ({{ ident("version") }}, {{ ident("name") }}, {{ ident("applied_on") }}, {{ ident("checksum") }})
SELECT {{ version }}, {{ lit(name) }}, {{ now_text }}, {{ lit(checksum) }}{% if dual %} FROM {{ dual }}{% endif %}

WHERE {% include "fenced.sql" %}

  AND NOT EXISTS (SELECT 1 FROM {{ table(ledger) }} WHERE {{ ident("version") }} = {{ version }})
