INSERT INTO {{ table(table_name) }} ({% for item in set %}{{ ident(item.column) }}{% if not loop.last %}, {% endif %}{% endfor %})
SELECT {% for item in set %}{% include "fill.sql" %} AS {{ ident(item.column) }}{% if not loop.last %}, {% endif %}{% endfor %}{% if dual %} FROM {{ dual }}{% endif %}

WHERE EXISTS (SELECT 1 FROM {{ table(where_table) }} WHERE {{ ident(where_column) }} = {{ lit(where_text) }})
  AND NOT EXISTS (SELECT 1 FROM {{ table(table_name) }} WHERE {{ ident(key.column) }} = {% set item = key %}{% include "fill.sql" %})
