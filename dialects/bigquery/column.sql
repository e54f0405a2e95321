{{ ident(column.name) }} {{ column.type }}{% if column.default %} DEFAULT {{ column.default }}{% endif %}{% if not column.null %} NOT NULL{% endif %} OPTIONS (description = {{ lit(column.comment) }})
