{% for name in tables %}
GRANT {{ member }} ON {{ table(name) }} TO <member>
GRANT SELECT ON {{ table(name) }} TO <reader>
{% endfor %}
GRANT SELECT ON {{ table(ledger) }} TO <member>
GRANT SELECT ON {{ table(ledger) }} TO <reader>
