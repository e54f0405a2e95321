{# `fence` and `beat` are those that were read: whoever was faster has moved one of them on. -#}
UPDATE {{ table(lock) }} SET {{ ident("fence") }} = {{ fence }} + 1, {{ ident("beat") }} = 0, {{ ident("who") }} = {{ p(1) }}, {{ ident("hostname") }} = {{ p(2) }}, {{ ident("pid") }} = {{ p(3) }}, {{ ident("since") }} = {{ now_text }}
WHERE {{ ident("item") }} = {{ lit(item|default("migrate")) }} AND {{ ident("fence") }} = {{ fence }} AND {{ ident("beat") }} = {{ beat }}
