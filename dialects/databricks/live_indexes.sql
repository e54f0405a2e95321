{# There are none. -#}
SELECT '' AS table_name, '' AS index_name, '' AS column_name, '' AS is_unique, '' AS flaw FROM {{ dual }} WHERE FALSE
