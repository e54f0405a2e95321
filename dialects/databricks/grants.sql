{# MODIFY is INSERT, UPDATE and DELETE in one: https://docs.databricks.com/en/data-governance/unity-catalog/manage-privileges/privileges.html -#}
{% for principal in ["`<member>`", "`<reader>`"] %}
GRANT USE CATALOG ON CATALOG `<catalog>` TO {{ principal }}
GRANT USE SCHEMA ON SCHEMA {{ ident(schema) }} TO {{ principal }}
{% endfor %}
{% for name in tables %}
GRANT SELECT, MODIFY ON TABLE {{ table(name) }} TO `<member>`
GRANT SELECT ON TABLE {{ table(name) }} TO `<reader>`
{% endfor %}
GRANT SELECT ON TABLE {{ table(ledger) }} TO `<member>`
GRANT SELECT ON TABLE {{ table(ledger) }} TO `<reader>`
