INSERT INTO {{ table("amx_history_origins") }} ({{ ident("origin") }}, {{ ident("landed") }}, {{ ident("epoch") }}, {{ ident("hostname") }}, {{ ident("created_by") }})
VALUES ({{ p(1) }}, 0, {{ p(2) }}, {{ p(3) }}, {{ p(4) }})
