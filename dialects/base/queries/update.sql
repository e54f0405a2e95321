UPDATE {{ table(table_name) }} SET {% for name in set %}{{ ident(name) }} = {{ p(loop.index) }}{% if not loop.last %}, {% endif %}{% endfor %}

WHERE {% for name in where %}{{ ident(name) }} = {{ p(set|length + loop.index) }}{% if not loop.last %} AND {% endif %}{% endfor %}
