-- NULL is a key like others; aggregates leave NULLs out.
SELECT customer, count(*) AS orders, count(qty) AS known, sum(qty * price) AS worth, min(item) AS first
FROM orders GROUP BY customer;
