{{ ident(column.name) }} {{ column.type }}{% if not column.null %} NOT NULL{% endif %}{% if column.default %} DEFAULT {{ column.default }}{% endif %} COMMENT {{ lit(column.comment) }}
