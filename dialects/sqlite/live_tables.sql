SELECT lower(name), type, NULL FROM pragma_table_list WHERE schema = 'main' AND substr(lower(name), 1, {{ prefix|length }}) = {{ lit(prefix) }}
