INSERT INTO {{ table(lock) }} ({{ ident("item") }}, {{ ident("fence") }}, {{ ident("beat") }})
SELECT 'migrate', 0, 0{% if dual %} FROM {{ dual }}{% endif %}

WHERE NOT EXISTS (SELECT 1 FROM {{ table(lock) }} WHERE {{ ident("item") }} = 'migrate')
