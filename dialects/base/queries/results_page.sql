SELECT {% include "queries/columns.sql" %} FROM {{ table("amx_history_results") }}
WHERE {{ ident("run_id") }} = {{ p(1) }} AND {{ ident("target_qname") }} > {{ p(2) }} ORDER BY {{ ident("target_qname") }} {% include "queries/limit.sql" %}
