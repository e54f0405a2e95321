SELECT {{ ident("run_id") }}, COUNT(*) FROM {{ table("amx_history_results") }}
WHERE {{ ident("run_id") }} IN ({% for n in range(count) %}{{ p(n + 1) }}{% if not loop.last %}, {% endif %}{% endfor %})
  AND LENGTH({{ ident("description") }}) > 0 GROUP BY {{ ident("run_id") }}
