{# https://docs.oracle.com/en/database/oracle/oracle-database/19/refrn/ALL_USERS.html -#}
SELECT u.username AS name, COUNT(o.object_name) AS tables
FROM all_users u LEFT JOIN all_objects o ON o.owner = u.username AND o.object_type IN ('TABLE', 'VIEW') AND o.object_name NOT LIKE 'BIN$%'
WHERE u.oracle_maintained = 'N' GROUP BY u.username ORDER BY u.username
