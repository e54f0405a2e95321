{# CREATE SCHEMA must stand alone in its batch: https://learn.microsoft.com/en-us/sql/t-sql/statements/create-schema-transact-sql -#}
IF SCHEMA_ID(N{{ lit(schema) }}) IS NULL
  EXEC (N{{ lit("CREATE SCHEMA " ~ ident(schema)) }})
