{# The keys are informational and their columns NOT NULL; without RELY no query is planned by them:
   https://docs.databricks.com/en/sql/language-manual/sql-ref-syntax-ddl-create-table-constraint.html
   No CLUSTER BY: a history fills a few files, and clustering raises the table's protocol for ever. -#}
CREATE TABLE IF NOT EXISTS {% include "table.sql" %}

USING DELTA
COMMENT {{ lit(comment) }}
