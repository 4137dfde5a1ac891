SELECT c.name, o.id
FROM customers AS c FULL JOIN orders AS o
  ON o.customer = c.id AND o.price < (SELECT max(list) FROM prices AS p WHERE p.item = o.item AND p.at >= c.since)
  AND o.qty NOT IN (SELECT n FROM stock AS s WHERE s.item = o.item AND c.id > 1);
