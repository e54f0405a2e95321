{# https://docs.snowflake.com/en/sql-reference/sql/merge, https://docs.snowflake.com/en/sql-reference/constructs/values -#}
{% set width = set|length + where|length %}
MERGE INTO {{ table(table_name) }} AS {{ ident("t") }} USING (SELECT {% for at in range(width) %}column{{ at + 1 }} AS {{ ident("c" ~ (at + 1)) }}{% if not loop.last %}, {% endif %}{% endfor %}

FROM VALUES {% for row in range(count) %}({% for at in range(width) %}{{ p(row * width + at + 1) }}{% if not loop.last %}, {% endif %}{% endfor %}){% if not loop.last %}, {% endif %}{% endfor %}) AS {{ ident("v") }}
ON {% for name in where %}{{ ident("t") }}.{{ ident(name) }} = {{ ident("v") }}.{{ ident("c" ~ (set|length + loop.index)) }}{% if not loop.last %} AND {% endif %}{% endfor %}

WHEN MATCHED THEN UPDATE SET {% for name in set %}{{ ident(name) }} = {{ ident("v") }}.{{ ident("c" ~ loop.index) }}{% if not loop.last %}, {% endif %}{% endfor %}
