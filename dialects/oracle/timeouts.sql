{# https://docs.oracle.com/en/database/oracle/oracle-database/19/refrn/DDL_LOCK_TIMEOUT.html -#}
ALTER SESSION SET DDL_LOCK_TIMEOUT = {{ lock_seconds }}
