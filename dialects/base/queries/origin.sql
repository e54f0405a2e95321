SELECT {{ ident("landed") }}, {{ ident("epoch") }} FROM {{ table("amx_history_origins") }} WHERE {{ ident("origin") }} = {{ p(1) }}
