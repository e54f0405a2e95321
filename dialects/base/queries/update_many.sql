UPDATE {{ table(table_name) }} AS {{ ident("t") }} SET {% for name in set %}{{ ident(name) }} = {{ ident("v") }}.{{ ident("c" ~ loop.index) }}{% if not loop.last %}, {% endif %}{% endfor %}

FROM (VALUES {% set width = set|length + where|length %}{% for row in range(count) %}({% for at in range(width) %}{{ p(row * width + at + 1) }}{% if not loop.last %}, {% endif %}{% endfor %}){% if not loop.last %}, {% endif %}{% endfor %}) AS {{ ident("v") }} ({% for at in range(width) %}{{ ident("c" ~ (at + 1)) }}{% if not loop.last %}, {% endif %}{% endfor %})
WHERE {% for name in where %}{{ ident("t") }}.{{ ident(name) }} = {{ ident("v") }}.{{ ident("c" ~ (set|length + loop.index)) }}{% if not loop.last %} AND {% endif %}{% endfor %}
