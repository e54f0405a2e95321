{# ORA-00955: the name is in use. ORA-01408 (someone indexed the same columns under another name) is left to be seen:
   the ledger asks for our name. https://docs.oracle.com/en/error-help/db/ora-01408/ -#}
{% from "idents.sql" import idents %}
{% set passed_over = -955 %}
{% set statement = "CREATE INDEX " ~ table(index.name) ~ " ON " ~ table(table_name) ~ " (" ~ idents(index.columns) ~ ")" %}
{% include "guarded.sql" %}
