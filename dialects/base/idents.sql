{# names, parted by commas #}
{%- macro idents(names) %}{% for name in names %}{{ ident(name) }}{% if not loop.last %}, {% endif %}{% endfor %}{% endmacro %}
