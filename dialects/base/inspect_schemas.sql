SELECT s.schema_name AS name, COUNT(t.table_name) AS tables
FROM information_schema.schemata s LEFT JOIN information_schema.tables t ON t.table_schema = s.schema_name
GROUP BY s.schema_name ORDER BY s.schema_name
