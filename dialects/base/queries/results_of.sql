{% set n = namespace(value=0) %}
SELECT {% include "queries/columns.sql" %} FROM {{ table("amx_history_results") }}
{% for count in counts %}{{ "WHERE" if loop.first else "  OR" }} ({{ ident("run_id") }} = {% set n.value = n.value + 1 %}{{ p(n.value) }} AND {{ ident("target_qname") }} IN ({% for _ in range(count) %}{% set n.value = n.value + 1 %}{{ p(n.value) }}{% if not loop.last %}, {% endif %}{% endfor %}))
{% endfor %}
