{# The columns are named rather than asked of information_schema, which a workspace may not have: where one is missing the statement
   is refused, and no row is written. -#}
{% include "ledger_insert.sql" %}
{% include "ledger_columns.sql" %}
