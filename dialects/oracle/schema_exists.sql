SELECT username AS name FROM all_users WHERE LOWER(username) = LOWER({{ lit(schema) }})
