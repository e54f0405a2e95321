{# No keys are declared: they would not be enforced, and the planner would trust them, so that a duplicate could give wrong answers:
   https://docs.aws.amazon.com/redshift/latest/dg/t_Defining_constraints.html
   DISTSTYLE AUTO and SORTKEY AUTO are what a table has that says nothing, ALL for a small one:
   https://docs.aws.amazon.com/redshift/latest/dg/t_Creating_tables.html -#}
CREATE TABLE IF NOT EXISTS {{ table(table_name) }} (
{% for column in columns %}
  {%+ include "column.sql" %}{% if not loop.last %},{% endif %}

{% endfor %}
)
