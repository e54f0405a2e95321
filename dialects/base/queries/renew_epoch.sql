UPDATE {{ table("amx_history_origins") }} SET {{ ident("epoch") }} = {{ p(1) }} WHERE {{ ident("origin") }} = {{ p(2) }} AND {{ ident("epoch") }} = {{ p(3) }}
