{# A table's name, columns and keys, for each dialect's create_table.sql, which may say what a key is (`primary`) and what follows one (`enforced`). -#}
{% from "idents.sql" import idents %}
{{ table(table_name) }} (
{% for column in columns %}
  {%+ include "column.sql" %},
{% endfor %}
  {%+ if primary is defined %}{{ primary }}{% else %}CONSTRAINT {{ ident("pk_" ~ table_name) }} PRIMARY KEY{% endif %} ({{ idents(primary_key) }}){{ enforced|default("") }}
{%- for reference in references %}
,
  CONSTRAINT {{ ident(reference.name) }} FOREIGN KEY ({{ idents(reference.columns) }}) REFERENCES {{ table(reference.table) }} ({{ idents(reference.key) }}){{ enforced|default("") }}
{%- endfor %}

)
