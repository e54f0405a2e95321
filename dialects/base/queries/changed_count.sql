SELECT COUNT(*) FROM (
{% include "queries/changed_runs.sql" %}
) {{ ident("changed") }}
