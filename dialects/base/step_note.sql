UPDATE {{ table(steps) }} SET {{ ident("checksum") }} = {{ lit(checksum) }}, {{ ident("state") }} = {{ lit(state) }}, {{ ident("noted_on") }} = {{ now_text }}
WHERE {{ ident("version") }} = {{ version }} AND {{ ident("step") }} = {{ step }}
  AND {% include "fenced.sql" %}
