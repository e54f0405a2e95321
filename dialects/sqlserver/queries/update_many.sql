{# An alias is updated that FROM gives. COLLATE settles which collation counts where the database's own is another than the column's:
   https://learn.microsoft.com/en-us/sql/t-sql/statements/collation-precedence-transact-sql -#}
UPDATE {{ ident("t") }} SET {% for name in set %}{{ ident(name) }} = {{ ident("v") }}.{{ ident("c" ~ loop.index) }}{% if not loop.last %}, {% endif %}{% endfor %}

FROM {{ table(table_name) }} AS {{ ident("t") }}
INNER JOIN (VALUES {% set width = set|length + where|length %}{% for row in range(count) %}({% for at in range(width) %}{{ p(row * width + at + 1) }}{% if not loop.last %}, {% endif %}{% endfor %}){% if not loop.last %}, {% endif %}{% endfor %}) AS {{ ident("v") }} ({% for at in range(width) %}{{ ident("c" ~ (at + 1)) }}{% if not loop.last %}, {% endif %}{% endfor %})
ON {% for name in where %}{{ ident("t") }}.{{ ident(name) }} = {{ ident("v") }}.{{ ident("c" ~ (set|length + loop.index)) }}{% if name in texts %} COLLATE Latin1_General_100_BIN2{% endif %}{% if not loop.last %} AND {% endif %}{% endfor %}
