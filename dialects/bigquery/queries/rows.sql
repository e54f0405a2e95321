{# One JSON array of objects as a relation. It is parsed before it is taken apart: of a mere STRING, JSON_VALUE loses characters that are written as
   pairs of surrogates (measured with ZetaSQL's reference evaluator; parsed, every text came back). JSON_VALUE gives the text of a string, a number or a
   boolean, and NULL for null: https://cloud.google.com/bigquery/docs/reference/standard-sql/json_functions#json_value. Times are counted in
   microseconds. -#}
SELECT {% for column in columns %}
{% set text = "JSON_VALUE(j, '$.c" ~ loop.index ~ "')" %}
{%- if column.kind == "integer" %}CAST({{ text }} AS INT64)
{%- elif column.kind == "boolean" %}CAST({{ text }} AS BOOL)
{%- elif column.kind == "timestamp" %}TIMESTAMP_MICROS(CAST({{ text }} AS INT64))
{%- else %}{{ text }}
{%- endif %} AS {{ ident(column.name) }}{% if not loop.last %}, {% endif %}
{% endfor %} FROM UNNEST(JSON_QUERY_ARRAY(PARSE_JSON({{ p(1) }}))) AS j
