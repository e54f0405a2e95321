{# Rows that are not there yet, from a bound text or from the table where they are staged. Sent twice it adds them once; whoever has lost the lease adds none. -#}
MERGE INTO {{ table(table_name) }} AS t USING (
  SELECT * FROM {% if staged is defined %}{{ table(staged) }}{% else %}(
{% include "queries/rows.sql" %}

  ){% endif %} AS r WHERE {% include "fenced.sql" %}

) AS s ON {% for name in key %}t.{{ ident(name) }} = s.{{ ident(name) }}{% if not loop.last %} AND {% endif %}{% endfor %}

WHEN NOT MATCHED THEN INSERT ({% for column in columns %}{{ ident(column.name) }}{% if not loop.last %}, {% endif %}{% endfor %})
VALUES ({% for column in columns %}s.{{ ident(column.name) }}{% if not loop.last %}, {% endif %}{% endfor %})
