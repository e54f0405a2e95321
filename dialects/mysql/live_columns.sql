{# MariaDB writes the default of a nullable column without one as the word NULL: https://mariadb.com/kb/en/information-schema-columns-table/ -#}
SELECT table_name AS table_name, LOWER(column_name) AS column_name,
  CONCAT(CAST(column_type AS CHAR), CASE WHEN COALESCE(generation_expression, '') <> '' THEN ' generated always' ELSE '' END) AS sql_type,
  LOWER(is_nullable) AS is_nullable,
  CASE WHEN extra LIKE '%auto_increment%' THEN 'auto_increment' ELSE NULLIF(CAST(column_default AS CHAR), 'NULL') END AS column_default,
  collation_name AS collation_name, CAST(column_comment AS CHAR) AS comment
FROM information_schema.columns WHERE table_schema = {{ lit(schema) }} AND SUBSTR(table_name, 1, {{ prefix|length }}) = {{ lit(prefix) }}
ORDER BY table_name, ordinal_position
