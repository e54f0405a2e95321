SELECT COUNT(*) FROM {{ table(table_name) }}{% if column %} WHERE {{ ident(column) }} IS NOT NULL{% endif %}
