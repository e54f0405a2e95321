{# The keys are not enforced, and queries may be planned by them: AMX keeps them. A primary key has no name.
   Clustered by it, which is what a MERGE looks for: https://cloud.google.com/bigquery/docs/primary-foreign-keys,
   https://cloud.google.com/bigquery/docs/clustered-tables -#}
{% from "idents.sql" import idents %}
{% set primary = "PRIMARY KEY" %}
{% set enforced = " NOT ENFORCED" %}
CREATE TABLE IF NOT EXISTS {% include "table.sql" %}

CLUSTER BY {{ idents(primary_key[:4]) }}
OPTIONS (description = {{ lit(comment) }})
