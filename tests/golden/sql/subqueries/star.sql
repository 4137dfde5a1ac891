SELECT name, (SELECT * FROM (SELECT max(qty) FROM orders AS o WHERE o.customer = c.id) AS m) AS most,
  ARRAY(SELECT * FROM (SELECT item FROM orders AS o WHERE o.customer = c.id) AS i ORDER BY item) AS items
FROM customers AS c;
