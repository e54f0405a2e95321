{# The type of a column k with the type y, as DDL writes it. The length is in bytes, -1 for MAX:
   https://learn.microsoft.com/en-us/sql/relational-databases/system-catalog-views/sys-columns-transact-sql -#}
CONCAT(y.name, CASE
    WHEN y.name IN (N'nvarchar', N'varchar', N'varbinary') AND k.max_length = -1 THEN '(max)'
    WHEN y.name IN (N'nvarchar', N'nchar') THEN CONCAT('(', k.max_length / 2, ')')
    WHEN y.name IN (N'varchar', N'char', N'varbinary', N'binary') THEN CONCAT('(', k.max_length, ')')
    WHEN y.name IN (N'datetime2', N'datetimeoffset', N'time') THEN CONCAT('(', k.scale, ')')
    WHEN y.name IN (N'decimal', N'numeric') THEN CONCAT('(', k.precision, ',', k.scale, ')') ELSE '' END,
    CASE WHEN k.is_computed = 1 THEN ' computed' WHEN k.is_identity = 1 THEN ' identity' ELSE '' END)
