SELECT name, (SELECT max(price) FROM orders AS o WHERE o.customer = c.id) AS dearest,
       (SELECT count(*) FROM orders AS o WHERE o.customer = c.id) AS n
FROM customers AS c;
