    SELECT tbl_name AS table_name, name AS index_name FROM sqlite_master WHERE type = 'index'
