{% include "queries/standing.sql" %}

UNION ALL SELECT 'runs', NULL, NULL, COUNT(*) FROM {{ table("amx_history_runs") }}
