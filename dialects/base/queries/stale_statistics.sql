{# InnoDB and the warehouses keep their statistics by themselves, and on SQLite every query of ours has one index to choose. #}
