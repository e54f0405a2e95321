SELECT {{ ident("who") }}, COUNT(*), {{ read("MAX(" ~ ident("started_at") ~ ")", "timestamp") }} FROM {{ table("amx_history_runs") }}
WHERE {{ ident("writer") }} <> {{ p(1) }} OR {{ ident("writer") }} IS NULL GROUP BY {{ ident("who") }} ORDER BY COUNT(*) DESC, {{ ident("who") }}
