UPDATE {{ table(lock) }} SET {{ ident("beat") }} = {{ ident("beat") }} + 1 WHERE {{ ident("item") }} = 'migrate' AND {{ ident("fence") }} = {{ fence }} AND {{ ident("who") }} IS NOT NULL
