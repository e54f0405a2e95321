{# The rows of those keys but for the one of each that has the stamp. -#}
DELETE FROM {{ table(table_name) }} WHERE ({% include "queries/keyed.sql" %})
  AND ({{ ident("writer") }} IS NULL OR {{ ident("landing") }} IS NULL OR {{ ident("writer") }} <> {{ p(count * key|length + 1) }} OR {{ ident("landing") }} <> {{ p(count * key|length + 2) }})
