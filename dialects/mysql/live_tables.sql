SELECT table_name AS table_name,
  CASE WHEN table_type NOT IN ('BASE TABLE', 'SYSTEM VERSIONED') THEN LOWER(table_type) WHEN engine = 'InnoDB' THEN 'table'
    ELSE CONCAT(COALESCE(engine, 'broken'), ' table') END AS kind,
  CAST(table_comment AS CHAR) AS comment
FROM information_schema.tables WHERE table_schema = {{ lit(schema) }} AND SUBSTR(table_name, 1, {{ prefix|length }}) = {{ lit(prefix) }}
