SELECT c.name, o.id, o.item
FROM customers AS c LEFT JOIN orders AS o
  ON o.customer = c.id AND o.item IN (SELECT item FROM prices) AND NOT EXISTS (SELECT 1 FROM returns AS r WHERE r.order_id = o.id);
