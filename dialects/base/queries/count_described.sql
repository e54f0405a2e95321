SELECT {{ ident("run_id") }}, COUNT(*) FROM {{ table("amx_history_results") }}
WHERE {{ ident("run_id") }} IN ({% for n in range(count) %}{{ p(n + 1) }}{% if not loop.last %}, {% endif %}{% endfor %})
  AND {{ ident("description") }} IS NOT NULL AND {{ ident("description") }} <> '' GROUP BY {{ ident("run_id") }}
