{# Far beyond what autovacuum leaves alone (autovacuum_analyze_threshold 50, autovacuum_analyze_scale_factor 0.1):
   https://www.postgresql.org/docs/current/runtime-config-autovacuum.html. It is off for a table, or has not come by yet. -#}
SELECT relname::text FROM pg_stat_user_tables
WHERE schemaname = {{ lit(schema) }} AND relname IN ({{ lit("amx_history_runs") }}, {{ lit("amx_history_results") }}) AND n_mod_since_analyze > 1000 + n_live_tup / 4
ORDER BY relname
