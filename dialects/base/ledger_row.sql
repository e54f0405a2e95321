{% include "ledger_insert.sql" %}
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
