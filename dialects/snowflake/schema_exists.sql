SELECT schema_name AS name FROM information_schema.schemata WHERE LOWER(schema_name) = LOWER({{ lit(schema) }})
