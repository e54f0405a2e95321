SELECT {% for name in columns %}{{ read(ident(name), kinds[loop.index0]) }}{% if not loop.last %}, {% endif %}{% endfor %} FROM {{ table("amx_history_runs") }}
WHERE {{ ident("run_id") }} IN ({% for n in range(count) %}{{ p(n + 1) }}{% if not loop.last %}, {% endif %}{% endfor %})
