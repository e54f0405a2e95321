{# Rows that have one of `count` keys, which are bound one after the other. #}
{% set n = namespace(value=0) %}
{% for _ in range(count) %}({% for name in key %}{% set n.value = n.value + 1 %}{{ ident(name) }} = {{ p(n.value) }}{% if not loop.last %} AND {% endif %}{% endfor %}){% if not loop.last %} OR {% endif %}{% endfor %}
