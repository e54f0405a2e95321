SELECT {{ ident("value") }} FROM {{ table("amx_history_store") }} WHERE {{ ident("item") }} = 'store_id'
