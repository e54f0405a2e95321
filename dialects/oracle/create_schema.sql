{# A schema is a user; this one cannot log in: https://docs.oracle.com/en/database/oracle/oracle-database/19/dbseg/schema-only-accounts.html
   Without a quota nothing can be put into its tables: https://docs.oracle.com/en/error-help/db/ora-01950/ -#}
DECLARE
  found NUMBER;
  space VARCHAR2(128);
BEGIN
  SELECT COUNT(*) INTO found FROM all_users WHERE username = {{ lit(schema) }};
  IF found = 0 THEN
    SELECT property_value INTO space FROM database_properties WHERE property_name = 'DEFAULT_PERMANENT_TABLESPACE';
    EXECUTE IMMEDIATE 'CREATE USER {{ ident(schema) }} NO AUTHENTICATION DEFAULT TABLESPACE "' || space || '" QUOTA UNLIMITED ON "' || space || '"';
  END IF;
END;
