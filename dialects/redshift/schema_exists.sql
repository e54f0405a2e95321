SELECT CAST(nspname AS VARCHAR) AS name FROM pg_catalog.pg_namespace WHERE LOWER(nspname) = LOWER({{ lit(schema) }})
