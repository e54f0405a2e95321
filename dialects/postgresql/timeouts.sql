{# https://www.postgresql.org/docs/15/runtime-config-client.html#GUC-LOCK-TIMEOUT; LOCAL, so that nothing is left behind in a pooled session -#}
SET LOCAL lock_timeout = '{{ lock_seconds }}s'
SET LOCAL statement_timeout = '{{ statement_seconds }}s'
