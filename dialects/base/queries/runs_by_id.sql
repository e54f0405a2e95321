SELECT {% include "queries/columns.sql" %} FROM {{ table("amx_history_runs") }}
WHERE {{ ident("run_id") }} IN ({% for n in range(count) %}{{ p(n + 1) }}{% if not loop.last %}, {% endif %}{% endfor %})
