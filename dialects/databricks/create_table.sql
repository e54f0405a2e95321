{# The keys are informational and their columns NOT NULL; without RELY no query is planned by them:
   https://docs.databricks.com/en/sql/language-manual/sql-ref-syntax-ddl-create-table-constraint.html
   No CLUSTER BY: a history fills a few files, and clustering raises the table's protocol for ever. -#}
CREATE TABLE IF NOT EXISTS {{ table(table_name) }} (
{% for column in columns %}
  {%+ include "column.sql" %},
{% endfor %}
  CONSTRAINT {{ ident("pk_" ~ table_name) }} PRIMARY KEY ({% for name in primary_key %}{{ ident(name) }}{% if not loop.last %}, {% endif %}{% endfor %})
{%- for reference in references %}
,
  CONSTRAINT {{ ident(reference.name) }} FOREIGN KEY ({% for name in reference.columns %}{{ ident(name) }}{% if not loop.last %}, {% endif %}{% endfor %}) REFERENCES {{ table(reference.table) }} ({% for name in reference.key %}{{ ident(name) }}{% if not loop.last %}, {% endif %}{% endfor %})
{%- endfor %}

)
USING DELTA
COMMENT {{ lit(comment) }}
