{# The table with its one row in one statement, so that of two that come first only one makes it. -#}
CREATE TABLE IF NOT EXISTS {{ table(lock) }} AS
SELECT {% for column in columns %}CAST({% if column.name == "item" %}'migrate'{% elif column.null %}NULL{% else %}0{% endif %} AS {{ column.type }}) AS {{ ident(column.name) }}{% if not loop.last %}, {% endif %}{% endfor %}{% if dual %} FROM {{ dual }}{% endif %}
