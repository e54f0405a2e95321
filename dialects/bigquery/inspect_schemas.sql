{# Those of the region that the query runs in. How many tables each has, only a query in each would tell: the views of tables belong to one dataset,
   or to a region that a statement has to name: https://cloud.google.com/bigquery/docs/information-schema-tables#scope_and_syntax -#}
SELECT schema_name AS name, CAST(NULL AS INT64) AS tables FROM INFORMATION_SCHEMA.SCHEMATA ORDER BY schema_name
