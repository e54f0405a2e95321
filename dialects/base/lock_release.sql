{# Whoever had it finds another number where it writes next. -#}
UPDATE {{ table(lock) }} SET {{ ident("fence") }} = {{ fence }} + 1, {{ ident("beat") }} = 0, {{ ident("who") }} = NULL, {{ ident("hostname") }} = NULL, {{ ident("pid") }} = NULL, {{ ident("since") }} = NULL
WHERE {{ ident("item") }} = {{ lit(item|default("migrate")) }} AND {{ ident("fence") }} = {{ fence }}
