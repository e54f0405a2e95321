{# DDL waits for metadata locks a year by default: https://dev.mysql.com/doc/refman/8.0/en/server-system-variables.html#sysvar_lock_wait_timeout.
   A time limit for statements there is for SELECT alone. -#}
SET SESSION lock_wait_timeout = {{ lock_seconds }}
SET SESSION innodb_lock_wait_timeout = {{ lock_seconds }}
