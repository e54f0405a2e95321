{# A place before all others has no names, and a bound '' is NULL. No key begins with what is least in the order of bytes. -#}
SELECT {% include "queries/columns.sql" %} FROM {{ table("amx_history_results") }}
WHERE {{ ident("writer") }} = {{ p(1) }} AND {{ ident("landing") }} >= {{ p(2) }} AND {{ ident("landing") }} <= {{ p(3) }}
  AND ({{ ident("landing") }} > {{ p(4) }} OR ({{ ident("landing") }} = {{ p(5) }} AND {{ ident("run_id") }} > NVL({{ p(6) }}, CHR(0))) OR ({{ ident("landing") }} = {{ p(7) }} AND {{ ident("run_id") }} = {{ p(8) }} AND {{ ident("target_qname") }} > NVL({{ p(9) }}, CHR(0))))
ORDER BY {{ ident("landing") }}, {{ ident("run_id") }}, {{ ident("target_qname") }} {% include "queries/limit.sql" %}
