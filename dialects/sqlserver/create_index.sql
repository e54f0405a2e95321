{% from "idents.sql" import idents %}
IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N{{ lit(table(table_name)) }}, N'U') AND name = N{{ lit(index.name) }})
  CREATE NONCLUSTERED INDEX {{ ident(index.name) }} ON {{ table(table_name) }} ({{ idents(index.columns) }})
