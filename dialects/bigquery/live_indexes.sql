{# There are none. The types of an empty answer are told all the same. -#}
SELECT CAST(NULL AS STRING) AS table_name, CAST(NULL AS STRING) AS index_name, CAST(NULL AS STRING) AS column_name, CAST(NULL AS STRING) AS is_unique,
  CAST(NULL AS STRING) AS flaw
FROM {{ dual }} WHERE FALSE
