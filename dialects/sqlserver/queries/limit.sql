{# https://learn.microsoft.com/en-us/sql/t-sql/queries/select-order-by-clause-transact-sql -#}
OFFSET 0 ROWS FETCH NEXT {{ limit }} ROWS ONLY
