SELECT COUNT(*) FROM {{ table("amx_history_runs") }}
