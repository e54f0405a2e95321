{# What a row of the ledger needs on every engine; each adds how its catalog shows what the version brings. -#}
INSERT INTO {{ table(ledger) }} ({{ ident("version") }}, {{ ident("name") }}, {{ ident("applied_on") }}, {{ ident("checksum") }})
SELECT {{ version }}, {{ lit(name) }}, {{ now_text }}, {{ lit(checksum) }}{% if dual %} FROM {{ dual }}{% endif %}

WHERE NOT EXISTS (SELECT 1 FROM {{ table(ledger) }} WHERE {{ ident("version") }} = {{ version }})
{% if fence is not none %}
  AND {% include "fenced.sql" %}

{% endif %}
{% if none_before %}
  AND NOT EXISTS (SELECT 1 FROM {{ table(ledger) }} WHERE {{ ident("version") }} < {{ version }})
{% endif %}
{% if one_before %}
  AND EXISTS (SELECT 1 FROM {{ table(ledger) }} WHERE {{ ident("version") }} = {{ version - 1 }})
{% endif %}
