-- The fraction may depend on the group.
SELECT customer, percentile_disc(customer / 10.0) WITHIN GROUP (ORDER BY id) AS part, count(*) AS n
FROM orders WHERE customer IS NOT NULL GROUP BY customer
HAVING mode() WITHIN GROUP (ORDER BY item) <> 'ink';
