{# ORA-01430: the column is there. https://docs.oracle.com/en/error-help/db/ora-01430/ -#}
{% for column in columns %}
BEGIN
  EXECUTE IMMEDIATE q'[ALTER TABLE {{ table(table_name) }} ADD ({% include "column.sql" %})]';
EXCEPTION
  WHEN OTHERS THEN
    IF SQLCODE != -1430 THEN
      RAISE;
    END IF;
END;
{% endfor %}
