UPDATE {{ table("amx_history_origins") }} SET {{ ident("landed") }} = {{ p(1) }} WHERE {{ ident("origin") }} = {{ p(2) }} AND {{ ident("landed") }} = {{ p(3) }}
{%- if fence is not none %}

  AND {% include "fenced.sql" %}
{%- endif %}

