SELECT nspname FROM pg_catalog.pg_namespace WHERE lower(nspname) = lower({{ lit(schema) }})
