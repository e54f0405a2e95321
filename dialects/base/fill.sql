{% if item.from is defined %}{{ ident(item.from) }}{% elif item.text is defined %}{{ lit(item.text) }}{% else %}{{ item.integer }}{% endif %}
