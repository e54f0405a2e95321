{# It touches one row where the lock is still had and what `none` names holds nothing, and keeps the row from changing hands until its transaction ends. -#}
UPDATE {{ table(lock) }} SET {{ ident("beat") }} = {{ ident("beat") }} + 1 WHERE {{ ident("item") }} = {{ lit(item|default("migrate")) }} AND {{ ident("fence") }} = {{ fence }} AND {{ ident("who") }} IS NOT NULL
{%- for rows in none|default([]) %}

  AND NOT EXISTS (SELECT 1 FROM {{ table(rows.table_name) }}{% if rows.column %} WHERE {{ ident(rows.column) }} IS NOT NULL{% endif %})
{%- endfor %}
