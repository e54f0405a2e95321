{# A CLOB is not compared by =, but by https://docs.oracle.com/en/database/oracle/oracle-database/19/arpls/DBMS_LOB.html -#}
SELECT {% include "queries/columns.sql" %} FROM {{ table("amx_history_runs") }}
{% set n = namespace(value=0) %}
{% for condition in conditions %}
{% set n.value = n.value + 1 %}
{{ "WHERE" if loop.first else "  AND" }} {% if condition in ["who", "state"] %}DBMS_LOB.COMPARE({{ ident(condition) }}, TO_CLOB({{ p(n.value) }})) = 0
{%- elif condition == "scope" %}({{ contains("', ' || " ~ ident("scope") ~ " || ', '", p(n.value)) }}{% set n.value = n.value + 1 %} OR {{ contains("', ' || " ~ ident("scope"), p(n.value)) }})
{%- else %}({{ ident("started_at") }} < {{ p(n.value) }}{% set n.value = n.value + 1 %} OR ({{ ident("started_at") }} = {{ p(n.value) }}{% set n.value = n.value + 1 %} AND {{ ident("run_id") }} < {{ p(n.value) }})){% endif %}

{% endfor %}
ORDER BY {{ ident("started_at") }} DESC, {{ ident("run_id") }} DESC {% include "queries/limit.sql" %}
