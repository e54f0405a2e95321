SELECT {{ ident("fence") }}, {{ ident("beat") }}, {{ ident("who") }}, {{ ident("hostname") }}, {{ ident("pid") }}, {{ ident("since") }} FROM {{ table(lock) }} WHERE {{ ident("item") }} = 'migrate'
