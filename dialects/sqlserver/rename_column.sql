{# The new name is taken as it stands, without brackets: https://learn.microsoft.com/en-us/sql/relational-databases/system-stored-procedures/sp-rename-transact-sql -#}
IF EXISTS (SELECT 1 FROM sys.columns WHERE object_id = OBJECT_ID(N{{ lit(table(table_name)) }}, N'U') AND name = N{{ lit(column.was) }})
  EXEC sys.sp_rename N{{ lit(table(table_name) ~ "." ~ ident(column.was)) }}, N{{ lit(column.name) }}, N'COLUMN'
