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
{% if columns_count %}
  AND (SELECT COUNT(*) FROM (
{% include "catalog_columns.sql" %}

  ) c WHERE {% for brought in columns %}(c.table_name = {{ lit(folded(brought.table)) }} AND c.column_name IN ({% for name in brought.names %}{{ lit(folded(name)) }}{% if not loop.last %}, {% endif %}{% endfor %})){% if not loop.last %}

    OR {% endif %}{% endfor %}) = {{ columns_count }}
{% endif %}
{% if has_indexes and indexes %}
  AND (SELECT COUNT(*) FROM (
{% include "catalog_indexes.sql" %}

  ) i WHERE i.index_name IN ({% for name in indexes %}{{ lit(folded(name)) }}{% if not loop.last %}, {% endif %}{% endfor %})) = {{ indexes|length }}
{% endif %}
