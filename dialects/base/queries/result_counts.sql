SELECT {{ ident("run") }}.{{ ident("run_id") }}, COUNT({{ ident("result") }}.{{ ident("run_id") }}) FROM {{ table("amx_history_runs") }} {{ ident("run") }}
LEFT JOIN {{ table("amx_history_results") }} {{ ident("result") }} ON {{ ident("result") }}.{{ ident("run_id") }} = {{ ident("run") }}.{{ ident("run_id") }}
WHERE {{ ident("run") }}.{{ ident("origin") }} = {{ p(1) }}{% if after %} AND {{ ident("run") }}.{{ ident("run_id") }} > {{ p(2) }}{% endif %}

GROUP BY {{ ident("run") }}.{{ ident("run_id") }} ORDER BY {{ ident("run") }}.{{ ident("run_id") }} {% include "queries/limit.sql" %}
