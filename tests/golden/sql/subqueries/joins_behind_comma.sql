-- What FROM itself reads of the query outside, in a FULL and a RIGHT JOIN.
SELECT c.name,
  (SELECT count(*) FROM prices AS p, stock AS s FULL JOIN (SELECT item FROM orders WHERE customer = c.id) AS o ON o.item = s.item) AS n,
  (SELECT count(o.id) FROM prices AS p, returns AS r RIGHT JOIN orders AS o ON r.order_id = o.id AND o.customer = c.id WHERE p.item = o.item) AS m
FROM customers AS c;
