-- The dearest two of each item: a top-N per key.
SELECT item, id, price FROM (
  SELECT *, row_number() OVER (PARTITION BY item ORDER BY price DESC, id) AS place FROM orders) AS o
WHERE place <= 2;
