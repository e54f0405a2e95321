UPDATE {{ table(table_name) }} SET {% for item in set %}{{ ident(item.column) }} = {% include "fill.sql" %}{% if not loop.last %}, {% endif %}{% endfor %} WHERE {{ ident(where_null) }} IS NULL
