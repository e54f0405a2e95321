{% include "queries/standing.sql" %}

UNION ALL SELECT 'runs', '', '', COUNT(*) FROM {{ table("amx_history_runs") }}
