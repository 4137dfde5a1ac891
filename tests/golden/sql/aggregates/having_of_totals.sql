-- The key of the total of all is NULL, and so is NOT of it; PostgreSQL before 18 counts it in.
-- postgres: SELECT item = 'pen' AS pen, customer, count(*) AS n FROM orders GROUP BY ROLLUP (item = 'pen', customer) HAVING (item = 'pen') IS FALSE
SELECT item = 'pen' AS pen, customer, count(*) AS n
FROM orders GROUP BY ROLLUP (item = 'pen', customer) HAVING NOT (item = 'pen');
