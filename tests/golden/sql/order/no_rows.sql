-- The first none of them, in all the ways to say it.
SELECT 'offset' AS what, count(*) FROM (SELECT id FROM orders ORDER BY id OFFSET 1 LIMIT 0) AS a
UNION ALL SELECT 'limit', count(*) FROM (SELECT id FROM orders ORDER BY price, id LIMIT 0) AS a
UNION ALL SELECT 'no order', count(*) FROM (SELECT id FROM orders LIMIT 0) AS a
UNION ALL SELECT 'place', count(*) FROM
  (SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY customer ORDER BY id) AS place FROM orders) AS o WHERE place <= 0) AS a
UNION ALL SELECT * FROM (SELECT 'row', id FROM orders ORDER BY id LIMIT 0) AS a;
