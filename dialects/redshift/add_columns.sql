{# One column a statement, and no guard: https://docs.aws.amazon.com/redshift/latest/dg/r_ALTER_TABLE.html -#}
{% for column in columns %}
ALTER TABLE {{ table(table_name) }} ADD COLUMN {% include "column.sql" %}{% if not loop.last %};{% endif %}

{% endfor %}
