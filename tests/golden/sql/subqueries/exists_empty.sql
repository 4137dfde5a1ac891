SELECT name, EXISTS (SELECT FROM returns AS r JOIN orders AS o ON o.id = r.order_id WHERE o.customer = c.id) AS returned
FROM customers AS c
WHERE EXISTS (SELECT FROM orders AS o WHERE o.customer = c.id) AND EXISTS (SELECT) AND NOT EXISTS (SELECT WHERE false AND c.id = 0);
