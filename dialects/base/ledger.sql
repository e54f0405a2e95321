SELECT {{ ident("version") }}, {{ ident("name") }}, {{ ident("applied_on") }}, {{ ident("checksum") }} FROM {{ table(ledger) }} ORDER BY {{ ident("version") }}
