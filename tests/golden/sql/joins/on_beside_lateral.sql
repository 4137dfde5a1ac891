SELECT c.name, o.id, o.item
FROM customers AS c LEFT JOIN LATERAL (SELECT id, item FROM orders WHERE customer = c.id AND qty > 1) AS o
  ON EXISTS (SELECT 1 FROM prices AS p WHERE p.item = o.item AND p.list > c.id);
