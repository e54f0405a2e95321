{% from "idents.sql" import idents %}
CREATE INDEX IF NOT EXISTS {{ ident(index.name) }} ON {{ table(table_name) }} ({{ idents(index.columns) }})
