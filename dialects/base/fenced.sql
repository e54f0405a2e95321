EXISTS (SELECT 1 FROM {{ table(lock) }} WHERE {{ ident("item") }} = 'migrate' AND {{ ident("fence") }} = {{ fence }} AND {{ ident("who") }} IS NOT NULL)
