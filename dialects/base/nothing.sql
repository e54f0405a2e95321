{# A version that has nothing to do here still has a statement of its own, which the runner of migrations needs. It touches no row. -#}
UPDATE {{ table(ledger) }} SET {{ ident("name") }} = {{ ident("name") }} WHERE {{ ident("version") }} = {{ version }}
