{# No IF NOT EXISTS here. The key is nonclustered: a clustered one ends at 900 bytes. -#}
IF OBJECT_ID(N'{{ table(table_name) }}', N'U') IS NULL
CREATE TABLE {{ table(table_name) }} (
{% for column in columns %}
  {%+ include "column.sql" %},
{% endfor %}
  CONSTRAINT {{ ident("pk_" ~ table_name) }} PRIMARY KEY NONCLUSTERED ({% for name in primary_key %}{{ ident(name) }}{% if not loop.last %}, {% endif %}{% endfor %})
{%- for reference in references %}
,
  CONSTRAINT {{ ident(reference.name) }} FOREIGN KEY ({% for name in reference.columns %}{{ ident(name) }}{% if not loop.last %}, {% endif %}{% endfor %}) REFERENCES {{ table(reference.table) }} ({% for name in reference.key %}{{ ident(name) }}{% if not loop.last %}, {% endif %}{% endfor %})
{%- endfor %}

)
