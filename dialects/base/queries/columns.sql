{% for name in columns %}{{ read(ident(name), kinds[loop.index0]) }}{% if not loop.last %}, {% endif %}{% endfor %}
