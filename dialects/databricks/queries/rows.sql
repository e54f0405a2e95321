{# Rows out of one JSON text, of any number, where binds are limited to 256. A record that is not as it should be fails the statement, and does not
   become nulls: https://docs.databricks.com/en/sql/language-manual/functions/from_json.html
   Times come as microseconds: https://docs.databricks.com/en/sql/language-manual/functions/timestamp_micros.html -#}
{% set types = {"integer": "BIGINT", "boolean": "BOOLEAN", "timestamp": "BIGINT"} %}
SELECT {% for column in columns %}{% set value = "j.c" ~ loop.index %}{{ "timestamp_micros(" ~ value ~ ")" if column.kind == "timestamp" else value }} AS {{ ident(column.name) }}{% if not loop.last %}, {% endif %}{% endfor %}

FROM inline(from_json({{ p(1) }}, 'ARRAY<STRUCT<{% for column in columns %}c{{ loop.index }}: {{ types[column.kind]|default("STRING") }}{% if not loop.last %}, {% endif %}{% endfor %}>>', map('mode', 'FAILFAST'))) AS j
