{# https://cloud.google.com/bigquery/docs/reference/standard-sql/query-syntax#set_operators -#}
SELECT {{ ident("run_id") }} FROM {{ table("amx_history_runs") }} WHERE {{ ident("writer") }} = {{ p(1) }} AND {{ ident("landing") }} >= {{ p(2) }} AND {{ ident("landing") }} <= {{ p(3) }}
UNION DISTINCT SELECT {{ ident("run_id") }} FROM {{ table("amx_history_results") }} WHERE {{ ident("writer") }} = {{ p(4) }} AND {{ ident("landing") }} >= {{ p(5) }} AND {{ ident("landing") }} <= {{ p(6) }}
