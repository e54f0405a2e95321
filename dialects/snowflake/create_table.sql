{# The keys are declared for the reader of the catalog; Snowflake enforces NOT NULL alone, and without RELY trusts none of them:
   https://docs.snowflake.com/en/sql-reference/constraints-overview
   An account may compare text without case or accents; these tables, and columns added to them later, do not:
   https://docs.snowflake.com/en/sql-reference/parameters#default-ddl-collation -#}
CREATE TABLE IF NOT EXISTS {% include "table.sql" %} DEFAULT_DDL_COLLATION = ''
