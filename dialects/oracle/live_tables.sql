SELECT o.object_name AS table_name,
  CASE WHEN m.mview_name IS NOT NULL THEN 'materialized view' WHEN t.temporary = 'Y' THEN 'temporary table' ELSE LOWER(o.object_type) END AS kind,
  n.comments AS remarks
FROM all_objects o LEFT JOIN all_tables t ON t.owner = o.owner AND t.table_name = o.object_name
LEFT JOIN all_mviews m ON m.owner = o.owner AND m.mview_name = o.object_name
LEFT JOIN all_tab_comments n ON n.owner = o.owner AND n.table_name = o.object_name
WHERE o.owner = {{ lit(schema) }} AND o.object_type IN ('TABLE', 'VIEW') AND SUBSTR(o.object_name, 1, {{ prefix|length }}) = {{ lit(folded(prefix)) }}
