{# The keys are not enforced, and queries may be planned by them: AMX keeps them. A primary key has no name.
   Clustered by it, which is what a MERGE looks for: https://cloud.google.com/bigquery/docs/primary-foreign-keys,
   https://cloud.google.com/bigquery/docs/clustered-tables -#}
CREATE TABLE IF NOT EXISTS {{ table(table_name) }} (
{% for column in columns %}
  {%+ include "column.sql" %},
{% endfor %}
  PRIMARY KEY ({% for name in primary_key %}{{ ident(name) }}{% if not loop.last %}, {% endif %}{% endfor %}) NOT ENFORCED
{%- for reference in references %}
,
  CONSTRAINT {{ ident(reference.name) }} FOREIGN KEY ({% for name in reference.columns %}{{ ident(name) }}{% if not loop.last %}, {% endif %}{% endfor %}) REFERENCES {{ table(reference.table) }} ({% for name in reference.key %}{{ ident(name) }}{% if not loop.last %}, {% endif %}{% endfor %}) NOT ENFORCED
{%- endfor %}

)
CLUSTER BY {% for name in primary_key[:4] %}{{ ident(name) }}{% if not loop.last %}, {% endif %}{% endfor %}

OPTIONS (description = {{ lit(comment) }})
