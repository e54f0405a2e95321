{# MS_Description is what Microsoft's tools show: https://learn.microsoft.com/en-us/sql/relational-databases/system-stored-procedures/sp-addextendedproperty-transact-sql -#}
IF EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 1 AND name = N'MS_Description' AND major_id = OBJECT_ID(N{{ lit(table(table_name)) }}, N'U') AND minor_id = 0)
  EXEC sys.sp_updateextendedproperty N'MS_Description', N{{ lit(comment) }}, N'SCHEMA', N{{ lit(schema) }}, N'TABLE', N{{ lit(table_name) }}
ELSE
  EXEC sys.sp_addextendedproperty N'MS_Description', N{{ lit(comment) }}, N'SCHEMA', N{{ lit(schema) }}, N'TABLE', N{{ lit(table_name) }}
