{# Rows that are not there yet. Sent twice it adds them once; whoever has lost the lease adds none. -#}
MERGE INTO {{ table(table_name) }} AS t USING (
  SELECT * FROM (
{% include "queries/rows.sql" %}

  ) AS r WHERE {% include "fenced.sql" %}

) AS s ON {% for name in key %}t.{{ ident(name) }} = s.{{ ident(name) }}{% if not loop.last %} AND {% endif %}{% endfor %}

WHEN NOT MATCHED THEN INSERT ({% for column in columns %}{{ ident(column.name) }}{% if not loop.last %}, {% endif %}{% endfor %})
VALUES ({% for column in columns %}s.{{ ident(column.name) }}{% if not loop.last %}, {% endif %}{% endfor %})
