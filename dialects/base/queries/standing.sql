SELECT 'ledger', '', '', MAX({{ ident("version") }}) FROM {{ table(ledger) }}
UNION ALL SELECT 'store', {{ ident("value") }}, '', 0 FROM {{ table("amx_history_store") }} WHERE {{ ident("item") }} = 'store_id'
UNION ALL SELECT 'origin', {{ ident("origin") }}, {{ ident("epoch") }}, {{ ident("landed") }} FROM {{ table("amx_history_origins") }}
