{# A column's type as it is declared, which the catalog keeps in parts: https://docs.snowflake.com/en/sql-reference/info-schema/columns -#}
CASE WHEN c.data_type = 'TEXT' THEN 'VARCHAR(' || c.character_maximum_length || ')'
    WHEN c.data_type = 'NUMBER' THEN 'NUMBER(' || c.numeric_precision || ',' || c.numeric_scale || ')'
    WHEN c.data_type IN ('TIMESTAMP_NTZ', 'TIMESTAMP_LTZ', 'TIMESTAMP_TZ', 'TIME') THEN c.data_type || '(' || c.datetime_precision || ')'
    ELSE c.data_type END
