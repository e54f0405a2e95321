{# Keys keep nothing out on standard tables, so that none is compared: https://docs.snowflake.com/en/sql-reference/constraints-overview -#}
SELECT CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR)
FROM (SELECT 1 AS one) o WHERE 1 = 0
