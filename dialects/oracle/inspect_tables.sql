{# A materialized view is a table too; what was dropped lies in the recycle bin. -#}
SELECT o.object_name AS name, CASE WHEN m.mview_name IS NOT NULL THEN 'materialized view' ELSE LOWER(o.object_type) END AS kind
FROM all_objects o LEFT JOIN all_mviews m ON m.owner = o.owner AND m.mview_name = o.object_name
WHERE o.owner = {{ lit(schema) }} AND o.object_type IN ('TABLE', 'VIEW') AND o.object_name NOT LIKE 'BIN$%' ORDER BY o.object_name
