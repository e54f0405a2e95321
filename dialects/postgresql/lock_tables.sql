{# https://www.postgresql.org/docs/15/sql-lock.html -#}
{% for name in tables %}
LOCK TABLE {{ table(name) }} IN ACCESS EXCLUSIVE MODE
{% endfor %}
