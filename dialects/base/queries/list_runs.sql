SELECT {% include "queries/columns.sql" %} FROM {{ table("amx_history_runs") }}
{% set n = namespace(value=0) %}
{% for condition in conditions %}
{% set n.value = n.value + 1 %}
{{ "WHERE" if loop.first else "  AND" }} {% if condition == "who" %}{{ ident("who") }} = {{ p(n.value) }}
{%- elif condition == "state" %}{{ ident("state") }} = {{ p(n.value) }}
{%- elif condition == "scope" %}({{ contains("CONCAT(CONCAT(', ', " ~ ident("scope") ~ "), ', ')", p(n.value)) }}{% set n.value = n.value + 1 %} OR {{ contains("CONCAT(', ', " ~ ident("scope") ~ ")", p(n.value)) }})
{%- else %}({{ ident("started_at") }} < {{ p(n.value) }}{% set n.value = n.value + 1 %} OR ({{ ident("started_at") }} = {{ p(n.value) }}{% set n.value = n.value + 1 %} AND {{ ident("run_id") }} < {{ p(n.value) }})){% endif %}

{% endfor %}
ORDER BY {{ ident("started_at") }} DESC, {{ ident("run_id") }} DESC {% include "queries/limit.sql" %}
