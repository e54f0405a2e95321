{# A text of blanks is equal to an empty one here, but it has a length:
   https://learn.microsoft.com/en-us/sql/t-sql/language-elements/string-comparison-assignment -#}
SELECT {{ ident("run_id") }}, COUNT(*) FROM {{ table("amx_history_results") }}
WHERE {{ ident("run_id") }} IN ({% for n in range(count) %}{{ p(n + 1) }}{% if not loop.last %}, {% endif %}{% endfor %})
  AND DATALENGTH({{ ident("description") }}) > 0 GROUP BY {{ ident("run_id") }}
