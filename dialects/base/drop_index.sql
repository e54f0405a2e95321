DROP INDEX IF EXISTS {{ table(index) }}
