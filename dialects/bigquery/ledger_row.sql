{# INFORMATION_SCHEMA may lag behind what the lines before have made (https://cloud.google.com/bigquery/docs/managing-table-schemas),
   so the columns are named instead: where one is missing the statement does not compile, and no row is written. -#}
{% include "ledger_insert.sql" %}
{% include "ledger_columns.sql" %}
