SELECT item, sum(qty) AS sold, (SELECT count(*) FROM prices AS p WHERE p.item = o.item AND p.list > max(o.price)) AS dearer
FROM orders AS o
GROUP BY item
HAVING EXISTS (SELECT 1 FROM customers AS c WHERE c.id <= count(o.id));
