{# https://docs.snowflake.com/en/sql-reference/parameters#lock-timeout and #statement-timeout-in-seconds -#}
ALTER SESSION SET LOCK_TIMEOUT = {{ lock_seconds }}
ALTER SESSION SET STATEMENT_TIMEOUT_IN_SECONDS = {{ statement_seconds }}
