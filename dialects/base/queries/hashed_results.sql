{# The first condition is in the second; it lets an index begin where the page does. -#}
SELECT {% include "queries/columns.sql" %} FROM {{ table("amx_history_results") }}
{% if after %}
WHERE {{ ident("run_id") }} >= {{ p(1) }} AND ({{ ident("run_id") }} > {{ p(2) }} OR {{ ident("target_qname") }} > {{ p(3) }})
{% endif %}
ORDER BY {{ ident("run_id") }}, {{ ident("target_qname") }} {% include "queries/limit.sql" %}
