{# The name as the catalog has it, which another program may have chosen. -#}
SELECT COUNT(*) AS row_count FROM {% if schemas %}{{ quoted(schema) }}.{% endif %}{{ quoted(name) }}
