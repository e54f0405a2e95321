{# One role a statement: https://docs.snowflake.com/en/sql-reference/sql/grant-privilege -#}
{% for role in ["<member>", "<reader>"] %}
GRANT USAGE ON WAREHOUSE <warehouse> TO ROLE {{ role }}
GRANT USAGE ON DATABASE <database> TO ROLE {{ role }}
GRANT USAGE ON SCHEMA {{ ident(schema) }} TO ROLE {{ role }}
{% endfor %}
{% for name in tables %}
GRANT {{ member }} ON TABLE {{ table(name) }} TO ROLE <member>
GRANT SELECT ON TABLE {{ table(name) }} TO ROLE <reader>
{% endfor %}
GRANT SELECT ON TABLE {{ table(ledger) }} TO ROLE <member>
GRANT SELECT ON TABLE {{ table(ledger) }} TO ROLE <reader>
