-- Orders that are neither returned nor dearer than a price of their time.
SELECT c.name, o.id, o.item
FROM customers AS c LEFT JOIN orders AS o
  ON o.customer = c.id AND EXISTS (SELECT 1 FROM prices AS p WHERE p.item = o.item AND p.list >= o.price AND c.city IS NOT NULL);
