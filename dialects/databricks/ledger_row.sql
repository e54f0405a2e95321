{# The columns are named rather than asked of information_schema, which a workspace may not have: where one is missing the statement
   is refused, and no row is written. -#}
INSERT INTO {{ table(ledger) }} ({{ ident("version") }}, {{ ident("name") }}, {{ ident("applied_on") }}, {{ ident("checksum") }})
SELECT {{ version }}, {{ lit(name) }}, {{ now_text }}, {{ lit(checksum) }} FROM {{ dual }}
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
{% for brought in columns %}
  AND NOT EXISTS (SELECT {% for column in brought.names %}{{ ident(column) }}{% if not loop.last %}, {% endif %}{% endfor %} FROM {{ table(brought.table) }} WHERE FALSE)
{% endfor %}
