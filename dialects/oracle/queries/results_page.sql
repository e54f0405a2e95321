{# The first page is after '', which is NULL where it is bound. No key begins with what is least in the order of bytes. -#}
SELECT {% include "queries/columns.sql" %} FROM {{ table("amx_history_results") }}
WHERE {{ ident("run_id") }} = {{ p(1) }} AND {{ ident("target_qname") }} > NVL({{ p(2) }}, CHR(0)) ORDER BY {{ ident("target_qname") }} {% include "queries/limit.sql" %}
