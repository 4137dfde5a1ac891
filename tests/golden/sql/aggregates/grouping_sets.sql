-- The subtotals' keys are NULL, and so is a key of its own: GROUPING tells them apart.
SELECT customer, item, grouping(customer, item) AS level, count(*) AS n
FROM orders GROUP BY GROUPING SETS ((customer, item), (customer), ());
