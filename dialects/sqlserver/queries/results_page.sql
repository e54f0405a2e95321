{# Names are compared by code unit, the shorter one filled up with blanks, so that a name may begin below the empty text. NCHAR(0) is below all:
   https://learn.microsoft.com/en-us/sql/t-sql/language-elements/string-comparison-assignment -#}
SELECT {% include "queries/columns.sql" %} FROM {{ table("amx_history_results") }}
WHERE {{ ident("run_id") }} = {{ p(1) }} AND {{ ident("target_qname") }} > CASE WHEN DATALENGTH({{ p(2) }}) = 0 THEN NCHAR(0) ELSE {{ p(2) }} END
ORDER BY {{ ident("target_qname") }} {% include "queries/limit.sql" %}
