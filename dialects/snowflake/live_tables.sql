SELECT t.table_name, {% include "table_kind.sql" %}, t.comment
FROM information_schema.tables t WHERE t.table_schema = {{ lit(schema) }} AND STARTSWITH(t.table_name, {{ lit(folded(prefix)) }})
