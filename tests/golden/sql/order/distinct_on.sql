-- The newest order of each customer.
SELECT DISTINCT ON (customer) customer, id, at FROM orders ORDER BY customer, at DESC;
