{# No keys are declared, and one that somebody declared keeps nothing out: https://docs.aws.amazon.com/redshift/latest/dg/t_Defining_constraints.html -#}
SELECT CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR) WHERE 1 = 0
