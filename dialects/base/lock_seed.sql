INSERT INTO {{ table(lock) }} ({{ ident("item") }}, {{ ident("fence") }}, {{ ident("beat") }})
SELECT {{ lit(item) }}, 0, 0{% if dual %} FROM {{ dual }}{% endif %}

WHERE NOT EXISTS (SELECT 1 FROM {{ table(lock) }} WHERE {{ ident("item") }} = {{ lit(item) }})
