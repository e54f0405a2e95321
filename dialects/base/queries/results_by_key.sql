SELECT {% include "queries/columns.sql" %} FROM {{ table("amx_history_results") }}
WHERE {{ ident("run_id") }} = {{ p(1) }} AND {{ ident("target_qname") }} IN ({% for n in range(count) %}{{ p(n + 2) }}{% if not loop.last %}, {% endif %}{% endfor %})
