{# The rows of each key but for the one that has its stamp, `writer` and `landing`, and only where that one is there. Sent twice it removes them
   once; whoever has lost the lease removes none. -#}
MERGE INTO {{ table(table_name) }} AS t USING (
  SELECT r.* FROM (
{% include "queries/rows.sql" %}

  ) AS r JOIN {{ table(table_name) }} AS k ON {% for column in columns %}k.{{ ident(column.name) }} = r.{{ ident(column.name) }}{% if not loop.last %} AND {% endif %}{% endfor %}

  WHERE {% include "fenced.sql" %}

) AS s ON {% for name in key %}t.{{ ident(name) }} = s.{{ ident(name) }}{% if not loop.last %} AND {% endif %}{% endfor %}

WHEN MATCHED AND (t.{{ ident("writer") }} IS NULL OR t.{{ ident("landing") }} IS NULL OR t.{{ ident("writer") }} <> s.{{ ident("writer") }} OR t.{{ ident("landing") }} <> s.{{ ident("landing") }}) THEN DELETE
