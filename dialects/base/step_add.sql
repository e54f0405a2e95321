INSERT INTO {{ table(steps) }} ({{ ident("version") }}, {{ ident("step") }}, {{ ident("checksum") }}, {{ ident("state") }}, {{ ident("noted_on") }})
SELECT {{ version }}, {{ step }}, {{ lit(checksum) }}, {{ lit(state) }}, {{ now_text }}{% if dual %} FROM {{ dual }}{% endif %}

WHERE {% include "fenced.sql" %}
