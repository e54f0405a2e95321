{# https://docs.aws.amazon.com/redshift/latest/dg/r_LOCK.html -#}
{% for name in tables %}
LOCK {{ table(name) }}
{% endfor %}
