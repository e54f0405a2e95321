CREATE SCHEMA IF NOT EXISTS {{ ident(schema) }}
