SELECT {{ ident("run_id") }} FROM {{ table("amx_history_runs") }}
{% if after %}
WHERE {{ ident("run_id") }} > {{ p(1) }}
{% endif %}
ORDER BY {{ ident("run_id") }} {% include "queries/limit.sql" %}
