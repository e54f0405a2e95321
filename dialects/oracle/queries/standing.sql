{# The store's id is a UUID of 36 characters. -#}
SELECT 'ledger', CAST(NULL AS VARCHAR2(64)), CAST(NULL AS VARCHAR2(64)), MAX({{ ident("version") }}) FROM {{ table(ledger) }}
UNION ALL SELECT 'store', TO_CHAR(SUBSTR({{ ident("value") }}, 1, 64)), NULL, 0 FROM {{ table("amx_history_store") }} WHERE {{ ident("item") }} = 'store_id'
UNION ALL SELECT 'origin', {{ ident("origin") }}, {{ ident("epoch") }}, {{ ident("landed") }} FROM {{ table("amx_history_origins") }}
