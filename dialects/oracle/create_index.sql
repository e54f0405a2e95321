{# ORA-00955: the name is in use. ORA-01408 (someone indexed the same columns under another name) is left to be seen:
   the ledger asks for our name. https://docs.oracle.com/en/error-help/db/ora-01408/ -#}
BEGIN
  EXECUTE IMMEDIATE q'[CREATE INDEX {{ table(index.name) }} ON {{ table(table_name) }} ({% for column in index.columns %}{{ ident(column) }}{% if not loop.last %}, {% endif %}{% endfor %})]';
EXCEPTION
  WHEN OTHERS THEN
    IF SQLCODE != -955 THEN
      RAISE;
    END IF;
END;
