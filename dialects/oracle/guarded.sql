{# Runs a statement and passes over the one error that says that it was run before. -#}
BEGIN
  EXECUTE IMMEDIATE {{ lit(statement) }};
EXCEPTION
  WHEN OTHERS THEN
    IF SQLCODE != {{ passed_over }} THEN
      RAISE;
    END IF;
END;
