SELECT c.name, o.items FROM customers AS c,
  LATERAL (SELECT array_agg(item ORDER BY id) AS items FROM orders WHERE customer = c.id) AS o;
