{# The table with its rows in one statement, so that of two that come first only one makes it; there is no IF NOT EXISTS here:
   https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_TABLE_AS.html -#}
CREATE TABLE {{ table(lock) }} AS
{% for item in items %}
SELECT {% for column in columns %}CAST({% if column.name == "item" %}{{ lit(item) }}{% elif column.null %}NULL{% else %}0{% endif %} AS {{ column.type }}) AS {{ ident(column.name) }}{% if not loop.last %}, {% endif %}{% endfor %}{% if dual %} FROM {{ dual }}{% endif %}{% if not loop.last %}

UNION ALL {% endif %}
{% endfor %}
