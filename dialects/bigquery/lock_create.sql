{# The table with its rows in one statement, so that of two that come first only one makes it:
   https://cloud.google.com/bigquery/docs/reference/standard-sql/data-definition-language#create_table_statement. That keys may stand
   before AS, dbt's contracts show: https://github.com/dbt-labs/dbt-adapters/blob/main/dbt-bigquery/src/dbt/include/bigquery/macros/relations/table/create.sql -#}
CREATE TABLE IF NOT EXISTS {{ table(lock) }} (
{% for column in columns %}
  {{ ident(column.name) }} {{ column.type }}{% if not column.null %} NOT NULL{% endif %},
{% endfor %}
  PRIMARY KEY ({{ ident("item") }}) NOT ENFORCED
) AS
{% for item in items %}
SELECT {% for column in columns %}CAST({% if column.name == "item" %}{{ lit(item) }}{% elif column.null %}NULL{% else %}0{% endif %} AS {{ column.type }}) AS {{ ident(column.name) }}{% if not loop.last %}, {% endif %}{% endfor %}{% if not loop.last %}

UNION ALL {% endif %}
{% endfor %}
