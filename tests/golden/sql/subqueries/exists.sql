SELECT name FROM customers AS c
WHERE NOT EXISTS (SELECT 1 FROM orders AS o WHERE o.customer = c.id AND o.qty > 1);
