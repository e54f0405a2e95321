INSERT INTO {{ table("amx_history_store") }} ({{ ident("item") }}, {{ ident("value") }})
SELECT 'store_id', {{ p(1) }}{% if dual %} FROM {{ dual }}{% endif %} WHERE NOT EXISTS (SELECT 1 FROM {{ table("amx_history_store") }} WHERE {{ ident("item") }} = 'store_id')
