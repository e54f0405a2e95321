SELECT t.table_name, {% include "table_kind.sql" %}

FROM information_schema.tables t WHERE t.table_schema = {{ lit(schema) }} ORDER BY t.table_name
