SELECT {% for name in key %}{{ ident(name) }}, {% endfor %}COUNT(*) FROM {{ table(table_name) }}
GROUP BY {% for name in key %}{{ ident(name) }}{% if not loop.last %}, {% endif %}{% endfor %} HAVING COUNT(*) > 1
ORDER BY {% for name in key %}{{ ident(name) }}{% if not loop.last %}, {% endif %}{% endfor %}
