UPDATE {{ table(steps) }} SET {{ ident("state") }} = {{ lit(state) }}, {{ ident("noted_on") }} = {{ now_text }} WHERE {{ ident("version") }} = {{ version }}
  AND {% include "fenced.sql" %}
