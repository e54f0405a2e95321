{# No IF EXISTS here: https://docs.aws.amazon.com/redshift/latest/dg/r_ALTER_TABLE.html -#}
ALTER TABLE {{ table(table_name) }} DROP COLUMN {{ ident(column.name) }}
