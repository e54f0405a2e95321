{# https://docs.aws.amazon.com/redshift/latest/dg/r_statement_timeout.html, in milliseconds -#}
SET statement_timeout TO {{ statement_seconds * 1000 }}
