{# The type of a column of ALL_TAB_COLS as it is written: https://docs.oracle.com/en/database/oracle/oracle-database/19/refrn/ALL_TAB_COLS.html -#}
CASE WHEN c.data_type IN ('VARCHAR2', 'CHAR') THEN c.data_type || '(' || c.char_length || CASE c.char_used WHEN 'C' THEN ' CHAR)' ELSE ' BYTE)' END
    WHEN c.data_type IN ('NVARCHAR2', 'NCHAR') THEN c.data_type || '(' || c.char_length || ')'
    WHEN c.data_type = 'RAW' THEN 'RAW(' || c.data_length || ')'
    WHEN c.data_type = 'NUMBER' AND c.data_precision IS NOT NULL THEN 'NUMBER(' || c.data_precision || CASE WHEN c.data_scale <> 0 THEN ',' || c.data_scale END || ')'
    ELSE c.data_type END
