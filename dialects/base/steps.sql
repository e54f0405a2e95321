SELECT {{ ident("version") }}, {{ ident("step") }}, {{ ident("checksum") }}, {{ ident("state") }} FROM {{ table(steps) }}
