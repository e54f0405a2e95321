{# The columns named: where one is missing the statement is refused. -#}
{% for brought in columns %}
  AND NOT EXISTS (SELECT {% for column in brought.names %}{{ ident(column) }}{% if not loop.last %}, {% endif %}{% endfor %} FROM {{ table(brought.table) }} WHERE FALSE)
{% endfor %}
