{# Where the database's collation ignores case, the other name is the same schema, and the name that was asked for is as good as its own. -#}
SELECT CASE WHEN name = N{{ lit(schema) }} THEN N{{ lit(schema) }} ELSE name END AS name FROM sys.schemas WHERE LOWER(name) = LOWER(N{{ lit(schema) }})
