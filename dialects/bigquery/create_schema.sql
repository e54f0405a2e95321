{# https://cloud.google.com/bigquery/docs/reference/standard-sql/data-definition-language#create_schema_statement -#}
CREATE SCHEMA IF NOT EXISTS {{ ident(schema) }}{% if location %} OPTIONS (location = {{ lit(location) }}){% endif %}
