{# Of the region that the query runs in; where nothing says, the US: https://cloud.google.com/bigquery/docs/information-schema-datasets-schemata -#}
SELECT schema_name AS name FROM INFORMATION_SCHEMA.SCHEMATA WHERE LOWER(schema_name) = LOWER({{ lit(schema) }})
