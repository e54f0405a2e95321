{# Views too, as on the other engines. A dataset that is not there is an error: https://cloud.google.com/bigquery/docs/information-schema-columns -#}
    SELECT table_name AS table_name, column_name AS column_name FROM {{ ident(schema) }}.INFORMATION_SCHEMA.COLUMNS
