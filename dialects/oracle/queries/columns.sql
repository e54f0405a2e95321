{# A NULL and a CLOB of length 0 are one to the client. The last column names the columns, by their numbers, that are empty and not NULL:
   https://docs.oracle.com/en/database/oracle/oracle-database/19/adlob/detailed-semantics-of-SQL-operations.html -#}
{% for name in columns %}{{ ident(name) }}, {% endfor %}
{% for at in texts %}CASE WHEN LENGTH({{ ident(columns[at - 1]) }}) = 0 THEN ' {{ at }}' END{% if not loop.last %} || {% endif %}{% endfor %} AS {{ ident("empty_texts") }}
