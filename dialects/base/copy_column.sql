UPDATE {{ table(table_name) }} SET {{ ident(column.name) }} = {{ ident(column.was) }}
