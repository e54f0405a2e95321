SELECT {% include "queries/columns.sql" %} FROM {{ table("amx_history_results") }}
WHERE {{ ident("writer") }} = {{ p(1) }} AND {{ ident("landing") }} >= {{ p(2) }} AND {{ ident("landing") }} <= {{ p(3) }}
  AND ({{ ident("landing") }} > {{ p(4) }} OR ({{ ident("landing") }} = {{ p(5) }} AND {{ ident("run_id") }} > {{ p(6) }}) OR ({{ ident("landing") }} = {{ p(7) }} AND {{ ident("run_id") }} = {{ p(8) }} AND {{ ident("target_qname") }} > {{ p(9) }}))
ORDER BY {{ ident("landing") }}, {{ ident("run_id") }}, {{ ident("target_qname") }} {% include "queries/limit.sql" %}
