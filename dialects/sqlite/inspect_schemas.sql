{# A file without a table is not a store yet. -#}
SELECT 'main', count(*) FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite\_%' ESCAPE '\' HAVING count(*) > 0
