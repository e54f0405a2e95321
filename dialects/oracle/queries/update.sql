{# Of the columns that tell a row, the state alone is a CLOB. -#}
UPDATE {{ table(table_name) }} SET {% for name in set %}{{ ident(name) }} = {{ p(loop.index) }}{% if not loop.last %}, {% endif %}{% endfor %}

WHERE {% for name in where %}{% set value = p(set|length + loop.index) %}{% if name == "state" %}DBMS_LOB.COMPARE({{ ident(name) }}, TO_CLOB({{ value }})) = 0{% else %}{{ ident(name) }} = {{ value }}{% endif %}{% if not loop.last %} AND {% endif %}{% endfor %}
