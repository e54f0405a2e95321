{# One JSON array of objects as a relation. JSON_VALUE gives the text of a string, a number or a boolean, and NULL for null:
   https://cloud.google.com/bigquery/docs/reference/standard-sql/json_functions#json_value. Numbers stay text until they are cast, so that all of
   64 bits is kept; times are counted in microseconds. -#}
SELECT {% for column in columns %}
{% set text = "JSON_VALUE(j, '$.c" ~ loop.index ~ "')" %}
{%- if column.kind == "integer" %}CAST({{ text }} AS INT64)
{%- elif column.kind == "boolean" %}CAST({{ text }} AS BOOL)
{%- elif column.kind == "timestamp" %}TIMESTAMP_MICROS(CAST({{ text }} AS INT64))
{%- else %}{{ text }}
{%- endif %} AS {{ ident(column.name) }}{% if not loop.last %}, {% endif %}
{% endfor %} FROM UNNEST(JSON_QUERY_ARRAY({{ p(1) }})) AS j
