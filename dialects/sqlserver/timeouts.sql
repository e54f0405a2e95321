{# https://learn.microsoft.com/en-us/sql/t-sql/statements/set-lock-timeout-transact-sql, in milliseconds -#}
SET LOCK_TIMEOUT {{ lock_seconds * 1000 }}
