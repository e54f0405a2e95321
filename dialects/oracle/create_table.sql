{# ORA-00955: the name is in use. https://docs.oracle.com/en/error-help/db/ora-00955/ -#}
BEGIN
  EXECUTE IMMEDIATE q'[
CREATE TABLE {{ table(table_name) }} (
{% for column in columns %}
  {%+ include "column.sql" %},
{% endfor %}
  CONSTRAINT {{ ident("pk_" ~ table_name) }} PRIMARY KEY ({% for name in primary_key %}{{ ident(name) }}{% if not loop.last %}, {% endif %}{% endfor %})
{%- for reference in references %}
,
  CONSTRAINT {{ ident(reference.name) }} FOREIGN KEY ({% for name in reference.columns %}{{ ident(name) }}{% if not loop.last %}, {% endif %}{% endfor %}) REFERENCES {{ table(reference.table) }} ({% for name in reference.key %}{{ ident(name) }}{% if not loop.last %}, {% endif %}{% endfor %})
{%- endfor %}

)]';
EXCEPTION
  WHEN OTHERS THEN
    IF SQLCODE != -955 THEN
      RAISE;
    END IF;
END;
