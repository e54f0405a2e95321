{# Raises the table to reader 2 and writer 5 of the protocol, or to the feature: https://docs.databricks.com/en/delta/column-mapping.html -#}
ALTER TABLE {{ table(table_name) }} SET TBLPROPERTIES ('delta.columnMapping.mode' = 'name')
