{# https://docs.databricks.com/en/sql/language-manual/parameters/statement_timeout.html -#}
SET STATEMENT_TIMEOUT = {{ statement_seconds }}
