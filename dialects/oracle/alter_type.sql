ALTER TABLE {{ table(table_name) }} MODIFY ({{ ident(column.name) }} {{ column.type }})
