{# SQLite has no privileges: intro.txt says what stands for them. #}
