{# A CLOB neither groups nor sorts; people are told apart by their first 1,000 characters, which are at most the 4,000 bytes that a VARCHAR2 holds:
   https://docs.oracle.com/en/database/oracle/oracle-database/19/adlob/SQL-semantics-LOBs.html -#}
{% set who = "TO_CHAR(SUBSTR(" ~ ident("who") ~ ", 1, 1000))" %}
SELECT {{ who }}, COUNT(*), MAX({{ ident("started_at") }}) FROM {{ table("amx_history_runs") }}
WHERE {{ ident("writer") }} <> {{ p(1) }} OR {{ ident("writer") }} IS NULL GROUP BY {{ who }} ORDER BY COUNT(*) DESC, {{ who }}
