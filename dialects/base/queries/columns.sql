{% for name in columns %}{{ ident(name) }}{% if not loop.last %}, {% endif %}{% endfor %}
