{# Views are left out: one whose table is gone would fail the query. -#}
SELECT t.name, c.name, c.type, CASE WHEN c."notnull" THEN 'no' ELSE 'yes' END FROM pragma_table_list t, pragma_table_xinfo(t.name) c
WHERE t.schema = 'main' AND t.type <> 'view' AND t.name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY t.name, c.cid
