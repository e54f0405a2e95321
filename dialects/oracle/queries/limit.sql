{# https://docs.oracle.com/en/database/oracle/oracle-database/19/sqlrf/SELECT.html, row_limiting_clause -#}
FETCH FIRST {{ limit }} ROWS ONLY
