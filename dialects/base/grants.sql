{# One name a statement: sqlfluff knows no list of them for Redshift. #}
{% for name in ["<member>", "<reader>"] %}
GRANT USAGE ON SCHEMA {{ ident(schema) }} TO {{ name }}
{% endfor %}
{% for name in tables %}
GRANT {{ member }} ON {{ table(name) }} TO <member>
GRANT SELECT ON {{ table(name) }} TO <reader>
{% endfor %}
GRANT SELECT ON {{ table(ledger) }} TO <member>
GRANT SELECT ON {{ table(ledger) }} TO <reader>
