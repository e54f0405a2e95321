{# A dataset is made where the query runs, and the two must agree. It has to be the first statement:
   https://cloud.google.com/bigquery/docs/reference/system-variables -#}
{% if location is defined and location %}
SET @@location = {{ lit(location) }};
{% endif %}
