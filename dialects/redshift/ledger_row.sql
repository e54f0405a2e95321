{# The catalog is read on the leader node and cannot feed a table of ours (https://docs.aws.amazon.com/redshift/latest/dg/c_join_PG.html),
   so the columns are named instead: where one is missing the statement does not compile, and no row is written. -#}
INSERT INTO {{ table(ledger) }} ({{ ident("version") }}, {{ ident("name") }}, {{ ident("applied_on") }}, {{ ident("checksum") }})
SELECT {{ version }}, {{ lit(name) }}, {{ now_text }}, {{ lit(checksum) }}
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
