{# Standard tables have none: https://docs.snowflake.com/en/sql-reference/sql/create-index -#}
SELECT '', '', '', '', '' FROM {{ dual }} WHERE FALSE
