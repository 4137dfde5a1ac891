SELECT id, row_number() OVER w AS n, rank() OVER (ORDER BY item) AS r, dense_rank() OVER (ORDER BY item) AS d
FROM orders WINDOW w AS (PARTITION BY item ORDER BY price DESC, id);
