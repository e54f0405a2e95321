SELECT MAX(u.{{ ident("landing") }}) FROM (
  SELECT MAX({{ ident("landing") }}) AS {{ ident("landing") }} FROM {{ table("amx_history_runs") }} WHERE {{ ident("writer") }} = {{ p(1) }}
  UNION ALL SELECT MAX({{ ident("landing") }}) AS {{ ident("landing") }} FROM {{ table("amx_history_results") }} WHERE {{ ident("writer") }} = {{ p(2) }}
) u
