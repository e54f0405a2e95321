{# The keys are declared for the reader of the catalog; Snowflake enforces NOT NULL alone, and without RELY trusts none of them:
   https://docs.snowflake.com/en/sql-reference/constraints-overview
   An account may compare text without case or accents; these tables, and columns added to them later, do not:
   https://docs.snowflake.com/en/sql-reference/parameters#default-ddl-collation -#}
CREATE TABLE IF NOT EXISTS {{ table(table_name) }} (
{% for column in columns %}
  {%+ include "column.sql" %},
{% endfor %}
  CONSTRAINT {{ ident("pk_" ~ table_name) }} PRIMARY KEY ({% for name in primary_key %}{{ ident(name) }}{% if not loop.last %}, {% endif %}{% endfor %})
{%- for reference in references %}
,
  CONSTRAINT {{ ident(reference.name) }} FOREIGN KEY ({% for name in reference.columns %}{{ ident(name) }}{% if not loop.last %}, {% endif %}{% endfor %}) REFERENCES {{ table(reference.table) }} ({% for name in reference.key %}{{ ident(name) }}{% if not loop.last %}, {% endif %}{% endfor %})
{%- endfor %}

) DEFAULT_DDL_COLLATION = ''
