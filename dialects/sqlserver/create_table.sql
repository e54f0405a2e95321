{# No IF NOT EXISTS here. The key is nonclustered: a clustered one ends at 900 bytes. -#}
{% set primary = "CONSTRAINT " ~ ident("pk_" ~ table_name) ~ " PRIMARY KEY NONCLUSTERED" %}
IF OBJECT_ID(N{{ lit(table(table_name)) }}, N'U') IS NULL
CREATE TABLE {% include "table.sql" %}
