{# The catalog is read on the leader node and cannot feed a table of ours (https://docs.aws.amazon.com/redshift/latest/dg/c_join_PG.html),
   so the columns are named instead: where one is missing the statement does not compile, and no row is written. -#}
{% include "ledger_insert.sql" %}
{% include "ledger_columns.sql" %}
