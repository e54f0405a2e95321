EXISTS (SELECT 1 FROM {{ table(lock) }} WHERE {{ ident("item") }} = {{ lit(item|default("migrate")) }} AND {{ ident("fence") }} = {{ fence }} AND {{ ident("who") }} IS NOT NULL)
