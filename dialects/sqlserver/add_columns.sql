{% for column in columns %}
IF NOT EXISTS (SELECT 1 FROM sys.columns WHERE object_id = OBJECT_ID(N{{ lit(table(table_name)) }}, N'U') AND name = N{{ lit(column.name) }})
  ALTER TABLE {{ table(table_name) }} ADD {% include "column.sql" %}{% if not loop.last %};{% endif %}

{% endfor %}
