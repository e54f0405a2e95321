{# Rows that are there as they were read, `key` and all. Whoever has lost the lease changes none. -#}
MERGE INTO {{ table(table_name) }} AS t USING (
  SELECT * FROM (
{% include "queries/rows.sql" %}

  ) AS r WHERE {% include "fenced.sql" %}

) AS s ON {% for name in key %}t.{{ ident(name) }} = s.{{ ident("key_" ~ name) }}{% if not loop.last %} AND {% endif %}{% endfor %}

WHEN MATCHED THEN UPDATE SET {% for name in set %}{{ ident(name) }} = s.{{ ident(name) }}{% if not loop.last %}, {% endif %}{% endfor %}

